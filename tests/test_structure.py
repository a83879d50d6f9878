"""The rules that matter: directions between packages, the top level, the size of files, options that are documented."""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
from pathlib import Path

import pytest

from evosearch.cli import parser
from tests.documents import PAGES

ROOT = Path(__file__).parents[1]
PACKAGES = ("primitives", "proxies", "evosearch")
FORBIDDEN = {"primitives": {"proxies", "evosearch"}, "proxies": {"primitives", "evosearch"}, "evosearch": set()}
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
DOCUMENTS = "\n".join(path.read_text(encoding="utf-8") for path in PAGES.values())  # README and guide


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_directions_and_size(path):
    package = path.relative_to(ROOT).parts[0]
    assert not imports(path) & FORBIDDEN[package]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 320, "what is its second subject?"


@pytest.mark.parametrize(
    ("module", "place"),
    [
        ("ray", "evosearch/ray_workers.py"),
        ("sqlite3", "evosearch/store.py"),
        ("sympy", "primitives/analysis/formula.py"),
    ],
)
def test_one_file_imports(module, place):
    found = [str(path.relative_to(ROOT)) for path in FILES if module in imports(path)]
    assert found == ([place] if place else [])


def test_top_level():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    fixed = {"pyproject.toml", "README.md", "LICENSE", "tests", "experiments", *PACKAGES}
    assert {name for name in top if not name.startswith(".")} == fixed


def commands() -> dict[str, argparse.ArgumentParser]:
    [action] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return action.choices


def options(command: argparse.ArgumentParser) -> set[str]:
    return {o for action in command._actions for o in action.option_strings if o.startswith("--")} - {"--help"}


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_and_option_is_documented_and_has_help(name):
    assert f"`evosearch {name}" in DOCUMENTS
    for option in options(commands()[name]):
        assert f"`{option}" in DOCUMENTS or f"{option} " in DOCUMENTS, option
    for action in commands()[name]._actions:
        assert action.help, action.dest


def test_the_documents_name_no_option_that_there_is_not():
    known = set().union(*(options(command) for command in commands().values()))
    assert set(re.findall(r"`(--[a-z-]+)", DOCUMENTS)) <= known
