"""Numbers that guess how variables of two runs depend on each other; what is guessed is proved elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from primitives import interpreter
from primitives.algebra.numbers import SIMPLE
from primitives.algebra.trials import Array, random_trials, shared_values
from primitives.program import Call, Program

Expr = str | float | Call
Run = tuple[dict[str, float], Array, Array]
FIT = 1e-7  # relative error of a fit that is taken for exact, before it is proved
NUMBERS = (1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


def run(p: Program, q: Program, seed: int) -> Run | None:
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


def expression(seen: list[tuple[dict[str, float], float]]) -> Expr | None:
    """The constant, or the simple expression of hyperparameters, that has these values; None where none is known."""
    scale = max(1.0, *(abs(c) for _, c in seen))
    if all(abs(c) < 1e-8 * scale for _, c in seen):
        return 0.0
    for expr in _candidates(tuple(seen[0][0])):
        values = [float(interpreter.evaluate(expr, {k: np.float64(v) for k, v in h.items()})) for h, _ in seen]
        if all(abs(v - c) <= 1e-6 * abs(c) for v, (_, c) in zip(values, seen, strict=True)):
            return expr
    if abs(seen[0][1] - seen[1][1]) <= 1e-7 * scale:
        return float(Fraction(seen[0][1]).limit_denominator(SIMPLE))
    return None


def _candidates(names: tuple[str, ...]) -> Iterator[Expr]:
    """Simple expressions of hyperparameters and lr."""
    yield from NUMBERS
    forms: list[Expr] = []
    for h in names:
        less = Call("subtract", (1.0, h))
        forms += [h, less, Call("divide", (1.0, h)), Call("divide", (1.0, less)), Call("divide", (h, less))]
    pairs: list[Expr] = [Call("multiply", pair) for pair in itertools.combinations(forms, 2)]
    for form in (*forms, *pairs):
        yield form
        yield Call("negative", (form,))
