"""A short run of a program in the interpreter on random inputs: what refutes a property that analysis cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from primitives import interpreter
from primitives.oracles import Oracle
from primitives.program import Program, calls, expressions
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
STEPS, SHAPE = 8, (3, 2)


def runs_alone(program: Program) -> bool:
    """Whether a program asks the loss for nothing but the gradient at w, so that it runs on given gradients."""
    return not any(PRIMITIVES[call.op].form == "oracle" for expr in expressions(program) for call in calls(expr))


def inputs(seed: int = 0) -> tuple[Array, Array]:
    """Weights of one matrix and its gradients [steps, rows, columns]."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal(SHAPE), rng.standard_normal((STEPS, *SHAPE))


def moved(
    program: Program, weights: Array, gradients: Array, hyper: Mapping[str, float] | None = None,
    loss: float = 1.0, oracle: Oracle | None = None,
) -> Array:  # fmt: skip
    """By how much the weights have changed after these gradients, from fresh states; `hyper` replaces defaults."""
    lr = program.defaults.get("lr", 0.001)
    w, states = [weights], interpreter.start(program, [weights], lr, hyper)
    for t, g in enumerate(gradients, start=1):
        w, states = interpreter.step(
            program, w, [g], states, t=t, lr=lr, hyper=hyper, total_steps=2.0 * STEPS, loss=loss, oracle=oracle
        )
    change: Array = w[0] - weights
    return change
