"""How alike two programs are in what they do: the cosine of their moves over the same gradients, by the interpreter."""

from __future__ import annotations

from functools import cache

import numpy as np

from primitives import interpreter
from primitives.algebra.trials import Array
from primitives.program import Program, calls, expressions
from primitives.reference import reference
from primitives.table import PRIMITIVES

STEPS = 12
SEEDS = (0, 1)
SHAPES = ((4, 3), (3,))
TOTAL_STEPS = 100.0
RUNAWAY = 1e100  # a move that ends the run


def asks(program: Program) -> bool:
    """Whether a program asks the loss for more than the gradient at w."""
    used = {call.op for expr in expressions(program) for call in calls(expr)}
    return any(PRIMITIVES[op].form == "oracle" for op in used)


def moves(program: Program) -> Array:
    """The changes of w over short runs, [run and step, element]; zero from where a run has no bounds.

    Gradients are a lasting part that falls off plus noise, of sizes from 0.01 to 10 over the elements.
    """
    rows = [_run(program, np.random.default_rng(seed)) for seed in SEEDS]
    return np.concatenate(rows)


@cache
def reference_moves(name: str) -> Array:
    """The moves of a reference program at its defaults."""
    return moves(reference(name))


def cosine(a: Array, b: Array) -> float:
    """The mean cosine of the moves of two programs, step by step."""
    over = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.divide((a * b).sum(1), over, out=np.zeros_like(over), where=over > 0).mean())


def _run(program: Program, rng: np.random.Generator) -> Array:
    weights: list[Array] = [rng.standard_normal(shape) for shape in SHAPES]
    sizes = [10.0 ** rng.uniform(-2, 1, shape) for shape in SHAPES]
    lasting = [rng.standard_normal(shape) for shape in SHAPES]
    lr = program.defaults.get("lr", 1.0)
    states = interpreter.start(program, weights, lr)
    rows = np.zeros((STEPS, sum(w.size for w in weights)))
    for step in range(STEPS):
        grads = [s * (m * 0.9**step + 0.5 * rng.standard_normal(m.shape)) for s, m in zip(sizes, lasting, strict=True)]
        new, states = interpreter.step(
            program, weights, grads, states, t=step + 1, lr=lr, total_steps=TOTAL_STEPS, loss=0.9**step
        )
        move = np.concatenate([(after - before).ravel() for after, before in zip(new, weights, strict=True)])
        if not np.abs(move).max() < RUNAWAY:
            break
        rows[step], weights = move, new
    return rows
