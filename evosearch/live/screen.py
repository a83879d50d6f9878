"""Where a view is shown: in place in a terminal or a notebook, as plain lines anywhere else."""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live

from evosearch.live.text import Shown, lines, one_line, plain
from evosearch.live.view import View

SHARE = 0.002  # of the time that making views may take, and drawing them; of a core that is shared it is more
OFTEN = 0.25  # seconds between two pictures, at least
SELDOM, MOST_SELDOM = 5.0, 60.0  # seconds between two lines of a log, at the beginning and after an hour
COLUMNS = 100  # of a notebook


class Pace:
    """Says when it is time again: not before `least` seconds, nor before what it took is a small share of the time."""

    def __init__(self, least: float = OFTEN) -> None:
        self.least, self.after = least, 0.0

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self.after

    def took(self, seconds: float) -> float:
        """It was done just now, in so many seconds; gives those to wait."""
        pause = max(self.least, seconds / SHARE)
        self.after = time.monotonic() + pause
        return pause


class Screen(Protocol):
    """Shows what a function says of a search, now and for as long as nothing else is to be shown."""

    def start(self) -> None: ...

    def show(self, view: Callable[[], View]) -> None: ...

    def say(self, view: Callable[[], View]) -> None:
        """As `show`, where something else is done from now on."""

    def stop(self) -> None: ...


def screen(console: Console) -> Screen:
    """What suits a console."""
    if console.is_jupyter and not console.quiet:
        return Notebook()
    return Terminal(console) if is_live(console) and not console.quiet else Log(console)


def is_live(console: Console) -> bool:
    """Whether it can be drawn over: no dumb terminal, no pipe that must have colours, nothing that a notebook runs."""
    isatty = getattr(console.file, "isatty", lambda: False)
    by_notebook = "JPY_PARENT_PID" in os.environ and os.environ.get("TERM") == "xterm-color"
    return console.is_interactive and isatty() and not by_notebook


class Terminal:
    """Drawn by a thread of its own, so that the clock goes on while the driver waits."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True, vertical_overflow="crop")
        self._view: Callable[[], View] | None = None
        self._done, self._drawing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def start(self) -> None:
        """Hide the cursor and begin."""
        self._live.start()
        self._thread.start()

    def show(self, view: Callable[[], View]) -> None:
        """Draw this from now on."""
        self._view = view

    say = show

    def stop(self) -> None:
        """Take the picture away and show the cursor again."""
        self._done.set()
        with self._drawing:  # a thread that is still making a view finds that it is over
            self._live.stop()
        self._thread.join(2)

    def _draw(self) -> None:
        pace, pause = Pace(), OFTEN
        while not self._done.wait(pause):
            if self._view is not None:
                view = self._view()  # the formula of a new best takes longer, once
                began = time.thread_time()
                try:
                    with self._drawing:
                        if self._done.is_set():
                            return
                        self._live.update(Shown(view), refresh=True)
                except OSError:  # the terminal is gone, of which the driver is told otherwise
                    return
                pause = pace.took(time.thread_time() - began)


class Notebook:
    """One output that is replaced, as plain text, by the driver's own thread: the output of others ends up anywhere."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._pace = Pace(1.0)

    def start(self) -> None:
        """Nothing is shown yet."""

    def show(self, view: Callable[[], View]) -> None:
        """Replace what is shown, once a second."""
        if self._pace.due():
            began = time.perf_counter()
            self.say(view)
            self._pace.took(time.perf_counter() - began)

    def say(self, view: Callable[[], View]) -> None:
        """Replace what is shown."""
        display = importlib.import_module("IPython.display").display
        data = {"text/plain": "\n".join(plain(line) for line in lines(view(), COLUMNS))}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)

    def stop(self) -> None:
        """The last view stays."""


class Log:
    """A line now and then, the less often the longer it goes on."""

    def __init__(self, console: Console) -> None:
        self._console, self._after, self._began = console, 0.0, time.monotonic()

    def start(self) -> None:
        """Nothing is shown yet."""

    def show(self, view: Callable[[], View]) -> None:
        """Print a line: every five seconds at the beginning, once a minute after an hour."""
        now = time.monotonic()
        if now >= self._after:
            self._after = now + min(MOST_SELDOM, max(SELDOM, (now - self._began) / 60))
            self._console.print(one_line(view()), soft_wrap=True)  # a line stays one in a file

    def say(self, view: Callable[[], View]) -> None:
        """Print what begins now."""
        found = view()
        self._console.print(f"{found.gone or 0:5.1f}s  {found.doing} ...")

    def stop(self) -> None:
        """What was printed stays."""
