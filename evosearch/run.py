"""A whole run: workers, tuned baselines, founders, the search, the last table; and the same again to resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import proxies
from evosearch import directory, told
from evosearch.archive import Entry
from evosearch.baseline import bar, baseline, baselines
from evosearch.breed import Bred
from evosearch.config import Config, ConfigError
from evosearch.evaluate import Candidate, Hurdles, Measured
from evosearch.files import this_process
from evosearch.final import Contestant, Line, compete, to_json
from evosearch.machine import differences, this_machine
from evosearch.resolve import resolve
from evosearch.score import Baseline
from evosearch.search import Search
from evosearch.store import Row, Store
from evosearch.tuning import Item, Plan, Tuned, tune
from evosearch.warm import compile_machines
from evosearch.workers import Failure, Job, WorkerError, Workers
from primitives import own

FULL = 30  # evolution.lag x block, over workers x batch, with which workers never wait (benchmarks/scaling.py)
FINAL_SHARE = 0.08  # of a time budget, kept for the last table
SEARCHING, MEASURING, DONE = "searching", "measuring", "finished"  # what a driver notes for those who look on


@dataclass(frozen=True)
class Result:
    """What a run ends with."""

    directory: Path
    lines: list[Line]  # the tuned baselines, the bar first, then the best programs
    search: Search


class Prologue:
    """Jobs before and after the search proper, spread over the workers."""

    def __init__(self, workers: Workers, deadline: float) -> None:
        self.workers, self.deadline, self.tickets = workers, deadline, 0

    def call(self, handler: str, batches: Sequence[tuple[Any, ...]], shared: Any) -> list[Any]:
        """The handler's results over all batches, in order; WorkerError where one fails."""
        order: dict[int, int] = {}
        for batch in batches:
            self.tickets -= 1  # the search counts upwards
            order[self.tickets] = len(order)
            self.workers.submit(Job(self.tickets, handler, batch, shared, 0, self.deadline))
        results: list[list[Any]] = [[] for _ in batches]
        for _ in batches:
            done = self.workers.next()
            assert done is not None
            results[order[done.ticket]] = done.results
        flat = [result for batch in results for result in batch]
        for result in flat:
            if isinstance(result, Failure):
                raise WorkerError(f"a worker failed: {result.reason}")
        return flat

    def train(self, plan: Plan, items: Sequence[Item]) -> list[Any]:
        """Losses of (text, exponents), half a dozen programs a job, or so many that every worker has some."""
        size = max(1, min(6, math.ceil(len(items) / max(1, self.workers.size))))
        batches = [tuple(items[i : i + size]) for i in range(0, len(items), size)]
        return self.call("evosearch.tuning:trainings", batches, plan)


@dataclass(frozen=True)
class References:
    """The bar as it was measured, and the tuned baselines by name, the bar first."""

    bar: Baseline
    tuned: dict[str, Tuned]


def prepare(config: Config, store: Store, prologue: Prologue, say: Callable[[str], None]) -> References:
    """The tuned baselines, and the bar measured: from the run's store, or made and kept there. Founders too."""
    kept = store.get("prologue")
    if kept is None:
        compile_machines(config.proxies, say, config.device)
        tuned = baselines(config.proxies, config.scoring.tune, prologue.train, say)
        first = bar(tuned)
        say(f"measuring the bar, {first}, on the training seeds")
        measured = baseline(tuned[first], config, prologue.train)
        founders = _found(config, prologue, measured, tuned, say)
        names = [first, *(name for name in tuned if name != first)]
        kept = {
            "baseline": [measured.text, measured.warmup, dict(measured.exponents), _plain(measured.logs)],
            "tuned": {name: [tuned[name].text, tuned[name].warmup, dict(tuned[name].exponents)] for name in names},
        }
        store.add(founders, prologue=kept)  # together: a run that was killed in between could not be resumed
    return kept_references(kept)


def kept_references(kept: Any) -> References:
    """From what a run's store keeps as "prologue"."""
    text, warmup, exponents, logs = kept["baseline"]
    by_seed = {
        proxy: {kind: {int(seed): value for seed, value in seeds.items()} for kind, seeds in kinds.items()}
        for proxy, kinds in logs.items()
    }
    return References(Baseline(text, warmup, exponents, by_seed), {n: Tuned(*t) for n, t in kept["tuned"].items()})


def _plain(logs: Any) -> Any:
    return {proxy: {kind: dict(seeds) for kind, seeds in kinds.items()} for proxy, kinds in logs.items()}


def _found(
    config: Config, prologue: Prologue, bar: Baseline, tuned: dict[str, Tuned], say: Callable[[str], None]
) -> list[Row]:
    """Tune and measure the starting programs; their rows have negative numbers."""
    items, centres = [], []
    for i, name in enumerate(config.evolution.start):
        start = tuned.get(name)
        if start is None:
            say(f"tuning {name}")
            start = tune(resolve(name), config.proxies, prologue.train, config.scoring.tune, bar.warmup)
        items.append((-1 - i, start.text))
        centres.append(dict(start.exponents))
    bred: list[Bred] = prologue.call("evosearch.breed:found", [tuple(items)], None)
    seeds = tuple(range(config.scoring.seeds))
    candidates = tuple(Candidate(b.text, seeds, c, founder=True) for b, c in zip(bred, centres, strict=True))
    measured: list[Measured] = prologue.call("evosearch.evaluate:evaluate", [candidates], Hurdles(bar))
    reasons = [m.reason for m in measured if {s.proxy for s in m.stages if s.kind == "full"} != set(config.proxies)]
    if len(reasons) == len(measured):
        raise ConfigError(f"no starting program trains on every task, the first because {reasons[0]}; name another.")
    return [Row(b, None, False, replace(m, status="ok", reason="")) for b, m in zip(bred, measured, strict=True)]


def go(
    config: Config,
    path: Path,
    store: Store,
    workers: Workers,
    *,
    programs: int,
    until: float | None,
    say: Callable[[str], None] = lambda text: None,
    watch: Callable[[Search], None] = lambda search: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Run or go on until `programs` are committed, the clock (time.monotonic) passes `until`, or `stop()`; a table.

    Where preparing took all the time, one block is searched nevertheless.
    """
    told.refuse(path, store)
    enough = FULL * workers.size * config.scoring.batch
    if config.evolution.lag * config.evolution.block < enough / 3:
        say(f"note: workers will idle at times; evolution.lag x block of {enough} would keep them busy")
    _note_machine(config.device, store, say)
    _note_tasks(config, store, say)
    prologue = Prologue(workers, config.scoring.deadline)
    references = prepare(config, store, prologue, say)
    search = Search(config, store, workers, references.bar, store.founders())
    written: list[Entry] = []

    def after_block(search: Search) -> None:
        best = search.archive.leader()
        if best is not None and best not in written:
            written[:] = [best]
            directory.write_best(path, search.archive, config)
        watch(search)

    def ends() -> bool:
        """Whether it was asked for or time is over; a new search breeds its first block whatever the time."""
        late = until is not None and time.monotonic() >= until
        return stop() or (late and bool(search.blocks or search.tally.generated))

    note = _noted(store, search.stored, programs, until)
    note(SEARCHING)
    search.run(programs, ends, after_block)
    directory.write_best(path, search.archive, config)
    note(MEASURING)
    say("measuring the best programs and the baselines on fresh seeds")
    lines = compete(contestants(search, references, prologue), config, prologue.train)
    store.put("final", to_json(lines))
    note(DONE)
    return Result(path, lines, search)


def _noted(store: Store, stored: int, programs: int, until: float | None) -> Callable[[str], None]:
    """Keeps in the store what is being done, by whom, from where and to where."""
    now = time.time()
    ends = None if until is None else now + until - time.monotonic()
    session = {"driver": this_process(), "at": now, "from": stored, "programs": programs, "ends": ends}
    return lambda doing: store.put("session", {**session, "doing": doing})


def _note_machine(device: str, store: Store, say: Callable[[str], None]) -> None:
    """Record on what the run was begun; say so where it goes on elsewhere."""
    then, now = store.get("machine"), this_machine(device)
    if then is None:
        store.put("machine", now)
    elif changed := differences(then, now):
        say(f"note: {changed}; rows from here on may differ from those of an uninterrupted run")


def _note_tasks(config: Config, store: Store, say: Callable[[str], None]) -> None:
    """Record the files that tasks and own primitives are made from; say so where one has changed since then."""
    now = {name: mark for name in config.proxies if (mark := proxies.digest(name))}
    for name in _changed("tasks", now, store):
        say(f"note: the file of {proxies.shown(name)} has changed; rows from here on are on another task")
    now = {name: mark for name in config.language.primitives if (mark := own.digest(name))}
    for name in _changed("primitives", now, store):
        say(f"note: {name} has changed; rows from here on may mean something else by its primitives")


def _changed(kind: str, now: dict[str, str], store: Store) -> list[str]:
    """The files whose digests are not those that the store has, which gets them when a run begins."""
    then = store.get(kind)
    if then is None:
        store.put(kind, now)
        return []
    return [name for name, mark in now.items() if then.get(name) != mark]


def contestants(search: Search, references: References, prologue: Prologue) -> list[Contestant]:
    """The bar, the other tuned baselines, and the best programs that are none of them."""
    config, tuned = search.config, references.tuned
    texts = tuple((-1000 - i, t.text) for i, t in enumerate(tuned.values()))
    bred = prologue.call("evosearch.breed:found", [texts], None)
    rows = [
        Contestant(f"{name}, tuned", t.text, t.warmup, t.exponents, b.length, b.states, b.cost)
        for (name, t), b in zip(tuned.items(), bred, strict=True)
    ]
    taken: set[object] = {b.fingerprint for b in bred}
    warmup = references.bar.warmup
    for entry in search.archive.ranking():
        b, behaviour = entry.bred, tuple(stage.losses for stage in entry.full.values())
        if len(rows) >= len(tuned) + config.scoring.final_programs:
            break
        if b.fingerprint not in taken and behaviour not in taken and b.number >= 0:
            taken.add(behaviour)  # programs that differ in what never happens stand in the table once
            shape = b.length, b.states, b.cost
            rows.append(Contestant(str(b.number), b.text, warmup, entry.exponents, *shape, entry.score))
    return rows
