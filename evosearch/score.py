"""From losses to scores: log of the tuned baseline's loss over the program's, on the same seeds; positive is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Bounds = tuple[float, float]  # a proxy's floor and ceiling
GAIN_CAP = 0.3  # of a score on one task: a third less loss is as much as a task can give
EDGE_PRICE = 0.01  # of a best learning rate at the edge of a grid that is wide enough to have a middle
WIDE_ENOUGH = 5  # rates


@dataclass(frozen=True)
class Stage:
    """Trainings of one program on one proxy: `kind` is "gate", "scale" or "full"; losses [seeds][rates]."""

    proxy: str
    kind: str
    seeds: tuple[int, ...]
    exponents: tuple[int, ...]
    losses: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Baseline:
    """The bar, AdamW or NAdamW with its constants tuned: score 0. Log losses by proxy, kind of stage and seed."""

    text: str
    warmup: float  # of the schedule around every program
    exponents: Mapping[str, int]  # its best learning rate on each proxy
    logs: Mapping[str, Mapping[str, Mapping[int, float]]] = field(default_factory=dict)


def logs(losses: Any, bounds: Bounds) -> Array:
    """Log of losses between the proxy's floor and its ceiling; a failed training counts as the ceiling."""
    floor, ceiling = bounds
    values: Array = np.log(np.maximum(np.fmin(np.asarray(losses, np.float64), ceiling), floor))  # fmin drops NaN
    return values


def own_logs(losses: Any, bounds: Bounds, width: int) -> Array:
    """The log loss of each seed [seeds], of losses [seeds, rates], at rates that the other seeds chose.

    Each seed's value is its mean over the `width` neighbouring rates that are best for the others: two neighbours say
    more than the luckiest rate, and what chooses does not score. One seed alone chooses for itself. A best rate at the
    edge of a wide grid costs EDGE_PRICE: nobody knows what lies beyond.
    """
    values = logs(losses, bounds)
    width = min(width, values.shape[1])
    by_rate = np.ascontiguousarray(values.T)
    count = len(by_rate) - width + 1
    windows: Array = np.asarray(sum(by_rate[i : i + count] for i in range(width))) / width  # [windows, seeds]
    others = windows.sum(axis=1, keepdims=True) - windows if len(values) > 1 else windows
    own: Array = windows[others.argmin(axis=0), np.arange(len(values))]
    at_edge = values.shape[1] >= WIDE_ENOUGH and int(values.mean(axis=0).argmin()) in (0, values.shape[1] - 1)
    return own + EDGE_PRICE if at_edge else own


def capped(gains: Array) -> Array:
    """Gains on one task, by seed, scaled down to the mean GAIN_CAP where it is above.

    So no task can be won at the cost of the rest, nor hide the rest by its spread; losses count in full.
    """
    mean = float(np.mean(gains))
    return gains * (GAIN_CAP / mean) if mean > GAIN_CAP else gains


WIDTH = {"gate": 1, "scale": 1, "full": 2}


def per_seed(stage: Stage, base: Mapping[int, float], bounds: Bounds) -> Array:
    """The score on each seed [seeds] at the program's best learning rates."""
    return np.array([base[seed] for seed in stage.seeds]) - own_logs(stage.losses, bounds, WIDTH[stage.kind])


def best_exponent(stage: Stage, bounds: Bounds) -> int:
    """The exponent of the learning rate with the lowest mean log loss."""
    return stage.exponents[int(np.argmin(logs(stage.losses, bounds).mean(axis=0)))]


def merged(stages: Sequence[Stage]) -> Stage:
    """Stages of one program, proxy, kind and grid, on different seeds, as one."""
    first = stages[0]
    seeds = tuple(seed for stage in stages for seed in stage.seeds)
    losses = tuple(row for stage in stages for row in stage.losses)
    return Stage(first.proxy, first.kind, seeds, first.exponents, losses)
