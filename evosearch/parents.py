"""Of what each block of candidates is bred: winners of tournaments, mates, and proposals of constants."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evosearch.archive import Archive, Entry
from evosearch.breed import Bred, Item, by_counters
from evosearch.config import Config
from evosearch.evaluate import Measured
from evosearch.islands import Island, Islands
from evosearch.niches import Niches
from evosearch.skeletons import Skeletons
from evosearch.store import Row


@dataclass
class Block:
    """Candidates that are bred together; what is known of them so far, by place in the block."""

    first: int
    island: Island
    parents: list[Entry] = field(default_factory=list)
    mates: list[str] = field(default_factory=list)  # texts of other winners, where blocks of them may be taken
    proposed: dict[int, str] = field(default_factory=dict)  # texts of candidates whose constants were tuned
    bred: list[Bred | None] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    measured: dict[int, Measured | None] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)  # stored ones of an earlier session
    entries: dict[int, Entry] = field(default_factory=dict)  # of candidates that were committed before, held till then
    waiting: set[int] = field(default_factory=set)  # tickets of jobs under way
    leader: Entry | None = None  # the best program, where it is measured once more in the first place


class Parents:
    """Chooses for one block after the other, by what was committed and by candidate numbers alone."""

    def __init__(self, config: Config, archive: Archive, islands: Islands, founders: Sequence[Entry]) -> None:
        self.config, self.archive, self.islands = config, archive, islands
        value = islands.each[0].population.value
        self.niches = Niches(value, founders) if config.evolution.niches else None
        self.skeletons = Skeletons(value, founders) if config.evolution.constants else None

    def choose(self, block: Block, count: int) -> None:
        """Parents for a block: winners of tournaments, the best program where it is to be measured once more.

        Some are the best of a niche or of a skeleton instead, where the configuration says so.
        """
        evolution, numbers = self.config.evolution, range(block.first, block.first + count)
        block.parents = self._winners(block, "parent", numbers)
        block.mates = [""] * count
        if self.config.mutations.graft:
            block.mates = [entry.bred.text for entry in self._winners(block, "mate", numbers)]
        if self.niches is not None:
            for i, rng in self._some("niche", evolution.niches, numbers):
                block.parents[i] = self.niches.choose(rng) or block.parents[i]
        leader = self.archive.leader()
        if leader is not None and self.islands.home(leader) is block.island and self.may_buy(leader):
            block.parents[0] = block.leader = leader
        if self.skeletons is not None:
            for i, rng in self._some("constants", evolution.constants, numbers):
                if i > 0 or block.leader is None:
                    proposal = self.skeletons.propose(numbers[i], rng)
                    block.parents[i], block.proposed[i] = proposal or (block.parents[i], "")

    def _winners(self, block: Block, purpose: str, numbers: range) -> list[Entry]:
        return block.island.population.choose(by_counters(self.config.seed, purpose, numbers))

    def _some(self, purpose: str, part: float, numbers: range) -> Iterator[tuple[int, random.Random]]:
        """Places in a block, each with the probability `part`, and its source of randomness."""
        for i, rng in enumerate(by_counters(self.config.seed, purpose, numbers)):
            if rng.random() < part:
                yield i, rng

    def item(self, block: Block, i: int) -> Item:
        """What candidate i of a block is made of."""
        number, parent = block.first + i, block.parents[i]
        if text := block.proposed.get(i):
            return Item(number, text, whole=True)
        return Item(number, parent.bred.text, self._again(block, i), block.mates[i])

    def _again(self, block: Block, i: int) -> float:
        """The chance of candidate i to be its parent once more, to buy seeds before it wins more tournaments."""
        if block.parents[i] is block.leader and i == 0:
            return 1.0
        return self.config.scoring.again if self.may_buy(block.parents[i]) else 0.0

    def may_buy(self, entry: Entry) -> bool:
        """Whether a program may be measured on more seeds."""
        scoring = self.config.scoring
        return entry.complete and entry.scheduled + scoring.seeds <= scoring.max_seeds

    def told(self, number: int, entry: Entry | None) -> None:
        """What became of a candidate; None where it was refused."""
        if self.niches is not None and entry is not None:
            self.niches.note(entry)
        if self.skeletons is not None:
            self.skeletons.told(number, entry)
