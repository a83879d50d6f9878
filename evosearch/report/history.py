"""The course of a search in one pass over its store."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import proxies
from evosearch.archive import Archive, Entry
from evosearch.breed import Bred
from evosearch.config import Config
from evosearch.evaluate import Measured
from evosearch.measure import rate
from evosearch.score import Baseline
from evosearch.store import Row, Store

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
TOLD = 25_000  # candidates between two lines of progress
MOST_REASONS = 200  # different ones that are counted
LATEST = 1 << 10  # programs that stay in memory


class Known(NamedTuple):
    """A program that passed every hurdle; the score is over all seeds spent on it."""

    number: int
    score: float
    believed: float  # the score less its standard error
    seeds: int
    length: int
    states: int
    cost: float
    exponents: tuple[int, ...]  # of the best learning rate, by task

    @property
    def name(self) -> str:
        """As a report calls it."""
        return called(self.number)

    def rates(self, tasks: Sequence[str]) -> dict[str, float]:
        """The best learning rates by task."""
        return {task: rate(exponent) for task, exponent in zip(tasks, self.exponents, strict=False)}


def called(number: int) -> str:
    """How a report calls a candidate or, with a negative number, a start."""
    return f"candidate {number}" if number >= 0 else f"start {-number}"


class Moment(NamedTuple):
    """From so many candidates on, this program was believed best, with this score."""

    candidates: int
    number: int
    score: float


@dataclass(frozen=True)
class Refusal:
    """Why candidates have no score: how many, and the most frequent reason with numbers left out."""

    count: int
    reason: str


@dataclass(frozen=True)
class History:
    """What became of a search's candidates."""

    generated: int = 0
    hits: int = 0  # met before, by fingerprint
    trained: int = 0  # distinct programs
    again: int = 0  # trainings of a known program on fresh seeds
    passed: int = 0  # distinct candidates that passed every hurdle
    refused: Mapping[str, Refusal] = field(default_factory=dict)  # by status, the most frequent first
    hurdles: Mapping[str, int] = field(default_factory=dict)  # candidates that ended at each
    starts: tuple[Known, ...] = ()
    moments: tuple[Moment, ...] = ()
    front: tuple[Known, ...] = ()  # the Pareto front of score, length, states and cost, the best first

    @property
    def best(self) -> Known | None:
        """The program that is believed best."""
        return self.front[0] if self.front else None


def history(store: Store, config: Config, bar: Baseline, say: Callable[[str], None] = lambda text: None) -> History:
    """Read a store from the first row to the last; TaskError where a task of the run is not there any more."""
    course, count = _Course(store, config, bar), store.count()
    for bred, measured in store.founders():
        course.start(bred, measured)
    for i, row in enumerate(store.rows(0)):
        if i and i % TOLD == 0:
            say(f"read {i:,} of {count:,} candidates")
        course.take(row)
    return course.history()


class _Course:
    """A search as it is read, by what it would know itself of the programs that passed every hurdle."""

    def __init__(self, store: Store, config: Config, bar: Baseline) -> None:
        self.tasks = config.proxies
        bounds = {name: proxies.get(name).bounds for name in config.proxies}
        self.archive = Archive(config.scoring, bounds, bar, store, LATEST)
        self.starts: list[Entry] = []
        self.counts: Counter[str] = Counter()
        self.reasons: dict[str, Counter[str]] = {}
        self.hurdles: Counter[str] = Counter()
        self.moments: list[Moment] = []

    def start(self, bred: Bred, measured: Measured) -> None:
        """A starting program."""
        self.starts.append(self.archive.add(bred, measured))
        self._look(0)

    def take(self, row: Row) -> None:
        """The next candidate."""
        self.counts["generated"] += 1
        bred, measured = row.bred, row.measured
        if bred.status != "ok":
            self._refuse(bred.status, bred.reason)
        elif row.known:
            self.counts["hits"] += 1
            if measured is not None and (entry := self.archive.find(bred.fingerprint)) is not None:
                self.counts["again"] += measured.status == "ok"
                self.archive.more(entry, measured, bred.number)
        elif measured is not None:
            self.counts["trained"] += 1
            if measured.status != "ok":
                self._refuse(measured.status, measured.reason)
            elif measured.reason:
                self.hurdles[measured.reason] += 1
            else:
                self.counts["passed"] += 1
                self.archive.add(bred, measured)
        self._look(bred.number + 1)

    def history(self) -> History:
        """What was read so far."""
        refused = {
            status: Refusal(sum(some.values()), some.most_common(1)[0][0])
            for status, some in sorted(self.reasons.items(), key=lambda item: -sum(item[1].values()))
        }
        return History(
            **{key: self.counts[key] for key in ("generated", "hits", "trained", "again", "passed")},
            refused=refused,
            hurdles=dict(self.hurdles.most_common()),
            starts=tuple(self._known(entry) for entry in self.starts if entry.complete),
            moments=thinned(self.moments),
            front=tuple(map(self._known, self.archive.front())),
        )

    def _known(self, entry: Entry) -> Known:
        b, exponents = entry.bred, tuple(entry.exponents[task] for task in self.tasks)
        return Known(b.number, entry.score, entry.believed, entry.seeds, b.length, b.states, b.cost, exponents)

    def _refuse(self, status: str, reason: str) -> None:
        some = self.reasons.setdefault(status, Counter())
        reason = NUMBER.sub("…", reason) or status
        some[reason if reason in some or len(some) < MOST_REASONS else "other reasons"] += 1

    def _look(self, candidates: int) -> None:
        """Note who is best now, where that has changed."""
        best = self.archive.leader()
        if best is not None and (not self.moments or self.moments[-1][1:] != (best.bred.number, best.score)):
            self.moments.append(Moment(candidates, best.bred.number, best.score))


def thinned(moments: Sequence[Moment], most: int = 240) -> tuple[Moment, ...]:
    """At most about so many moments that draw the same curve: of each stretch the first, lowest, highest and last."""
    if len(moments) <= most:
        return tuple(moments)
    size = -(-4 * len(moments) // most)
    kept: list[Moment] = []
    for i in range(0, len(moments), size):
        some = moments[i : i + size]
        extremes = {some[0], min(some, key=lambda m: m.score), max(some, key=lambda m: m.score), some[-1]}
        kept += sorted(extremes)
    return tuple(kept)
