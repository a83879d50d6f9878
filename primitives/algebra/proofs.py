"""Whether two programs are shown to be one map: equal normal forms, or states that are linear in those of the other.

The proof is by induction: a change of variables holds at the start, and if it holds before a step it holds after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from primitives.algebra.arena import Arena
from primitives.algebra.fits import FIT, expression, run
from primitives.algebra.laws import PROTECTED
from primitives.algebra.reading import Normal, inputs_of, read, start_value, value_of
from primitives.algebra.simplify import reduced
from primitives.algebra.states import normal
from primitives.algebra.writing import Writer
from primitives.program import Call, Program, substitute
from primitives.show import show_expr

Expr = str | float | Call
MOST_PERMUTATIONS = 720


@dataclass(frozen=True)
class Proof:
    """How the states of the second program follow from the first's: (state, text), and the laws that were used."""

    change: tuple[tuple[str, str], ...]
    laws: tuple[str, ...]


def prove(p: Program, q: Program, until: float, constant_lr: bool = False) -> Proof | None:
    """A proof that both give the same weights for every input; None where none is found."""
    first, second = reduced(p, PROTECTED, until), reduced(q, PROTECTED, until)
    n = _opened(first, second, until, constant_lr)
    for names in _bijections(n, second):
        found = _read(second, n, {mine: n.arena.input(other) for mine, other in names.items()}, constant_lr)
        if found.w == n.w and all(found.states[mine] == n.states[other] for mine, other in names.items()):
            changed = tuple((mine, other) for mine, other in names.items() if mine != other)
            return Proof(changed, _laws(n.arena))
    return _by_change_of_variables(first, second, n, constant_lr)


def _opened(p: Program, q: Program, until: float, constant_lr: bool) -> Normal:
    """The first program in normal form, in an arena that knows the second's hyperparameters too."""
    from primitives.algebra.reading import assumed

    n = normal(p, PROTECTED, until)
    arena = Arena(PROTECTED, n.arena.inputs, {**assumed(q), **n.arena.at_least}, until)
    return read(p, arena, _constant(arena) if constant_lr else None)


def _constant(arena: Arena) -> dict[str, int]:
    return {"base_lr": arena.input("lr")}


def _read(q: Program, n: Normal, env: Mapping[str, int], constant_lr: bool) -> Normal:
    return read(q, n.arena, {**env, **(_constant(n.arena) if constant_lr else {})})


def _laws(arena: Arena) -> tuple[str, ...]:
    return tuple(dict.fromkeys(use.law for use in arena.trail))


def _bijections(n: Normal, q: Program) -> Iterator[dict[str, str]]:
    """Ways to name the states of the second program after those of the first that start alike."""
    if len(q.states) != len(n.states):
        return
    mine = [s.name for s in q.states]
    starts = {s.name: s.start for s in q.states}
    orders = itertools.islice(itertools.permutations(n.states), MOST_PERMUTATIONS)
    for order in orders:
        if all(starts[a] == n.starts[b] for a, b in zip(mine, order, strict=True)):
            yield dict(zip(mine, order, strict=True))


def _by_change_of_variables(p: Program, q: Program, n: Normal, constant_lr: bool) -> Proof | None:
    """The second's states as sums of multiples of w and of the first's states, with coefficients that are constant."""
    fitted = _fitted(p, q)
    if fitted is None:
        return None
    arena = n.arena

    def combined(parts: list[tuple[str, Expr]], of: Callable[[Normal, str], int]) -> int:
        return arena.add(arena.zero, *(arena.multiply(value_of(c, arena), of(n, x)) for x, c in parts))

    env = {name: combined(parts, _old) for name, parts in fitted.items()}
    if not constant_lr and any("lr" in inputs_of(arena, i) for i in env.values()):
        return None
    found = _read(q, n, env, constant_lr)
    kept = all(found.states[name] == combined(parts, _new) for name, parts in fitted.items())
    starts = all(start_value(arena, found.starts[name]) == combined(parts, _start) for name, parts in fitted.items())
    if not (found.w == n.w and kept and starts):
        return None
    change = tuple((name, _text(arena, env[name])) for name in fitted)
    return Proof(change, _laws(arena))


def _old(n: Normal, name: str) -> int:
    return n.arena.input(name) if name else n.arena.one


def _new(n: Normal, name: str) -> int:
    return n.arena.one if not name else n.w if name == "w" else n.states[name]


def _start(n: Normal, name: str) -> int:
    return n.arena.one if not name else n.arena.input("w") if name == "w" else start_value(n.arena, n.starts[name])


def _text(arena: Arena, i: int) -> str:
    writer = Writer(arena)
    name: Expr = writer.write(i)
    values: dict[str, Expr] = {}
    for assign in writer.body:
        values[assign.name] = substitute(assign.value, lambda x: values.get(x, x))
    return show_expr(substitute(name, lambda x: values.get(x, x)))


def _fitted(p: Program, q: Program) -> dict[str, list[tuple[str, Expr]]] | None:
    """Each state of q as (variable, coefficient) of w, states of p and one (""), fitted to two runs of one element."""
    columns = ["w", *p.state_names, ""]
    runs = [found for seed in (0, 1) if (found := run(p, q, seed)) is not None]
    if len(runs) < 2:
        return None
    solutions: dict[str, list[tuple[str, Expr]]] = {}
    for i, name in enumerate(q.state_names):
        solved = []
        for values, x, y in runs:
            coefficients, *_ = np.linalg.lstsq(x, y[:, i], rcond=1e-10)
            if np.abs(x @ coefficients - y[:, i]).max() > FIT * np.abs(y[:, i]).max(initial=1e-9):
                return None
            solved.append((values, coefficients))
        parts = []
        for k, column in enumerate(columns):
            expr = expression([(values, float(c[k])) for values, c in solved])
            if expr is None:
                return None
            if expr != 0.0:
                parts.append((column, expr))
        solutions[name] = parts
    return solutions
