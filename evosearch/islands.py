"""Islands: populations that evolve apart, and now and then send their best to the next. One island is the default.

Block b belongs to island b modulo their number, so everything about them follows from candidate numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evosearch.archive import Entry
from evosearch.config import Evolution
from evosearch.population import Population


@dataclass(eq=False)
class Island:
    """A population, and since when nothing better came to it."""

    population: Population
    best_value: float = -math.inf
    best_at: int = 0  # the candidate that brought it
    restarts: int = 0

    def note(self, entry: Entry, number: int) -> None:
        """Candidate `number` brought this entry."""
        if entry.complete and self.population.value(entry) > self.best_value:
            self.best_value, self.best_at = self.population.value(entry), number


class Islands:
    """All islands, in a ring."""

    def __init__(self, evolution: Evolution, founders: Sequence[Entry]) -> None:
        self.evolution, self.founders = evolution, founders
        self.each = [Island(Population(evolution, founders)) for _ in range(evolution.islands)]
        for island in self.each:
            island.population.refill(founders)

    def of(self, block: int) -> Island:
        """The island of a block."""
        return self.each[block % len(self.each)]

    def home(self, entry: Entry) -> Island:
        """The island where a program was first bred; founders come from the first."""
        return self.of(max(0, entry.bred.number) // self.evolution.block)

    def restart(self, block: int, end: int, best: Entry | None) -> bool:
        """After long without a new best: a fresh population, from the start and from the best by turns.

        `end` is the number after the block's last candidate; true if it came to that.
        """
        island = self.of(block)
        if end - island.best_at < self.evolution.restart_after * len(self.each):
            return False
        island.population.refill([best] if island.restarts % 2 and best else self.founders)
        island.restarts += 1
        island.best_at = end
        return True

    def migrate(self, block: int) -> None:
        """After every so many candidates the best of each island enter the next one, all at once."""
        first, end = block * self.evolution.block, (block + 1) * self.evolution.block
        if len(self.each) == 1 or first // self.evolution.migrate_every == end // self.evolution.migrate_every:
            return
        leaving = [island.population.best(self.evolution.migrants) for island in self.each]
        for i, island in enumerate(self.each):
            for entry in leaving[i - 1]:
                if island.population.add(entry):
                    island.note(entry, end)
