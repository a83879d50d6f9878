"""The search: blocks of candidates are bred, measured and committed in a fixed order, whatever the workers do.

Block b is bred from what was committed up to block b - lag, so the workers always have something to do and a
run is the same on one worker or eight. A resumed run goes through the same loop, with stored rows for results.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import proxies
from evosearch.archive import LATEST, Archive, Entry
from evosearch.breed import Bred, centre
from evosearch.config import Config
from evosearch.evaluate import Candidate, Hurdles, Measured
from evosearch.islands import Islands
from evosearch.parents import Block, Parents
from evosearch.score import Baseline
from evosearch.store import Row, Store
from evosearch.workers import Done, Failure, Job, Workers

BREED_JOB = 64  # candidates bred by one job: some 80 ms, so that Ray's milliseconds do not count
COLLECT = 100_000  # new objects until Python looks for cycles among them


@dataclass
class Tally:
    """Counts of a search, for whoever watches."""

    generated: int = 0
    trained: int = 0  # distinct programs
    hits: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by status
    restarts: int = 0


class Search:
    """A search under way: its archive, its population and its blocks."""

    def __init__(
        self,
        config: Config,
        store: Store,
        workers: Workers,
        baseline: Baseline,
        founders: Sequence[tuple[Bred, Measured]],
    ) -> None:
        self.config, self.store, self.workers = config, store, workers
        bounds = {name: proxies.get(name).bounds for name in config.proxies}
        latest = max(LATEST, config.evolution.block)  # what a block brings stays at least until it is committed
        self.archive = Archive(config.scoring, bounds, baseline, store, latest)
        self.founders = [self.archive.add(bred, measured) for bred, measured in founders]
        self.islands = Islands(config.evolution, self.founders)
        self.parents = Parents(config, self.archive, self.islands, self.founders)
        self.tally = Tally()
        self.blocks: dict[int, Block] = {}
        self.jobs: dict[int, tuple[Block, list[int], str]] = {}
        self.tickets = 0
        self.stored = store.count()
        self.under_way: set[str] = set()  # fingerprints of new programs that are not committed yet
        self.driver_seconds = self.idle_seconds = 0.0  # at work, and waiting for workers

    def run(self, programs: int, stop: Callable[[], bool], watch: Callable[[Search], None]) -> None:
        """Go on until `programs` candidates are committed (0: no end) or `stop()`; `watch(self)` after each block."""
        with _fewer_collections():
            self._run(programs, stop, watch)

    def _run(self, programs: int, stop: Callable[[], bool], watch: Callable[[Search], None]) -> None:
        b, size, lag = 0, self.config.evolution.block, self.config.evolution.lag
        ahead = max(2, lag // 3)  # blocks that are being bred; the others of the lag are being measured
        last: int | None = None  # the number of blocks, once known
        while last is None or b - lag < last:
            began, idle = time.perf_counter(), self.idle_seconds
            if b - lag >= 0:
                self._commit(b - lag)
            if b - ahead >= 0 and (last is None or b - ahead < last):
                self._send(b - ahead)
            if last is None:
                if (programs and b * size >= programs) or (stop() and b * size >= self.stored):
                    last = b
                else:
                    self._breed(b, min(size, programs - b * size) if programs else size)
            b += 1
            self.driver_seconds += time.perf_counter() - began - (self.idle_seconds - idle)
            watch(self)

    def _breed(self, b: int, count: int) -> None:
        """Choose parents for block b and send them to be bred; stored rows are taken as they are."""
        first = b * self.config.evolution.block
        block = self.blocks[b] = Block(first, self.islands.of(b))
        if first < self.stored:
            rows = self.store.rows(first, first + count)
            block.rows = {row.bred.number - first: row for row in rows}
        self.parents.choose(block, count)
        block.bred = [block.rows[i].bred if i in block.rows else None for i in range(count)]
        todo = [i for i in range(count) if i not in block.rows]
        for k in range(0, len(todo), BREED_JOB):
            some = todo[k : k + BREED_JOB]
            items = tuple(self.parents.item(block, i) for i in some)
            self._submit("evosearch.breed:breed", block, some, items, None, priority=-1)

    def _send(self, b: int) -> None:
        """Look up what block b bred, in order, and send what is new, or is worth fresh seeds, to be measured."""
        block, scoring = self.blocks[b], self.config.scoring
        self._wait(block)
        group = b % (scoring.seed_pool // scoring.seeds)
        population = block.island.population
        worth = population.quantile(scoring.worth)
        batches: dict[tuple[bool, tuple[int, ...]], list[tuple[int, Candidate]]] = {}
        for i in range(len(block.bred)):
            candidate = self._look_up(block, i, group, worth)
            if candidate is not None:
                batches.setdefault((candidate.grids is None, candidate.seeds), []).append((i, candidate))
        hurdles = Hurdles(self.archive.baseline, population.thresholds(scoring))
        for batch in batches.values():
            for k in range(0, len(batch), scoring.batch):
                some = batch[k : k + scoring.batch]
                items = tuple(item for _, item in some)
                self._submit("evosearch.evaluate:evaluate", block, [i for i, _ in some], items, hurdles, priority=b)

    def _look_up(self, block: Block, i: int, group: int, worth: float) -> Candidate | None:
        """What is to be measured for candidate i of a block: a new program, a known one on more seeds, or nothing."""
        bred = block.bred[i]
        assert bred is not None
        entry = self.archive.find(bred.fingerprint) if bred.status == "ok" else None
        known = bred.status == "ok" and (entry is not None or bred.fingerprint in self.under_way)
        block.known.append(known)
        if bred.status != "ok":
            return None
        if entry is not None:
            block.entries[i] = entry
        if not known:
            self.under_way.add(bred.fingerprint)
        if i in block.rows:
            block.measured[i] = block.rows[i].measured
            if entry is not None and block.measured[i] is not None:
                entry.scheduled += self.config.scoring.seeds
            return None
        if not known:
            return self._new(bred, block.parents[i], group)
        if entry is None or not self.parents.may_buy(entry) or entry.believed < worth:
            return None
        return self._more(entry)

    def _new(self, bred: Bred, parent: Entry, group: int) -> Candidate:
        """A new program, to be looked for around its parent's learning rates, shifted as its updates are larger."""
        centres = {}
        for proxy in self.config.proxies:
            relative = next(entry for entry in (parent, *self.founders) if proxy in entry.exponents)
            centres[proxy] = centre(relative.exponents[proxy], relative.bred, bred)
        return Candidate(bred.text, self._seeds(group), centres, bred.responses)

    def _more(self, entry: Entry) -> Candidate:
        """A known program on the next seeds of the pool after those that it has bought."""
        n = self.config.scoring.seeds
        first = next(iter(entry.full.values())).seeds[0] // n
        group = (first + entry.scheduled // n) % (self.config.scoring.seed_pool // n)
        entry.scheduled += n
        grids = {proxy: stage.exponents for proxy, stage in entry.full.items()}
        return Candidate(entry.bred.text, self._seeds(group), grids=grids)

    def _seeds(self, group: int) -> tuple[int, ...]:
        n = self.config.scoring.seeds
        return tuple(range(group * n, group * n + n))

    def _commit(self, b: int) -> None:
        """Enter block b into archive, population and store, in order of number."""
        block = self.blocks.pop(b)
        self._wait(block)
        rows = []
        for i, bred in enumerate(block.bred):
            assert bred is not None
            measured = block.measured.get(i)
            entry = self._enter(block, i, bred, measured)
            self.parents.told(bred.number, entry)
            if i not in block.rows:
                rows.append(Row(bred, block.parents[i].bred.number, block.known[i], measured))
        if rows:
            self.store.add(rows)
        self.tally.restarts += self.islands.restart(b, block.first + len(block.bred), self.archive.leader())
        self.islands.migrate(b)

    def _enter(self, block: Block, i: int, bred: Bred, measured: Measured | None) -> Entry | None:
        """The entry of candidate i of a block; None where it was refused."""
        tally, island = self.tally, block.island
        tally.generated += 1
        if bred.status != "ok":
            tally.refused[bred.status] = tally.refused.get(bred.status, 0) + 1
            return None
        if block.known[i]:
            tally.hits += 1
            entry = block.entries.get(i) or self.archive.find(bred.fingerprint)
            assert entry is not None
            if measured is not None:
                self.archive.more(entry, measured, bred.number)
        else:
            assert measured is not None
            tally.trained += 1
            self.under_way.discard(bred.fingerprint)
            entry = self.archive.add(bred, measured)
            island.population.note(entry)
            if measured.status != "ok":
                tally.refused[measured.status] = tally.refused.get(measured.status, 0) + 1
        island.population.add(entry)
        island.note(entry, bred.number)
        return entry

    def _submit(
        self, handler: str, block: Block, places: list[int], items: tuple[Any, ...], shared: Any, priority: int
    ) -> None:
        self.tickets += 1
        block.waiting.add(self.tickets)
        self.jobs[self.tickets] = (block, places, handler)
        self.workers.submit(Job(self.tickets, handler, items, shared, priority, self.config.scoring.deadline))

    def _wait(self, block: Block) -> None:
        """Take in results until nothing of the block is under way."""
        while block.waiting:
            began = time.perf_counter()
            done = self.workers.next()
            self.idle_seconds += time.perf_counter() - began
            if done is not None:
                self._take(done)

    def _take(self, done: Done) -> None:
        block, places, handler = self.jobs.pop(done.ticket)
        block.waiting.discard(done.ticket)
        bred = handler.endswith(":breed")
        for i, result in zip(places, done.results, strict=True):
            failed = isinstance(result, Failure)
            if bred:
                failure = Bred(block.first + i, status=result.status, reason=result.reason) if failed else None
                block.bred[i] = failure or result
            else:
                block.measured[i] = Measured((), result.status, result.reason) if failed else result


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Python looks for cycles of objects whenever it has some hundred new ones; a search makes many, and no cycles.

    To look took a seventh of the driver's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(COLLECT, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Callable(ModuleType):
    """Importing this module puts it in the place of the function `evosearch.search`, so it does what that does."""

    def __call__(self, *args: Any, **settings: Any) -> Any:
        from evosearch import api

        return api.search(*args, **settings)


sys.modules[__name__].__class__ = _Callable
