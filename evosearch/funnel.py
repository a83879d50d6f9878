"""The funnel's rules: who goes on from the selection tier, who wins on the held-out one, what is said of each task.

The bar is the best that AdamW and NAdamW can do. On either tier a candidate passes if its mean capped gain over
the bar is above 0 for certain: the lower end of its interval is, where the intervals of all candidates hold together.
Pure functions of losses; a winner that is none comes about in at most 5 % of funnels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evosearch import statistics
from evosearch.contest import Results
from evosearch.statistics import LEVEL, Estimate

Array = np.ndarray[Any, Any]
MOST = 3  # programs that see the held-out tasks
MARGIN = 0.05  # of a gain, that is 5 % of the loss: what may count as no worse


@dataclass(frozen=True, eq=False)
class Losses:
    """What a tier measured: losses, float64 [programs, tasks, replicates]."""

    names: tuple[str, ...]
    tasks: tuple[str, ...]
    test: Array
    validation: Array

    @staticmethod
    def of(results: Results) -> Losses:
        """Those of a contest."""
        return Losses(results.names, results.tasks, results.test, results.validation)


@dataclass(frozen=True)
class OnTask:
    """The gain over the bar on one task, not capped; intervals of all programs and tasks hold together."""

    task: str
    gain: Estimate

    @property
    def word(self) -> str:
        """What may be said of it."""
        if self.gain.low > 0:
            return "better"
        if self.gain.low > -MARGIN:
            return f"not worse by more than {MARGIN:g}"
        return "worse" if self.gain.high < 0 else "undecided"


@dataclass(frozen=True)
class Standing:
    """How a program stands against the bar."""

    name: str
    gain: Estimate  # the mean over tasks of the capped gain; intervals of all programs hold together
    by_task: tuple[OnTask, ...]
    without: Mapping[str, Estimate]  # the same with each task left out; empty for one task

    @property
    def passes(self) -> bool:
        """Whether it is better than the bar, for certain."""
        return self.gain.low > 0


def bar(losses: Losses, names: Sequence[str]) -> str:
    """The best of some programs by validation loss; test losses choose nothing."""
    means = np.log(losses.validation).mean(axis=(1, 2))
    return min(names, key=lambda name: float(means[losses.names.index(name)]))


def standings(losses: Losses, bar: str, names: Sequence[str], level: float = LEVEL) -> tuple[Standing, ...]:
    """The standing of each of some programs, by test losses, in order."""
    wide = statistics.simultaneous(level, len(names))
    widest = statistics.simultaneous(level, len(names) * len(losses.tasks))
    logs = np.log(losses.test)
    return tuple(
        _standing(name, losses.tasks, logs[losses.names.index(bar)] - logs[losses.names.index(name)], wide, widest)
        for name in names
    )


def _standing(name: str, tasks: tuple[str, ...], gains: Array, wide: float, widest: float) -> Standing:
    """From gains [tasks, replicates]."""

    def primary(rows: Array) -> Estimate:
        return statistics.student(statistics.mean_over_tasks(rows), wide)

    by_task = tuple(OnTask(task, statistics.student(row, widest)) for task, row in zip(tasks, gains, strict=True))
    without = {task: primary(np.delete(gains, k, axis=0)) for k, task in enumerate(tasks)} if len(tasks) > 1 else {}
    return Standing(name, primary(gains), by_task, without)


def survivors(found: Sequence[Standing], program: Callable[[str], str]) -> tuple[str, ...]:
    """Who goes on to the held-out tier, the best first: at most MOST, one form of each `program`."""
    best: dict[str, str] = {}
    for standing in sorted(found, key=lambda standing: -standing.gain.mean):
        if standing.passes:
            best.setdefault(program(standing.name), standing.name)
    return tuple(best.values())[:MOST]


def winners(found: Sequence[Standing]) -> tuple[str, ...]:
    """Who is better than the bar on the held-out tier, the best first."""
    passed = sorted((standing for standing in found if standing.passes), key=lambda standing: -standing.gain.mean)
    return tuple(standing.name for standing in passed)
