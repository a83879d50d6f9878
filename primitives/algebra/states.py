"""States that a program could do without: dead ones, constant ones, equal ones, and multiples of one another.

Each is shown by induction: it holds at the start, and if it holds before a step it holds after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import permutations

import numpy as np

from primitives.algebra.fits import FIT, expression, run
from primitives.algebra.laws import PROTECTED
from primitives.algebra.powers import measure
from primitives.algebra.reading import Normal, assumed, inputs_of, opened, read, start_value, value_of
from primitives.algebra.trials import Array
from primitives.algebra.widths import sees_widths, widened
from primitives.inference import state_kinds
from primitives.program import Assign, Call, Program, substitute
from primitives.specialise import alive

Expr = str | float | Call
MINUS = Fraction(-1)
VARYING = {"w", "g", "t", "T", "lr", "loss"}


def normal(program: Program, tier: str, until: float) -> Normal:
    """The program's normal form, with what can be shown of the states' signs."""
    numbers = assumed(program)
    known = {s.name: "" for s in program.states if (s.start in numbers if isinstance(s.start, str) else s.start >= 0)}
    while True:
        arena = opened(program, tier, known, until)
        found = read(program, arena)
        failing = {name for name in known if not arena.nonnegative(found.states[name])}
        if not failing:
            return found
        known = {name: sign for name, sign in known.items() if name not in failing}


def without(program: Program, name: str, instead: Expr) -> Program:
    """The program without a state; `instead`, a name or a number, is read in its place."""
    if name not in program.state_names:  # it went with another that alone read it
        return program
    if sees_widths(program):
        instead = widened(instead, state_kinds(program)[name])
    place = program.state_names.index(name)
    states = tuple(s for s in program.states if s.name != name)
    returns = tuple(r for i, r in enumerate(program.returns) if i != place + 1)
    return alive(replace(program, states=states, returns=returns, body=(Assign(name, instead), *program.body)))


def constant_states(n: Normal) -> dict[str, str | float]:
    """States that stay at the number or hyperparameter at which they start."""
    found: dict[str, str | float] = {}
    for name, start in n.starts.items():
        kept, again = n.arena.input(name), start_value(n.arena, start)
        if start != "w" and (n.states[name] == kept or (start != "lr" and n.states[name] == again)):
            found[name] = "base_lr" if start == "lr" else start  # one that takes each lr holds the last
    return found


def equal_states(program: Program, n: Normal, until: float) -> dict[str, str]:
    """States that are always equal to another, and to which; by refinement of what starts alike."""
    tier, known = n.arena.tier, n.arena.at_least
    classes: dict[str, object] = {name: (start, str(n.arena.inputs[name])) for name, start in n.starts.items()}
    while True:
        first: dict[object, str] = {}
        for name, mark in classes.items():
            first.setdefault(mark, name)
        together = {name: first[mark] for name, mark in classes.items()}
        if all(name == other for name, other in together.items()):
            return {}
        arena = opened(program, tier, {k: v for k, v in known.items() if k in n.states}, until)
        found = read(program, arena, {name: arena.input(other) for name, other in together.items()})
        refined: dict[str, object] = {name: (together[name], found.states[name]) for name in classes}
        if len(set(refined.values())) == len(first):
            return {name: other for name, other in together.items() if name != other}
        classes = refined


def multiple_states(program: Program, n: Normal) -> Iterator[tuple[str, str, int]]:
    """States that are a constant times another: (state, other, factor as a value)."""
    if len(n.states) < 2 or n.arena.tier != PROTECTED:
        return
    runs = [found for seed in (0, 1) if (found := run(program, program, seed)) is not None]
    names = list(program.state_names)
    for one, other in permutations(n.states, 2):
        i, j = names.index(one), names.index(other)
        factors = [(hyper, ratio) for hyper, _, y in runs if (ratio := _ratio(y[:, i], y[:, j]))]
        if len(factors) < 2 or n.arena.inputs[one] != n.arena.inputs[other]:
            continue
        expr = expression(factors)
        if expr is None or expr == 0.0:
            continue
        factor = value_of(expr, n.arena)
        if not inputs_of(n.arena, factor) & VARYING and _holds(program, n, one, other, factor):
            yield one, other, factor


def _ratio(x: Array, y: Array) -> float | None:
    """The factor between two columns, None where it is none."""
    scale = float(y @ y)
    ratio = float(x @ y) / scale if scale else 0.0
    return ratio if ratio and np.abs(x - ratio * y).max() <= FIT * np.abs(x).max() else None


def _holds(program: Program, n: Normal, one: str, other: str, factor: int) -> bool:
    """Whether one = factor * other is kept by a step, and holds at the start."""
    arena = n.arena
    starts = [start_value(arena, n.starts[name]) for name in (one, other)]
    if starts[0] != arena.multiply(factor, starts[1]):
        return False
    found = read(program, arena, {one: arena.multiply(factor, arena.input(other))})
    return found.states[one] == arena.multiply(factor, found.states[other])


def scales(n: Normal) -> Iterator[tuple[str, Fraction]]:
    """States that start at 0, and the number by which all that enters them is multiplied."""
    for name, new in n.states.items():
        terms = n.arena.terms(new)
        drive = {p: c for p, c in terms.items() if name not in inputs_of(n.arena, p)}
        if not isinstance(n.starts[name], str):
            yield from ((name, c) for c in {measure(n.arena, drive) if drive else MINUS, MINUS} - {Fraction(1)})


def rescaled(program: Program, name: str, c: float) -> Program:
    """The program that keeps a state over c."""
    place = program.state_names.index(name) + 1
    before = Assign(f"{name}_whole", Call("multiply", (c, name)))

    def whole(leaf: str) -> Expr:
        return before.name if leaf == name else leaf

    body, written = [before], False
    for assign in program.body:
        body.append(assign if written else Assign(assign.name, substitute(assign.value, whole)))
        written |= assign.name == name
    returns = program.returns if written else tuple(substitute(r, whole) for r in program.returns)
    new = Call("divide", (returns[place], c))
    states = tuple(replace(s, start=float(s.start) / c) if s.name == name else s for s in program.states)
    return replace(program, states=states, body=tuple(body), returns=(*returns[:place], new, *returns[place + 1 :]))
