"""Commands that the user is told to type, as a shell takes them."""

from __future__ import annotations

import shlex
from pathlib import Path


def command(name: str, directory: Path, *rest: str) -> str:
    """A command on a run."""
    return shlex.join(["evosearch", name, _argument(directory), *rest])


def beginning(directory: Path) -> str:
    """The command that begins a run in a directory."""
    return shlex.join(["evosearch", "run", "--out", _argument(directory)])


def program(directory: Path, which: str | int) -> str:
    """A program of a run, as commands take it."""
    return shlex.quote(f"{_argument(directory)}:{which}")


def _argument(directory: Path) -> str:
    """A directory that is not taken for an option."""
    return f"./{directory}" if str(directory).startswith("-") else str(directory)
