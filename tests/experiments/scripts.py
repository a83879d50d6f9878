"""The training scripts of experiments/training, run in fresh processes or imported as they import each other."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import evosearch
from primitives.export import source

FOLDER = Path(__file__).parents[2] / "experiments" / "training"


def exported(program: str, path: Path, class_name: str | None = None) -> Path:
    """The stand-alone file of a program, written there."""
    path.write_text(source(evosearch.load(program), class_name), encoding="utf-8")
    return path


def fresh(script: str, *words: object, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, with what it wrote; it must end well."""
    command = [sys.executable, "-W", warnings, str(FOLDER / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def rows(log: Path) -> list[dict[str, float]]:
    """The lines of a log."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


@contextmanager
def modules(*names: str) -> Iterator[list[Any]]:
    """The scripts as modules, under the names by which they import each other, forgotten afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(FOLDER))
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(FOLDER))
        for name in {path.stem for path in FOLDER.glob("*.py")} - before:
            sys.modules.pop(name, None)
