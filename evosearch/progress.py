"""What a search shows while it runs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console

from evosearch import stopping
from evosearch.live import view as live
from evosearch.live.asking import Asking
from evosearch.live.result import show_result
from evosearch.live.screen import Log, Pace, screen
from evosearch.live.view import View

if TYPE_CHECKING:
    from evosearch.search import Search

__all__ = ["Progress", "show_result"]

SEARCHING, REPLAYING = "searching (Ctrl-C saves)", "going through what is stored"


class Progress:
    """Shows how a search goes, inside a `with`; less than a hundredth of the driver's time goes into it."""

    def __init__(
        self, console: Console, path: Path, stored: int, programs: int, until: float | None, began: float
    ) -> None:
        self.console, self.path = console, path
        self.stored, self.programs, self.until, self.began = stored, programs, until, began
        self.screen = screen(console)
        self.asking = None if isinstance(self.screen, Log) else Asking()
        self.pace, self.front_pace = Pace(), Pace()
        self.course, self.speed = live.Course(), live.Speed()
        self.view, self.at = View(str(path)), began  # as it was at a time
        self.search: Search | None = None

    def __enter__(self) -> Progress:
        self.console.print(f"Searching into {self.path} (Ctrl-C saves).")
        self.orderly = stopping.orderly()
        self.orderly.__enter__()
        self.screen.start()
        if self.asking is not None:
            self.asking.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.orderly.__exit__(None, None, None)
        self.screen.stop()
        if self.asking is not None:
            self.asking.close()

    def say(self, text: str) -> None:
        """Show what begins now; a note stays."""
        if text.startswith("note: "):
            self.console.print(f"{text}.")
            return
        if self.search is not None:
            self._look(self.search)
        self.view = replace(self.view, doing=text)
        self.screen.say(self.now)

    def watch(self, search: Search) -> None:
        """Called after each block."""
        stopping.check()
        self.search = search
        self.course.note(search.tally.generated, search.archive.leader())
        if self.pace.due():
            began = time.perf_counter()
            self._look(search)
            self.screen.show(self.now)
            self.pace.took(time.perf_counter() - began)

    def _look(self, search: Search) -> None:
        """Take from the search what is shown of it."""
        t, best = search.tally, search.archive.leader()
        self.at = time.monotonic()
        if t.generated >= self.stored:
            self.speed.note(self.at, t.generated, t.trained)
        self.view = replace(
            self.view,
            doing=SEARCHING if t.generated >= self.stored else REPLAYING,
            generated=t.generated,
            trained=t.trained,
            hits=t.hits,
            speed=self.speed.rates(),
            refused=dict(t.refused),
            curve=tuple(self.course.moments),
            best=None if best is None else live.member(best),
        )
        if self.asking is not None and self.front_pace.due():  # a log shows no front
            began = time.perf_counter()
            self.view = replace(self.view, front=live.front(search.archive))
            self.front_pace.took(time.perf_counter() - began)

    def now(self) -> View:
        """The view, with the times of this moment, and what is known by now of the best program."""
        view, now = self.view, time.monotonic()
        if self.asking is not None and view.best is not None:
            view = replace(view, explained=self.asking.about(view.best.text, ask=view.best.number >= 0))
        gone, left, part = now - self.began, None, None
        if view.doing in (SEARCHING, REPLAYING):
            until = None if self.until is None else self.until - now
            done = view.generated + (view.speed[0] * (now - self.at) if view.speed else 0.0)
            left, part = live.ahead(done, self.programs, view.speed, gone, until)
        return replace(view, gone=gone, left=left, part=part)
