"""Kinds of a program's variables: inferred before anything runs, each fault one sentence with line and column."""

from __future__ import annotations

from collections.abc import Callable

from primitives.kinds import NUMBER, TENSOR, Kind, KindError, fits, join, pointwise
from primitives.program import READABLE, Call, Program, calls, expressions
from primitives.table import PRIMITIVES

Expr = str | float | Call


def state_kinds(program: Program) -> dict[str, Kind]:
    """The kind of each state: the smallest that fits its start and what is returned for it. KindError if none is."""
    kinds, faults = _state_kinds(program)
    if faults:
        raise KindError("; ".join(faults))
    return kinds


def kinds_of(program: Program) -> dict[str, Kind | None]:
    """The kind of each variable of a flat program without faults."""
    return _known(program, state_kinds(program), None)


def kind_of(expr: Expr, known: dict[str, Kind | None]) -> Kind | None:
    """The kind of an expression over variables of known kinds; None where it has none."""
    return _kind(expr, known, None)


def kind_faults(program: Program) -> list[str]:
    """What is wrong with the kinds of a program; what else is wrong with it is passed over."""
    states, state_faults = _state_kinds(program)
    faults: list[str] = []
    new_w = _returned(program, states, faults)[0]
    if new_w is not None and not fits(new_w, TENSOR):
        faults.append(f"{_place(program.returns[0])}: the new w is a {new_w} and does not fit a tensor.")
    faults += _count_faults(program)
    new = dict(zip(states, program.returns[1:], strict=True))
    faults += [f"{_place(new[name])}: {sentence}" for name, sentence in state_faults.items()]
    return faults


def _state_kinds(program: Program) -> tuple[dict[str, Kind], dict[str, str]]:
    """The states' kinds, and a sentence for each state that has none (it keeps the last one that it had)."""
    states = {s.name: TENSOR if s.start == "w" else NUMBER for s in program.states}
    faults: dict[str, str] = {}
    for _ in range(4 * len(states) + 1):  # each round widens some state or ends; a kind can widen three times
        wider = dict(states)
        for (name, kind), new in zip(states.items(), _returned(program, states, None)[1:], strict=True):
            try:
                wider[name] = kind if new is None else join(kind, new)
            except KindError as error:
                faults[name] = f"state '{name}' cannot take back what is returned for it: {error}."
        if wider == states:
            break
        states = wider
    return states, faults


def _no_fault(rule: Callable[..., Kind], args: list[Kind]) -> Kind | None:
    try:
        return rule(*args)
    except KindError:
        return None


def _count_faults(program: Program) -> list[str]:
    """Numbers of steps must be known before anything runs."""
    return [
        f"{_place(call)}: {call.op} takes '{name}' as a number or a hyperparameter."
        for expr in expressions(program)
        for call in calls(expr)
        if call.op in PRIMITIVES
        for name, role, arg in zip(PRIMITIVES[call.op].args, PRIMITIVES[call.op].roles, call.args, strict=False)
        if role == "count" and not isinstance(arg, float) and arg not in program.defaults
    ]


def _place(expr: Expr) -> str:
    line, column = expr.at if isinstance(expr, Call) else (0, 0)
    return f"line {line or 1}, column {column or 1}"


def _returned(program: Program, states: dict[str, Kind], faults: list[str] | None) -> list[Kind | None]:
    """Kinds of the returned values; None where a fault (collected if a list is given) hides them."""
    known = _known(program, states, faults)
    return [_kind(value, known, faults, widening=faults is None) for value in program.returns]


def _known(program: Program, states: dict[str, Kind], faults: list[str] | None) -> dict[str, Kind | None]:
    """The kind of each variable after the last statement."""
    known: dict[str, Kind | None] = dict.fromkeys(READABLE, NUMBER)
    known.update(dict.fromkeys(program.defaults, NUMBER))
    known.update(states)
    known.update(w=TENSOR, g=TENSOR)
    for assign in program.body:
        known[assign.name] = _kind(assign.value, known, faults, widening=faults is None)
    return known


def _kind(expr: Expr, known: dict[str, Kind | None], faults: list[str] | None, widening: bool = False) -> Kind | None:
    """The kind of an expression; None where a fault hides it."""
    if isinstance(expr, str):
        return known.get(expr)
    if not isinstance(expr, Call):
        return NUMBER
    args = [_kind(arg, known, faults, widening) for arg in expr.args]
    if expr.op not in PRIMITIVES or len(args) != PRIMITIVES[expr.op].arity:
        return None
    given = [arg for arg in args if arg is not None]
    if len(given) < len(args):
        # While states still widen, an argument without a kind must not hide how wide the others are already.
        joins = widening and given and PRIMITIVES[expr.op].form in ("pointwise", "composite")
        return _no_fault(pointwise, given) if joins else None
    try:
        return PRIMITIVES[expr.op].kind(*given)
    except KindError as error:
        if faults is not None:
            faults.append(f"{_place(expr)}: {expr.op} cannot be applied: {error}.")
        return None
