"""Workers on a cluster: which one runs what, deadlines, replacing of those that die or hang, nodes that come and go.

What it asks of Ray stands in `Cluster`; nothing here imports it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Any, Protocol

from evosearch import handshake, stopping
from evosearch.roster import AHEAD, NEVER, Roster, Worker
from evosearch.workers import AUTO, Died, Done, Failure, Job, Piece, Queue, Raised, WorkerError, dotted, one_line

logger = logging.getLogger(__name__)

SLOW_SECONDS = 30.0  # before a warning that workers are slow to come
START_SECONDS = 300.0  # without a single worker for so long, give up: contexts compile, clusters grow
START_DEATHS = 3  # workers in a row that die before they are ready
LOOK_SECONDS = 5.0  # between looks at how large the cluster is
STILL_SECONDS = 5.0  # a wait that ends so much too late was a machine asleep or a process stopped


class Cluster(Protocol):
    """What a crew asks of Ray; actors and references are Ray's own."""

    def room(self, barred: Collection[str]) -> int:
        """How many workers the living nodes hold at most, without the barred ones."""

    def hire(self, barred: Collection[str]) -> Any:
        """A new actor, as soon as there is a place for it."""

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        """The reference of what the method will give."""

    def wait(self, references: Sequence[Any], timeout: float) -> list[Any]:
        """Those that are there, as soon as one is."""

    def result(self, reference: Any) -> Any:
        """What a method gave; Raised or Died where it did not."""

    def dismiss(self, actor: Any) -> None:
        """End its process, whatever it does."""

    def cores(self) -> str:
        """A clause for messages: how many there are and how many are free."""

    def close(self) -> None: ...


class Crew:
    """n workers, or for AUTO as many as there is room for; a job on which one dies, hangs or raises is split."""

    def __init__(self, cluster: Cluster, n: int, make_context: str | Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._cluster, self._wanted = cluster, n
        self._start = dotted(make_context), args
        self._queue = Queue()
        self._finished: deque[Done] = deque()
        self._workers = Roster()
        self._mine, self._first = handshake.introduction(), dict[str, str]()
        self._barred: set[str] = set()  # nodes whose workers cannot be used
        self._deaths = 0
        self._under_way = self._warned = False
        self._lived = self._looked = monotonic()  # when a worker was last ready, and the cluster looked at
        try:
            self._grow()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        return max(1, len(self._workers))

    def submit(self, job: Job) -> None:
        self._queue.add(job)
        self._fill()

    def next(self, timeout: float | None = None) -> Done | None:
        until = NEVER if timeout is None else monotonic() + timeout
        while not self._finished and self._queue:
            self._fill()
            self._wait(until)
            if monotonic() >= until:
                break
        self._fill()  # the workers go on while the driver looks at the result
        return self._finished.popleft() if self._finished else None

    def close(self) -> None:
        """End the workers; the cluster too, or the connection to it, if we opened it."""
        with stopping.closing():
            workers, self._workers = self._workers, Roster()
            self._queue, self._finished = Queue(), deque()
            for worker in workers:
                self._cluster.dismiss(worker.actor)
            self._cluster.close()

    def _grow(self) -> None:
        """Take on those that are missing; more than one waits for a place only where so many were asked for."""
        n = max(1, self._cluster.room(self._barred)) if self._wanted == AUTO else self._wanted
        while len(self._workers) < n:
            self._add()
        self._looked = monotonic()

    def _add(self) -> None:
        actor = self._cluster.hire(self._barred)
        introduction = self._cluster.call(actor, "introduce")
        self._workers.note(Worker(actor, introduction, self._cluster.call(actor, "start", *self._start), monotonic()))

    def _replace(self, worker: Worker) -> None:
        """A new process in the place of a dead or stuck one; what it had not begun goes back."""
        self._dismiss(worker)
        for _, piece in worker.running:
            self._queue.push(piece)
        self._add()

    def _dismiss(self, worker: Worker) -> None:
        self._workers.remove(worker)
        self._cluster.dismiss(worker.actor)

    def _fill(self) -> None:
        """Give the best waiting pieces to the least busy workers."""
        for load in range(AHEAD):
            while (worker := self._workers.free(load)) and (piece := self._queue.pop()):
                if piece.suspect and load:  # it waits for a worker of its own, and all others with it
                    self._queue.push(piece)
                    return
                if not load:
                    worker.since = monotonic()
                call = self._cluster.call(worker.actor, "run", piece.handler, piece.job.shared, piece.items)
                worker.running.append((call, piece))
                self._workers.note(worker)

    def _wait(self, until: float) -> None:
        """Wait for the first event: a worker is ready, pieces are back, a deadline or `until` has passed."""
        if monotonic() - self._looked > LOOK_SECONDS:
            self._grow()
        limit = min(until, monotonic() + 1.0, self._workers.alarm())
        ready = self._cluster.wait(self._workers.awaited(), max(0.0, limit - monotonic()))
        self._forgive(monotonic() - limit)
        for reference in ready:
            worker = self._workers.of(reference)
            self._collect(worker)
            if worker in self._workers:
                self._workers.note(worker)
        if not ready:
            self._check_start()
        for worker in self._workers.expired(monotonic()):
            # It may have finished long ago while the driver was busy elsewhere.
            if not self._cluster.wait([worker.waits_for()], 0.0):
                piece = worker.running.popleft()[1]
                self._settle(piece, Failure("timeout", f"no answer in {piece.job.deadline:g} seconds"))
                self._replace(worker)

    def _forgive(self, late: float) -> None:
        """The time in which the machine slept, or all processes were stopped (Ctrl-Z), counts for no deadline."""
        if late > STILL_SECONDS:
            self._lived += late
            self._workers.delay(late)

    def _collect(self, worker: Worker) -> None:
        """Take what a worker has sent, or the news of its death."""
        if worker.introduction:
            self._collect_introduction(worker)
            return
        if worker.starting:
            self._collect_start(worker)
            return
        reference, piece = worker.running.popleft()
        worker.since = monotonic()
        try:
            outcome, seconds = self._cluster.result(reference)
        except Raised as raised:  # outside the handler: items or results that do not pickle
            self._settle(piece, Failure("crash", one_line(raised.error)))
        except Died as died:
            self._mourn(worker, piece, died)
        else:
            if outcome is None:  # its answer was lost on the way
                self._queue.push(piece)
            else:
                self._settle(piece, outcome, seconds)

    def _mourn(self, worker: Worker, piece: Piece, died: Died) -> None:
        """Blame the piece where a process ended, but not for the loss of a node, of which Ray may hear much later."""
        if died.what == "unknown":
            worker.running.appendleft((self._cluster.call(worker.actor, "answer"), piece))
            return
        if died.what == "node":
            self._queue.push(piece)
        else:
            self._settle(piece, died.failure)
        self._replace(worker)

    def _collect_introduction(self, worker: Worker) -> None:
        try:
            worker.node, theirs = self._cluster.result(worker.introduction)
        except Raised as raised:
            raise WorkerError(f"a worker cannot say what it is: {one_line(raised.error)}") from raised
        except Died as died:
            self._stillborn(worker, died)
            return
        worker.introduction = None
        if objection := handshake.objection(theirs, self._mine, self._first or theirs):
            self._refuse(worker, objection)
        else:
            self._first = self._first or theirs

    def _collect_start(self, worker: Worker) -> None:
        try:
            self._cluster.result(worker.starting)
        except Raised as raised:
            self._refuse(worker, f"the workers' context cannot be built: {one_line(raised.error)}")
        except Died as died:
            self._stillborn(worker, died)
        else:
            worker.starting, worker.since, self._deaths = None, monotonic(), 0

    def _refuse(self, worker: Worker, reason: str) -> None:
        """End the run before it has begun; later on leave the worker's node out, if there is another."""
        if not self._under_way or not self._cluster.room(self._barred | {worker.node}):
            raise WorkerError(reason)
        if worker.node not in self._barred:
            logger.warning("a node is left out: %s", reason)
        self._barred.add(worker.node)
        self._dismiss(worker)
        self._grow()

    def _stillborn(self, worker: Worker, died: Died) -> None:
        """Another in its place, unless every worker dies so; a lost node tells nothing of how they start."""
        self._deaths += died.what == "worker"
        if self._deaths >= START_DEATHS and all(w.starting for w in self._workers):
            raise WorkerError(f"{self._deaths} workers in a row died at their start: {one_line(died.error)}") from died
        self._replace(worker)

    def _check_start(self) -> None:
        """Not all have to come: a cluster may be short of cores, one worker does the work of all."""
        now, missing = monotonic(), [w for w in self._workers if w.starting]
        ready = len(self._workers) - len(missing)
        if ready:
            self._lived = now
        if now - self._lived > START_SECONDS:
            raise WorkerError(f"no worker is ready after {now - self._lived:.0f} seconds; {self._cluster.cores()}")
        if not self._warned and any(now - w.since > SLOW_SECONDS for w in missing):
            logger.warning("%d of %d workers are ready; %s", ready, len(self._workers), self._cluster.cores())
            self._warned = True

    def _settle(self, piece: Piece, outcome: list[Any] | Failure, seconds: float = 0.0) -> None:
        self._under_way = True
        if done := self._queue.settle(piece, outcome, seconds):
            self._finished.append(done)
