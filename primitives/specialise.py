"""The program that is left for one tensor where its constants (roles.py) are known: no dead branch, no dead state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product

import numpy as np

from primitives.inference import kind_faults
from primitives.namespaces import NUMPY
from primitives.program import Assign, Call, Program, calls, expressions
from primitives.roles import CONSTANTS, ROLES, facts
from primitives.table import PRIMITIVES

Expr = str | float | Call


def constants_read(program: Program) -> tuple[str, ...]:
    """Which constants of tensors a program reads."""
    ops = {call.op for expr in expressions(program) for call in calls(expr)}
    return tuple(name for name in CONSTANTS if name in ops)


def specialise(program: Program, known: Mapping[str, float]) -> Program:
    """The program for tensors with these constants; states that do not matter there are left out."""
    if not constants_read(program):
        return program
    special = alive(folded(program, known))
    return program if kind_faults(special) else special


def folded(program: Program, known: Mapping[str, float]) -> Program:
    """The program with these constants put in, conditions decided and numbers computed; nothing is left out yet."""
    values: dict[str, Expr] = {}  # variables that turned out to be a number
    body = []
    for assign in program.body:
        value = _known(assign.value, known, values)
        body.append(Assign(assign.name, value))
        values.pop(assign.name, None)
        if isinstance(value, float):
            values[assign.name] = value
    returns = tuple(_known(value, known, values) for value in program.returns)
    return replace(program, body=tuple(body), returns=returns)


def variants(program: Program) -> dict[Program, list[dict[str, float]]]:
    """Each different program that is left for some kind of tensor, and the constants of those tensors."""
    found: dict[Program, list[dict[str, float]]] = {}
    read = constants_read(program)
    for dimensions, role in product((2, 1), ROLES):
        known = {name: facts(dimensions, role)[name] for name in read}
        same = found.setdefault(specialise(program, known), [])
        if known not in same:
            same.append(known)
    return found


def _known(expr: Expr, known: Mapping[str, float], values: Mapping[str, Expr]) -> Expr:
    """The expression with what is known put in, conditions decided, and numbers of numbers computed."""
    if isinstance(expr, str):
        return values.get(expr, expr)
    if not isinstance(expr, Call):
        return expr
    if expr.op in known:
        return known[expr.op]
    args = tuple(_known(arg, known, values) for arg in expr.args)
    p = PRIMITIVES[expr.op]
    if expr.op == "where" and isinstance(args[0], float):
        chosen = args[1] if args[0] != 0 else args[2]
        return chosen if not isinstance(chosen, float) else Call("where", args, expr.at)
    if p.form == "pointwise" and args and all(isinstance(arg, float) for arg in args):
        with np.errstate(all="ignore"):
            value = float(p.meaning(NUMPY, *map(np.float64, args)))  # type: ignore[misc, arg-type]
        return value if np.isfinite(value) else Call(expr.op, args, expr.at)
    return Call(expr.op, args, expr.at)


def alive(program: Program, keep: Collection[str] = ()) -> Program:
    """The program without statements and states that have no influence on w, nor on the statements to keep."""
    new = dict(zip(program.state_names, program.returns[1:], strict=True))
    states: set[str] = set()
    while True:
        needed = _names(program.returns[0]).union(*(_names(new[name]) for name in states))
        body = []
        for assign in reversed(program.body):
            if assign.name in needed or assign.name in keep:
                needed = (needed - {assign.name}) | _names(assign.value)
                body.append(assign)
        more = states | (needed & set(new))
        if more == states:
            break
        states = more
    kept = tuple(state for state in program.states if state.name in states)
    returns = (program.returns[0], *(new[state.name] for state in kept))
    return replace(program, states=kept, body=tuple(body[::-1]), returns=returns)


def _names(expr: Expr) -> set[str]:
    leaves = [expr, *(arg for call in calls(expr) for arg in call.args)]
    return {leaf for leaf in leaves if isinstance(leaf, str)}
