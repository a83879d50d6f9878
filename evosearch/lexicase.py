"""Selection for all-rounders: parents that are among the best on one task after another, not on average alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evosearch.score import GAIN_CAP

Array = NDArray[np.float64]


def by_task(members: Sequence[Mapping[tuple[str, str], float]]) -> Array:
    """Scores of members (rows) on tasks (columns), from their scores by (proxy, kind of stage), each capped.

    The last stage of a proxy counts; where a hurdle ended a member, its last score stands for what was not done, and is
    at most 0.
    """
    found = [{proxy: min(score, GAIN_CAP) for (proxy, _), score in scores.items()} for scores in members]
    proxies = sorted(set[str]().union(*found))
    last = [min([0.0, *list(row.values())[-1:]]) for row in found]
    return np.array([[row.get(p, rest) for p in proxies] for row, rest in zip(found, last, strict=True)])


def slacks(scores: Array) -> Array:
    """How far below the best is as good as the best, by task: the median distance of scores from their median.

    La Cava, Spector, Danai 2016, Epsilon-lexicase selection for regression.
    """
    slack: Array = np.median(np.abs(scores - np.median(scores, axis=0)), axis=0)
    return slack


def lexicase(scores: Array, slack: Array, rng: random.Random) -> list[int]:
    """The rows that are left when tasks in random order each keep those that are as good as the best left."""
    left = np.arange(len(scores))
    for task in rng.sample(range(scores.shape[1]), scores.shape[1]):
        column = scores[left, task]
        left = left[column >= column.max() - slack[task]]
    kept: list[int] = left.tolist()
    return kept
