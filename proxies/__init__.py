"""What an optimizer is judged on: small tasks, trained many replicas at a time. Importing it imports no torch."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from proxies.tasks import SUITE, TASKS, Task, of_tier

if TYPE_CHECKING:
    from proxies.proxy import Proxy

__all__ = ["SUITE", "TASKS", "Task", "get", "made", "of_tier"]


@cache
def get(name: str, *, unseal: bool = False) -> Proxy:
    """The proxy of this name. Held-out tasks are sealed: only who writes each look to a ledger may `unseal` them."""
    if name not in TASKS:
        raise ValueError(f"There is no proxy called {name!r}; there are {', '.join(sorted(TASKS))}.")
    if TASKS[name].tier == "held out" and not unseal:
        raise ValueError(f"{name} is held out: only `evosearch validate` may open it.")
    return made(TASKS[name])


def made(task: Task) -> Proxy:
    """The proxy of a task's record."""
    module, function = task.make.split(":")
    proxy: Proxy = getattr(import_module(f"proxies.{module}"), function)(task.name, **task.options)
    return proxy
