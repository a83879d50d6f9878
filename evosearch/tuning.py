"""Tunes reference programs, all at one budget: quasi-random constants, the best of them again, then nearby ones.

Every set of constants has the best learning rates for itself. Where it serves several tasks, its constants are the
same on all of them, as a candidate's are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import qmc

import proxies
from evosearch.breed import Context
from evosearch.evaluate import grid
from evosearch.measure import trained
from evosearch.score import WIDTH, logs, own_logs
from evosearch.trials import WARMUPS, WIDE, axes, log_uniform, with_constants
from primitives.graph import canonical
from primitives.program import Program
from primitives.text import show

TUNING_SEED = 1_000_000  # seeds from here on serve tuning only, none of them scores a candidate
SEEDS = 6  # of the second and the third round
BOX = 0.15  # how far the third round goes from the best in each direction, as part of a range


@dataclass(frozen=True)
class Tried:
    """One set of constants and what came of it."""

    round: int  # 0 is the pilot
    warmup: float
    constants: tuple[tuple[str, float], ...]  # () for the defaults
    exponents: tuple[tuple[str, int], ...]  # the best learning rate by proxy
    loss: float  # mean over proxies of the log loss


@dataclass(frozen=True)
class Tuned:
    """A reference program with its best constants as numbers, and its best learning rates by proxy."""

    text: str
    warmup: float
    exponents: Mapping[str, int]
    loss: float = np.nan  # mean over proxies of the log loss, on tuning seeds
    trainings: int = 0  # spent on each proxy
    tried: tuple[Tried, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Arguments of `trained` that a batch of items shares."""

    proxy: str
    seeds: tuple[int, ...]
    warmup: float
    part: float = 1.0  # of the proxy's steps
    test: bool = False  # losses on the rows of the test, not of the validation


Item = tuple[str, tuple[int, ...]] | tuple[str, tuple[int, ...], float]  # text, exponents, warm-up if not the plan's
Run = Callable[[Plan, Sequence[Item]], list[Any]]  # -> of each item, losses [seeds, rates]


def trainings(context: Context, plan: Plan, items: Sequence[Item]) -> list[Any]:
    """Handler: the losses [seeds, rates] of each item, whose grids are of one size."""
    proxy = proxies.get(plan.proxy)
    steps = max(1, round(proxy.steps * plan.part))
    warmups = [item[2] if len(item) > 2 else plan.warmup for item in items]
    texts, grids = [item[0] for item in items], [item[1] for item in items]
    found = trained(
        texts, proxy, plan.seeds, grids, steps=steps, warmups=warmups, test=plan.test, device=context.config.device
    )
    return list(found.test if plan.test else found.validation)


def tune(program: Program, tasks: Sequence[str], run: Run, sets: int, warmup: float | None = None) -> Tuned:
    """The best constants over all tasks together, at the best learning rates; where `warmup` is None it is tuned too.

    A pilot finds the defaults' learning rate on WIDE. A first round tries `sets` quasi-random sets of constants on one
    seed at five rates half a decade apart, a second the best eighth of them on six seeds, five rates a quarter of a
    decade apart, a third a quarter as many sets near the best, likewise at three rates. The defaults are among the
    first two. Every program gets the same.
    """
    tuning = _Tuning(program, tasks, run, warmup)
    [pilot] = tuning.round([Trial(None, ())], None, seeds=2)
    others = [replace(pilot, place=tuple(place)) for place in tuning.points(sets - 1, seed=0)]
    first = sorted(tuning.round([pilot, *others], grid(5, 2), seeds=1), key=_loss)
    kept = first[: max(1, sets // 8)]
    kept += [trial for trial in first if trial.place is None and trial not in kept]
    best = min(tuning.round(kept, grid(5, 1), SEEDS), key=_loss)
    if best.place is not None and sets >= 4:
        moves = (2 * tuning.points(sets // 4, seed=1) - 1) * BOX
        near = [replace(best, place=tuple(np.clip(np.add(best.place, move), 0, 1))) for move in moves]
        best = min([best, *tuning.round(near, grid(3, 1), SEEDS)], key=_loss)
    text, used, _ = tuning.settings(best)
    return Tuned(text, used, dict(best.exponents), best.loss, tuning.spent, tuple(tuning.tried))


@dataclass(frozen=True)
class Trial:
    """Constants under trial as places in their ranges, and where learning rates are looked for."""

    place: tuple[float, ...] | None  # in [0, 1], of the warm-up (unless it is given) and each constant; None: defaults
    exponents: tuple[tuple[str, int], ...]  # the best known, by proxy
    loss: float = np.inf  # mean log loss over proxies


def _loss(trial: Trial) -> float:
    return trial.loss


class _Tuning:
    """One program and its tasks."""

    def __init__(self, program: Program, tasks: Sequence[str], run: Run, warmup: float | None) -> None:
        self.program, self.tasks, self.run, self.warmup = program, tasks, run, warmup
        self.axes = axes(program, "all")
        self.spent = 0
        self.tried: list[Tried] = []

    def settings(self, trial: Trial) -> tuple[str, float, dict[str, float]]:
        """The text, the warm-up and the constants of a trial."""
        if trial.place is None:
            return show(canonical(replace(self.program, doc=""), self.program.defaults)), self.warmup or 0.1, {}
        place = trial.place if self.warmup is None else (0.0, *trial.place)
        warmup = float(f"{log_uniform(*WARMUPS)(place[0]):.3g}") if self.warmup is None else self.warmup
        values = {name: float(f"{scale(u):.4g}") for (name, scale), u in zip(self.axes, place[1:], strict=True)}
        program = with_constants(self.program, values)
        return show(canonical(program, program.defaults)), warmup, values

    def points(self, count: int, seed: int) -> np.ndarray[Any, Any]:
        """Quasi-random places, [count, dimensions]; the same for programs of as many constants."""
        dimensions = len(self.axes) + (self.warmup is None)
        if not dimensions:
            return np.zeros((0, 0))
        found: np.ndarray[Any, Any] = qmc.Sobol(dimensions, seed=seed).random_base2(max(0, count - 1).bit_length())
        return found[:count]

    def round(self, trials: Sequence[Trial], offsets: Sequence[int] | None, seeds: int) -> list[Trial]:
        """The trials with their loss and best rates, at learning rates around those known so far; WIDE for None."""
        plan = {task: Plan(task, tuple(TUNING_SEED + i for i in range(seeds)), 0.1) for task in self.tasks}
        total = np.zeros(len(trials))
        best: list[dict[str, int]] = [{} for _ in trials]
        settings = [self.settings(trial) for trial in trials]
        for task in self.tasks:
            bounds = proxies.get(task).bounds
            grids = [
                WIDE if offsets is None else tuple(dict(trial.exponents)[task] + e for e in offsets)
                for trial in trials
            ]  # fmt: skip
            items = [(text, exponents, w) for (text, w, _), exponents in zip(settings, grids, strict=True)]
            for i, rows in enumerate(self.run(plan[task], items)):
                total[i] += own_logs(rows, bounds, WIDTH["full"]).mean() / len(self.tasks)
                best[i][task] = grids[i][int(logs(rows, bounds).mean(axis=0).argmin())]
        self.spent += len(trials) * seeds * len(WIDE if offsets is None else offsets)
        found = [
            replace(t, loss=loss, exponents=tuple(b.items()))
            for t, loss, b in zip(trials, total.tolist(), best, strict=True)
        ]
        number = self.tried[-1].round + 1 if self.tried else 0
        self.tried += [
            Tried(number, w, tuple(values.items()), t.exponents, t.loss)
            for t, (_, w, values) in zip(found, settings, strict=True)
        ]
        return found
