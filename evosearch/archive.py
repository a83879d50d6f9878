"""What a search knows: every distinct program with its score so far, how they rank, and the Pareto front."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from evosearch.breed import Bred
from evosearch.config import Scoring
from evosearch.evaluate import Measured
from evosearch.numbers import Numbers
from evosearch.ranks import Ranks
from evosearch.score import Baseline, Bounds, Stage, merged
from evosearch.standing import NOWHERE, Standing, standing
from evosearch.store import Store

LATEST = 1 << 13  # entries that stay in memory anyway, up to 50 MB


@dataclass(eq=False)
class Entry:
    """A distinct program (by fingerprint), with all trainings spent on it."""

    bred: Bred  # as it was first met
    status: str = "ok"
    reason: str = ""
    full: dict[str, Stage] = field(default_factory=dict)  # by proxy, growing
    standing: Standing = NOWHERE
    scheduled: int = 0  # seeds bought, those under way included
    score: float = -math.inf
    believed: float = -math.inf

    @property
    def scores(self) -> Mapping[tuple[str, str], float]:
        """By (proxy, kind of stage)."""
        return self.standing.scores

    @property
    def exponents(self) -> Mapping[str, int]:
        """The best learning rate by proxy."""
        return self.standing.exponents

    @property
    def seeds(self) -> int:
        """Seeds spent on full trainings."""
        return self.standing.seeds

    @property
    def complete(self) -> bool:
        """Whether it passed every hurdle, so that its score is over all proxies."""
        return self.seeds > 0 and self.status == "ok" and not self.reason


class Archive:
    """All entries by fingerprint.

    With a store only the latest stay in memory, and those that somebody else holds; older ones are read from there
    again when they are asked for, and are what they were. So who changes an entry holds it until that is committed.
    """

    def __init__(
        self,
        scoring: Scoring,
        bounds: Mapping[str, Bounds],
        baseline: Baseline,
        store: Store | None = None,
        latest: int = LATEST,
    ) -> None:
        self.scoring, self.bounds, self.baseline, self.store = scoring, bounds, baseline, store
        self.entries: deque[Entry] = deque(maxlen=None if store is None else latest)  # as they came, of many the latest
        self.ranks = Ranks()  # of those that passed every hurdle
        self._alive: WeakValueDictionary[int, Entry] = WeakValueDictionary()  # by number
        self._numbers = Numbers()  # by fingerprint
        self._again: dict[int, list[int]] = {}  # by number, those of candidates that it was measured with once more
        self._leader: Entry | None = None

    def add(self, bred: Bred, measured: Measured) -> Entry:
        """Enter a program that was measured for the first time."""
        entry = self._entry(bred, measured)
        self.entries.append(entry)
        if bred.fingerprint:  # a start may have none, whose updates are not finite in all steps of the fingerprint
            self._numbers.put(_key(bred.fingerprint), bred.number)
        self._rank(entry)
        return entry

    def more(self, entry: Entry, measured: Measured, number: int) -> None:
        """Candidate `number` was this program once more, on fresh seeds: the score is over all seeds spent."""
        self._again.setdefault(entry.bred.number, []).append(number)
        self._merge(entry, measured)
        self._rank(entry)

    def find(self, fingerprint: str) -> Entry | None:
        """The entry of a fingerprint, or None."""
        number = self._numbers.get(_key(fingerprint)) if fingerprint else None
        return None if number is None else self._of(number)

    def ranking(self) -> Iterator[Entry]:
        """The entries that passed every hurdle, the most believable first; of equals, the simpler."""
        return map(self._of, self.ranks.order())

    def leader(self) -> Entry | None:
        """The first of them."""
        number = self.ranks.leader()
        if number is not None and (self._leader is None or self._leader.bred.number != number):
            self._leader = self._of(number)
        return self._leader

    def front(self) -> list[Entry]:
        """The Pareto front: no other complete entry is as good in score, length, states and cost, and better in one."""
        return list(map(self._of, self.ranks.front()))

    def _of(self, number: int) -> Entry:
        entry = self._alive.get(number)
        return self._recalled(number) if entry is None else entry

    def _recalled(self, number: int) -> Entry:
        """An entry as it was before it was let go."""
        first, *again = [self._row(n) for n in (number, *self._again.get(number, ()))]
        entry = self._entry(*first)
        for _, measured in again:
            entry.scheduled += self.scoring.seeds
            self._merge(entry, measured)
        return entry

    def _row(self, number: int) -> tuple[Bred, Measured]:
        row = None if self.store is None else self.store.row(number)
        assert row is not None
        assert row.measured is not None
        return row.bred, row.measured

    def _entry(self, bred: Bred, measured: Measured) -> Entry:
        entry = self._alive[bred.number] = Entry(bred, measured.status, measured.reason)
        entry.scheduled = self.scoring.seeds
        entry.full = {stage.proxy: stage for stage in measured.stages if stage.kind == "full"}
        self._place(entry, measured.standing or standing(measured.stages, self.baseline, self.bounds))
        return entry

    def _merge(self, entry: Entry, measured: Measured) -> None:
        if measured.status == "ok":
            for stage in measured.stages:
                entry.full[stage.proxy] = merged([entry.full[stage.proxy], stage])
            self._place(entry, standing(list(entry.full.values()), self.baseline, self.bounds, entry.standing))

    def _place(self, entry: Entry, place: Standing) -> None:
        entry.standing = place
        if entry.status == "ok":
            entry.score, entry.believed = place.score, place.believed

    def _rank(self, entry: Entry) -> None:
        if entry.complete:
            b = entry.bred
            self.ranks.set(b.number, entry.believed, b.length, b.states, b.cost)


def _key(fingerprint: str) -> int:
    """A fingerprint is 64 bits in hexadecimal."""
    return int(fingerprint, 16) or 1
