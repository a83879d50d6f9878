"""Tunes reference programs at equal budget, and measures the tuned AdamW on every training seed: score 0."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import proxies
from evosearch.breed import Context
from evosearch.config import Config
from evosearch.evaluate import grid
from evosearch.measure import measure
from evosearch.score import WIDTH, Baseline, logs, own_logs
from primitives.graph import canonical
from primitives.program import Program
from primitives.text import show

# What is tried for each hyperparameter; names mean the same in every reference program. The default is tried too.
RANGES: dict[str, tuple[float, ...]] = {
    "beta": (0.5, 0.7, 0.8, 0.9, 0.95, 0.98),
    "beta1": (0.5, 0.7, 0.8, 0.9, 0.95),
    "beta2": (0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.999),
    "rho": (0.5, 0.7, 0.9, 0.95, 0.99, 0.999),
    "eps": (1e-8, 1e-6, 1e-4, 1e-3),
    "weight_decay": (0.0, 0.01, 0.1, 0.3, 1.0),
}
WARMUPS = (0.05, 0.1, 0.2, 0.3)  # parts of the steps
WIDE = tuple(range(-20, 7, 2))  # exponents: half decades from 1e-5 to 30, for programs of which nothing is known
TUNING_SEED = 1_000_000  # seeds from here on serve tuning only, none of them scores a candidate
KEPT = 12  # sets of constants that go on to the second round
SEEDS = 8  # of the second round and of single steps


@dataclass(frozen=True)
class Tuned:
    """A reference program with its best constants as numbers, and its best learning rates by proxy."""

    text: str
    warmup: float
    exponents: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """Arguments of `measure` that a batch of (text, exponents) shares."""

    proxy: str
    seeds: tuple[int, ...]
    warmup: float
    part: float = 1.0  # of the proxy's steps


Run = Callable[[Plan, Sequence[tuple[str, tuple[int, ...]]]], list[Any]]  # (plan, (text, exponents)...) -> losses


def trainings(context: Context, plan: Plan, items: Sequence[tuple[str, tuple[int, ...]]]) -> list[Any]:
    """Handler: the losses [seeds, rates] of each (text, exponents)."""
    proxy = proxies.get(plan.proxy)
    texts, grids = [text for text, _ in items], [exponents for _, exponents in items]
    steps = max(1, round(proxy.steps * plan.part))
    return list(measure(texts, proxy, plan.seeds, grids, steps=steps, warmup=plan.warmup))


def bound(program: Program, constants: Mapping[str, float]) -> Program:
    """The program with numbers for its hyperparameters (but lr), in canonical form."""
    return canonical(replace(program, doc=""), {**program.defaults, **constants})


def choices(program: Program, count: int, rng: random.Random) -> list[dict[str, float]]:
    """`count` sets of constants, the defaults first, then drawn from RANGES without repetition."""
    names = [name for name in program.defaults if name in RANGES]
    everything = [dict(zip(names, values, strict=True)) for values in itertools.product(*(RANGES[n] for n in names))]
    rng.shuffle(everything)
    return [{name: program.defaults[name] for name in names}, *everything][:count]


@dataclass(frozen=True)
class Trial:
    """Constants under trial, and where learning rates were best: exponents by proxy, None before the first round."""

    constants: tuple[tuple[str, float], ...]
    warmup: float
    exponents: tuple[tuple[str, int], ...] | None = None
    loss: float = np.inf  # mean log loss over proxies

    def grid(self, proxy: str) -> tuple[int, ...]:
        """The learning rates to try: a wide grid, or quarter decades around the best known."""
        return WIDE if self.exponents is None else tuple(dict(self.exponents)[proxy] + e for e in grid(5, 1))


def tune(program: Program, config: Config, run: Run, warmup: float | None = None) -> Tuned:
    """The best constants over all proxies together, each set with the best learning rates for itself.

    A first round tries many sets on one seed over a wide grid of learning rates, a second the best of them on several
    seeds around their optimum, then single constants move a step while that helps. Where `warmup` is None it is
    tuned too. Every program gets the same budget.
    """
    rng = random.Random(config.seed)
    sets = [tuple(c.items()) for c in choices(program, config.scoring.tune, rng)]
    trials = [Trial(c, rng.choice(WARMUPS) if warmup is None else warmup) for c in sets]
    trials = sorted(_round(program, trials, config, run, seeds=1), key=lambda trial: trial.loss)[:KEPT]
    if warmup is None:
        trials = [replace(trial, warmup=w) for trial in trials for w in WARMUPS]
    best = min(_round(program, trials, config, run, seeds=SEEDS), key=lambda trial: trial.loss)
    for _ in range(config.scoring.refine):
        near = _round(program, neighbours(best, warmup is None), config, run, seeds=SEEDS)
        better = min([best, *near], key=lambda trial: trial.loss)
        if better is best:
            break
        best = better
    return Tuned(show(bound(program, dict(best.constants))), best.warmup, dict(best.exponents or ()))


def neighbours(trial: Trial, warmups: bool) -> list[Trial]:
    """The trials one step away in one constant (or the warm-up), along RANGES (or WARMUPS)."""
    found = []
    for k, (name, value) in enumerate(trial.constants):
        for other in _steps(RANGES[name], value):
            constants = (*trial.constants[:k], (name, other), *trial.constants[k + 1 :])
            found.append(replace(trial, constants=constants))
    return found + [replace(trial, warmup=w) for w in (_steps(WARMUPS, trial.warmup) if warmups else ())]


def _steps(values: tuple[float, ...], value: float) -> list[float]:
    """The next smaller and the next larger of some values."""
    return [*[v for v in sorted(values) if v < value][-1:], *[v for v in sorted(values) if v > value][:1]]


def _round(program: Program, trials: Sequence[Trial], config: Config, run: Run, seeds: int) -> list[Trial]:
    """The trials with their loss at the best learning rates, and those."""
    total = np.zeros(len(trials))
    best: list[dict[str, int]] = [{} for _ in trials]
    some = tuple(TUNING_SEED + i for i in range(seeds))
    texts = [show(bound(program, dict(trial.constants))) for trial in trials]
    for name in config.proxies:
        bounds = proxies.get(name).bounds
        for warmup in dict.fromkeys(trial.warmup for trial in trials):
            mine = [i for i, trial in enumerate(trials) if trial.warmup == warmup]
            losses = run(Plan(name, some, warmup), [(texts[i], trials[i].grid(name)) for i in mine])
            for i, rows in zip(mine, losses, strict=True):
                values = logs(rows, bounds)
                total[i] += own_logs(rows, bounds, WIDTH["full"]).mean() / len(config.proxies)
                best[i][name] = trials[i].grid(name)[int(np.argmin(values.mean(axis=0)))]
    results = zip(trials, total.tolist(), best, strict=True)
    return [replace(trial, loss=loss, exponents=tuple(b.items())) for trial, loss, b in results]


def baseline(tuned: Tuned, config: Config, run: Run) -> Baseline:
    """The tuned program measured on each training seed, in gate and full trainings, exactly as candidates are."""
    seeds = tuple(range(config.scoring.seed_pool))
    kinds = {"gate": (config.scoring.gate_steps, config.scoring.gate_lrs, 2), "full": (1.0, config.scoring.lrs, 1)}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for name in config.proxies:
        found[name] = {}
        for kind, (part, count, step) in kinds.items():
            exponents = tuple(tuned.exponents[name] + e for e in grid(count, step))
            [losses] = run(Plan(name, seeds, tuned.warmup, part), [(tuned.text, exponents)])
            own = own_logs(losses, proxies.get(name).bounds, WIDTH[kind])
            found[name][kind] = dict(zip(seeds, own.tolist(), strict=True))
    return Baseline(tuned.text, tuned.warmup, tuned.exponents, found)
