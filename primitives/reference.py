"""The reference programs: every documented method as a text in zoo/; and what came of searches, in found/."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from primitives.program import Program, ProgramError
from primitives.text import parse

ZOO = Path(__file__).parent / "zoo"
FOUND = Path(__file__).parent / "found"


def names() -> tuple[str, ...]:
    """The names of all reference programs, sorted."""
    return tuple(sorted(path.stem for path in ZOO.glob("*.opt")))


def found() -> tuple[str, ...]:
    """The names of programs that came of searches and were judged on held-out tasks, sorted."""
    return tuple(sorted(path.stem for path in FOUND.glob("*.opt")))


@cache
def known() -> tuple[str, ...]:
    """All names that a program is loaded by."""
    return (*names(), *found())


@cache
def reference(name: str) -> Program:
    """The program of that name; ProgramError with one sentence if there is none."""
    if name not in known():
        close = difflib.get_close_matches(name, known(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the names are {', '.join(known())}."
        raise ProgramError(f"there is no reference program '{name}'; {hint}")
    folder = ZOO if name in names() else FOUND
    return parse((folder / f"{name}.opt").read_text(encoding="utf-8"))
