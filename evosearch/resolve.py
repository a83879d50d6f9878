"""From what a user types to a program: a name, an expression, a file, or a program of a run (DIR:best, DIR:7)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from evosearch import found
from evosearch.config import ConfigError
from evosearch.mistakes import StoreError
from evosearch.shell import beginning
from primitives.expressions import program_of
from primitives.program import Program, ProgramError
from primitives.reference import known, reference
from primitives.text import parse

LARGEST = 1_000_000  # bytes of a program file
LONGEST = 5_000  # characters of what a user types; paths have at most 4,096


def resolve(spec: str) -> Program:
    """The program that `spec` names; ProgramError with one sentence for each fault."""
    if not spec.strip():
        raise ProgramError("the program has no name; give a reference name (see `evosearch list`), a file or DIR:best.")
    if len(spec) > LONGEST:
        raise ProgramError(f"a name or expression has at most {LONGEST:,} characters; write the program into a file.")
    if spec in known():
        return reference(spec)
    found = _of_place(spec)
    if found is not None:
        return found
    if "(" in spec or spec[0] in "'\"" or spec.isidentifier():
        return program_of(spec, _leaf)
    place, _, which = spec.rpartition(":")
    if place and re.fullmatch(r"best|front\[\d+\]|\d+", which):
        raise ProgramError(f"there is no run directory {place}; `{beginning(Path(place))}` would begin one.")
    if Path(spec).suffix or "/" in spec:
        raise ProgramError(
            f"there is no file {spec}; give a reference name (see `evosearch list`), a file or DIR:best."
        )
    return reference(spec)  # says which names there are


def shown(spec: str) -> str:
    """A name for a table, without folders: `mine.opt` of a file, `run:best` of a program of a run; else as it is typed.

    What a program is called decides its draws in a contest, and where a file lies must not.
    """
    if (in_run := place_in_run(spec)) is not None:
        directory, which = in_run
        return f"{directory.resolve().name}:{which}"
    return Path(spec).name if _is(Path.is_file, spec) else spec


def full_name(spec: str) -> str:
    """The name under which `resolve` finds the program from any directory."""
    if (in_run := place_in_run(spec)) is not None:
        directory, which = in_run
        return f"{directory.absolute()}:{which}"
    if spec not in known() and _is(Path.is_file, spec):
        return str(Path(spec).absolute())
    return re.sub(r"""(['"])(.+?)\1""", lambda quoted: f"{quoted[1]}{full_name(quoted[2])}{quoted[1]}", spec)


def _leaf(spec: str) -> Program:
    """The program of a name or a quoted string inside an expression, which is no expression itself."""
    if spec in known():
        return reference(spec)
    found = _of_place(spec)
    if found is not None:
        return found
    if spec.isidentifier():
        return reference(spec)
    raise ProgramError(f"there is no file {spec}; in quotes stands a file or DIR:best.")


def _of_place(spec: str) -> Program | None:
    """The program of a file or of a run; None where there is neither."""
    if (in_run := place_in_run(spec)) is not None:
        return _of_run(*in_run)
    if _is(Path.is_file, spec):
        return _of_file(Path(spec))
    if _is(Path.is_dir, spec):
        raise ProgramError(f"{spec} is a directory; name a program in it, as {spec}:best or {spec}:7.")
    return None


def _is(what: Callable[[Path], bool], text: str) -> bool:
    """Whether the text names such a place; one that is too long, or has null bytes, names none."""
    try:
        return what(Path(text))
    except (OSError, ValueError):
        return False


def _of_file(path: Path) -> Program:
    if path.stat().st_size > LARGEST:
        raise ProgramError(f"{path} is larger than {LARGEST:,} bytes and no program.")
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark of the order of bytes before it
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(
            f"{path} cannot be read as text ({error.__class__.__name__}); a program is a text file."
        ) from error
    try:
        return parse(text)
    except ProgramError as error:
        raise ProgramError(*(f"{path}: {fault}" for fault in error.faults)) from error


def place_in_run(spec: str) -> tuple[Path, str] | None:
    """The directory and what is named in it, as "best" or "17"; None where `spec` names nothing in a directory."""
    place, _, which = spec.rpartition(":")
    return (Path(place), which) if place and _is(Path.is_dir, place) else None


def _of_run(directory: Path, which: str) -> Program:
    from evosearch.directory import configuration  # imports torch

    if which == "best":
        with contextlib.suppress(ConfigError, StoreError):  # best.opt says enough
            configuration(directory)  # and the primitives are known
        if not (directory / "best.opt").is_file():
            raise ProgramError(found.lacks(directory, "best.opt"))
        return _of_file(directory / "best.opt")
    if match := re.fullmatch(r"front\[(\d{1,18})\]", which):
        return _of_front(directory, int(match[1]))
    if not re.fullmatch(r"-?\d{1,18}", which):
        raise ProgramError(f"'{which[:60]}' names no program of {directory}; use best, front[0] or a number, as 17.")
    return found.of_number(directory, int(which)).program()


def _of_front(directory: Path, index: int) -> Program:
    from evosearch import told
    from evosearch.directory import reopen

    rows = found.front(directory)
    if index >= len(rows):
        raise ProgramError(f"the front of {directory} has {len(rows)} programs, numbered from 0.")
    try:
        config, store = reopen(directory)
    except (ConfigError, StoreError) as error:
        raise ProgramError(str(error)) from error
    tasks = told.tasks(config, store)
    store.close()
    return found.of_front(rows[index], tasks).program()
