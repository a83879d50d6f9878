"""The reference programs: every documented method as a text in zoo/."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from primitives.program import Program, ProgramError
from primitives.text import parse

ZOO = Path(__file__).parent / "zoo"


def names() -> tuple[str, ...]:
    """The names of all reference programs, sorted."""
    return tuple(sorted(path.stem for path in ZOO.glob("*.opt")))


@cache
def reference(name: str) -> Program:
    """The reference program of that name; ProgramError with one sentence if there is none."""
    if name not in names():
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"the names are {', '.join(names())}."
        raise ProgramError(f"there is no reference program '{name}'; {hint}")
    return parse((ZOO / f"{name}.opt").read_text(encoding="utf-8"))
