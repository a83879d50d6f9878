"""Everything that a report tells of a run, gathered from its directory; nothing is written, no task is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evosearch import ledger, lineage, shell, told, validation
from evosearch.config import Config
from evosearch.directory import reopen
from evosearch.files import CONTROL
from evosearch.final import Line
from evosearch.found import Found
from evosearch.ledger import Look
from evosearch.lineage import Step
from evosearch.report.curves import Subject
from evosearch.report.history import History, Known, history
from evosearch.run import References, kept_references
from evosearch.store import Store
from evosearch.validation import Validation
from primitives.program import Program
from primitives.readable import readable
from primitives.reference import reference
from primitives.text import parse, show

MOST_SHOWN = 30  # programs of the front
TUNED = ("adamw", "nadamw", "lion")


@dataclass(frozen=True)
class Member:
    """A program of the front: what the search knows of it, its text as it was trained, and in readable form."""

    known: Known
    text: str
    program: Program


@dataclass(frozen=True)
class Facts:
    """What is known of a run; without `references` it was ended before the bar was measured."""

    path: Path
    config: Config
    began: str
    machine: Mapping[str, str]
    digests: Mapping[str, str]  # of the files that tasks are made from
    seconds: float | None  # that the search took in all; None where it was not noted
    references: References | None
    history: History
    front: tuple[Member, ...]  # the best first
    lines: tuple[Line, ...]  # the last table, the bar first; none where the search came to no end
    random: History | None  # random search of the same size
    descent: tuple[Step, ...] = ()  # of the best program, from the start
    validation: Validation | None = None
    start: Program | None = None  # where the descent begins
    looks: tuple[Look, ...] = ()

    @property
    def best(self) -> Member | None:
        """The program that the search believes best: that of best.opt."""
        return self.front[0] if self.front else None

    @property
    def found(self) -> tuple[Line, ...]:
        """The lines of the last table that are candidates."""
        return tuple(line for line in self.lines if line.search_score is not None)

    @property
    def bar(self) -> str:
        """The name of the bar."""
        return "AdamW or NAdamW" if self.references is None else next(iter(self.references.tuned))

    def command(self, name: str, *rest: str) -> str:
        """A command on this run, as a shell takes it."""
        return shell.command(name, self.path, *rest)

    def program(self, which: str | int) -> str:
        """How the command line calls a program of this run."""
        return shell.program(self.path, which)


def gather(path: Path, say: Callable[[str], None]) -> Facts:
    """Read a run directory; StoreError where it is none, TaskError where a task of the run is not there any more."""
    config, store = reopen(path)
    try:
        told.refuse(path, store)
        say(f"reading {path}")
        kept = store.get("prologue")
        references = None if kept is None else kept_references(kept)
        course = History() if references is None else history(store, config, references.bar, say)
        front = tuple(_members(store, config, course, references))
        lines = tuple(Line(**line) for line in store.get("final") or ())
        descent = tuple(lineage.of(f"{path}:{front[0].known.number}")) if front else ()
        first = store.row(descent[0].number) if descent else None
        about = store.get("began") or "", store.get("machine") or {}, store.get("tasks") or {}, store.get("seconds")
    finally:
        store.close()
    return Facts(
        path, config, *about, references, course, front, lines,
        random=None if references is None else _random(path, references, say),
        descent=descent,
        validation=validation.load(path),
        start=None if first is None else replace(readable(parse(first.bred.text)), name="start"),
        looks=tuple(ledger.looks(path / ledger.NAME)),
    )  # fmt: skip


def _members(store: Store, config: Config, course: History, references: References | None) -> list[Member]:
    """The best of the front."""
    members = []
    warmup = 0.0 if references is None else references.bar.warmup
    for known in course.front[:MOST_SHOWN]:
        row = store.row(known.number)
        if row is not None:
            rates = known.rates(config.proxies)
            found = Found(known.number, row.bred.text, config.proxies, known.score, known.seeds, rates, warmup=warmup)
            members.append(Member(known, row.bred.text, found.program()))
    return members


def _random(path: Path, references: References, say: Callable[[str], None]) -> History | None:
    """Random search of the same size, where a validation has made it."""
    place = path / CONTROL
    if not (place / "store.sqlite").is_file():
        return None
    say("reading the random search")
    config, store = reopen(place)
    try:
        return history(store, config, references.bar, say)
    finally:
        store.close()


def subjects(facts: Facts, relatives: Sequence[str]) -> list[Subject]:
    """What is trained for a report: the best, the tuned baselines, the nearest relative at its defaults; none twice."""
    best, references = facts.best, facts.references
    if best is None or references is None:
        return []
    warmup, tasks = references.bar.warmup, facts.config.proxies
    found = [Subject(best.known.name, best.text, warmup, best.known.exponents)]
    for name, tuned in references.tuned.items():
        bar = name == facts.bar
        exponents = tuple(tuned.exponents[task] for task in tasks)
        title = f"{name}, tuned" + ", the bar" * bar
        found.append(Subject(title, tuned.text, tuned.warmup, exponents, bar))
    other = next((name for name in relatives if name not in TUNED), None)
    if other is not None:
        found.append(Subject(f"{other}, nearest relative", show(reference(other)), warmup))
    return list({subject.text: subject for subject in reversed(found)}.values())[::-1]
