"""Trainings and timings as items of work, and what workers do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from time import perf_counter
from typing import Any

import numpy as np

import proxies
from evosearch.measure import trained

Array = np.ndarray[Any, Any]
Call = Callable[[str, Sequence[tuple[Any, ...]], Any], list[Any]]  # (handler, batches, shared) -> flat results
JOBS = 16  # of a task, unless they would be too small or too large
SMALLEST, LARGEST = 32, 256  # trainings of a job
TIMED_REPLICAS, TIMED_STEPS, TIMED_RUNS = 8, 30, 3


@dataclass(frozen=True)
class Training:
    """An item of work: one program at some learning rates on one seed."""

    task: str
    seed: int
    text: str
    exponents: tuple[float, ...]
    warmup: float
    watch: tuple[int, ...] = ()
    test: bool = False


@dataclass(frozen=True, eq=False)
class Ended:
    """Losses of a Training: [rates], and [watched steps, rates] on the way."""

    validation: Array
    test: Array
    watched: Array


def train_all(run: Call, items: Sequence[Training], unseal: bool) -> list[Ended]:
    """Trains all, in jobs of neighbours that share a task."""
    batches: list[tuple[Training, ...]] = []
    for _, group in groupby(items, lambda item: item.task):
        some = tuple(group)
        rates = len(some[0].exponents)
        size = max(1, min(max(SMALLEST, len(some) * rates // JOBS), LARGEST) // rates)
        batches += [some[i : i + size] for i in range(0, len(some), size)]
    return run("evosearch.trainings:trainings", batches, unseal)


def trainings(context: Any, unseal: bool, items: Sequence[Training]) -> list[Ended]:
    """Handler: trains each item; neighbours that share task, steps to watch and number of rates in one batch."""
    found: list[Ended] = []
    for _, group in groupby(items, lambda i: (i.task, i.watch, i.test, len(i.exponents))):
        some = tuple(group)
        first = some[0]
        ended = trained(
            [item.text for item in some], proxies.get(first.task, unseal=unseal), [[item.seed] for item in some],
            [item.exponents for item in some], warmups=[item.warmup for item in some], test=first.test,
            watch=first.watch,
        )  # fmt: skip
        found += [Ended(ended.validation[i, 0], ended.test[i, 0], ended.watched[:, i, 0]) for i in range(len(some))]
    return found


def timings(context: Any, shared: tuple[str, bool], items: Sequence[str]) -> list[float]:
    """Handler: seconds of a whole step (gradients and update) of one replica, the quickest of a few short runs."""
    name, unseal = shared
    proxy = proxies.get(name, unseal=unseal)
    rates = [tuple(float(-20 - k) for k in range(TIMED_REPLICAS))]  # so small that weights stay about the same

    def seconds(text: str) -> float:
        start = perf_counter()
        trained([text], proxy, [0], rates, steps=TIMED_STEPS, checks=())  # who fails takes every step too
        return (perf_counter() - start) / (TIMED_STEPS * TIMED_REPLICAS)

    return [min(seconds(text) for _ in range(TIMED_RUNS)) for text in items]
