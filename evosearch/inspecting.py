"""The command `inspect`: all that can be told of a program without training it, a section for each question."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from rich.console import Console
from rich.text import Text

from evosearch import arguments, catalogue
from evosearch.config import ConfigError
from evosearch.console import printer
from evosearch.explain import Simplification, simplified, unchanged
from evosearch.plain import plain
from evosearch.resolve import place_in_run, resolve
from primitives.algebra.relatives import Relative, relatives
from primitives.analysis.bounds import bounds
from primitives.analysis.constants import lifted
from primitives.analysis.formula import formula
from primitives.analysis.hazards import hazards
from primitives.analysis.memory import memory
from primitives.analysis.nature import nature
from primitives.analysis.response import responses
from primitives.analysis.scaling import scaling
from primitives.analysis.symmetry import symmetry
from primitives.analysis.units import units
from primitives.program import Program, ProgramError
from primitives.show import show, show_number

WIDTH = 100
LONGEST = 2.0  # seconds that one section may take
TIDYING, RELATIVES = 0.5, 0.5  # seconds for the search for a shorter text, and for relatives


class Shown(Protocol):
    """What is known of a program, and how a terminal shows it."""

    def lines(self) -> list[str]: ...


@dataclass(frozen=True)
class Section:
    """One question about a program: its name in JSON, its heading, and what answers it."""

    key: str
    heading: str
    derive: Callable[[Program], Shown]
    as_given: bool = False  # asked of the given text, which is what trains, and not of the simplified one


@dataclass(frozen=True)
class Unknown:
    """Why a question has no answer."""

    reason: str

    def lines(self) -> list[str]:
        """The reason as a sentence."""
        return [self.reason]


@dataclass(frozen=True)
class Lifted:
    """The numbers of a program under names that say what they are for, and the program with these names."""

    names: tuple[tuple[str, float], ...]
    program: Program

    def lines(self) -> list[str]:
        """The names, and the text that has them."""
        if not self.names:
            return ["Every number of the text has a name, or says what it is."]
        named = ", ".join(f"{name} = {show_number(value)}" for name, value in self.names)
        return [f"{named}, in:", *show(replace(self.program, doc="")).splitlines()]


def constants(program: Program) -> Lifted:
    """The numbers that have no name in the text."""
    found = lifted(program)
    return Lifted(tuple(pair for pair in found.hyper if pair not in program.hyper), found)


@dataclass(frozen=True)
class Kin:
    """The reference programs that a program is, or is near to."""

    relatives: tuple[Relative, ...]

    def lines(self) -> list[str]:
        """What each of them is to it, the nearest first."""
        found = [line for relative in self.relatives for line in relative.lines()]
        return found or ["None of the reference programs is near to it."]


def kin(program: Program) -> Kin:
    """The reference programs to which a program is related."""
    return Kin(relatives(program, RELATIVES))


SECTIONS = (
    Section("formula", "Formula", formula),
    Section("relatives", "What it is", kin),
    Section("constants", "Numbers that have no name", constants),
    Section("memory", "What the states remember, memory and arithmetic", memory),
    Section("needs", "What a step asks for", catalogue.needs),
    Section("nature", "Adaptive, momentum", nature),
    Section("scaling", "Scaling", scaling),
    Section("symmetry", "Symmetry", symmetry),
    Section("units", "Units", units),
    Section("bounds", "Bounds and special cases", bounds),
    Section("hazards", "Hazards of the text as given", hazards, as_given=True),
    Section("responses", "Responses: the update over lr, step by step", responses),
)


def inspect(args: argparse.Namespace) -> None:
    """Print all that is known of a program; or as LaTeX, as JSON, as a picture too."""
    picture = _picture_path(args.graph) if args.graph else None
    if args.latex and args.json:
        raise ConfigError("--latex and --json are two outputs; choose one.")
    given = resolve(args.program)
    found = tidy(given)
    if args.latex:
        print(formula(found.program).latex())
    elif args.json:
        print(json.dumps(record(found, args.program), indent=2, allow_nan=False))
    else:
        _print(found, args.program)
    if picture is not None:
        _draw(found.program, picture)
        print(f"Wrote {picture}.", file=sys.stderr)


def tidy(program: Program) -> Simplification:
    """The program in short form, or as it is where a mistake of ours or the time keeps it from being found."""
    try:
        with _within(LONGEST):
            return simplified(program, seconds=TIDYING)
    except _TooLongError:
        return unchanged(program, f"Not simplified: it would take more than {LONGEST:g} seconds.")
    except Exception as error:
        return unchanged(program, f"Not simplified, by {_blamed(error)}")


def answers(found: Simplification) -> Iterator[tuple[Section, Shown]]:
    """Every section with its answer; one that fails or takes too long says so and spoils no other."""
    for section in SECTIONS:
        yield section, _answered(section, found.before if section.as_given else found.program)


def _answered(section: Section, program: Program) -> Shown:
    try:
        with _within(LONGEST):
            return section.derive(program)
    except _TooLongError:
        return Unknown(f"Not known: it would take more than {LONGEST:g} seconds.")
    except ProgramError as error:
        return Unknown(f"Not known: {error}")
    except Exception as error:
        return Unknown(f"Not known, by {_blamed(error)}")


def _blamed(error: Exception) -> str:
    return f"a mistake of ours ({type(error).__name__}: {error}); please report it."


class _TooLongError(Exception):
    """A section took too long."""


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """_TooLongError where the block takes longer; no limit outside the main thread or where there is no alarm."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def record(found: Simplification, spec: str) -> dict[str, Any]:
    """Everything as JSON has it: the text, then a dictionary for each section."""
    return {
        "name": found.program.name,
        "text": show(found.program),
        "simplified_from": show(found.before) if found.shorter else None,
        "note": found.note,
        **{section.key: plain(answer) for section, answer in answers(found)},
        "lineage": [step.record() for step in _descent(spec)],
    }


def _print(found: Simplification, spec: str) -> None:
    console = printer(WIDTH)
    print(show(found.program))
    if found.shorter:
        _show(console, f"Simplified from {found.statements[0]} statements", found.lines())
    elif found.note:
        _show(console, "Simplification", [found.note])
    for section, answer in answers(found):
        _show(console, section.heading, answer.lines())
    if steps := _descent(spec):
        heading = f"How it descends from the start, in {len(steps) - 1} generation{'s' * (len(steps) != 2)}"
        _show(console, heading, [line for step in steps for line in step.shown().splitlines()])


def titled(heading: str) -> str:
    """The line above a section."""
    return f"── {heading} ──"


def _show(console: Console, heading: str, lines: list[str]) -> None:
    """A heading, and the lines below it, none wider than WIDTH or the terminal: those that are, are broken."""
    width = min(WIDTH, console.width)
    console.print(Text(titled(heading), "bold"), soft_wrap=True)
    for line in lines:
        deeper = " " * (len(line) - len(line.lstrip()) + 4)
        for part in textwrap.wrap(line, width, subsequent_indent=deeper) or [""]:
            console.print(Text(part), soft_wrap=True)
    console.print()


def _picture_path(text: str) -> Path:
    """Where to draw; ConfigError where that cannot be a picture."""
    from evosearch.pictures import check

    path = arguments.output(text)
    check(path)
    return path


def _draw(program: Program, path: Path) -> None:
    from evosearch.response_pictures import picture

    try:
        picture(program, path)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}.") from error


def _descent(spec: str) -> list[Any]:
    """The ancestors of a run's program; what is of no run needs nothing of runs, which import torch."""
    if place_in_run(spec) is None:
        return []
    from evosearch import lineage

    return list(lineage.of(spec))
