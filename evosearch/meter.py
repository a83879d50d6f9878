"""What a long command shows while it works: one live line in a terminal, plain lines elsewhere; and Ctrl-C."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from evosearch import stopping
from evosearch.live.screen import is_live
from evosearch.workers import Done, Job, Workers

EVERY = {True: 0.5, False: 5.0}  # seconds between updates, in a terminal and in a log


class Meter:
    """Shows what is being done, inside a `with`; seconds count from `began` (time.monotonic)."""

    def __init__(self, console: Console, began: float) -> None:
        self.console, self.began, self.shown = console, began, 0.0
        self.live = Live(console=console, refresh_per_second=4, transient=True) if is_live(console) else None

    def __enter__(self) -> Meter:
        self.orderly = stopping.orderly()
        self.orderly.__enter__()
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.orderly.__exit__(None, None, None)
        if self.live is not None:
            self.live.stop()

    def say(self, text: str) -> None:
        """Show what begins now."""
        self._show(f"{time.monotonic() - self.began:5.1f}s  {text} ...")

    def due(self) -> bool:
        """Whether it is time for an update; KeyboardInterrupt where one was lost."""
        stopping.check()
        now = time.monotonic()
        if now - self.shown < EVERY[self.live is not None]:
            return False
        self.shown = now
        return True

    def _show(self, text: str) -> None:
        if self.live is not None:
            self.live.update(Text(text))
        else:
            self.console.print(text)


class Counted:
    """Workers whose jobs are counted on a meter."""

    def __init__(self, workers: Workers, meter: Meter) -> None:
        self.workers, self.meter = workers, meter
        self.submitted = self.done = 0
        self.first = time.monotonic()

    @property
    def size(self) -> int:
        return self.workers.size

    def submit(self, job: Job) -> None:
        if self.done == self.submitted:  # what came before is over
            self.submitted, self.done, self.first = 0, 0, time.monotonic()
        self.submitted += 1
        self.workers.submit(job)

    def next(self, timeout: float | None = None) -> Done | None:
        done = self.workers.next(timeout)
        self.done += done is not None
        if self.meter.due() and self.done:
            left = (time.monotonic() - self.first) / self.done * (self.submitted - self.done)
            self.meter.say(f"{self.done} of {self.submitted} jobs, about {left:.0f}s left")
        return done

    def close(self) -> None:
        self.workers.close()


class Heeding:
    """Workers between whose results it is looked whether another process asks for the end."""

    def __init__(self, workers: Workers) -> None:
        self.workers, self.size, self.submit, self.close = workers, workers.size, workers.submit, workers.close

    def next(self, timeout: float | None = None) -> Done | None:
        stopping.check()
        return self.workers.next(timeout)
