"""Trains programs on a proxy: every program at several learning rates and seeds, in batches that fit the cache."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import torch

from primitives.bytecode import Bytecode
from primitives.graph import graph
from primitives.machines import batch
from primitives.program import Program
from primitives.text import parse
from proxies.oracle import ModelOracle
from proxies.proxy import Buffers, Proxy, Stepper
from proxies.train import CHECKS, Outcome, train

Array = np.ndarray[Any, Any]
CACHE_BYTES = 3_000_000  # of weights, gradients and two states of a batch: about the second cache of a core
GPU_BYTES = 2_000_000_000  # the same on a GPU, which takes all programs of a job at once
STEPS_PER_DECADE = 4  # learning rates are 10^(exponent / 4)


def rate(exponent: float) -> float:
    """The learning rate of an exponent."""
    return float(10.0 ** (exponent / STEPS_PER_DECADE))


RECENT = 1024  # programs kept parsed: more than a job holds; a worker meets few again later

parsed = lru_cache(maxsize=RECENT)(parse)


def compiled(text: str) -> Bytecode:
    """The bytecode of a program's text."""
    return batch.compiled(parsed(text))


@lru_cache(maxsize=RECENT)
def scheduled(program: Program) -> bool:
    """Whether a program carries a schedule of its own: it reads the planned steps T."""
    return any(node.op == "input" and node.value == "T" for node in graph(program).nodes)


class ProgramStepper:
    """Moves the replicas of a training by their programs; who carries a schedule gets its full rate at every step."""

    def __init__(self, programs: Sequence[Program], program_of: Array, base_lr: Array, steps: int, buffers: Buffers):
        layout, memory = buffers.layout, (buffers.weights, buffers.grads, buffers.offsets)
        self.machines = batch.Machines(programs, program_of, layout.shapes, *memory, base_lr, steps, layout.roles)
        self.own = np.array([scheduled(program) for program in programs])[program_of]
        self.base_lr, self.in_graph = base_lr, self.machines.in_graph

    def step(self, t: int, lr: Any, loss: Any) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        self.machines.step(t, self._rates(lr), loss)

    def prepare(self, t: int, lr: Any) -> None:
        """The first half of a step where `in_graph`: which step comes, and each replica's rate [R]."""
        self.machines.prepare(t, self._rates(lr))

    def run(self, loss: Any) -> None:
        """The second half: the update, the same work at every step."""
        self.machines.run(loss)

    def _rates(self, lr: Any) -> Any:
        if not self.own.any():
            return lr
        if isinstance(lr, np.ndarray):
            return np.where(self.own, self.base_lr, lr)
        own, base = (torch.as_tensor(x, device=lr.device) for x in (self.own, self.base_lr))
        return torch.where(own, base, lr)

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
    device: str = "cpu",
) -> Array:
    """Final validation losses, float64 [programs, seeds, rates]; inf where a training failed.

    `exponents` [programs, rates] gives each program's own grid; gradients are multiplied by `grad_scale`.
    A program's losses do not depend on which others are measured with it; on a GPU they do by rounding.
    """
    warmups = None if warmup is None else [warmup] * len(texts)
    found = trained(texts, proxy, seeds, exponents, steps=steps, warmups=warmups, grad_scale=grad_scale, device=device)
    return found.validation


def trained(
    texts: Sequence[str],
    proxy: Proxy,
    seeds: Sequence[int] | Sequence[Sequence[int]],
    exponents: Sequence[Sequence[float]],
    *,
    steps: int | None = None,
    warmups: Sequence[float] | None = None,
    grad_scale: float | None = None,
    test: bool = False,
    watch: Sequence[int] = (),
    checks: Collection[int] = CHECKS,
    device: str = "cpu",
) -> Trained:
    """`measure` with a warm-up for each program, and with test losses and losses after the steps `watch` if asked.

    `seeds` are the same for all programs, or each program's own, [programs, seeds]; `checks` as in train.
    """
    steps = proxy.steps if steps is None else steps
    warmups = [proxy.warmup] * len(texts) if warmups is None else warmups
    own = np.broadcast_to(seeds, (len(texts), np.shape(seeds)[-1]))
    shape = *own.shape, len(exponents[0]) if texts else 0
    found = Trained(np.full(shape, np.inf), np.full(shape, np.nan), np.full((len(watch), *shape), np.inf))
    if device != "cpu":
        _settle()
    programs = [parsed(text) for text in texts]
    room = (CACHE_BYTES if device == "cpu" else GPU_BYTES) // (16 * batch.elements(programs, proxy.layout.shapes))
    for some in _batches(programs, max(1, room // (shape[1] * shape[2] or 1)), device):
        each = [(programs[i], [rate(e) for e in exponents[i]], warmups[i]) for i in some]
        outcome = _batch(each, proxy, own[some], steps, grad_scale, test, watch, checks, device)
        found.validation[some] = _by_program(outcome.validation, shape[1], len(some))
        if outcome.test is not None:
            found.test[some] = _by_program(outcome.test, shape[1], len(some))
        if outcome.watched is not None:
            for k, values in enumerate(outcome.watched):
                found.watched[k, some] = _by_program(values, shape[1], len(some))
    return found


def _batches(programs: Sequence[Program], together: int, device: str) -> list[list[int]]:
    """Which programs are trained together; those that would cost others time are not."""
    groups: dict[object, list[int]] = {}
    for i, program in enumerate(programs):
        company = batch.company(program, torch.device(device).type)
        groups.setdefault(i if company is None else company, []).append(i)
    return [group[i : i + together] for group in groups.values() for i in range(0, len(group), together)]


def _batch(
    programs: Sequence[tuple[Program, Sequence[float], float]],
    proxy: Proxy,
    seeds: Array,
    steps: int,
    grad_scale: float | None,
    test: bool,
    watch: Sequence[int],
    checks: Collection[int],
    device: str,
) -> Outcome:
    """One training of (program, rates, warm-up) on seeds [programs, seeds]; those of a common seed are neighbours."""
    rates = np.array([row for _, row, _ in programs])
    lrs = np.tile(rates.ravel(), seeds.shape[1])
    program_of = np.tile(np.repeat(np.arange(len(programs)), rates.shape[1]), seeds.shape[1])
    scale = None if grad_scale is None else np.full(len(lrs), grad_scale)
    warmups = np.array([warmup for _, _, warmup in programs])[program_of]

    def make(buffers: Buffers) -> Stepper:
        return ProgramStepper([program for program, _, _ in programs], program_of, lrs, steps, buffers)

    each = np.repeat(seeds.T, rates.shape[1]).tolist()
    return train(
        proxy, each, lrs, make, steps=steps, warmup=warmups, grad_scale=scale, checks=checks, test=test, watch=watch,
        device=device,
    )  # fmt: skip


@cache
def _settle() -> None:
    """Ask of torch that a GPU gives the same bits in every run."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def _by_program(values: Array, seeds: int, programs: int) -> Array:
    """Values of the replicas of a batch, [programs, seeds, rates]."""
    return values.reshape(seeds, programs, -1).transpose(1, 0, 2)
