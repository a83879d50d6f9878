"""Scores that somebody else measured, where a search has trainings: in the archive, in the store, in a run's files."""

from __future__ import annotations

from pathlib import Path

from evosearch.archive import Archive, Entry
from evosearch.config import Config
from evosearch.directory import front_csv
from evosearch.evaluate import Measured
from evosearch.files import write
from evosearch.found import TOLD, Found
from evosearch.measure import rate
from evosearch.mistakes import StoreError
from evosearch.score import Stage
from evosearch.shell import program as place
from evosearch.standing import NOWHERE, Standing
from evosearch.store import Row, Store
from primitives.export import source
from primitives.program import Program
from primitives.text import show

KIND = "asktell"  # the key in the store that tells its directory from a search's


def refuse(directory: Path, store: Store) -> None:
    """StoreError where a directory has no search, but what was asked and told."""
    if store.get(KIND):
        raise StoreError(
            f"{directory} is an ask/tell loop; evosearch.AskTell(out='{directory}') goes on with it, and its `run` and "
            f"`evosearch inspect {place(directory, 'best')}` show what is in it."
        )


def tasks(config: Config, store: Store) -> tuple[str, ...]:
    """What scores in a directory are over."""
    return (TOLD,) if store.get(KIND) else config.proxies


def scored(score: float, exponent: int) -> Measured:
    """A score, at the learning rate 10^(exponent/4). The store has it as one training whose loss is minus the score."""
    stage = Stage(TOLD, "full", (0,), (exponent,), ((-score,),))
    standing = Standing({(TOLD, "full"): score}, {TOLD: exponent}, 1, score, score)
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
    stages = [stage for stage in measured.stages if stage.proxy == TOLD]
    return -stages[0].losses[0][0] if stages and measured.status == "ok" else None


def of_row(row: Row, config: Config, began: str) -> Found:
    """A candidate as its row has it, told or not."""
    bred, measured = row.bred, row.measured
    reason = bred.reason or (measured.reason if measured else "")
    known = None if measured is None else score(measured)
    rates = None if known is None or measured is None else {TOLD: rate(measured.stages[0].exponents[0])}
    return Found(bred.number, bred.text, (TOLD,), known, int(known is not None), rates, reason, 0.0, config.seed, began)


def program(entry: Entry, name: str = "") -> Program:
    """A told program in readable form, its default lr the one that it was measured with."""
    bred, lr = entry.bred, rate(entry.exponents[TOLD])
    return Found(bred.number, bred.text, (TOLD,), entry.score, 1, {TOLD: lr}).program(name)


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
