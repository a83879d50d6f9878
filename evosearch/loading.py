"""Says in a terminal that a command is being loaded, where that takes longer than a moment. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

AFTER = 0.7  # seconds
TEXT = "loading ..."
ERASE = "\r\x1b[2K"


@contextmanager
def loading(after: float = AFTER) -> Iterator[None]:
    """Inside a `with`, a word on the terminal after some seconds, gone at the end; elsewhere nothing."""
    stream, shown = sys.stderr, threading.Event()
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return

    def show() -> None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(TEXT)
            stream.flush()
            shown.set()

    timer = threading.Timer(after, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            with contextlib.suppress(OSError, ValueError):
                stream.write(ERASE)
                stream.flush()
