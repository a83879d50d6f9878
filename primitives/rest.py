"""Whether a program leaves the weights where they are when it is told to do nothing: no rate, no gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from primitives.interpreter import start, step
from primitives.program import Program

Array = np.ndarray[Any, Any]
TENSORS = {(4, 3): "hidden", (3, 4): "hidden", (5, 2): "embedding", (2, 3): "head", (2, 2, 3): "hidden", (4,): "vector"}
PLANNED = 100  # steps


class Flat:
    """The oracle of a loss that is the same everywhere: no gradient, no curvature."""

    def gradient(self, point: list[Any]) -> list[Any]:
        """Zeros."""
        return [np.zeros_like(part) for part in point]

    def loss(self, point: list[Any]) -> Any:
        """One."""
        return np.float64(1)

    def product(self, vector: list[Any]) -> list[Any]:
        """Zeros."""
        return [np.zeros_like(part) for part in vector]


def stays_at_rest(program: Program) -> bool:
    """Whether lr = 0 with zero gradients moves no weight, as those rely on who step once to have all states made.

    Decided by a run of the reference interpreter: random weights of several shapes and roles, default hyperparameters,
    fresh states (those that start at lr start at its default), the first of 100 steps, a loss that is the same
    everywhere. A weight that becomes NaN has moved. It says nothing of later steps, of states that have seen gradients,
    nor of other hyperparameters.
    """
    rng = np.random.default_rng(0)
    weights: Sequence[Array] = [rng.standard_normal(shape) for shape in TENSORS]
    lr = program.defaults.get("lr", 0.001)
    try:
        moved, _ = step(
            program,
            weights,
            [np.zeros_like(w) for w in weights],
            start(program, weights, lr),
            t=1,
            lr=0.0,
            base_lr=lr,
            total_steps=PLANNED,
            loss=1.0,
            roles=tuple(TENSORS.values()),
            oracle=Flat(),
        )
    except np.linalg.LinAlgError:  # a singular system, which other machines answer with NaN
        return False
    return all(np.array_equal(old, new) for old, new in zip(weights, moved, strict=True))
