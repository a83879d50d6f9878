"""What a search knows: every distinct program with its score so far, the population, and the Pareto front."""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from evosearch.breed import Bred
from evosearch.config import Evolution, Scoring
from evosearch.evaluate import Measured
from evosearch.score import GAIN_CAP, Baseline, Bounds, Stage, best_exponent, capped, merged, per_seed

GATE_SPREAD = 0.15  # standard deviation of a score between seeds, where there is one seed
LEAST_SPREAD = 0.05  # standard deviation of a score between seeds, where four of them happen to agree


@dataclass(eq=False)
class Entry:
    """A distinct program (by fingerprint), with all trainings spent on it."""

    bred: Bred  # as it was first met
    status: str = "ok"
    reason: str = ""
    full: dict[str, Stage] = field(default_factory=dict)  # by proxy, growing
    scores: dict[tuple[str, str], float] = field(default_factory=dict)  # by (proxy, kind)
    exponents: dict[str, int] = field(default_factory=dict)  # best learning rate by proxy
    seeds: int = 0  # full trainings: seeds spent
    scheduled: int = 0  # seeds bought, those under way included
    score: float = -math.inf
    believed: float = -math.inf  # the score less its standard error, so that few lucky seeds do not make a best program

    @property
    def complete(self) -> bool:
        """Whether it passed every hurdle, so that its score is over all proxies."""
        return self.seeds > 0 and self.status == "ok" and not self.reason


class Archive:
    """All entries by fingerprint."""

    def __init__(self, scoring: Scoring, bounds: Mapping[str, Bounds], baseline: Baseline) -> None:
        self.scoring, self.bounds, self.baseline = scoring, bounds, baseline
        self.entries: dict[str, Entry] = {}
        self.complete: list[Entry] = []  # those that passed every hurdle, as they came

    def add(self, bred: Bred, measured: Measured) -> Entry:
        """Enter a program that was measured for the first time."""
        entry = self.entries[bred.fingerprint] = Entry(bred, measured.status, measured.reason)
        entry.scheduled = self.scoring.seeds
        self._grow(entry, measured.stages)
        if entry.complete:
            self.complete.append(entry)
        return entry

    def more(self, entry: Entry, measured: Measured) -> None:
        """Add trainings on fresh seeds: the score is over all seeds spent."""
        self._grow(entry, measured.stages)

    def _grow(self, entry: Entry, stages: Iterable[Stage]) -> None:
        for stage in stages:
            if stage.kind == "full" and stage.proxy in entry.full:
                stage = merged([entry.full[stage.proxy], stage])
            if stage.kind == "full":
                entry.full[stage.proxy] = stage
            if stage.kind != "scale":
                entry.scores[stage.proxy, stage.kind] = float(self.by_seed(stage).mean())
                entry.exponents[stage.proxy] = best_exponent(stage, self.bounds[stage.proxy])
        entry.seeds = min((len(stage.seeds) for stage in entry.full.values()), default=0)
        entry.score = self._score(entry)
        spread = GATE_SPREAD
        if entry.full:
            values = np.mean([capped(self.by_seed(stage))[: entry.seeds] for stage in entry.full.values()], axis=0)
            spread = max(float(np.std(values, ddof=1)) if len(values) > 1 else GATE_SPREAD, LEAST_SPREAD)
        entry.believed = entry.score - spread / math.sqrt(max(1, entry.seeds))

    def _score(self, entry: Entry) -> float:
        """Mean over proxies, each capped; where a hurdle ended it, the last stage stands for what was not done."""
        if entry.status != "ok" or not entry.scores:
            return -math.inf
        found = {proxy: entry.scores.get((proxy, "full"), entry.scores[proxy, kind]) for proxy, kind in entry.scores}
        by_proxy = {proxy: min(score, GAIN_CAP) for proxy, score in found.items()}
        missing = len(self.bounds) - len(by_proxy)
        last = list(by_proxy.values())[-1]
        return (sum(by_proxy.values()) + missing * min(last, 0.0)) / len(self.bounds)

    def by_seed(self, stage: Stage) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The score of a stage on each of its seeds."""
        return per_seed(stage, self.baseline.logs[stage.proxy][stage.kind], self.bounds[stage.proxy])

    def ranking(self) -> list[Entry]:
        """The entries that passed every hurdle, the most believable first; of equals, the simpler."""
        return sorted(self.complete, key=_rank)

    def leader(self) -> Entry | None:
        """The first of them."""
        return min(self.complete, key=_rank, default=None)

    def front(self) -> list[Entry]:
        """The Pareto front: no other complete entry is as good in score, length, states and cost, and better in one."""
        front: list[Entry] = []
        for entry in self.ranking():
            b = entry.bred
            rivals = (r.bred for r in front)
            if not any(r.length <= b.length and r.states <= b.states and r.cost <= b.cost for r in rivals):
                front.append(entry)
        return front


def _rank(entry: Entry) -> tuple[float, int, int, float, int]:
    bred = entry.bred
    return -entry.believed, bred.length, bred.states, bred.cost, bred.number


class Population:
    """Regularized evolution: tournaments choose, the oldest goes."""

    def __init__(self, evolution: Evolution, founders: Iterable[Entry]) -> None:
        self.evolution = evolution
        self.members: deque[Entry] = deque()
        self.copies: Counter[str] = Counter()
        self.exempt = {entry.bred.fingerprint for entry in founders}
        self.cap = max(1, round(evolution.copies * evolution.population))

    def refill(self, entries: list[Entry]) -> None:
        """Start afresh with copies of some entries in equal parts."""
        self.members.clear()
        self.copies.clear()
        for i in range(self.evolution.population):
            self._push(entries[i % len(entries)])

    def add(self, entry: Entry) -> bool:
        """A child enters and the oldest goes; not where its fingerprint has its share of copies already."""
        key = entry.bred.fingerprint
        if not math.isfinite(entry.score) or (self.copies[key] >= self.cap and key not in self.exempt):
            return False
        self._push(entry)
        if len(self.members) > self.evolution.population:
            self.copies[self.members.popleft().bred.fingerprint] -= 1
        return True

    def choose(self, rng: random.Random) -> Entry:
        """The winner of a tournament, by believed score less the prices of length, states and cost."""
        members = [self.members[rng.randrange(len(self.members))] for _ in range(self.evolution.tournament)]
        return max(members, key=self.value)

    def value(self, entry: Entry) -> float:
        """What tournaments compare."""
        bred, prices = entry.bred, self.evolution
        price = prices.length_price * bred.length + prices.state_price * bred.states + prices.cost_price * bred.cost
        return entry.believed - price

    def thresholds(self, scoring: Scoring) -> dict[tuple[str, str], float]:
        """What the hurdles ask for: a quantile of the members' scores at each stage, less a margin."""
        by_stage: dict[tuple[str, str], list[float]] = {}
        for entry in self.members:
            for stage, score in entry.scores.items():
                by_stage.setdefault(stage, []).append(score)
        return {
            stage: float(np.quantile(scores, scoring.hurdle)) - scoring.margin for stage, scores in by_stage.items()
        }

    def quantile(self, part: float) -> float:
        """A quantile of what is believed of the members."""
        return float(np.quantile([entry.believed for entry in self.members], part))

    def _push(self, entry: Entry) -> None:
        self.members.append(entry)
        self.copies[entry.bred.fingerprint] += 1
