"""Trains programs on a proxy: every program at several learning rates and seeds, in batches that fit the cache."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from primitives.bytecode import Bytecode
from primitives.machines import batch
from primitives.program import Program
from primitives.text import parse
from proxies.oracle import ModelOracle
from proxies.proxy import Buffers, Proxy, Stepper
from proxies.train import train

Array = np.ndarray[Any, Any]
CACHE_BYTES = 3_000_000  # of weights, gradients and two states of a batch: about the second cache of a core
STEPS_PER_DECADE = 4  # learning rates are 10^(exponent / 4)


def rate(exponent: float) -> float:
    """The learning rate of an exponent."""
    return float(10.0 ** (exponent / STEPS_PER_DECADE))


parsed = lru_cache(maxsize=4096)(parse)


def compiled(text: str) -> Bytecode:
    """The bytecode of a program's text."""
    return batch.compiled(parsed(text))


class ProgramStepper:
    """Moves the replicas of a training by their programs."""

    def __init__(self, programs: Sequence[Program], program_of: Array, base_lr: Array, steps: int, buffers: Buffers):
        layout, memory = buffers.layout, (buffers.weights, buffers.grads, buffers.offsets)
        self.machines = batch.Machines(programs, program_of, layout.shapes, *memory, base_lr, steps, layout.roles)
        self.step = self.machines.step

    def attach(self, oracle: ModelOracle) -> None:
        """Who answers what programs ask of the loss."""
        self.machines.attach(oracle)

    def keep(self, alive: Array, buffers: Buffers) -> None:
        """Go on with the replicas where `alive` [R] is true."""
        self.machines.keep(alive, buffers.weights, buffers.grads, buffers.offsets)


def measure(
    texts: Sequence[str],
    proxy: Proxy,
    seeds: Sequence[int],
    exponents: Sequence[Sequence[int]],
    *,
    steps: int | None = None,
    warmup: float | None = None,
    grad_scale: float | None = None,
) -> Array:
    """Final validation losses, float64 [programs, seeds, rates]; inf where a training failed.

    `exponents` [programs, rates] gives each program's own grid; gradients are multiplied by `grad_scale`.
    A program's losses do not depend on which others are measured with it.
    """
    steps = proxy.steps if steps is None else steps
    losses = np.full((len(texts), len(seeds), len(exponents[0]) if texts else 0), np.inf)
    room = max(1, CACHE_BYTES // (16 * sum(proxy.layout.sizes)))
    together = max(1, room // (losses.shape[1] * losses.shape[2] or 1))
    programs = [parsed(text) for text in texts]
    for some in _batches(programs, together):
        grids = [exponents[i] for i in some]
        losses[some] = _batch([programs[i] for i in some], proxy, seeds, grids, steps, warmup, grad_scale)
    return losses


def _batches(programs: Sequence[Program], together: int) -> list[list[int]]:
    """Which programs are trained together; those that would cost others time are alone."""
    plain = [i for i, program in enumerate(programs) if batch.is_plain(program)]
    alone = sorted({*range(len(programs))} - {*plain})
    return [plain[i : i + together] for i in range(0, len(plain), together)] + [[i] for i in alone]


def _batch(
    programs: Sequence[Program],
    proxy: Proxy,
    seeds: Sequence[int],
    exponents: Sequence[Sequence[int]],
    steps: int,
    warmup: float | None,
    grad_scale: float | None,
) -> Array:
    """One training of all replicas, those of a seed as neighbours."""
    rates = np.array([[rate(e) for e in row] for row in exponents])
    lrs = np.tile(rates.ravel(), len(seeds))
    program_of = np.tile(np.repeat(np.arange(len(programs)), rates.shape[1]), len(seeds))
    scale = None if grad_scale is None else np.full(len(lrs), grad_scale)

    def make(buffers: Buffers) -> Stepper:
        return ProgramStepper(programs, program_of, lrs, steps, buffers)

    each = np.repeat(seeds, rates.size).tolist()
    outcome = train(proxy, each, lrs, make, steps=steps, warmup=warmup, grad_scale=scale)
    return outcome.validation.reshape(len(seeds), len(programs), -1).transpose(1, 0, 2)
