"""Handlers that bring their worker down; imported by name in the workers, so nothing heavy at the top."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    ctypes.string_at(0)


def loop() -> None:
    """Never comes back, and never lets another thread of Python's run."""
    ctypes.PyDLL(None).pause()


def freeze() -> None:
    """Stops the whole process, as a debugger or a full disk of swap does."""
    os.kill(os.getpid(), signal.SIGSTOP)


def memory() -> None:
    """Asks for more than the process may have."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, before[1]))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


FAULTS: dict[str, tuple[Callable[[], None], str]] = {
    "kill": (kill, "crash"),
    "segfault": (segfault, "crash"),
    "loop": (loop, "timeout"),
    "freeze": (freeze, "timeout"),
    "memory": (memory, "oom"),
}


# Handlers: top-level functions, imported by name in the workers.


def fragile(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """Squares, but some items are fatal."""
    for item in items:
        if item in FAULTS:
            FAULTS[item][0]()
    return [item * item for item in items]


def poisoned(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """Evaluates, but some programs are fatal; in the process of the tests they only raise."""
    hurdles, poison, driver = shared
    for fault in {poison[item.text] for item in items if item.text in poison}:
        if os.getpid() == driver:
            raise RuntimeError(fault)
        FAULTS[fault][0]()
    from evosearch.evaluate import evaluate

    return list(evaluate(context, hurdles, items))


def noted(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """Writes down its process, then a fault."""
    path, fault = shared
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    FAULTS[fault][0]()
    return list(items)
