"""Whether two programs are shown to be one map: equal normal forms, or states that are linear in those of the other.

The proof is by induction: a change of variables holds at the start, and if it holds before a step it holds after it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from primitives import interpreter
from primitives.algebra.arena import Arena
from primitives.algebra.laws import PROTECTED
from primitives.algebra.numbers import exact
from primitives.algebra.reading import Normal, inputs_of, read, start_value, value_of
from primitives.algebra.simplify import reduced
from primitives.algebra.states import normal
from primitives.algebra.trials import Array, random_trials, shared_values
from primitives.algebra.writing import Writer
from primitives.program import Call, Program, substitute
from primitives.show import show_expr

Expr = str | float | Call
Run = tuple[dict[str, float], Array, Array]
MOST_PERMUTATIONS = 720
FIT = 1e-7  # relative error of a fit that is taken for exact, before it is proved
NUMBERS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


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
        return arena.add(arena.zero, *(arena.multiply(value_of(c, arena, {}), of(n, x)) for x, c in parts))

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
    runs = [run for seed in (0, 1) if (run := _run(p, q, seed)) is not None]
    if len(runs) < 2:
        return None
    found: dict[str, list[tuple[str, Expr]]] = {}
    for i, name in enumerate(q.state_names):
        solved = []
        for values, x, y in runs:
            coefficients, *_ = np.linalg.lstsq(x, y[:, i], rcond=1e-10)
            if np.abs(x @ coefficients - y[:, i]).max() > FIT * np.abs(y[:, i]).max(initial=1e-9):
                return None
            solved.append((values, coefficients))
        parts = []
        for k, column in enumerate(columns):
            expr = _expression([(values, float(c[k])) for values, c in solved])
            if expr is None:
                return None
            if expr != 0.0:
                parts.append((column, expr))
        found[name] = parts
    return found


def _run(p: Program, q: Program, seed: int) -> Run | None:
    """Hyperparameters, the variables of p [step, variable] and the states of q [step, state], for one element."""
    rng = np.random.default_rng(seed)
    trial = next(random_trials(rng, 1, 12, ((1,),), True))
    hypers = shared_values((p, q), ({}, {}), "random", rng)
    rows, others = [], []
    w = [list(trial.weights), list(trial.weights)]
    states = [interpreter.start(a, trial.weights, trial.base_lr, h) for a, h in zip((p, q), hypers, strict=True)]
    for i in range(trial.steps):
        for k, (program, hyper) in enumerate(zip((p, q), hypers, strict=True)):
            w[k], states[k] = interpreter.step(
                program, w[k], trial.grads[i], states[k], t=i + 1, lr=trial.lr[i], hyper=hyper, base_lr=trial.base_lr,
                total_steps=trial.steps, loss=trial.losses[i], roles=trial.roles, oracle=trial.oracle(i, w[k]),
            )  # fmt: skip
        rows.append([_scalar(w[0]), *map(_scalar, states[0]), 1.0])
        others.append([_scalar(s) for s in states[1]])
    x, y = np.array(rows), np.array(others)
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or y.size == 0:
        return None
    return {**hypers[0], **hypers[1], "lr": trial.lr[0]}, x, y


def _scalar(value: Any) -> float:
    return float(np.ravel(value[0] if isinstance(value, list) else value)[0])


def _expression(seen: list[tuple[dict[str, float], float]]) -> Expr | None:
    """The constant, or the simple expression of hyperparameters, that has these values; None where none is known."""
    scale = max(1.0, *(abs(c) for _, c in seen))
    if all(abs(c) < 1e-8 * scale for _, c in seen):
        return 0.0
    for expr in _candidates(tuple(seen[0][0])):
        values = [float(interpreter.evaluate(expr, {k: np.float64(v) for k, v in h.items()})) for h, _ in seen]
        if all(abs(v - c) <= 1e-6 * abs(c) for v, (_, c) in zip(values, seen, strict=True)):
            return expr
    if abs(seen[0][1] - seen[1][1]) <= 1e-7 * scale:
        return float(Fraction(exact(float(f"{seen[0][1]:.7g}"))))
    return None


def _candidates(names: tuple[str, ...]) -> Iterator[Expr]:
    """Simple expressions of hyperparameters and lr."""
    yield from NUMBERS[1:]
    forms: list[Expr] = []
    for h in names:
        less = Call("subtract", (1.0, h))
        forms += [h, less, Call("divide", (1.0, h)), Call("divide", (1.0, less)), Call("divide", (h, less))]
    pairs: list[Expr] = [Call("multiply", pair) for pair in itertools.combinations(forms, 2)]
    for form in (*forms, *pairs):
        yield form
        yield Call("negative", (form,))
