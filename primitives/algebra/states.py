"""States that a program could do without: dead ones, constant ones, equal ones, and multiples of one another.

Each is shown by induction: it holds at the start, and if it holds before a step it holds after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

from primitives.algebra.laws import PROTECTED
from primitives.algebra.numbers import exact
from primitives.algebra.reading import Normal, inputs_of, opened, read
from primitives.program import Assign, Call, Program

Expr = str | float | Call
VARYING = {"w", "g", "t", "T", "lr", "loss"}


def normal(program: Program, tier: str, until: float) -> Normal:
    """The program's normal form, with what can be shown of the states' signs."""
    known = {s.name: "nonnegative" for s in program.states if isinstance(s.start, float | int) and s.start >= 0}
    while True:
        arena = opened(program, tier, known, until)
        found = read(program, arena)
        failing = {name for name in known if not arena.nonnegative(found.states[name])}
        if not failing:
            return found
        known = {name: sign for name, sign in known.items() if name not in failing}


def without(program: Program, name: str, instead: Expr) -> Program:
    """The program without a state; `instead`, a name or a number, is read in its place."""
    place = program.state_names.index(name)
    states = tuple(s for s in program.states if s.name != name)
    returns = tuple(r for i, r in enumerate(program.returns) if i != place + 1)
    return replace(program, states=states, returns=returns, body=(Assign(name, instead), *program.body))


def constant_states(n: Normal) -> dict[str, float]:
    """States that stay at the number at which they start."""
    found = {}
    for name, start in n.starts.items():
        if isinstance(start, str):
            continue
        new = n.states[name]
        if new in (n.arena.input(name), n.arena.number(exact(start))):
            found[name] = float(start)
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
    for one, other in permutations(n.states, 2):
        factor = _factor(n, one, other)
        if factor is not None and _holds(program, n, one, other, factor):
            yield one, other, factor


def _factor(n: Normal, one: str, other: str) -> int | None:
    """The number c by which the drives of two states differ; the drive is what enters beside the state itself."""
    arena = n.arena
    drives = [_drive(n, name) for name in (one, other)]
    if arena.zero in drives or n.arena.inputs[one] != n.arena.inputs[other]:
        return None
    if arena.tier != PROTECTED:
        return None
    factor = arena.multiply(drives[0], arena.power(drives[1], exact(-1)))
    if factor == arena.one or inputs_of(arena, factor) & (VARYING | set(n.states)):
        return None
    return factor


def _drive(n: Normal, name: str) -> int:
    terms = n.arena.terms(n.states[name])
    return n.arena.from_terms({p: c for p, c in terms.items() if not inputs_of(n.arena, p) & {name}})


def _holds(program: Program, n: Normal, one: str, other: str, factor: int) -> bool:
    """Whether one = factor * other is kept by a step, and holds at the start."""
    if n.starts[one] != 0 or n.starts[other] != 0:
        return False
    arena = n.arena
    found = read(program, arena, {one: arena.multiply(factor, arena.input(other))})
    return found.states[one] == arena.multiply(factor, found.states[other])
