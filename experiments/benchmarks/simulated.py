"""Workers that only seem to work: they give the answers of a search that really ran, after the times that it took.

Their clock is virtual. It counts what the driver does, in CPU seconds of its thread as it happens, leaps over its
waiting, and stands still while answers are made up; what Ray itself takes in the driver is added as it was measured.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evosearch import directory, handshake, run
from evosearch.breed import Bred
from evosearch.config import Config
from evosearch.evaluate import Candidate, Measured, stages_text
from evosearch.score import Baseline
from evosearch.search import Search
from evosearch.store import Row, Store
from evosearch.workers import Done, InProcess, Job

MAKE_CONTEXT = "evosearch.breed:make_context"
ODD = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: laps on the tape get fingerprints that are far apart
BREED, EVALUATE = "evosearch.breed:breed", "evosearch.evaluate:evaluate"


@dataclass
class Tape:
    """A search that really ran, in this process: what its jobs gave and how long they took."""

    config: Config
    bar: Baseline
    founders: list[tuple[Bred, Measured]]
    bred: list[Bred] = field(default_factory=list)  # by number
    measured: dict[Any, Measured] = field(default_factory=dict)  # of new programs by text, of others by (text, seeds)
    seconds: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: {BREED: [], EVALUATE: []})
    took: float = 0.0  # CPU seconds of the search proper

    # `seconds` has items and CPU seconds of each job, but for the first tenth, in which machines are compiled.

    def cost(self, handler: str) -> float:
        """A worker's seconds for an item."""
        jobs = self.seconds[handler]
        return sum(seconds for _, seconds in jobs) / sum(items for items, _ in jobs)

    def draw(self, handler: str, items: int, rng: random.Random) -> float:
        """How long a job of so many items takes: as one that really ran, of about as many."""
        jobs = self.seconds[handler]
        nearest = min(abs(count - items) for count, _ in jobs)
        count, seconds = rng.choice([job for job in jobs if abs(job[0] - items) == nearest])
        return seconds * items / count


class Recorder(InProcess):
    """Remembers what jobs gave."""

    def __init__(self, config: Config) -> None:
        super().__init__(MAKE_CONTEXT, (config,))
        self.jobs: dict[int, Job] = {}
        self.done: list[tuple[Job, Done]] = []
        self.seconds: list[float] = []  # of the processor, so that a machine shared with others does not matter

    def submit(self, job: Job) -> None:
        self.jobs[job.ticket] = job
        super().submit(job)

    def next(self, timeout: float | None = None) -> Done | None:
        began = time.process_time()
        done = super().next(timeout)
        if done is not None:
            self.done.append((self.jobs.pop(done.ticket), done))
            self.seconds.append(time.process_time() - began)
        return done


def record(config: Config, path: Path) -> Tape:
    """Search in this process, into a new directory, up to `config.programs`."""
    store, workers = directory.create(path, config), Recorder(config)
    bar = run.prepare(config, store, run.Prologue(workers, config.scoring.deadline), lambda text: None).bar
    tape = Tape(config, bar, store.founders())
    began = time.process_time()
    Search(config, store, workers, bar, tape.founders).run(config.programs, lambda: False, lambda search: None)
    tape.took = time.process_time() - began
    store.close()
    for (job, done), seconds in zip(workers.done, workers.seconds, strict=True):
        if job.handler == BREED:
            tape.bred += done.results
        elif job.handler == EVALUATE and not job.items[0].founder:
            keys = [(item.text, item.seeds) if item.grids else item.text for item in job.items]
            tape.measured.update(zip(keys, done.results, strict=True))
        if job.handler in tape.seconds and job.ticket > 0:
            tape.seconds[str(job.handler)].append((len(job.items), seconds))
    for handler, jobs in tape.seconds.items():
        tape.seconds[handler] = jobs[len(jobs) // 10 :]
    tape.bred.sort(key=lambda bred: bred.number)
    tape.measured |= {bred.text: measured for bred, measured in tape.founders}
    return tape


class Answers:
    """The tape again and again: candidate n is the tape's of that place, new in every lap where it was new."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.always = {bred.fingerprint for bred, _ in tape.founders}

    def __call__(self, handler: str, items: Sequence[Any]) -> list[Any]:
        """What a job gives."""
        return [self.bred(item[0]) if handler == BREED else self.measured(item) for item in items]

    def bred(self, number: int) -> Bred:
        lap, place = divmod(number, len(self.tape.bred))
        bred = self.tape.bred[place]
        if not lap or not bred.fingerprint or bred.fingerprint in self.always:
            return replace(bred, number=number)
        other = (int(bred.fingerprint, 16) + lap * ODD) % 2**64
        return replace(bred, number=number, fingerprint=f"{other:016x}")

    def measured(self, item: Candidate) -> Measured:
        known = self.tape.measured
        if item.grids is None or (item.text, item.seeds) in known:
            return known[(item.text, item.seeds) if item.grids else item.text]
        found = known[item.text]
        stages = [replace(s, seeds=item.seeds, losses=s.losses[: len(item.seeds)]) for s in found.stages]
        full = tuple(stage for stage in stages if stage.kind == "full")
        return Measured(full, text=stages_text(full))


class AtOnce:
    """Workers that answer as soon as they are asked."""

    size = 1

    def __init__(self, tape: Tape) -> None:
        self.answers, self.waiting = Answers(tape), list[Done]()

    def submit(self, job: Job) -> None:
        self.waiting.append(Done(job.ticket, self.answers(str(job.handler), job.items), 0.0))

    def next(self, timeout: float | None = None) -> Done | None:
        return self.waiting.pop() if self.waiting else None

    def close(self) -> None:
        self.waiting = []


class Clock:
    """CPU seconds of this thread, less those spent `outside`, plus what is leapt over."""

    def __init__(self) -> None:
        self.shift = -time.thread_time()

    def now(self) -> float:
        return time.thread_time() + self.shift

    def leap(self, seconds: float) -> None:
        self.shift += seconds

    @contextmanager
    def outside(self) -> Iterator[None]:
        began = time.thread_time()
        yield
        self.shift -= time.thread_time() - began


@dataclass(frozen=True)
class Toll:
    """What Ray takes in the driver's thread, in seconds: for a call, for its result, and for a look at n references."""

    call: float = 0.0
    result: float = 0.0
    look: float = 0.0  # for each reference


class Pretended:
    """A cluster of n workers, as evosearch.crew asks for one."""

    def __init__(self, n: int, tape: Tape, clock: Clock, toll: Toll, times: float = 1.0) -> None:
        self.n, self.tape, self.clock, self.toll = n, tape, clock, toll
        self.times = times  # as long as on the tape: other tasks
        self.answers = Answers(tape)
        self.free: list[float] = []  # when each worker will be
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.done: set[int] = set()
        self.coming: list[tuple[float, int]] = []
        self.busy = 0.0  # seconds, of all workers
        self.paid = 0.0  # to Ray, in seconds of the driver

    def room(self, barred: Collection[str]) -> int:
        return self.n

    def hire(self, barred: Collection[str]) -> int:
        self.free.append(0.0)
        return len(self.free) - 1

    def call(self, actor: int, method: str, *args: Any) -> int:
        with self.clock.outside():
            reference, seconds = len(self.calls), 0.0
            if method == "run":
                handler, _, items = args
                seconds = self.tape.draw(handler, len(items), random.Random(reference))
                seconds *= self.times if handler == EVALUATE else 1.0
                self._pay(self.toll.call)
            self.calls.append((method, args))
            self.free[actor] = max(self.free[actor], self.clock.now()) + seconds
            heapq.heappush(self.coming, (self.free[actor], reference))
            self.busy += seconds
        return reference

    def wait(self, references: Sequence[int], timeout: float) -> list[int]:
        with self.clock.outside():
            self._pay(self.toll.look * len(references))
            self._arrive()
            found = [reference for reference in references if reference in self.done]
            while not found and self.coming:
                self.clock.leap(max(0.0, self.coming[0][0] - self.clock.now()))
                self._arrive()
                found = [reference for reference in references if reference in self.done]
        return found

    def result(self, reference: int) -> Any:
        with self.clock.outside():
            self.done.discard(reference)
            (method, args), self.calls[reference] = self.calls[reference], ("", ())
            if method == "introduce":
                return "", handshake.introduction()
            self._pay(self.toll.result)
            return (self.answers(args[0], args[2]), 0.0) if method == "run" else None

    def dismiss(self, actor: int) -> None: ...

    def cores(self) -> str:
        return f"{self.n} pretended workers"

    def close(self) -> None: ...

    def _pay(self, seconds: float) -> None:
        self.clock.leap(seconds)
        self.paid += seconds

    def _arrive(self) -> None:
        while self.coming and self.coming[0][0] <= self.clock.now():
            self.done.add(heapq.heappop(self.coming)[1])


def search_on(tape: Tape, config: Config, workers: Any, path: Path) -> tuple[Search, Callable[[], None]]:
    """A search by such workers into an empty folder, and what ends it."""
    path.mkdir(parents=True)
    store = Store(path / "store.sqlite", create=True)
    store.add([Row(bred, None, False, measured) for bred, measured in tape.founders])
    return Search(config, store, workers, tape.bar, tape.founders), store.close
