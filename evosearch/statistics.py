"""What can be concluded from paired replicates: gains, tests, intervals, corrections. Pure functions of arrays.

The replicate is the unit: values of one replicate may depend on each other, those of different ones do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from evosearch.score import GAIN_CAP, capped

Array = np.ndarray[Any, Any]
LEVEL = 0.95
DRAWS = 4000  # of a bootstrap
POWER = 0.8  # with which a difference should be seen, where seeds are counted that would do


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval, and the two-sided p-value of "the mean is 0"."""

    mean: float
    low: float
    high: float
    p: float


def gains(losses: Array) -> Array:
    """Log of the first entrant's loss over the own one, by task and replicate: losses [entrants, tasks, seeds]."""
    found: Array = np.log(losses[:1]) - np.log(losses)
    return found


def mean_over_tasks(values: Array) -> Array:
    """The primary metric of each replicate [seeds]: the mean over tasks of gains [tasks, seeds], each task's capped."""
    found: Array = np.mean([capped(row) for row in values], axis=0)
    return found


def student(values: Array, level: float = LEVEL) -> Estimate:
    """Mean, Student's t interval and t test over replicates [n]; replicates without spread leave no doubt."""
    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, -math.inf, math.inf, 1.0)
    error = float(np.std(values, ddof=1)) / math.sqrt(n)
    if error <= 1e-12 * max(1.0, abs(mean)):  # what is left is rounding
        return Estimate(mean, mean, mean, 0.0 if abs(mean) > 1e-12 else 1.0)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * error
    return Estimate(mean, mean - half, mean + half, 2 * float(stdtr(n - 1, -abs(mean) / error)))


def simultaneous(level: float, count: int) -> float:
    """The level of each of `count` intervals that hold together at `level` (Bonferroni)."""
    return 1 - (1 - level) / max(1, count)


def holm(p: Sequence[float]) -> Array:
    """p-values adjusted for the number of tests. Holm 1979: the share of false findings among any stays below level."""
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(values) else values
    return adjusted


def bootstrap(
    statistic: Callable[..., Array], *arrays: Array, seed: int = 0, level: float = LEVEL, draws: int = DRAWS
) -> tuple[float, float]:
    """Percentile interval of a statistic of arrays [tasks, seeds], replicates resampled within each task.

    The same replicates are drawn from all arrays, so pairs stay together. `statistic` takes [draws, tasks, seeds] and
    gives [draws]. With ten replicates it holds the truth a little less often than it says; Student's does not.
    """
    tasks, seeds = arrays[0].shape
    places = np.random.default_rng(seed).integers(0, seeds, (draws, tasks, seeds))
    found = np.concatenate(
        [
            statistic(*(np.take_along_axis(array[None], some, axis=2) for array in arrays))
            for some in np.array_split(places, max(1, draws // 500))
        ]
    )
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def capped_mean(values: Array) -> Array:
    """The primary metric of gains [..., tasks, seeds], over tasks and replicates."""
    found: Array = np.minimum(values.mean(axis=-1), GAIN_CAP).mean(axis=-1)
    return found


def improvement(own: Array, other: Array) -> Array:
    """Probability that a loss of `own` is below one of `other`, [..., tasks, seeds] each: pairs in a task, then tasks.

    Agarwal et al. 2021, arXiv:2108.13264; ties count as half.
    """
    ours, theirs = own[..., :, None], other[..., None, :]
    found: Array = ((ours < theirs) + 0.5 * (ours == theirs)).mean(axis=(-1, -2, -3))
    return found


def profile(losses: Array, ratios: Array) -> Array:
    """Share of (task, replicate) in which an entrant's loss is at most `ratios` times the best, [entrants, ratios].

    Dolan and More 2002: the performance profile, of losses [entrants, tasks, seeds].
    """
    over = (losses / losses.min(axis=0)).reshape(len(losses), -1)
    found: Array = (over[:, :, None] <= ratios * (1 + 1e-12)).mean(axis=1)
    return found


def replicates_needed(values: Array, level: float = LEVEL, power: float = POWER) -> float:
    """About how many replicates would show a mean like that of `values` [n], were it real; inf where it is 0."""
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    if mean == 0:
        return math.inf
    outer = float(ndtri((1 + level) / 2))
    normal = ((outer + float(ndtri(power))) * spread / mean) ** 2
    return max(3.0, math.ceil(normal + outer**2 / 2))  # the last term: for Student in place of the normal


def steps_to_target(steps: Array) -> float:
    """Steps by which half of the replicates [seeds] are there; inf where fewer ever are."""
    return float(np.sort(steps)[(len(steps) + 1) // 2 - 1])
