"""Readers meet random and spoilt inputs: a value or a sentence comes back, soon, in little memory; nothing is run.

The short form is 2,000 inputs. The long form is one command, `pytest -m slow tests/fuzz`, or with another number and
seed `python -m tests.fuzz.test_fuzz 100000 0`. What is found is named by reader, seed and number, and comes again.
"""

from __future__ import annotations

import builtins
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

import evosearch
from evosearch.config import load
from evosearch.mistakes import MISTAKES
from primitives.text import parse
from tests.fuzz.inputs import CANARY
from tests.fuzz.readers import Reader, readers

ROOT = Path(__file__).parents[2]
SECONDS = {signal.ITIMER_PROF: 20.0, signal.ITIMER_REAL: 300.0}  # for one input: at work, and in all; most take 0.01
MEGABYTES = 500  # by which one input may raise the most that the process ever held
UNHURRIED = 200  # inputs before memory counts: modules are imported and caches filled


class Hangs(BaseException):
    """An input takes too long."""


def test_two_thousand_inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = fuzz(tmp_path, 2000, seed=0)
    assert seen.total() == 2000


@pytest.mark.parametrize("text", ["w" * 10**7, "w\n" * 5_000_000, "(" * 10**7, "9" * 10**7], ids=lambda text: text[:2])
def test_ten_megabytes_are_refused_at_once(text, tmp_path):
    path = tmp_path / "large"
    path.write_text(text)
    readings = (parse, evosearch.load, lambda _: evosearch.load(str(path)), lambda _: load(path))
    for i, read in enumerate(readings):
        with limited(f"reading {i}", strict=True, megabytes=100), pytest.raises(MISTAKES) as refused:
            read(text)
        assert len(str(refused.value)) < 1000


FOUND = (("names and times", 1, 3968), ("store", 1, 680), ("expression", 0, 76), ("expression", 0, 115))


@pytest.mark.parametrize(("name", "seed", "i"), FOUND)
def test_what_the_long_form_has_found(name, seed, i, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [reader] = [reader for reader in readers(tmp_path) if reader.name == name]
    outcome(reader, random.Random(f"{seed} {name} {i}"))


@pytest.mark.slow
def test_a_hundred_thousand_inputs():
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz.test_fuzz", "100000", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]


def fuzz(folder: Path, count: int, seed: int) -> Counter[str]:
    """Feed all readers in the folder, which is the working directory; how many inputs were refused and taken."""
    seen: Counter[str] = Counter()
    called: list[object] = []
    setattr(builtins, CANARY, lambda *_: called.append(1))
    try:
        for reader in readers(folder):
            for i in range(round(count * reader.share)):
                with limited(f"{reader.name} reader, seed {seed}, input {i}", strict=i >= UNHURRIED):
                    seen[f"{reader.name}: {outcome(reader, random.Random(f'{seed} {reader.name} {i}'))}"] += 1
                assert not called, f"{reader.name} reader, seed {seed}, input {i} was run"
                assert not (folder / CANARY).exists(), f"{reader.name} reader, seed {seed}, input {i} was run"
    finally:
        delattr(builtins, CANARY)
    return seen


def outcome(reader: Reader, rng: random.Random) -> str:
    """Whether an input was taken; whatever else than a mistake in sentences is raised goes through."""
    try:
        reader.read(rng)
    except MISTAKES as error:
        text = str(error)
        assert text.strip(), "no sentence"
        assert len(text) < 100_000, "an endless sentence"
        return "refused"
    return "taken"


@contextmanager
def limited(what: str, *, strict: bool, megabytes: float = MEGABYTES) -> Iterator[None]:
    """Name the input on whatever goes wrong, and limit its time and memory."""

    def late(number: int, frame: FrameType | None) -> NoReturn:
        raise Hangs(f"{what} takes more than {SECONDS[signal.ITIMER_PROF]:g} seconds")

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = {which: signal.signal(which, late) for which in (signal.SIGPROF, signal.SIGALRM)}
    for timer, seconds in SECONDS.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    except BaseException as error:
        error.add_note(what)
        raise
    finally:
        for timer in SECONDS:
            signal.setitimer(timer, 0)
        for which, handler in before.items():
            signal.signal(which, handler)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / 2**10
    assert not strict or grown < megabytes, f"{what} took {grown:.0f} MB"


def main(count: int, seed: int) -> None:
    """Print how many inputs each reader took and refused, and what that cost."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        seen = fuzz(Path(folder), count, seed)
        os.chdir(ROOT)
    for name, number in sorted(seen.items()):
        print(f"{number:7,} {name}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{seen.total():,} inputs in {time.monotonic() - began:.0f} s, {memory:.2f} GB at most")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
