"""The last table: the best programs beside the tuned baselines on fresh seeds, with intervals, whatever it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import proxies
from evosearch.config import Config
from evosearch.evaluate import grid
from evosearch.measure import rate
from evosearch.score import WIDTH, capped, logs, own_logs
from evosearch.statistics import LEVEL, simultaneous, student
from evosearch.tuning import Plan, Run

FRESH_SEED = 2_000_000  # seeds from here on were never used for tuning or scoring


@dataclass(frozen=True)
class Contestant:
    """A program for the table, with its warm-up and the learning rates (exponents by proxy) around which to look."""

    name: str
    text: str
    warmup: float
    exponents: Mapping[str, int]
    length: int
    states: int
    cost: float
    search_score: float | None = None


@dataclass(frozen=True)
class Line:
    """A line of the table: `score` and half of its 95 % interval against the bar, paired by seed."""

    name: str
    score: float
    half: float
    losses: dict[str, float]  # geometric mean of the validation losses, by proxy
    rates: dict[str, float]  # best learning rate, by proxy
    length: int
    states: int
    cost: float
    search_score: float | None
    text: str

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        if self.score - self.half > 0:
            return "better than the bar on fresh seeds"
        if self.score + self.half < 0:
            return "worse than the bar on fresh seeds"
        return "not better than the bar on fresh seeds"


def compete(
    contestants: Sequence[Contestant],
    config: Config,
    run: Run,
) -> list[Line]:
    """A line for each; the first contestant is the bar. Learning rates are chosen alike for all.

    Intervals hold for all found programs together.
    """
    seeds = tuple(FRESH_SEED + i for i in range(config.scoring.final_seeds))
    own: dict[str, list[np.ndarray[Any, Any]]] = {}
    rates: list[dict[str, float]] = [{} for _ in contestants]
    means: list[dict[str, float]] = [{} for _ in contestants]
    for name in config.proxies:
        grids = [tuple(c.exponents[name] + e for e in grid(5, 1)) for c in contestants]
        items = [(c.text, exponents, c.warmup) for c, exponents in zip(contestants, grids, strict=True)]
        own[name] = []
        for i, losses in enumerate(run(Plan(name, seeds, proxies.get(name).warmup), items)):
            values = logs(losses, proxies.get(name).bounds)
            own[name].append(own_logs(losses, proxies.get(name).bounds, WIDTH["full"]))
            best = int(np.argmin(values.mean(axis=0)))
            rates[i][name], means[i][name] = rate(grids[i][best]), float(np.exp(values[:, best].mean()))
    lines = []
    for i, c in enumerate(contestants):
        gains = np.mean([capped(values[0] - values[i]) for values in own.values()], axis=0)
        gain = student(gains, simultaneous(LEVEL, sum(other.search_score is not None for other in contestants)))
        half = gain.high - gain.mean
        lines.append(
            Line(c.name, gain.mean, half, means[i], rates[i], c.length, c.states, c.cost, c.search_score, c.text)
        )
    return lines


def to_json(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The table as plain values for the store."""
    return [asdict(line) for line in lines]
