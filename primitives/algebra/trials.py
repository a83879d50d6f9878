"""What two programs are tried on: weights, gradients, rates, answers of a loss, and values of hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from primitives.interpreter import as_matrix
from primitives.program import Program

Array = np.ndarray[Any, Any]
Choice = Literal["default", "round", "random"]
LONG = 2  # times as many steps has the last random trial
TINY = 1e-3  # a default up to here is a safeguard such as eps: larger values show where it stands
BASE_LR = 0.125
ROUND_LOSSES = (1.0, 0.5, 2.0)
ROUND_RATES = (0.8, 0.6, 0.4)  # of base_lr, at the steps of a small trial; then on and on
ROUND: tuple[tuple[list[Any], list[list[Any]]], ...] = (  # weights and gradients of the small trials
    ([[1.0]], [[[1.0]], [[-2.0]], [[0.5]]]),
    ([[2.0]], [[[0.5]], [[-1.0]], [[3.0]]]),
    ([[1.0, -2.0]], [[[1.0, -2.0]], [[0.5, 0.0]], [[-1.0, 3.0]]]),
    (
        [[[1.0, -2.0]], [0.5]],
        [[[[1.0, 2.0]], [2.0]], [[[-1.0, 0.5]], [1.0]], [[[2.0, 0.0]], [-1.0]]],
    ),
)


@dataclass(frozen=True)
class Loss:
    """A smooth loss around the present weights: g'd + d'Hd / 2 + sum(d^4) / 4 for a move d, above its value there."""

    weights: Sequence[Array]
    grads: Sequence[Array]
    hessian: Array
    value: float

    def _move(self, point: Sequence[Array]) -> Array:
        return _flat(point) - _flat(self.weights)

    def _parts(self, x: Array) -> list[Array]:
        ends = np.cumsum([w.size for w in self.weights])[:-1]
        return [part.reshape(as_matrix(w).shape) for part, w in zip(np.split(x, ends), self.weights, strict=True)]

    def gradient(self, point: list[Array]) -> list[Array]:
        """The gradient at a point."""
        move = self._move(point)
        return self._parts(_flat(self.grads) + self.hessian @ move + move**3)

    def loss(self, point: list[Array]) -> float:
        """The loss at a point."""
        move = self._move(point)
        return float(self.value + _flat(self.grads) @ move + move @ self.hessian @ move / 2 + (move**4).sum() / 4)

    def product(self, vector: list[Array]) -> list[Array]:
        """The Hessian at the present weights times a vector."""
        return self._parts(self.hessian @ _flat(vector))


@dataclass(frozen=True)
class Trial:
    """The inputs of a run; at each step the loss has the gradient that is given, and everywhere the same Hessian."""

    weights: tuple[Array, ...]
    grads: tuple[tuple[Array, ...], ...]  # of each step
    lr: tuple[float, ...]  # of each step
    base_lr: float
    losses: tuple[float, ...]  # of each step
    hessian: Array
    roles: tuple[str, ...]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.grads)

    def oracle(self, i: int, weights: Sequence[Array]) -> Loss:
        """The loss of step i, counted from 0, around these weights."""
        return Loss(weights, self.grads[i], self.hessian, self.losses[i])

    def nudged(self, rng: np.random.Generator, size: float) -> Trial:
        """The trial with every number of weights, gradients and rates changed by about `size` of itself."""

        def near(x: Array) -> Array:
            factors: Array = 1 + size * rng.uniform(0.5, 1, x.shape) * rng.choice((-1, 1), x.shape)
            return x * factors

        grads = tuple(tuple(near(g) for g in parts) for parts in self.grads)
        rates, base = tuple(lr * (1 + size) for lr in self.lr), self.base_lr * (1 + size)
        return replace(self, weights=tuple(map(near, self.weights)), grads=grads, lr=rates, base_lr=base)


def small_trials(constant_lr: bool, steps: int = len(ROUND_RATES)) -> Iterator[Trial]:
    """Round numbers, which repeat after three steps: one element, another, two, and two tensors."""
    for weights, grads in ROUND:
        turn = [i % len(ROUND_RATES) for i in range(steps)]
        w = tuple(np.array(part) for part in weights)
        g = tuple(tuple(np.array(part) for part in grads[i]) for i in turn)
        rates = tuple(BASE_LR * (1 if constant_lr else ROUND_RATES[i]) for i in turn)
        size = sum(part.size for part in w)
        hessian: Array = (
            np.diag(np.full(size, 2.0)) + (np.diag(np.ones(size - 1), 1) + np.diag(np.ones(size - 1), -1)) / 2
        )
        losses = tuple(ROUND_LOSSES[i] for i in turn)
        yield Trial(w, g, rates, BASE_LR, losses, hessian, _roles(w, "hidden"))


def random_trials(
    rng: np.random.Generator, trials: int, steps: int, shapes: Sequence[tuple[int, ...]], constant_lr: bool
) -> Iterator[Trial]:
    """Gradients from 0.01 to 100 over the trials, some of them zero, and rates that fall from step to step."""
    sizes = 10.0 ** np.linspace(-2, 2, trials) if trials > 1 else np.ones(trials)
    for i, size in enumerate(sizes):
        count = steps * (LONG if i == trials - 1 else 1)
        base_lr = float(10 ** rng.uniform(-2.5, -0.5))
        falls = np.ones(count) if constant_lr else 1 - np.sort(rng.uniform(0.05, 0.6, count))
        weights = tuple(rng.standard_normal(shape) for shape in shapes)
        grads = tuple(tuple(_gradient(rng, w.shape, size) for w in weights) for _ in range(count))
        half = rng.standard_normal((2, sum(w.size for w in weights)))
        curvatures = rng.uniform(-2 if i % 2 else 0.5, 2, half.shape[1])  # every other one has saddles
        hessian = np.diag(curvatures) + half.T @ half / half.shape[1]
        losses = tuple(rng.uniform(0.1, 3, count).tolist())
        roles = _roles(weights, ("hidden", "embedding", "head")[i % 3])
        yield Trial(weights, grads, tuple((base_lr * falls).tolist()), base_lr, losses, hessian, roles)


def shared_values(
    programs: tuple[Program, Program],
    fixed: tuple[Mapping[str, float], Mapping[str, float]],
    choice: Choice,
    rng: np.random.Generator,
) -> tuple[dict[str, float], dict[str, float]]:
    """The hyperparameters of both programs but lr, those of one name with one value unless fixed otherwise.

    The others are the defaults; the shared ones are those of the first program, or numbers of their sort.
    """
    p, q = programs
    shared = {name: value for name, value in p.hyper if name in q.defaults}
    if choice != "default":
        shared = {name: _round(x) if choice == "round" else _near(x, rng) for name, x in shared.items()}
    shared |= {name: value for name, value in {**fixed[1], **fixed[0]}.items() if name in shared}
    first, second = (
        {name: own.get(name, shared.get(name, value)) for name, value in program.hyper if name != "lr"}
        for program, own in zip(programs, fixed, strict=True)
    )
    return first, second


def _round(value: float) -> float:
    """A round number of the sort of a default: integers from 2 are counts and stay, safeguards and zeros grow."""
    if value < 0 or (value > 1 and value == int(value)):
        return value
    if value <= TINY:
        return 0.125 if value == 0 else 0.0625
    return 0.75 if value < 1 else value


def _near(value: float, rng: np.random.Generator) -> float:
    """A random number of the sort of a default: one in (0, 1) stays there, integers from 2 are counts and stay."""
    if value < 0 or (value > 1 and value == int(value)):
        return value
    if value == 0:
        return float(rng.uniform(0, 0.2))
    if value <= TINY:
        return float(10 ** rng.uniform(np.log10(value), -1))
    if value < 1:
        return float(value + rng.uniform(0, 0.9) * (rng.uniform(0.05, 0.95) - value))
    return float(value * rng.uniform(0.8, 1.5))


def _gradient(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> Array:
    return size * rng.standard_normal(shape) * (rng.random(shape) > 0.1)


def _roles(weights: Sequence[Array], matrix: str) -> tuple[str, ...]:
    return tuple(matrix if w.ndim > 1 else "vector" for w in weights)


def _flat(parts: Sequence[Array]) -> Array:
    return np.concatenate([part.ravel() for part in parts])
