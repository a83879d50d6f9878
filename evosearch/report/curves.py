"""What is trained while a report is made: learning rates of a few programs, then their learning curves.

On each search task every program is trained at thirteen learning rates around its best known one, and then, at the best
of these, once more on seeds that nothing else uses. All get the same. No task but those of the search is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import proxies
from evosearch.contest import checkpoints
from evosearch.evaluate import grid
from evosearch.measure import rate, trained
from evosearch.score import logs
from evosearch.statistics import student
from evosearch.trials import WIDE
from proxies.proxy import Proxy

Array = np.ndarray[Any, Any]
FIRST_SEED = 2_400_000  # seeds from here to 2,500,000 serve reports only
PILOT_SEEDS, RATE_SEEDS, CURVE_SEEDS = 2, 6, 12
RATES = 13  # learning rates of each program, a quarter of a decade apart


@dataclass(frozen=True)
class Subject:
    """A program to be trained; where no learning rates are known a pilot looks for them."""

    name: str
    text: str
    warmup: float
    exponents: tuple[int, ...] | None = None  # by task
    bar: bool = False


@dataclass(frozen=True, eq=False)
class Band:
    """Geometric means of validation losses over seeds, with 95 % intervals: arrays of one length."""

    xs: Array
    means: Array
    lows: Array
    highs: Array


@dataclass(frozen=True)
class OnTask:
    """What was measured on a task, for each subject in order."""

    task: str
    rates: tuple[Band, ...]  # over learning rates
    chosen: tuple[float, ...]  # the best of these
    curves: tuple[Band, ...]  # over steps, at the chosen rate, on other seeds


def measure(subjects: Sequence[Subject], tasks: Sequence[str], say: Callable[[str], None]) -> list[OnTask]:
    """Train the subjects on search tasks, one task after the other, in this process."""
    return [_on(subjects, proxies.get(name), k, say) for k, name in enumerate(tasks)]


def _on(subjects: Sequence[Subject], proxy: Proxy, k: int, say: Callable[[str], None]) -> OnTask:
    texts, warmups = [s.text for s in subjects], [s.warmup for s in subjects]
    name = proxies.shown(proxy.name)
    say(f"learning rates on {name}")
    centres = [s.exponents[k] if s.exponents is not None else _pilot(s, proxy) for s in subjects]
    grids = [tuple(centre + e for e in grid(RATES, 1)) for centre in centres]
    seeds = _seeds(PILOT_SEEDS, RATE_SEEDS)
    losses = logs(trained(texts, proxy, seeds, grids, warmups=warmups).validation, proxy.bounds)
    best = [row[int(np.argmin(values.mean(axis=0)))] for row, values in zip(grids, losses, strict=True)]
    rates = tuple(_band([rate(e) for e in row], values.T) for row, values in zip(grids, losses, strict=True))
    say(f"learning curves on {name}")
    steps = checkpoints(proxy.steps)
    seeds = _seeds(PILOT_SEEDS + RATE_SEEDS, CURVE_SEEDS)
    found = trained(texts, proxy, seeds, [(e,) for e in best], warmups=warmups, watch=steps)
    watched = logs(found.watched[..., 0], proxy.bounds)  # [steps, subjects, seeds]
    curves = tuple(_band(steps, watched[:, i]) for i in range(len(subjects)))
    return OnTask(proxy.name, rates, tuple(map(rate, best)), curves)


def _pilot(subject: Subject, proxy: Proxy) -> int:
    """The exponent of the best learning rate over ten decades."""
    found = trained([subject.text], proxy, _seeds(0, PILOT_SEEDS), [WIDE], warmups=[subject.warmup]).validation
    return WIDE[int(np.argmin(logs(found[0], proxy.bounds).mean(axis=0)))]


def _seeds(first: int, count: int) -> tuple[int, ...]:
    return tuple(range(FIRST_SEED + first, FIRST_SEED + first + count))


def _band(xs: Sequence[float], values: Array) -> Band:
    """From log losses [xs, seeds]."""
    found = [student(row) for row in values]
    means, lows, highs = (np.exp([getattr(e, key) for e in found]) for key in ("mean", "low", "high"))
    return Band(np.array(xs), means, lows, highs)
