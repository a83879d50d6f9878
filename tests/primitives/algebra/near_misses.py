"""Pairs of programs that differ by one edit: what must not be taken for the same map, unless by chance it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from primitives.program import READABLE, Call, Program, State
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show
from tests.primitives.random_programs import random_program

Expr = str | float | Call
Rng = np.random.Generator
Edit = Callable[[Program, Rng], Program | None]  # None where there is nothing to edit
Change = Callable[[Expr, Rng], Expr | None]  # another expression, or None where this one is not meant
SHARE = 0.7  # of reference programs among the origins


def near_misses(rng: Rng) -> Iterator[tuple[Program, Program]]:
    """Without end a program, of reference or random, and the same with one edit; both are valid and differ as texts."""
    while True:
        if rng.random() < SHARE:
            program = reference(str(rng.choice(names())))
        else:
            program = random_program(int(rng.integers(10**6)))
        edited = EDITS[rng.integers(len(EDITS))](program, rng)
        if edited is not None and edited != program and not problems(edited):
            yield program, parse(show(edited))


def _one_place(program: Program, change: Change, rng: Rng) -> Program | None:
    """The program with one of its expressions changed, where the change applies."""
    whole = [assign.value for assign in program.body] + list(program.returns)
    options = [(i, new) for i, expr in enumerate(whole) for new in _changed(expr, change, rng)]
    if not options:
        return None
    i, new = options[rng.integers(len(options))]
    whole[i] = new
    split = len(program.body)
    body = tuple(replace(assign, value=value) for assign, value in zip(program.body, whole[:split], strict=True))
    return replace(program, body=body, returns=tuple(whole[split:]))


def _changed(expr: Expr, change: Change, rng: Rng) -> Iterator[Expr]:
    """The expression with the change made at each place in turn where it applies."""
    new = change(expr, rng)
    if new is not None and new != expr:
        yield new
    if isinstance(expr, Call):
        for i, arg in enumerate(expr.args):
            for part in _changed(arg, change, rng):
                yield Call(expr.op, (*expr.args[:i], part, *expr.args[i + 1 :]))


def constant(program: Program, rng: Rng) -> Program | None:
    """One number is another."""
    return _one_place(program, lambda e, rng: _other(e, rng) if isinstance(e, float) else None, rng)


def default(program: Program, rng: Rng) -> Program | None:
    """One hyperparameter has another default."""
    options = [i for i, (name, _) in enumerate(program.hyper) if name != "lr"]
    if not options:
        return None
    i = options[rng.integers(len(options))]
    name, value = program.hyper[i]
    return replace(program, hyper=(*program.hyper[:i], (name, _other(value, rng)), *program.hyper[i + 1 :]))


def literal(program: Program, rng: Rng) -> Program | None:
    """One read of a hyperparameter is a number, near its default."""
    values = {name: value for name, value in program.hyper if name != "lr"}
    return _one_place(program, lambda e, rng: _other(values[e], rng) if e in values else None, rng)


def primitive(program: Program, rng: Rng) -> Program | None:
    """One primitive is another with as many arguments."""

    def change(expr: Expr, rng: Rng) -> Expr | None:
        if not isinstance(expr, Call):
            return None
        p = PRIMITIVES[expr.op]
        others = [x.name for x in PRIMITIVES.values() if (x.arity, x.form, x.roles) == (p.arity, p.form, p.roles)]
        return Call(str(rng.choice(others)), expr.args)

    return _one_place(program, change, rng)


def variable(program: Program, rng: Rng) -> Program | None:
    """One variable is another."""
    known = ["w", "g", *program.defaults, *program.state_names, *READABLE[:1], *(a.name for a in program.body)]
    return _one_place(program, lambda e, rng: str(rng.choice(known)) if isinstance(e, str) else None, rng)


def exchanged(program: Program, rng: Rng) -> Program | None:
    """Two arguments of a call are exchanged."""

    def change(expr: Expr, rng: Rng) -> Expr | None:
        if not isinstance(expr, Call) or len(expr.args) < 2 or PRIMITIVES[expr.op].commutative:
            return None
        args = list(expr.args)
        i, j = rng.choice(len(args), 2, replace=False)
        args[i], args[j] = args[j], args[i]
        return Call(expr.op, tuple(args))

    return _one_place(program, change, rng)


def dropped(program: Program, rng: Rng) -> Program | None:
    """One call is dropped: its first argument takes its place."""
    return _one_place(program, lambda e, rng: e.args[0] if isinstance(e, Call) and e.args else None, rng)


def start(program: Program, rng: Rng) -> Program | None:
    """One state starts elsewhere."""
    if not program.states:
        return None
    i = int(rng.integers(len(program.states)))
    old = program.states[i]
    new = _other(old.start, rng) if isinstance(old.start, float) else float(rng.choice((0.0, 1.0)))
    return replace(program, states=(*program.states[:i], State(old.name, new), *program.states[i + 1 :]))


def root(program: Program, rng: Rng) -> Program | None:
    """What is added to a root is added inside it, or the other way round."""

    def change(expr: Expr, rng: Rng) -> Expr | None:
        match expr:
            case Call("add", (Call("sqrt", (x,)), y)):
                return Call("sqrt", (Call("add", (x, y)),))
            case Call("sqrt", (Call("add", (x, y)),)):
                return Call("add", (Call("sqrt", (x,)), y))
        return None

    return _one_place(program, change, rng)


def _other(value: float, rng: Rng) -> float:
    """Another number of the same sort."""
    if value == 0:
        return float(rng.choice((0.5, 1.0, -1.0)))
    if value == int(value):
        return value + float(rng.choice((-1.0, 1.0)))
    if 0.5 < value < 1:
        return 1 - (1 - value) * float(rng.choice((0.5, 2.0, 1.1)))
    return value * float(rng.choice((0.5, 2.0, 1.1)))


EDITS: tuple[Edit, ...] = (constant, default, literal, primitive, variable, exchanged, dropped, start, root)
