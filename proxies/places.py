"""Names of tasks that stand at a place on this machine: the user's own (FILE.py:NAME), data sets on disk (mnist:DIR).

Reading a name opens nothing; what is at the place is read by own.py and local.py. Nothing here imports torch.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

DATA_SETS = ("cifar10", "mnist", "text")  # KIND:PATH; made in local.py


class TaskError(ValueError):
    """A task that cannot be had; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Place:
    """Where a task stands, and what is there."""

    kind: str  # "own", or one of DATA_SETS
    path: Path  # absolute
    function: str = ""  # of an own task: which makes the proxy; empty where the name leaves it open

    def __str__(self) -> str:
        if self.kind != "own":
            return f"{self.kind}:{self.path}"
        return f"{self.path}:{self.function}" if self.function else str(self.path)


def place_of(name: str) -> Place | None:
    """The place that a name means, seen from the working directory; None for a name without one."""
    kind, colon, path = name.partition(":")
    if colon and kind in DATA_SETS:
        return Place(kind, _absolute(path or "."))
    if match := re.fullmatch(r"(.+\.py)(?::(\w+))?", name, re.DOTALL):
        return Place("own", _absolute(match[1]), match[2] or "")
    return None


def shown(name: str) -> str:
    """A name short enough for a table: without the folders, as `my_task.py:spirals` or `mnist:images`."""
    place = place_of(name)
    if place is None:
        return name
    own = f"{place.path.name}:{place.function}" if place.function else place.path.name
    return own if place.kind == "own" else f"{place.kind}:{place.path.name}"


def digest(name: str) -> str | None:
    """SHA-256 of the file that a task is made from; None for tasks of the suite, and for folders."""
    place = place_of(name)
    if place is None or not place.path.is_file():
        return None
    with open(place.path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _absolute(path: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # no such user, links in a circle, null bytes
        raise TaskError(f"'{path[:60]}' is no path ({str(error).rstrip('.')[:60]}).") from error
