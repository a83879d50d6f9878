"""Workers: jobs go in, results come out in any order; the queue, the splitting of failed jobs, the in-process twin."""

from __future__ import annotations

import heapq
import importlib
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, Protocol

AUTO = -1  # workers: one for each core that there is
RESOURCES = {"cpu": {"CPU": 1.0}, "cuda": {"CPU": 1.0, "GPU": 1.0}}  # by device: what a worker needs, in Ray's names

Handler = Callable[[Any, Any, tuple[Any, ...]], list[Any]]  # (context, shared, items) -> one result per item, pure


class WorkerError(RuntimeError):
    """No worker could be started; the message is one sentence."""


@dataclass(frozen=True)
class Failure:
    """What stands in the place of the result of an item that brings its worker down."""

    status: Literal["crash", "timeout", "oom"]
    reason: str  # one line, the same in every run


@dataclass(frozen=True)
class Job:
    """One call of a handler with a batch of items."""

    ticket: int  # unique among the jobs under way
    handler: str | Handler  # "package.module:function", or that function
    items: tuple[Any, ...]
    shared: Any = None
    priority: int = 0  # lower first, then by ticket
    deadline: float = 600.0  # seconds of running, generous: it only ends hangs; not enforced in process


@dataclass(frozen=True)
class Done:
    """A finished job: one result, or Failure, per item."""

    ticket: int
    results: list[Any]
    seconds: float  # busy in workers, lost attempts left out


class Raised(Exception):  # noqa: N818
    """A call in a worker ended with this error; the worker lives."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


class Died(Exception):  # noqa: N818
    """A call has no answer because of what ended: the worker, its whole node, or nobody knows yet what.

    `failure` is what becomes of the call if it was the worker.
    """

    def __init__(self, failure: Failure, error: BaseException, what: Literal["worker", "node", "unknown"]) -> None:
        super().__init__(str(error))
        self.failure, self.error, self.what = failure, error, what


class Workers(Protocol):
    """Where jobs run; which worker runs what, and in what company, never changes a result."""

    @property
    def size(self) -> int: ...

    def submit(self, job: Job) -> None: ...

    def next(self, timeout: float | None = None) -> Done | None:
        """The next finished job, in any order; None after `timeout` seconds or when no job is under way."""

    def close(self) -> None: ...


def open_workers(
    n: int,
    make_context: str | Callable[..., Any],
    args: tuple[Any, ...] = (),
    resources: Mapping[str, float] = RESOURCES["cpu"],
) -> Workers:
    """The in-process twin for n == 0 (Ray is then never imported), else n Ray workers; AUTO: as many as fit.

    Each worker takes up `resources` of the cluster, and builds its context once, `make_context(*args)`; what goes
    wrong there is raised by `next`.
    """
    if n == 0:
        return InProcess(make_context, args)
    from evosearch.crew import Crew
    from evosearch.ray_workers import RayCluster

    return Crew(RayCluster(n, resources), n, make_context, args)


class InProcess:
    """Runs one job inside each `next`, whatever its timeout."""

    size = 1

    def __init__(self, make_context: str | Callable[..., Any], args: tuple[Any, ...] = ()) -> None:
        self._make_context, self._args = dotted(make_context), args
        self._context: list[Any] = []  # empty until the first job
        self._queue = Queue()

    def submit(self, job: Job) -> None:
        self._queue.add(job)

    def next(self, timeout: float | None = None) -> Done | None:
        if self._queue and not self._context:
            self._context.append(self._build())
        while piece := self._queue.pop():
            try:
                outcome, seconds = attempt(piece.handler, self._context[0], piece.job.shared, piece.items)
            except BaseException:  # Ctrl-C: the job is not lost
                self._queue.push(piece)
                raise
            if done := self._queue.settle(piece, outcome, seconds):
                return done
        return None

    def close(self) -> None:
        self._queue = Queue()

    def _build(self) -> Any:
        try:
            return build(self._make_context, self._args)
        except Exception as error:
            raise WorkerError(f"the worker's context cannot be built: {one_line(error)}") from error


# What both twins share: jobs are cut into pieces where they fail.


@dataclass(frozen=True)
class Piece:
    """The items `start` to `stop` of a job, to be run in one call."""

    job: Job
    start: int
    stop: int
    suspect: bool = False  # one item that has failed once already, in no company

    @property
    def handler(self) -> str:
        return dotted(self.job.handler)

    @property
    def items(self) -> tuple[Any, ...]:
        return self.job.items[self.start : self.stop]

    def again(self) -> tuple[Piece, ...]:
        """What to try when this piece has failed: its halves, a single item once more, then nothing.

        Splitting is harmless, and a half is a second chance as good as the whole; what must be certain is the verdict.
        So an item is condemned only when it has failed twice, alone: a worker may die for another reason.
        """
        if self.stop - self.start > 1:
            middle = (self.start + self.stop) // 2
            return replace(self, stop=middle), replace(self, start=middle)
        return () if self.suspect else (replace(self, suspect=True),)


@dataclass
class _Open:
    results: list[Any]
    missing: int
    seconds: float = 0.0


class Queue:
    """The jobs under way: hands out pieces, best (priority, ticket) first, and puts their results together."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, int, Piece]] = []
        self._open: dict[int, _Open] = {}
        self._arrival = count()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, job: Job) -> None:
        """Take a new job."""
        dotted(job.handler)  # refuse here, not in a worker, what no worker could find
        if job.ticket in self._open:
            raise ValueError(f"job {job.ticket} is already under way")
        self._open[job.ticket] = _Open([None] * len(job.items), missing=len(job.items))
        self.push(Piece(job, 0, len(job.items)))

    def push(self, piece: Piece) -> None:
        """Put a piece in its place; also one that came back through no fault of its own."""
        heapq.heappush(self._waiting, (piece.job.priority, piece.job.ticket, next(self._arrival), piece))

    def pop(self) -> Piece | None:
        """The piece to run next; None when all are running."""
        return heapq.heappop(self._waiting)[-1] if self._waiting else None

    def settle(self, piece: Piece, outcome: list[Any] | Failure, seconds: float) -> Done | None:
        """Note what became of a piece; the finished job if this was its last."""
        job = self._open[piece.job.ticket]
        job.seconds += seconds
        if isinstance(outcome, Failure):
            if pieces := piece.again():
                for part in pieces:
                    self.push(part)
                return None
            outcome = [outcome] * len(piece.items)
        job.results[piece.start : piece.stop] = outcome
        job.missing -= len(outcome)
        if job.missing:
            return None
        del self._open[piece.job.ticket]
        return Done(piece.job.ticket, job.results, job.seconds)


def build(make_context: str, args: tuple[Any, ...]) -> Any:
    """A worker's context, in a process whose threads and instruction set are pinned first."""
    from proxies.threads import pin_environment

    pin_environment()
    return resolve(make_context)(*args)


def attempt(handler: str, context: Any, shared: Any, items: tuple[Any, ...]) -> tuple[list[Any] | Failure, float]:
    """The handler's results, or the exception that it raised as a Failure; and the seconds that it took."""
    start = perf_counter()
    outcome: list[Any] | Failure
    try:
        outcome = list(resolve(handler)(context, shared, items))
        if len(outcome) != len(items):
            raise ValueError(f"{handler} gave {len(outcome)} results for {len(items)} items")
    except Exception as error:
        # NumPy's and Python's are MemoryErrors, torch's a RuntimeError of that name or with that text.
        memory = (
            isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "allocate memory" in str(error)
        )
        outcome = Failure("oom" if memory else "crash", one_line(error))
    return outcome, perf_counter() - start


def one_line(error: BaseException) -> str:
    """An exception in one line, with the place that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else text


def dotted(function: str | Callable[..., Any]) -> str:
    """The name "package.module:function" under which any process finds the function."""
    if isinstance(function, str):
        return function
    if "<" in function.__qualname__ or function.__module__ == "__main__":
        raise ValueError(f"{function.__qualname__} is not at the top level of a module that a worker can import")
    return f"{function.__module__}:{function.__qualname__}"


@cache
def resolve(name: str) -> Callable[..., Any]:
    """The function of a dotted name."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]
