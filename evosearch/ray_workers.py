"""Workers as Ray actors, on this machine or a cluster; the only file that imports Ray."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from evosearch.stopping import Stopped
from evosearch.workers import Done, Failure, Job, Piece, Queue, WorkerError, attempt, build, dotted, one_line
from proxies.threads import ENVIRONMENT

# Ray prints a paragraph on stdout for each dead worker, even if told not to; this setting is read at its import.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # announcements of its own
    import ray
    from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

logger = logging.getLogger(__name__)

AHEAD = 2  # jobs given to an actor: the second waits there, so that it never idles; more could not be overtaken
SLOW_SECONDS = 30.0  # before a warning that Ray or its workers are slow to come
START_SECONDS = 300.0  # without a single worker for so long, give up: contexts compile, clusters grow
START_DEATHS = 3  # workers in a row that die before they are ready
OBJECT_STORE = 200 * 2**20  # bytes; jobs and results are text and a few numbers


class Actor:
    """What runs in a worker process."""

    def start(self, make_context: str, args: tuple[Any, ...]) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the driver alone decides
        self.context = build(make_context, args)

    def run(self, handler: str, shared: Any, items: tuple[Any, ...]) -> tuple[list[Any] | Failure, float]:
        return attempt(handler, self.context, shared, items)


@dataclass(eq=False)
class Worker:
    """The driver's view of an actor."""

    actor: Any
    starting: Any  # the reference of `start`; None once it is ready
    since: float  # when it was asked to start, or when its first running piece began
    running: deque[tuple[Any, Piece]] = field(default_factory=deque)  # in the order in which they run

    def waits_for(self) -> Any:
        """The reference that comes next; None when it is idle."""
        return self.starting or (self.running[0][0] if self.running else None)

    def load(self) -> int:
        """How many jobs it holds; a suspect fills it.

        A process that dies takes along what it has not sent yet, so the job before the fatal one can seem to be it.
        """
        return AHEAD if self.running and self.running[0][1].suspect else len(self.running)

    def expires(self) -> float:
        """When to end what it is doing."""
        return self.since + self.running[0][1].job.deadline if self.running else float("inf")


class RayWorkers:
    """n actors; a job on which one dies, hangs or raises is split until the culprit is found."""

    def __init__(self, n: int, make_context: str | Callable[..., Any], args: tuple[Any, ...] = ()) -> None:
        self.size = n
        self._start = dotted(make_context), args
        self._queue = Queue()
        self._finished: deque[Done] = deque()
        self._workers: list[Worker] = []
        self._deaths = 0
        self._warned = False
        self._ours = not ray.is_initialized()
        self._environment = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
        try:
            local = self._ours and _connect(n, self._environment)
            options = {} if local else {"runtime_env": {"env_vars": self._environment}}
            self._actor = ray.remote(Actor).options(num_cpus=1, max_restarts=0, **options)
            self._workers = [self._new() for _ in range(n)]
        except BaseException:
            self.close()
            raise

    def submit(self, job: Job) -> None:
        self._queue.add(job)
        self._fill()

    def next(self, timeout: float | None = None) -> Done | None:
        until = float("inf") if timeout is None else monotonic() + timeout
        while not self._finished and self._queue:
            self._fill()
            self._wait(until)
            if monotonic() >= until:
                break
        self._fill()  # the workers go on while the driver looks at the result
        return self._finished.popleft() if self._finished else None

    def close(self) -> None:
        """End the workers; the cluster too, or the connection to it, if we opened it."""
        if self._workers and ray.is_initialized():
            for worker in self._workers:
                ray.kill(worker.actor)
        self._workers, self._queue, self._finished = [], Queue(), deque()
        if self._ours:
            self._ours = False
            ray.shutdown()

    def _new(self) -> Worker:
        actor = self._actor.remote()
        return Worker(actor, actor.start.remote(*self._start), monotonic())

    def _replace(self, worker: Worker) -> None:
        """A new process in the place of a dead or stuck one; what it had not begun goes back."""
        ray.kill(worker.actor)
        for _, piece in worker.running:
            self._queue.push(piece)
        self._workers[self._workers.index(worker)] = self._new()

    def _fill(self) -> None:
        """Give the best waiting pieces to the least busy workers."""
        while worker := min((w for w in self._workers if not w.starting), key=Worker.load, default=None):
            if worker.load() >= AHEAD or not (piece := self._queue.pop()):
                return
            if piece.suspect and worker.running:  # it waits for a worker of its own, and all others with it
                self._queue.push(piece)
                return
            if not worker.running:
                worker.since = monotonic()
            worker.running.append((worker.actor.run.remote(piece.handler, piece.job.shared, piece.items), piece))

    def _wait(self, until: float) -> None:
        """Wait for the first event: a worker is ready, a piece is back, a deadline or `until` has passed."""
        self._check_start()
        events = {reference: w for w in self._workers if (reference := w.waits_for()) is not None}
        limit = min(until, monotonic() + 1.0, *(w.expires() for w in self._workers))
        ready, _ = ray.wait(list(events), timeout=max(0.0, limit - monotonic()))
        for reference in ready:
            self._collect(events[reference])
        now = monotonic()
        for worker in [w for w in self._workers if w.expires() <= now]:
            # It may have finished long ago while the driver was busy elsewhere.
            if not ray.wait([worker.waits_for()], timeout=0)[0]:
                piece = worker.running.popleft()[1]
                self._settle(piece, Failure("timeout", f"no answer in {piece.job.deadline:g} seconds"))
                self._replace(worker)

    def _collect(self, worker: Worker) -> None:
        """Take what a worker has sent, or the news of its death."""
        if worker.starting:
            self._collect_start(worker)
            return
        reference, piece = worker.running[0]
        outcome, seconds, alive = _result(reference)
        worker.running.popleft()
        worker.since = monotonic()
        self._settle(piece, outcome, seconds)
        if not alive:
            self._replace(worker)

    def _collect_start(self, worker: Worker) -> None:
        try:
            ray.get(worker.starting)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, BaseException) else error
            raise WorkerError(f"the workers' context cannot be built: {one_line(cause)}") from error
        except RayError as error:
            self._deaths += 1
            if self._deaths >= START_DEATHS:
                raise WorkerError(f"{self._deaths} workers in a row died at their start: {one_line(error)}") from error
            self._replace(worker)
            return
        worker.starting, worker.since, self._deaths = None, monotonic(), 0

    def _check_start(self) -> None:
        """Not all have to come: a cluster may be short of cores, one worker does the work of all."""
        if not all(w.starting for w in self._workers):
            return
        waited = monotonic() - min(w.since for w in self._workers)
        if waited > START_SECONDS or (waited > SLOW_SECONDS and not self._warned):
            cores, free = (resources().get("CPU", 0) for resources in (ray.cluster_resources, ray.available_resources))
            state = f"no worker is ready after {waited:.0f} seconds; of the cluster's {cores:g} cores {free:g} are free"
            if waited > START_SECONDS:
                raise WorkerError(state)
            logger.warning(state)
            self._warned = True

    def _settle(self, piece: Piece, outcome: list[Any] | Failure, seconds: float = 0.0) -> None:
        if done := self._queue.settle(piece, outcome, seconds):
            self._finished.append(done)


def _result(reference: Any) -> tuple[list[Any] | Failure, float, bool]:
    """What a piece came to: results or a Failure, seconds, and whether its worker lives."""
    try:
        outcome, seconds = ray.get(reference)
    except RayTaskError as error:  # outside the handler: items or results that do not pickle
        cause = error.cause if isinstance(error.cause, BaseException) else error
        return Failure("crash", one_line(cause)), 0.0, True
    except OutOfMemoryError:
        return Failure("oom", "the worker was ended for lack of memory"), 0.0, False
    except RayError:
        # Ray's own text names processes and addresses; a stored reason is the same in every run.
        return Failure("crash", "the worker process died"), 0.0, False
    return outcome, seconds, True


def _connect(n: int, environment: dict[str, str]) -> bool:
    """Join the cluster of RAY_ADDRESS or start one on this machine; True for the latter."""
    address = os.environ.get("RAY_ADDRESS") or "local"
    local = address == "local"
    # More workers than cores are allowed: the number of workers never changes a result, so it must not fail.
    options = {"num_cpus": n, "include_dashboard": False, "object_store_memory": OBJECT_STORE} if local else {}
    # A local cluster hands its environment down to its workers, which saves the 0.3 s per worker of a runtime_env.
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    slow = threading.Timer(SLOW_SECONDS, logger.warning, [f"Ray ({address}) is slow to start; still waiting"])
    slow.daemon = True
    slow.start()
    try:
        _knock(address)
        with _environment(quiet | environment), _own_sigterm(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise WorkerError(f"Ray ({address}) cannot be started or reached: {one_line(error)}") from error
    finally:
        slow.cancel()
    return local


def _knock(address: str) -> None:
    """Raise an OSError at once if nobody is there; Ray itself tries for five minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep our meaning of SIGTERM: Ray's would end the driver with the number of the signal for its exit code."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as end:
        raise Stopped(signal.SIGTERM) from end
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """These variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
