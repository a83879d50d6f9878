"""Trains programs on a proxy: every program at several learning rates and seeds, in batches that fit the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from primitives.bytecode import Bytecode
from primitives.graph import graph
from primitives.machines import batch
from primitives.program import Program
from primitives.text import parse
from proxies.oracle import ModelOracle
from proxies.proxy import Buffers, Proxy, Stepper
from proxies.train import Outcome, train

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


@lru_cache(maxsize=4096)
def scheduled(program: Program) -> bool:
    """Whether a program carries a schedule of its own: it reads the planned steps T."""
    return any(node.op == "input" and node.value == "T" for node in graph(program).nodes)


class ProgramStepper:
    """Moves the replicas of a training by their programs; who carries a schedule gets its full rate at every step."""

    def __init__(self, programs: Sequence[Program], program_of: Array, base_lr: Array, steps: int, buffers: Buffers):
        layout, memory = buffers.layout, (buffers.weights, buffers.grads, buffers.offsets)
        self.machines = batch.Machines(programs, program_of, layout.shapes, *memory, base_lr, steps, layout.roles)
        self.own = np.array([scheduled(program) for program in programs])[program_of]
        self.base_lr = base_lr

    def step(self, t: int, lr: Array, loss: Any) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        self.machines.step(t, np.where(self.own, self.base_lr, lr) if self.own.any() else lr, loss)

    def attach(self, oracle: ModelOracle) -> None:
        """Who answers what programs ask of the loss."""
        self.machines.attach(oracle)

    def keep(self, alive: Array, buffers: Buffers) -> None:
        """Go on with the replicas where `alive` [R] is true."""
        self.own, self.base_lr = self.own[alive], self.base_lr[alive]
        self.machines.keep(alive, buffers.weights, buffers.grads, buffers.offsets)


@dataclass(frozen=True, eq=False)
class Trained:
    """What trainings ended with: losses, float64 [programs, seeds, rates]; inf where a training failed."""

    validation: Array
    test: Array  # NaN unless asked for
    watched: Array  # [watched steps, programs, seeds, rates]: validation losses on the way


def measure(
    texts: Sequence[str],
    proxy: Proxy,
    seeds: Sequence[int],
    exponents: Sequence[Sequence[float]],
    *,
    steps: int | None = None,
    warmup: float | None = None,
    grad_scale: float | None = None,
) -> Array:
    """Final validation losses, float64 [programs, seeds, rates]; inf where a training failed.

    `exponents` [programs, rates] gives each program's own grid; gradients are multiplied by `grad_scale`.
    A program's losses do not depend on which others are measured with it.
    """
    warmups = None if warmup is None else [warmup] * len(texts)
    return trained(texts, proxy, seeds, exponents, steps=steps, warmups=warmups, grad_scale=grad_scale).validation


def trained(
    texts: Sequence[str],
    proxy: Proxy,
    seeds: Sequence[int],
    exponents: Sequence[Sequence[float]],
    *,
    steps: int | None = None,
    warmups: Sequence[float] | None = None,
    grad_scale: float | None = None,
    test: bool = False,
    watch: Sequence[int] = (),
) -> Trained:
    """`measure` with a warm-up for each program, and with test losses and losses after the steps `watch` if asked."""
    steps = proxy.steps if steps is None else steps
    warmups = [proxy.warmup] * len(texts) if warmups is None else warmups
    shape = len(texts), len(seeds), len(exponents[0]) if texts else 0
    found = Trained(np.full(shape, np.inf), np.full(shape, np.nan), np.full((len(watch), *shape), np.inf))
    room = max(1, CACHE_BYTES // (16 * sum(proxy.layout.sizes)))
    programs = [parsed(text) for text in texts]
    for some in _batches(programs, max(1, room // (shape[1] * shape[2] or 1))):
        each = [(programs[i], [rate(e) for e in exponents[i]], warmups[i]) for i in some]
        outcome = _batch(each, proxy, seeds, steps, grad_scale, test, watch)
        found.validation[some] = _by_program(outcome.validation, len(seeds), len(some))
        if outcome.test is not None:
            found.test[some] = _by_program(outcome.test, len(seeds), len(some))
        if outcome.watched is not None:
            for k, values in enumerate(outcome.watched):
                found.watched[k, some] = _by_program(values, len(seeds), len(some))
    return found


def _batches(programs: Sequence[Program], together: int) -> list[list[int]]:
    """Which programs are trained together; those that would cost others time are alone."""
    plain = [i for i, program in enumerate(programs) if batch.is_plain(program)]
    alone = sorted({*range(len(programs))} - {*plain})
    return [plain[i : i + together] for i in range(0, len(plain), together)] + [[i] for i in alone]


def _batch(
    programs: Sequence[tuple[Program, Sequence[float], float]],
    proxy: Proxy,
    seeds: Sequence[int],
    steps: int,
    grad_scale: float | None,
    test: bool,
    watch: Sequence[int],
) -> Outcome:
    """One training of (program, rates, warm-up) on all seeds, the replicas of a seed as neighbours."""
    rates = np.array([row for _, row, _ in programs])
    lrs = np.tile(rates.ravel(), len(seeds))
    program_of = np.tile(np.repeat(np.arange(len(programs)), rates.shape[1]), len(seeds))
    scale = None if grad_scale is None else np.full(len(lrs), grad_scale)
    warmups = np.array([warmup for _, _, warmup in programs])[program_of]

    def make(buffers: Buffers) -> Stepper:
        return ProgramStepper([program for program, _, _ in programs], program_of, lrs, steps, buffers)

    each = np.repeat(seeds, rates.size).tolist()
    return train(proxy, each, lrs, make, steps=steps, warmup=warmups, grad_scale=scale, test=test, watch=watch)


def _by_program(values: Array, seeds: int, programs: int) -> Array:
    """Values of the replicas of a batch, [programs, seeds, rates]."""
    return values.reshape(seeds, programs, -1).transpose(1, 0, 2)
