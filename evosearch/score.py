"""From losses to scores: log of the tuned baseline's loss over the program's, on the same seeds; positive is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import stdtrit

Array = np.ndarray[Any, Any]
CEILING = 1e3  # a failed training counts as this loss


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
    """AdamW with its constants tuned: score 0. Log losses by proxy, kind of stage and seed."""

    text: str
    warmup: float  # of the schedule around every program
    exponents: Mapping[str, int]  # its best learning rate on each proxy
    logs: Mapping[str, Mapping[str, Mapping[int, float]]] = field(default_factory=dict)


def logs(losses: Any, floor: float) -> Array:
    """Log of losses between the proxy's floor and a ceiling; inf counts as the ceiling."""
    values: Array = np.log(np.clip(np.nan_to_num(np.asarray(losses, np.float64), nan=np.inf), floor, CEILING))
    return values


def best_window(values: Array, width: int) -> tuple[int, Array]:
    """The first of the `width` neighbouring rates with the lowest mean, and each seed's mean there.

    values: log losses [seeds, rates]. Two neighbours say more than the luckiest one.
    """
    width = min(width, values.shape[1])
    windows = np.stack([values[:, i : i + width].mean(axis=1) for i in range(values.shape[1] - width + 1)])
    first = int(np.argmin(windows.mean(axis=1)))
    return first, windows[first]


WIDTH = {"gate": 1, "scale": 1, "full": 2}


def per_seed(stage: Stage, base: Mapping[int, float], floor: float) -> Array:
    """The score on each seed [seeds] at the program's best learning rates."""
    _, own = best_window(logs(stage.losses, floor), WIDTH[stage.kind])
    return np.array([base[seed] for seed in stage.seeds]) - own


def best_exponent(stage: Stage, floor: float) -> int:
    """The exponent of the learning rate with the lowest mean log loss."""
    return stage.exponents[int(np.argmin(logs(stage.losses, floor).mean(axis=0)))]


def merged(stages: Sequence[Stage]) -> Stage:
    """Stages of one program, proxy, kind and grid, on different seeds, as one."""
    first = stages[0]
    seeds = tuple(seed for stage in stages for seed in stage.seeds)
    losses = tuple(row for stage in stages for row in stage.losses)
    return Stage(first.proxy, first.kind, seeds, first.exponents, losses)


def interval(values: Array) -> tuple[float, float]:
    """Mean and half width of its 95 % interval (Student's t) over paired seeds."""
    n = len(values)
    spread = float(np.std(values, ddof=1)) if n > 1 else math.inf
    return float(np.mean(values)), float(stdtrit(n - 1, 0.975)) * spread / math.sqrt(n) if n > 1 else math.inf
