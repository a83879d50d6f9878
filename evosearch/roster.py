"""The workers of a crew as its driver sees them: whose an answer is, who could take more, whose time is over.

Each is noted as it changes: with a thousand workers, to look at all of them at every event would be most of the work.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from evosearch.workers import Piece

AHEAD = 2  # jobs given to a worker: the second waits there, so that it never idles; more could not be overtaken
NEVER = float("inf")


@dataclass(eq=False)
class Worker:
    """The driver's view of an actor."""

    actor: Any
    introduction: Any  # the reference of `introduce`, which comes before `start`
    starting: Any  # the reference of `start`; None once it is ready
    since: float  # when it was asked to start, or when its first running piece began
    node: str = ""
    running: deque[tuple[Any, Piece]] = field(default_factory=deque)  # in the order in which they run

    def waits_for(self) -> Any:
        """The reference that comes next; None when it is idle."""
        return self.introduction or self.starting or (self.running[0][0] if self.running else None)

    def load(self) -> int:
        """How many jobs it holds; a suspect fills it, and so does its start.

        A process that dies takes along what it has not sent yet, so the job before the fatal one can seem to be it.
        """
        return AHEAD if self.starting or (self.running and self.running[0][1].suspect) else len(self.running)

    def expires(self) -> float:
        """When to end what it is doing."""
        return self.since + self.running[0][1].job.deadline if self.running else NEVER


class Roster:
    """Workers, in the order in which they came; `note` each one that has changed."""

    def __init__(self) -> None:
        self._noted: dict[Worker, tuple[Any, int]] = {}  # what each waits for, and its load
        self._awaited: dict[Any, Worker] = {}  # by the reference that comes next
        self._free: list[OrderedDict[Worker, None]] = [OrderedDict() for _ in range(AHEAD)]  # by load
        self._alarm: dict[Worker, float] = {}  # when to look whether its time is over
        self._alarms: list[tuple[float, int, Worker]] = []  # a heap of these, with those of the past
        self._arrival = count()

    def __len__(self) -> int:
        return len(self._noted)

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._noted)

    def __contains__(self, worker: Worker) -> bool:
        return worker in self._noted

    def note(self, worker: Worker) -> None:
        """Enter a worker, or what has changed about it."""
        self._file(worker, worker.waits_for(), worker.load())
        # One alarm for each worker: that its time ends later by now is noticed when the earlier alarm rings.
        if (end := worker.expires()) < self._alarm.get(worker, NEVER):
            self._alarm[worker] = end
            heapq.heappush(self._alarms, (end, next(self._arrival), worker))

    def remove(self, worker: Worker) -> None:
        """Forget a worker; its alarm rings for nobody."""
        self._file(worker, None, AHEAD)
        del self._noted[worker]
        self._alarm.pop(worker, None)

    def _file(self, worker: Worker, awaited: Any, load: int) -> None:
        before, held = self._noted.get(worker, (None, AHEAD))
        self._noted[worker] = awaited, load
        if before is not awaited:
            self._awaited.pop(before, None)
            if awaited is not None:
                self._awaited[awaited] = worker
        if held != load:
            if held < AHEAD:
                del self._free[held][worker]
            if load < AHEAD:
                self._free[load][worker] = None

    def awaited(self) -> list[Any]:
        """The reference that comes next of each worker that is not idle."""
        return list(self._awaited)

    def of(self, reference: Any) -> Worker:
        """The worker that an awaited reference is of."""
        return self._awaited[reference]

    def free(self, load: int) -> Worker | None:
        """A worker with so many jobs that could take one more, the longest so."""
        return next(iter(self._free[load]), None)

    def alarm(self) -> float:
        """Until when nobody's time is over."""
        return self._alarms[0][0] if self._alarms else NEVER

    def expired(self, now: float) -> list[Worker]:
        """Those whose time is over; alarms that rang too early are set again."""
        rang = []
        while self._alarms and self._alarms[0][0] <= now:
            at, _, worker = heapq.heappop(self._alarms)
            if self._alarm.get(worker) == at:
                del self._alarm[worker]
                rang.append(worker)
        for worker in rang:
            self.note(worker)
        return [worker for worker in rang if worker.expires() <= now]

    def delay(self, late: float) -> None:
        """Give everybody so much more time."""
        self._alarm.clear()
        self._alarms.clear()
        for worker in self:
            worker.since += late
            self.note(worker)
