"""What a contest says of each program against the first: better, worse or undecided, and by how much.

The primary metric, named before anything is measured: the mean over tasks of the gain, log(first's test loss / own),
each task's mean counted up to score.GAIN_CAP. It has one test, Student's over replicates, at 5 % after Holm's
correction over programs. Tasks have their own, corrected over programs and tasks together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evosearch import statistics
from evosearch.contest import Results
from evosearch.score import GAIN_CAP
from evosearch.statistics import DRAWS, LEVEL, Estimate

Array = np.ndarray[Any, Any]
Word = Literal["better", "worse", "undecided"]
PRIMARY = f"mean over tasks of log(first's test loss / own), each task's mean counted up to {GAIN_CAP:g}"


@dataclass(frozen=True)
class OnTask:
    """The gain on one task, uncapped; `adjusted` is its p-value after Holm's correction over programs and tasks."""

    task: str
    gain: Estimate
    adjusted: float
    verdict: Word
    steps: float  # to the target, over the first's; inf where fewer than half of the replicates reach it


@dataclass(frozen=True)
class Verdict:
    """What is said of one program against the first."""

    name: str
    gain: Estimate  # the primary metric, its Student interval and p-value
    adjusted: float  # p after Holm's correction over programs
    verdict: Word
    simultaneous: tuple[float, float]  # intervals of all programs hold together (Bonferroni)
    bootstrap: tuple[float, float]  # stratified by task
    improvement: float  # probability that its loss is below the first's
    improvement_interval: tuple[float, float]
    by_task: tuple[OnTask, ...]
    without: Mapping[str, Estimate]  # the primary metric with each task left out; empty for one task
    needed: float  # replicates that would about show the gain among as many programs, were it real
    steps: float  # geometric mean over tasks of steps to the target over the first's; inf where one is
    seconds: float  # of a step over the first's, geometric mean over tasks


def verdicts(results: Results, level: float = LEVEL, draws: int = DRAWS) -> tuple[Verdict, ...]:
    """A verdict on each entrant but the first, in order; `draws` of each bootstrap."""
    gains = statistics.gains(results.test)
    means = [statistics.mean_over_tasks(values) for values in gains[1:]]
    primary = [statistics.student(values, level) for values in means]
    by_task = [[statistics.student(values, level) for values in rows] for rows in gains[1:]]
    adjusted = statistics.holm([estimate.p for estimate in primary]).tolist()
    of_tasks = statistics.holm([e.p for row in by_task for e in row]).reshape(len(primary), -1).tolist()
    steps = _steps(results.steps)
    together = statistics.simultaneous(level, len(primary))
    found = []
    for i, (name, values, estimate) in enumerate(zip(results.names[1:], means, primary, strict=True)):
        wide = statistics.student(values, together)
        own, first = results.test[i + 1], results.test[0]
        rows = zip(results.tasks, by_task[i], of_tasks[i], steps[i + 1].tolist(), strict=True)
        found.append(
            Verdict(
                name=name,
                gain=estimate,
                adjusted=adjusted[i],
                verdict=word(estimate, adjusted[i], level),
                simultaneous=(wide.low, wide.high),
                bootstrap=statistics.bootstrap(statistics.capped_mean, gains[i + 1], level=level, draws=draws),
                improvement=float(statistics.improvement(own, first)),
                improvement_interval=statistics.bootstrap(statistics.improvement, own, first, level=level, draws=draws),
                by_task=tuple(OnTask(task, e, p, word(e, p, level), ratio) for task, e, p, ratio in rows),
                without=_without(results.tasks, gains[i + 1], level),
                needed=statistics.replicates_needed(values, together),
                steps=float(np.exp(np.log(steps[i + 1]).mean())),
                seconds=float(np.exp(np.log(results.seconds[i + 1] / results.seconds[0]).mean())),
            )
        )
    return tuple(found)


def word(estimate: Estimate, adjusted: float, level: float = LEVEL) -> Word:
    """The verdict of a gain with its adjusted p-value."""
    if adjusted > 1 - level:
        return "undecided"
    return "better" if estimate.mean > 0 else "worse"


def _without(tasks: tuple[str, ...], gains: Array, level: float) -> dict[str, Estimate]:
    """The primary metric with each task left out."""
    if len(tasks) == 1:
        return {}
    rest = {task: np.delete(gains, k, axis=0) for k, task in enumerate(tasks)}
    return {task: statistics.student(statistics.mean_over_tasks(rows), level) for task, rows in rest.items()}


def _steps(steps: Array) -> Array:
    """Steps to the target over the first entrant's, [entrants, tasks]; 1 where that does not train and sets none."""
    found = np.apply_along_axis(statistics.steps_to_target, 2, steps)
    found[:, np.isinf(found[0])] = 1.0
    ratios: Array = found / found[0]
    return ratios
