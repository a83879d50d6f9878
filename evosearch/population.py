"""The population of a search: who is chosen to be bred from, who enters, who goes, and what its hurdles ask for."""

from __future__ import annotations

import math
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from evosearch.archive import Entry
from evosearch.config import Evolution, Scoring
from evosearch.lexicase import by_task, lexicase, slacks

ENOUGH = 16  # scores at a stage; below, successive halving asks for nothing there


class Population:
    """Regularized evolution: tournaments choose, the oldest goes."""

    def __init__(self, evolution: Evolution, founders: Iterable[Entry]) -> None:
        self.evolution = evolution
        self.members: deque[Entry] = deque()
        self.copies: Counter[str] = Counter()
        self.latest: dict[tuple[str, str], deque[float]] = {}  # scores of candidates by stage
        self.exempt = {entry.bred.fingerprint for entry in founders}
        self.cap = max(1, round(evolution.copies * evolution.population))

    def refill(self, entries: Sequence[Entry]) -> None:
        """Start afresh with copies of some entries in equal parts."""
        self.members.clear()
        self.copies.clear()
        self.latest.clear()
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

    def note(self, entry: Entry) -> None:
        """A program that was measured for the first time, member or not."""
        for stage, score in entry.standing.scores.items():
            self.latest.setdefault(stage, deque(maxlen=max(self.evolution.population, ENOUGH))).append(score)

    def choose(self, draws: Iterable[random.Random]) -> list[Entry]:
        """For each source of randomness the winner of a tournament, by believed score less its prices.

        Or, with the probability `lexicase`, the best by this of those that stay in lexicase selection over tasks.
        """
        members = list(self.members)
        values = [self.value(entry) for entry in members]
        if self.evolution.lexicase:
            return self._choose_over_tasks(members, values, draws)
        count, bits, rounds = len(members), len(members).bit_length(), range(self.evolution.tournament)
        return [members[max([_below(count, bits, rng) for _ in rounds], key=values.__getitem__)] for rng in draws]

    def _choose_over_tasks(
        self, members: Sequence[Entry], values: Sequence[float], draws: Iterable[random.Random]
    ) -> list[Entry]:
        scores = by_task([entry.scores for entry in members])
        slack, count, chosen = slacks(scores), len(members), list[Entry]()
        for rng in draws:
            over_tasks = rng.random() < self.evolution.lexicase
            drawn = [_below(count, count.bit_length(), rng) for _ in range(self.evolution.tournament)]
            places = lexicase(scores, slack, rng) if over_tasks else drawn
            chosen.append(members[max(places, key=values.__getitem__)])
        return chosen

    def value(self, entry: Entry) -> float:
        """What tournaments compare."""
        bred, prices = entry.bred, self.evolution
        price = prices.length_price * bred.length + prices.state_price * bred.states + prices.cost_price * bred.cost
        return entry.believed - price

    def best(self, count: int) -> list[Entry]:
        """The best distinct members, of equals the older."""
        return sorted(dict.fromkeys(self.members), key=lambda entry: (-self.value(entry), entry.bred.number))[:count]

    def thresholds(self, scoring: Scoring) -> dict[tuple[str, str], float]:
        """What the hurdles ask for at each stage: a quantile of the members' scores there, less a margin.

        Or of the latest candidates that came there, so that a part of them goes on: asynchronous successive halving (Li
        et al. 2018, arXiv:1810.05934) over the stages, which differ in steps, seeds and tasks.
        """
        if scoring.halving:
            goes_on = 1 - scoring.halving
            return {stage: quantile(list(x), goes_on) for stage, x in self.latest.items() if len(x) >= ENOUGH}
        members = [entry.standing.scores for entry in self.members]
        stages = set[tuple[str, str]]().union(*members)
        by_stage = {stage: [scores[stage] for scores in members if stage in scores] for stage in stages}
        return {stage: quantile(scores, scoring.hurdle) - scoring.margin for stage, scores in by_stage.items()}

    def quantile(self, part: float) -> float:
        """A quantile of what is believed of the members."""
        return quantile([entry.believed for entry in self.members], part)

    def _push(self, entry: Entry) -> None:
        self.members.append(entry)
        self.copies[entry.bred.fingerprint] += 1


def _below(count: int, bits: int, rng: random.Random) -> int:
    """A place below `count`, a number of so many bits: `rng.randrange(count)`, at a third of its time."""
    while (place := rng.getrandbits(bits)) >= count:
        pass
    return place


def quantile(values: list[float], part: float) -> float:
    """NumPy's, between neighbours in proportion, to the last bit; its own takes longer than all else here."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * part
    below = min(int(place), len(ordered) - 1)
    low, high, share = ordered[below], ordered[min(below + 1, len(ordered) - 1)], place - below
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
