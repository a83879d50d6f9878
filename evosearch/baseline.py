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
from evosearch.score import WIDTH, Baseline, best_window, logs
from primitives.graph import canonical
from primitives.program import Program
from primitives.text import show

# What is tried for each hyperparameter; names mean the same in every reference program. The default is tried too.
RANGES: dict[str, tuple[float, ...]] = {
    "beta": (0.8, 0.9, 0.95, 0.98),
    "beta1": (0.8, 0.9, 0.95),
    "beta2": (0.9, 0.95, 0.98, 0.99, 0.999),
    "rho": (0.9, 0.95, 0.99, 0.999),
    "eps": (1e-8, 1e-6, 1e-4, 1e-3),
    "weight_decay": (0.0, 0.01, 0.1, 0.3, 1.0),
}
WARMUPS = (0.05, 0.1, 0.2, 0.3)  # parts of the steps
WIDE = tuple(range(-20, 7, 2))  # exponents: half decades from 1e-5 to 30, for programs of which nothing is known
TUNING_SEED = 1_000_000  # seeds from here on serve tuning only, none of them scores a candidate
KEPT = 8  # sets of constants that go on to the second round


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


def tune(
    program: Program,
    config: Config,
    run: Callable[[Plan, Sequence[tuple[str, tuple[int, ...]]]], list[Any]],
    warmup: float | None = None,
) -> Tuned:
    """The best constants over all proxies together, each with the best learning rate for itself.

    A first round tries every set on one seed over a wide grid, a second the best of them on four seeds around
    their optimum. Where `warmup` is None it is tuned too. Every program gets the same budget.
    """
    rng = random.Random(config.seed)
    sets = [(bound(program, c), warmup) for c in choices(program, config.scoring.tune, rng)]
    trials = [(p, rng.choice(WARMUPS) if w is None else w) for p, w in sets]
    texts = [(show(p), w) for p, w in trials]
    first = _round(texts, [dict.fromkeys(config.proxies, WIDE)] * len(texts), config, run, seeds=1)
    order = sorted(range(len(texts)), key=lambda i: first[i][0])[:KEPT]
    again = [texts[i] for i in order]
    if warmup is None:
        again = [(text, w) for text, _ in again for w in WARMUPS]
        order = [i for i in order for _ in WARMUPS]
    near = [{name: tuple(first[i][1][name] + e for e in grid(5, 1)) for name in config.proxies} for i in order]
    second = _round(again, near, config, run, seeds=4)
    best = min(range(len(again)), key=lambda i: second[i][0])
    return Tuned(*again[best], second[best][1])


def _round(
    texts: Sequence[tuple[str, float]],
    grids: Sequence[Mapping[str, tuple[int, ...]]],
    config: Config,
    run: Callable[[Plan, Sequence[tuple[str, tuple[int, ...]]]], list[Any]],
    seeds: int,
) -> list[tuple[float, dict[str, int]]]:
    """For each (text, warm-up): the mean log loss over proxies at the best learning rates, and those."""
    total = np.zeros(len(texts))
    best: list[dict[str, int]] = [{} for _ in texts]
    some = tuple(TUNING_SEED + i for i in range(seeds))
    for name in config.proxies:
        floor = proxies.get(name).floor
        for warmup in dict.fromkeys(w for _, w in texts):
            mine = [i for i, (_, w) in enumerate(texts) if w == warmup]
            losses = run(Plan(name, some, warmup), [(texts[i][0], grids[i][name]) for i in mine])
            for i, rows in zip(mine, losses, strict=True):
                values = logs(rows, floor)
                _, own = best_window(values, WIDTH["full"])
                total[i] += own.mean() / len(config.proxies)
                best[i][name] = grids[i][name][int(np.argmin(values.mean(axis=0)))]
    return list(zip(total.tolist(), best, strict=True))


def baseline(
    tuned: Tuned, config: Config, run: Callable[[Plan, Sequence[tuple[str, tuple[int, ...]]]], list[Any]]
) -> Baseline:
    """The tuned program measured on each training seed, in gate and full trainings, exactly as candidates are."""
    seeds = tuple(range(config.scoring.seed_pool))
    kinds = {"gate": (config.scoring.gate_steps, config.scoring.gate_lrs, 2), "full": (1.0, config.scoring.lrs, 1)}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for name in config.proxies:
        found[name] = {}
        for kind, (part, count, step) in kinds.items():
            exponents = tuple(tuned.exponents[name] + e for e in grid(count, step))
            [losses] = run(Plan(name, seeds, tuned.warmup, part), [(tuned.text, exponents)])
            _, own = best_window(logs(losses, proxies.get(name).floor), WIDTH[kind])
            found[name][kind] = dict(zip(seeds, own.tolist(), strict=True))
    return Baseline(tuned.text, tuned.warmup, tuned.exponents, found)
