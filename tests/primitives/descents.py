"""Two small problems of a matrix and a vector, and a program that descends on one in the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.interpreter import start, step
from primitives.program import Program

Arrays = list[np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Problem:
    """A loss and its gradient over a matrix and a vector."""

    name: str
    loss: Callable[[Arrays], float]
    gradient: Callable[[Arrays], Arrays]
    begin: Arrays


def _quadratic() -> Problem:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(9, 9)) * np.geomspace(0.1, 1, 9)
    hessian, linear = root.T @ root + 0.01 * np.eye(9), rng.normal(size=9)

    def flat(x: Arrays) -> np.ndarray[Any, Any]:
        return np.concatenate([part.ravel() for part in x])

    def loss(x: Arrays) -> float:
        return float(0.5 * flat(x) @ hessian @ flat(x) - linear @ flat(x))

    def gradient(x: Arrays) -> Arrays:
        g = hessian @ flat(x) - linear
        return [g[:6].reshape(3, 2), g[6:]]

    return Problem("quadratic", loss, gradient, [rng.normal(size=(3, 2)), rng.normal(size=3)])


def _regression() -> Problem:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 3))

    def loss(p: Arrays) -> float:
        return float(np.sum((np.tanh(x @ p[0]) + p[1] - y) ** 2))

    def gradient(p: Arrays) -> Arrays:
        hidden = np.tanh(x @ p[0])
        slope = 2 * (hidden + p[1] - y)
        return [x.T @ (slope * (1 - hidden**2)), slope.sum(axis=0)]

    return Problem("regression", loss, gradient, [rng.normal(size=(4, 3)), rng.normal(size=3)])


PROBLEMS = (_quadratic(), _regression())


class Answers:
    """The oracle of a problem: points are matrices, as programs see them."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def gradient(self, point: Arrays) -> Arrays:
        return [g.reshape(x.shape) for g, x in zip(self.problem.gradient(self._shaped(point)), point, strict=True)]

    def loss(self, point: Arrays) -> float:
        return self.problem.loss(self._shaped(point))

    def product(self, vector: Arrays) -> Arrays:
        raise NotImplementedError

    def _shaped(self, point: Arrays) -> Arrays:
        return [x.reshape(b.shape) for x, b in zip(point, self.problem.begin, strict=True)]


def descend(
    program: Program, problem: Problem, steps: int, lr: float | None = None, roles: Sequence[str] | None = None
) -> list[Arrays]:
    """The weights after each step, T being the number of steps."""
    lr = program.defaults["lr"] if lr is None else lr
    w, states, found = problem.begin, start(program, problem.begin, lr), []
    for t in range(1, steps + 1):
        g, loss = problem.gradient(w), problem.loss(w)
        w, states = step(
            program, w, g, states, t=t, lr=lr, base_lr=lr, total_steps=steps, loss=loss, roles=roles,
            oracle=Answers(problem),
        )  # fmt: skip
        found.append(w)
    return found


def norm(x: Arrays) -> float:
    """One norm over all arrays."""
    return float(np.sqrt(sum(np.sum(part**2) for part in x)))


def agree(a: list[Arrays], b: list[Arrays], rtol: float) -> None:
    """Fails unless two trajectories are the same."""
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        for one, other in zip(x, y, strict=True):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)
