"""Ends a command in good order: Ctrl-C, SIGTERM and SIGHUP are raised as one exception, once, and none is lost.

After the first signal a command saves and closes; a signal that comes while it does so changes nothing.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REQUEST = "stop"  # the file in a run's directory that asks its driver to end
EVERY = 0.5  # seconds between two looks for it
GRACE = 10.0  # seconds after a signal in which others are left out; after that one ends what may hang


class Stopped(KeyboardInterrupt):
    """A command was asked to end; a KeyboardInterrupt, so that whatever minds Ctrl-C minds all."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)


class Requested(KeyboardInterrupt):
    """Another process asked this one to end, by a file."""


@dataclass
class _Asked:
    number: int = 0  # the signal; 0: none came
    at: float = 0.0  # time.monotonic
    closing: bool = False  # a first signal waits
    file: Path | None = None  # that would ask
    after: float = 0.0  # time.monotonic of the next look for it


_asked = _Asked()


@contextmanager
def orderly() -> Iterator[None]:
    """Inside a `with`, each of the signals raises Stopped in the main thread; before and after they mean what they did.

    A hangup that was ignored from the beginning, as under nohup, stays ignored. One `with` may stand in another.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    before = {s: signal.getsignal(s) for s in SIGNALS if not (s == signal.SIGHUP and ignored)}
    if _raise not in before.values():
        _asked.number = 0
    hook = sys.unraisablehook

    def lost(one: sys.UnraisableHookArgs) -> None:
        """An exception that nobody can catch: ours is remembered, any other is told as always."""
        if not isinstance(one.exc_value, KeyboardInterrupt):
            hook(one)

    sys.unraisablehook = lost
    try:
        for number in before:
            signal.signal(number, _raise)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        sys.unraisablehook = hook


@contextmanager
def closing() -> Iterator[None]:
    """Inside a `with`, which closes what is open, a first signal waits until that is done, so that nothing is left."""
    inside, earlier, _asked.closing = _asked.closing, _asked.number, True
    try:
        yield
    finally:
        _asked.closing = inside
    if _asked.number and not (inside or earlier):
        raise Stopped(_asked.number)


@contextmanager
def heed(file: Path) -> Iterator[None]:
    """Inside a `with`, `check` also looks for a file by which another process asks; one that is older means nothing."""
    with contextlib.suppress(OSError):
        file.unlink()
    _asked.file = file
    try:
        yield
    finally:
        _asked.file = None
        with contextlib.suppress(OSError):
            file.unlink()


def check() -> None:
    """Raise Stopped where one was raised inside a destructor or a callback, which loses exceptions; or Requested."""
    if _asked.number:
        raise Stopped(_asked.number)
    now = time.monotonic()
    if _asked.file is not None and now >= _asked.after:
        _asked.after = now + EVERY
        if _asked.file.exists():
            raise Requested(str(_asked.file))


def exit_code() -> int:
    """What a command returns that was ended so: 128 and the signal, as shells have it; Ctrl-C where it is not known."""
    return 128 + (_asked.number or signal.SIGINT)


def deafen() -> None:
    """Ignore the signals for the rest of the process, which is about to end."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _raise(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _asked.number and now - _asked.at < GRACE:
        return
    waits = _asked.closing and not _asked.number
    _asked.number, _asked.at = number, now
    if not waits:
        raise Stopped(number)
