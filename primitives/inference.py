"""Kinds of a program's variables: inferred before anything runs, each fault one sentence with line and column."""

from __future__ import annotations

from primitives.kinds import NUMBER, TENSOR, Kind, KindError, fits, join
from primitives.program import READABLE, Call, Program
from primitives.table import PRIMITIVES

Expr = str | float | Call


def state_kinds(program: Program) -> dict[str, Kind]:
    """The kind of each state: the smallest that fits its start and what is returned for it. KindError if none is."""
    states = {s.name: TENSOR if s.start == "w" else NUMBER for s in program.states}
    for _ in range(4 * len(states) + 1):  # each round widens some state or ends; a kind can widen three times
        returned = _returned(program, states, None)
        wider = {
            name: kind if new is None else join(kind, new)
            for (name, kind), new in zip(states.items(), returned[1:], strict=True)
        }
        if wider == states:
            return states
        states = wider
    return states


def kind_faults(program: Program) -> list[str]:
    """What is wrong with the kinds of a program whose names and arities are right."""
    faults: list[str] = []
    try:
        states = state_kinds(program)
    except KindError as error:
        return [f"line 1, column 1: a state cannot take back what the return gives for it: {error}."]
    new_w = _returned(program, states, faults)[0]
    if new_w is not None and not fits(new_w, TENSOR):
        faults.append(f"line 1, column 1: the new w is a {new_w} and does not fit a tensor.")
    return faults


def _returned(program: Program, states: dict[str, Kind], faults: list[str] | None) -> list[Kind | None]:
    """Kinds of the returned values; None where a fault (collected if a list is given) hides them."""
    known: dict[str, Kind | None] = dict.fromkeys(READABLE, NUMBER)
    known.update(dict.fromkeys(program.defaults, NUMBER))
    known.update(states)
    known.update(w=TENSOR, g=TENSOR)
    for assign in program.body:
        known[assign.name] = _kind(assign.value, known, faults)
    return [_kind(value, known, faults) for value in program.returns]


def _kind(expr: Expr, known: dict[str, Kind | None], faults: list[str] | None) -> Kind | None:
    if isinstance(expr, str):
        return known[expr]
    if not isinstance(expr, Call):
        return NUMBER
    args = [_kind(arg, known, faults) for arg in expr.args]
    given = [arg for arg in args if arg is not None]
    if len(given) < len(args):
        return None
    try:
        return PRIMITIVES[expr.op].kind(*given)
    except KindError as error:
        if faults is not None:
            line, column = expr.at
            faults.append(f"line {line}, column {column}: {expr.op} cannot be applied: {error}.")
        return None
