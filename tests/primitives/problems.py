"""Two problems with everything that a program may ask of a loss, and the interpreter run on them.

A problem lives on one flat vector; the model's tensors are a matrix, a vector, a convolution and a scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from primitives import interpreter
from primitives.program import Program

Array = np.ndarray[Any, Any]
SHAPES = ((4, 3), (6,), (2, 3, 3, 2), ())
SIZES = [int(np.prod(shape)) for shape in SHAPES]
SIZE = sum(SIZES)
STEPS, LR = 50, 0.02
_rng = np.random.default_rng(0)
START = _rng.standard_normal(SIZE)
SCALES = 10 ** _rng.uniform(-1, 1, SIZE)
TURN = np.linalg.qr(_rng.standard_normal((SIZE, SIZE)))[0]


class Quadratic:
    """w'Hw / 2 - b'w with a dense Hessian whose eigenvalues lie between 0.1 and 10."""

    hessian = (TURN * SCALES) @ TURN.T
    minimum = np.linspace(-1, 1, SIZE)

    def loss(self, x: Array, t: int) -> float:
        return float((x - self.minimum) @ self.hessian @ (x - self.minimum) / 2)

    def gradient(self, x: Array, t: int) -> Array:
        return self.hessian @ (x - self.minimum)

    def product(self, x: Array, v: Array, t: int) -> Array:
        return self.hessian @ v


class Waves:
    """Bumpy, another loss at every step, and some of its gradients are exactly zero now and then."""

    def _weight(self, t: int) -> Array:
        i = np.arange(SIZE)
        return np.where((i < 8) & ((t + i) % 7 < 2), 0.0, 1.0)

    def loss(self, x: Array, t: int) -> float:
        return float(self._weight(t) @ (0.05 * SCALES * x**2 - np.cos(3 * x + t) / 3))

    def gradient(self, x: Array, t: int) -> Array:
        return self._weight(t) * (0.1 * SCALES * x + np.sin(3 * x + t))

    def product(self, x: Array, v: Array, t: int) -> Array:
        return self._weight(t) * (0.1 * SCALES + 3 * np.cos(3 * x + t)) * v


Problem = Quadratic | Waves
PROBLEMS: tuple[Problem, ...] = (Quadratic(), Waves())


def hessian_at(problem: Problem, x: Array, t: int) -> Array:
    """The Hessian, column by column."""
    return np.stack([problem.product(x, unit, t) for unit in np.eye(SIZE)], axis=1)


def tensors(x: Array) -> list[Array]:
    """The model's tensors in a flat vector."""
    parts = np.split(x, np.cumsum(SIZES)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, SHAPES, strict=True)]


def flat(parts: Sequence[Array]) -> Array:
    """The flat vector of tensors, or of their matrices."""
    return np.concatenate([np.ravel(part) for part in parts])


def falling(t: int) -> float:
    """A rate that falls from step to step."""
    return LR * (1 - 0.4 * t / STEPS)


def constant(t: int) -> float:
    """A rate that does not."""
    return LR


class Answers:
    """A problem as the oracle of a program, at one place and one step."""

    def __init__(self, problem: Problem, x: Array, t: int) -> None:
        self.problem, self.x, self.t = problem, x, t

    def _matrices(self, x: Array) -> list[Array]:
        return [interpreter.as_matrix(part) for part in tensors(x)]

    def gradient(self, point: list[Array]) -> list[Array]:
        return self._matrices(self.problem.gradient(flat(point), self.t))

    def loss(self, point: list[Array]) -> float:
        return self.problem.loss(flat(point), self.t)

    def product(self, vector: list[Array]) -> list[Array]:
        return self._matrices(self.problem.product(self.x, flat(vector), self.t))


def interpreted(
    program: Program,
    hyper: Mapping[str, float],
    problem: Problem,
    *,
    rate: Callable[[int], float] = falling,
    steps: int = STEPS,
    base_lr: float = LR,
    roles: Sequence[str] | None = None,
) -> list[Array]:
    """The flat weights before and after each step of a program."""
    path = [START]
    states = interpreter.start(program, tensors(START), base_lr, hyper)
    for t in range(1, steps + 1):
        x = path[-1]
        weights, states = interpreter.step(
            program,
            tensors(x),
            tensors(problem.gradient(x, t)),
            states,
            t=t,
            lr=rate(t),
            hyper=hyper,
            base_lr=base_lr,
            total_steps=steps,
            loss=problem.loss(x, t),
            roles=roles,
            oracle=Answers(problem, x, t),
        )
        path.append(flat(weights))
    return path


def check_close(found: Sequence[Array], wanted: Sequence[Array], tolerance: float = 1e-10) -> None:
    """Whether every point of one path lies at the point of another, relative to how large the weights are."""
    assert len(found) == len(wanted)
    for x, y in zip(found, wanted, strict=True):
        assert np.isfinite(y).all()
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
