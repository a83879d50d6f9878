"""A quality-diversity archive: the best program of each niche, which is what programs do and not how good they are.

Mouret and Clune 2015, arXiv:1504.04909 (MAP-Elites). Programs that passed every hurdle are entered, wherever they were
bred.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable

from evosearch.archive import Entry
from evosearch.behaviour import LIKE, nearest
from evosearch.breed import Bred
from evosearch.evaluate import SCALES
from primitives.text import parse

Niche = tuple[str, bool, bool, float, int]

LASTING = 0.8  # decay of a mean of gradients from which on a program has a memory


def niche(bred: Bred) -> Niche:
    """The family that a program is nearest to, whether it is of it, whether it remembers; degree in g, states."""
    [(family, beta, cosine)] = nearest([parse(bred.text)])
    return family, cosine >= LIKE, beta >= LASTING, degree(bred), bred.states


def degree(bred: Bred) -> float:
    """With which power of the size of gradients a program's updates grow, in halves from -1 to 2."""
    powers = [
        math.log(r) / math.log(s) if 0 < r < math.inf else 0.0 for r, s in zip(bred.responses, SCALES, strict=True)
    ]
    return min(2.0, max(-1.0, round(sum(powers)) / 2))


class Niches:
    """The best program of each niche, by what tournaments compare."""

    def __init__(self, value: Callable[[Entry], float], founders: Iterable[Entry]) -> None:
        self.value = value
        self.best: dict[Niche, Entry] = {}
        self.known: dict[str, Niche] = {}  # by fingerprint
        for entry in founders:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """A program that was measured."""
        if entry.complete:
            mark = entry.bred.fingerprint
            key = self.known[mark] = self.known.get(mark) or niche(entry.bred)
            if key not in self.best or self.value(entry) > self.value(self.best[key]):
                self.best[key] = entry

    def choose(self, rng: random.Random) -> Entry | None:
        """The best program of any niche, each with the same chance; None as long as there is none."""
        return rng.choice(list(self.best.values())) if self.best else None
