"""The user's own primitives: records in a Python file, or of an entry point, that join the table in this process.

A file has a list `primitives` of records as table.py has them. Only a file that the user names is executed; programs
stay texts. What is entered stays for the life of the process; a search inserts those that its configuration names.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from primitives.kinds import NUMBER, Kind
from primitives.primitive import Degree, Primitive
from primitives.program import Call, ProgramError
from primitives.record import faults
from primitives.table import PRIMITIVES, enter
from primitives.text import parse_expr

GROUP = "evosearch.primitives"  # of entry points: a list of records, or a module that has one

_entered: dict[str, tuple[str, tuple[str, ...]]] = {}  # by full name: digest and names, in the order of entering
_origin: dict[str, tuple[str, str]] = {}  # by primitive: the digest it came with, and from where


class PrimitiveError(ProgramError):
    """Own primitives that cannot be used; one sentence for each fault."""


def use(specs: Iterable[str]) -> tuple[str, ...]:
    """Enter the primitives of files and entry points into the table; their names. PrimitiveError for what is wrong.

    Whatever is there already, from the same text, is left as it is.
    """
    found: list[str] = []
    for spec in specs:
        name = full_name(spec)
        if name not in _entered:
            _enter(name)
        found += _entered[name][1]
    return tuple(found)


def used() -> tuple[str, ...]:
    """The full names of all that was entered in this process, for another one to enter it too."""
    return tuple(_entered)


def names() -> frozenset[str]:
    """The primitives of the table that are a user's own."""
    return frozenset(_origin)


def full_name(spec: str) -> str:
    """The name under which any process finds the file from any directory; that of an entry point is itself."""
    return str(Path(spec).expanduser().resolve()) if _is_file(spec) else spec


def digest(spec: str) -> str | None:
    """SHA-256 of the file of own primitives, of an entry point that of its module; None where it is gone."""
    path = Path(full_name(spec)) if _is_file(spec) else _module_file(spec)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path is not None and path.is_file() else None


def _is_file(spec: str) -> bool:
    return spec.endswith(".py")


def _module_file(name: str) -> Path | None:
    for point in entry_points(group=GROUP, name=name):
        module = sys.modules.get(point.module)
        if module is not None and module.__file__:
            return Path(module.__file__)
    return None


def _enter(name: str) -> None:
    records = _of_file(Path(name)) if _is_file(name) else _of_entry_point(name)
    where = Path(name).name if _is_file(name) else name
    found = [f"{where}: {fault}" for p in records for fault in faults(p, set(PRIMITIVES) - set(_origin))]
    twice = {p.name for i, p in enumerate(records) if p.name in (other.name for other in records[:i])}
    found += [f"{where}: {one} stands twice in the list; leave one." for one in sorted(twice)]
    mark = digest(name) or ""
    for p in records:
        theirs, place = _origin.get(p.name, (mark, ""))
        if theirs != mark:
            found.append(f"{where}: {p.name} is in use already, from {place}, as another text; begin a new Python.")
    if found:
        raise PrimitiveError(*found)
    enter([_completed(p) for p in records if p.name not in _origin])
    for p in records:
        _origin.setdefault(p.name, (mark, name))
    _entered[name] = (mark, tuple(p.name for p in records))


def _completed(p: Primitive) -> Primitive:
    """A composite with the kind and the degree that follow from its expansion."""
    if p.form != "composite":
        return p
    inside = parse_expr(p.expansion, p.args)

    def kind(*given: Kind) -> Kind:
        def of(expr: str | float | Call) -> Kind:
            if isinstance(expr, Call):
                return PRIMITIVES[expr.op].kind(*map(of, expr.args))
            return dict(zip(p.args, given, strict=True))[expr] if isinstance(expr, str) else NUMBER

        return of(inside)

    def degree(*given: Degree) -> Degree:
        def of(expr: str | float | Call) -> Degree:
            if isinstance(expr, Call):
                return PRIMITIVES[expr.op].degree(*map(of, expr.args))
            return dict(zip(p.args, given, strict=True))[expr] if isinstance(expr, str) else 0.0

        return of(inside)

    return replace(p, kind=kind, degree=degree)


def _of_file(path: Path) -> Sequence[Primitive]:
    if not path.is_file():
        raise PrimitiveError(f"there is no file {path}; own primitives are named as FILE.py, or by an entry point.")
    name = f"own_primitives_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    with _blamed(path):
        spec.loader.exec_module(module)
    return _records(getattr(module, "primitives", None), path.name)


def _of_entry_point(name: str) -> Sequence[Primitive]:
    found = list(entry_points(group=GROUP, name=name))
    if not found:
        names = ", ".join(sorted(point.name for point in entry_points(group=GROUP)))
        there = f"there are {names}" if names else "none is installed"
        raise PrimitiveError(f"there is no entry point '{name}' in {GROUP} ({there}); a file is named as FILE.py.")
    try:
        value = found[0].load()
    except Exception as error:
        raise PrimitiveError(f"the entry point '{name}' cannot be loaded: {type(error).__name__}: {error}.") from error
    return _records(getattr(value, "primitives", value), f"the entry point '{name}'")


def _records(value: Any, where: str) -> Sequence[Primitive]:
    if isinstance(value, list | tuple) and value and all(isinstance(p, Primitive) for p in value):
        return value
    raise PrimitiveError(f"{where} has no list of records `primitives`; write primitives = [primitive(...), ...].")


@contextmanager
def _blamed(path: Path) -> Iterator[None]:
    """Whatever the file raises as one sentence, with its line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        where = f", line {lines[-1]}" if lines else ""
        reason = (error.msg if isinstance(error, SyntaxError) else str(error)).strip().splitlines() or ["no message"]
        raise PrimitiveError(f"{path}{where}: {type(error).__name__}: {reason[0].rstrip('.')}.") from error
