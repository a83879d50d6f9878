"""What an optimizer is judged on: small tasks, trained many replicas at a time. Importing it imports no torch."""

from __future__ import annotations

import difflib
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from proxies.places import DATA_SETS, Place, TaskError, digest, place_of, shown
from proxies.tasks import SUITE, TASKS, Task, of_tier

if TYPE_CHECKING:
    from proxies.proxy import Proxy

GROUP = "evosearch.proxies"  # of entry points: a function without arguments that returns a Proxy

__all__ = ["SUITE", "TASKS", "Task", "TaskError", "digest", "full_name", "get", "made", "of_tier", "shown"]


def get(name: str, *, unseal: bool = False) -> Proxy:
    """The proxy of this name: of the suite, FILE.py:NAME, mnist:DIR for a data set on disk, or an installed package's.

    Made once in a process. Held-out tasks of the suite are sealed: only who writes each look to a ledger may `unseal`
    them. TaskError in one sentence where there is no such task, or what is at the place cannot be used.
    """
    if name in TASKS:
        if TASKS[name].tier == "held out" and not unseal:
            raise TaskError(f"{name} is held out: only `evosearch validate` may open it.")
        return _known(name)
    if place := place_of(name):
        return _placed(place)
    if entry_points(group=GROUP, name=name):
        return _installed(name)
    close = difflib.get_close_matches(name, (*TASKS, "suite", "search", "selection"), n=1)
    raise TaskError(
        f"There is no proxy called {name!r}; "
        + (f"did you mean '{close[0]}'? " if close else "")
        + f"`evosearch proxies` lists them, your own is FILE.py or FILE.py:NAME, and data on this disk "
        f"{' or '.join(f'{kind}:PATH' for kind in DATA_SETS)}."
    )


def full_name(name: str) -> str:
    """The name under which any process finds the task from any directory; TaskError where an own file has none."""
    place = None if name in TASKS else place_of(name)
    if place is not None and place.kind == "own":
        return _placed(place).name
    return name if place is None else str(place)


def made(task: Task) -> Proxy:
    """The proxy of a task's record."""
    module, function = task.make.split(":")
    proxy: Proxy = getattr(import_module(f"proxies.{module}"), function)(task.name, **task.options)
    return proxy


@cache
def _known(name: str) -> Proxy:
    return made(TASKS[name])


@cache
def _installed(name: str) -> Proxy:
    """That of an entry point."""
    found: Proxy = import_module("proxies.own").installed(name)
    return found


@cache
def _placed(place: Place) -> Proxy:
    """What is at a place; own.py and local.py import torch."""
    proxy: Proxy = import_module("proxies.own" if place.kind == "own" else "proxies.local").opened(place)
    return proxy
