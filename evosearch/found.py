"""A program of a run as its user meets it: under a name of its own, at its best learning rate, with notes."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evosearch.config import Config
from evosearch.shell import command
from primitives.program import Program, ProgramError
from primitives.readable import readable, without_zeros
from primitives.text import parse
from proxies import TaskError, shown

if TYPE_CHECKING:
    from evosearch.archive import Archive, Entry
    from evosearch.store import Store


TOLD = "told"  # the one task of an ask/tell loop


def named(number: int) -> str:
    """What a candidate is called, or with a negative number a start."""
    return f"candidate_{number}" if number >= 0 else f"start_{-number}"


@dataclass(frozen=True)
class Found:
    """A candidate, or with a negative number a start, and what the search knows of it."""

    number: int
    text: str
    tasks: tuple[str, ...]
    score: float | None = None  # None where a hurdle ended its trainings
    seeds: int = 0
    rates: Mapping[str, float] | None = None  # the best learning rate on each task, in the order of the tasks
    reason: str = ""  # why it has no score
    warmup: float = 0.0  # of the schedule around every program
    seed: int = 0  # of the search
    began: str = ""  # the date of the search

    @property
    def name(self) -> str:
        """candidate_17, or start_1 for the first program that the search began with."""
        return named(self.number)

    def program(self, name: str = "") -> Program:
        """The program in readable form, without zeros; its default lr is the best one on the first task."""
        program = readable(without_zeros(parse(self.text)))
        lr = next(iter(self.rates.values())) if self.rates else program.defaults["lr"]
        hyper = tuple((key, _short(lr) if key == "lr" else value) for key, value in program.hyper)
        return replace(program, name=re.sub(r"\W", "_", name or self.name), doc=self._doc(), hyper=hyper)

    def notes(self) -> list[str]:
        """What an exported file says of the search, a sentence a line."""
        began = f" and began on {self.began}" if self.began else ""
        search = f"The search had seed {self.seed}{began}."
        if not self.rates or self.tasks == (TOLD,):
            return [search]
        rates = ", ".join(f"{rate:.2g} on {shown(task)}" for task, rate in self.rates.items())
        schedule = f"{self.warmup:.0%} linear warm-up, then cosine decay"
        return [
            f"Best learning rates in the search: {rates}.",
            f"Found under a schedule of {schedule}; use one alike.",
            search,
        ]

    def _doc(self) -> str:
        bred, told = self.number >= 0, self.tasks == (TOLD,)
        what = f"candidate {self.number}" if bred else f"start {-self.number}"
        if self.score is None:
            reason = f": {self.reason}" if self.reason else ""
            made = "Bred by evosearch" if bred else "Given" if told else "Tuned by evosearch"
            return f"{made} as {what}; it has no search score{reason}."
        if told:
            return f"{'Found' if bred else 'Given'} as {self.name}; its score of {self.score:.6g} was told."
        tasks = f"{len(self.tasks)} task{'s' * (len(self.tasks) != 1)}"
        score = f"search score {self.score:+.3f} over {self.seeds} seeds and {tasks} against the tuned bar"
        return f"{'Found' if bred else 'Tuned'} by evosearch as {what}; {score}."


def _short(value: float) -> float:
    """Three digits are all that a learning rate needs."""
    return float(f"{value:.3g}")


def of_entry(entry: Entry, archive: Archive, config: Config, began: str) -> Found:
    """What the archive knows of one of its entries."""
    from evosearch.measure import rate

    bred, complete = entry.bred, entry.complete
    failed = entry.status != "ok" or bred.status != "ok"
    return Found(
        bred.number,
        bred.text,
        config.proxies,
        entry.score if complete else None,
        entry.seeds,
        None if failed else {task: rate(exponent) for task, exponent in entry.exponents.items()},
        entry.reason or bred.reason,
        archive.baseline.warmup,
        config.seed,
        began,
    )


def of_number(directory: Path, number: int) -> Found:
    """A candidate of a run by its number; where a task is gone, without score and rates. ProgramError with a sentence.

    A program that was met before has the score and the rates of that one, which does the same.
    """
    from evosearch.directory import reopen
    from evosearch.mistakes import StoreError

    try:
        config, store = reopen(directory)
    except StoreError as error:
        raise ProgramError(str(error)) from error
    try:
        return _of_row(config, store, number)
    except KeyError:
        raise ProgramError(f"{directory} has no candidate {number}.") from None
    finally:
        store.close()


def _of_row(config: Config, store: Store, number: int) -> Found:
    """KeyError where there is no such candidate, or it has no text."""
    from evosearch import told
    from evosearch.contenders import archive_of
    from evosearch.run import kept_references

    row, kept, began = store.row(number), store.get("prologue"), store.get("began") or ""
    if row is None or not row.bred.text:
        raise KeyError(number)
    if store.get(told.KIND):
        return told.of_row(row, config, began)
    bar = kept_references(kept).bar
    bare = Found(number, row.bred.text, config.proxies, None, 0, None, row.bred.reason, bar.warmup, config.seed, began)
    try:
        archive = archive_of(config, store, bar, {row.bred.fingerprint})
    except TaskError as error:
        return replace(bare, reason=str(error).rstrip("."))
    entry = archive.find(row.bred.fingerprint)
    if entry is None:
        return bare
    return replace(of_entry(entry, archive, config, began), number=number, text=row.bred.text)


def lacks(directory: Path, name: str) -> str:
    """A sentence on a file that a run writes at each improvement and that is not there."""
    if (directory / "store.sqlite").is_file():
        return f"{directory} has no {name} (yet, or any more); {_writes(directory)} writes it again."
    return f"{directory} has no {name}; is it a run directory?"


def _writes(directory: Path) -> str:
    """What writes the files of a run again; one that is complete must be asked for no more candidates."""
    from evosearch import told
    from evosearch.config import ConfigError
    from evosearch.directory import reopen
    from evosearch.mistakes import StoreError

    try:
        config, store = reopen(directory, look=True)
    except (ConfigError, StoreError):
        return f"`{command('resume', directory)}`"
    loop, complete = store.get(told.KIND), 0 < config.programs <= store.count()
    store.close()
    if loop:
        return f"a score told to evosearch.AskTell(out='{directory}')"
    return f"`{command('resume', directory, *(('--programs', '+0') if complete else ()))}`"


def front(directory: Path) -> list[dict[str, str]]:
    """The rows of front.csv, the best first; ProgramError where there are none yet."""
    if not (directory / "front.csv").is_file():
        raise ProgramError(lacks(directory, "front.csv"))
    try:
        with open(directory / "front.csv", newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if not all(of_front(row, ("any",)).text for row in rows) or not rows:
            raise ValueError("no program")
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ProgramError(
            f"{directory / 'front.csv'} is damaged ({type(error).__name__}); {_writes(directory)} writes it again."
        ) from error
    return rows


def of_front(row: Mapping[str, str], tasks: tuple[str, ...]) -> Found:
    """A program by its row of front.csv: all but what the run's store knows."""
    found = Found(int(row["number"]), row["text"], tasks, float(row["score"]), int(row["seeds"]))
    return replace(found, rates={tasks[0]: float(row["lr"])})
