"""Scores that somebody else measured, where a search has trainings: in the archive, in the store, in a run's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from evosearch.archive import Archive, Entry
from evosearch.config import Config
from evosearch.directory import front_csv
from evosearch.evaluate import Measured
from evosearch.files import write
from evosearch.found import Found
from evosearch.measure import rate
from evosearch.mistakes import StoreError
from evosearch.score import Stage
from evosearch.standing import NOWHERE, Standing
from primitives.export import source
from primitives.program import Program
from primitives.text import show

TASK = "told"  # the one task of such a loop
KIND = "asktell"  # the key in the store that tells its directory from a search's


def scored(score: float, exponent: int) -> Measured:
    """A score, at the learning rate 10^(exponent/4). The store has it as one training whose loss is minus the score."""
    stage = Stage(TASK, "full", (0,), (exponent,), ((-score,),))
    standing = Standing({(TASK, "full"): score}, {TASK: exponent}, 1, score, score)
    return Measured((stage,), standing=standing)


def failed(reason: str) -> Measured:
    """A candidate without a score."""
    return Measured((), "failed", reason, NOWHERE)


def read(measured: Measured) -> Measured:
    """The same from what the store keeps."""
    if measured.status != "ok":
        return failed(measured.reason)
    [stage] = measured.stages
    return scored(-stage.losses[0][0], stage.exponents[0])


def score(measured: Measured) -> float | None:
    """The score that was told; None of a failure, and of what a search measured."""
    stages = [stage for stage in measured.stages if stage.proxy == TASK]
    return -stages[0].losses[0][0] if stages and measured.status == "ok" else None


def program(entry: Entry, name: str = "") -> Program:
    """A told program in readable form, its default lr the one that it was measured with."""
    bred, lr = entry.bred, rate(entry.exponents[TASK])
    row = Found(bred.number, bred.text, (TASK,), entry.score, 1, {TASK: lr})
    doc = f"{'Found' if bred.number >= 0 else 'Given'} as {row.name}; its score of {entry.score:.6g} was told."
    return dataclasses.replace(row.program(name), doc=doc)


def write_best(directory: Path, archive: Archive, config: Config) -> None:
    """Rewrite best.opt, best.py and front.csv; StoreError where the disk refuses."""
    front = archive.front()
    if not front:
        return
    best = program(front[0], "best")
    try:
        write(directory / "best.opt", show(best))
        write(directory / "best.py", source(best, notes=[f"The search had seed {config.seed}."]))
        write(directory / "front.csv", front_csv(front))
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror}; what was told is safe.") from error
