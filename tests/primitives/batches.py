"""Runs programs in a batch on a machine, and by the interpreter with a measure of how far rounding carries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from primitives import interpreter
from primitives.bytecode import compile_program
from primitives.machines.torch_machine import TorchMachine
from primitives.primitive import Primitive
from primitives.program import Program

Array = np.ndarray[Any, Any]
SHAPES = ((5, 7), (2500,), (1,), (7,), (3, 2, 2))  # one longer than a block
TOTAL, LOSS = 100.0, 2.5


class Problem:
    """Weights [R] and gradients [steps, R] of a model, drawn from a seed; each replica has its own."""

    def __init__(
        self, replicas: int, steps: int, dtype: type, shapes: Sequence[tuple[int, ...]] = SHAPES, seed: int = 0
    ):
        rng = np.random.default_rng(seed)
        draw = [[rng.standard_normal(s) for s in shapes] for _ in range(replicas * (steps + 1))]
        self.shapes, self.steps, self.dtype = tuple(shapes), steps, dtype
        arrays = [[x.astype(dtype) for x in model] for model in draw]
        self.weights = arrays[:replicas]
        self.grads = [arrays[replicas * (t + 1) : replicas * (t + 2)] for t in range(steps)]


class Batch:
    """A machine over the replicas `rows` of a problem, in a flat buffer whose gaps are full of NaN."""

    def __init__(
        self, machine: type, programs: Sequence[Program], problem: Problem, rows: Sequence[int], lr: Sequence[float]
    ) -> None:
        """Replica rows[i] runs programs[i] at rate lr[i]."""
        distinct = list(dict.fromkeys(programs))
        self.problem, self.lr, self.torch = problem, np.asarray(lr), machine is TorchMachine
        self.rows = list(rows)
        weights, _, offsets = self._buffers()
        self._fill(weights, offsets, problem.weights)
        self.machine = machine(
            [compile_program(p) for p in distinct],
            np.array([distinct.index(p) for p in programs]),
            problem.shapes,
            *self.memory,
            offsets,
            self.lr,
            TOTAL,
        )

    def _buffers(self) -> tuple[Array, Array, Array]:
        sizes = [int(np.prod(s)) for s in self.problem.shapes]
        ends = np.cumsum([0] + [-(-len(self.rows) * n // 16) * 16 + 16 for n in sizes])
        weights, grads = (np.full(ends[-1], np.nan, self.problem.dtype) for _ in range(2))
        self.offsets = ends[:-1]
        self.flat = (weights, grads)
        self.memory = tuple(torch.from_numpy(x) if self.torch else x for x in self.flat)
        return weights, grads, self.offsets

    def _fill(self, flat: Array, offsets: Array, models: Sequence[Sequence[Array]]) -> None:
        for i, row in enumerate(self.rows):
            for k, x in enumerate(models[row]):
                flat[offsets[k] + i * x.size :][: x.size] = x.ravel()

    def step(self, t: int) -> list[list[Array]]:
        """The weights of every replica after step t."""
        self._fill(self.flat[1], self.offsets, self.problem.grads[t - 1])
        with np.errstate(all="ignore"):
            self.machine.step(t, self.lr * rate(t), np.full(len(self.rows), LOSS))
        return self.weights()

    def weights(self) -> list[list[Array]]:
        shapes = self.problem.shapes
        return [
            [self._view(k, i, int(np.prod(s))).copy().reshape(s) for k, s in enumerate(shapes)]
            for i in range(len(self.rows))
        ]

    def _view(self, k: int, i: int, size: int) -> Array:
        return self.flat[0][self.offsets[k] + i * size :][:size]

    def keep(self, alive: Sequence[bool]) -> None:
        """Go on with some of the replicas, in new buffers."""
        mask = np.array(alive)
        now = self.weights()
        everything: list[list[Array]] = list(self.problem.weights)
        for row, model in zip(self.rows, now, strict=True):
            everything[row] = model
        self.rows = [row for row, stays in zip(self.rows, alive, strict=True) if stays]
        self.lr = self.lr[mask]
        weights, _, offsets = self._buffers()
        self._fill(weights, offsets, everything)
        self.machine.keep(mask, *self.memory, offsets)


def rate(t: int) -> float:
    """The schedule of these tests."""
    return 1 / t


def run(machine: type, programs: Sequence[Program], problem: Problem, lr: Sequence[float]) -> list[list[list[Array]]]:
    """Weights [steps, R, tensors] on a machine."""
    batch = Batch(machine, programs, problem, range(len(programs)), lr)
    return [batch.step(t) for t in range(1, problem.steps + 1)]


def interpret(program: Program, problem: Problem, row: int, lr: float) -> list[list[Array]]:
    """Weights [steps, tensors] by the interpreter."""
    weights, result = problem.weights[row], []
    states = interpreter.start(program, weights, lr)
    for t in range(1, problem.steps + 1):
        numbers = {"t": t, "lr": lr * rate(t), "base_lr": lr, "total_steps": TOTAL, "loss": LOSS}
        weights, states = interpreter.step(program, weights, problem.grads[t - 1][row], states, **numbers)
        result.append(weights)
    return result


@contextmanager
def rounding_noise(seed: int, dtype: type) -> Iterator[None]:
    """The interpreter with whatever is no whole number off by what machines may differ."""
    rng = np.random.default_rng(seed)
    exact = dict(interpreter.FORMS)

    def jitter(x: Any, eps: float) -> Any:
        if isinstance(x, list):
            return [jitter(y, eps) for y in x]
        return np.where(x == np.floor(x), x, x * (1 + eps * rng.uniform(-1, 1, np.shape(x)))).astype(x.dtype)[()]

    def pointwise(p: Primitive, args: list[Any]) -> Any:
        return jitter(exact["pointwise"](p, args), max(1, 4 * p.ulps) * np.finfo(dtype).eps)

    def reduction(p: Primitive, args: list[Any]) -> Any:
        wide = [[x.astype(np.float64) for x in a] if isinstance(a, list) else a for a in args]
        return jitter(exact[p.form](p, [jitter(a, 1e-15) for a in wide]), np.finfo(dtype).eps / 2 + 2e-15)

    noisy = exact | {"pointwise": pointwise, "reduction": reduction, "model": reduction}
    with patch.dict(interpreter.FORMS, noisy), np.errstate(all="ignore"):
        yield
