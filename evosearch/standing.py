"""Where its trainings put a program: scores, best learning rates, and how much of its score is believed.

The worker that trained a program says so, for the arithmetic would be most of the driver's work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evosearch.score import GAIN_CAP, Array, Baseline, Bounds, Stage, best_exponent, capped, per_seed

GATE_SPREAD = 0.15  # standard deviation of a score between seeds, where there is one seed
LEAST_SPREAD = 0.05  # standard deviation of a score between seeds, where four of them happen to agree


@dataclass(frozen=True)
class Standing:
    """What follows from trainings, where none of them says that the program cannot be used."""

    scores: Mapping[tuple[str, str], float] = field(default_factory=dict)  # by (proxy, kind of stage)
    exponents: Mapping[str, int] = field(default_factory=dict)  # best learning rate by proxy
    seeds: int = 0  # of the full trainings
    score: float = -math.inf  # mean over the proxies
    believed: float = -math.inf  # the score less its standard error, so that few lucky seeds do not make a best program


NOWHERE = Standing()


def standing(
    stages: Sequence[Stage], baseline: Baseline, bounds: Mapping[str, Bounds], before: Standing = NOWHERE
) -> Standing:
    """The standing after `stages`, of which those of kind "full" are all that there are, each over all its seeds.

    `before` gives what other stages said; `bounds` are those of every proxy of the search, in their order.
    """
    scores, exponents = dict(before.scores), dict(before.exponents)
    full: list[Array] = []
    for stage in stages:
        if stage.kind == "scale":
            continue
        gains = per_seed(stage, baseline.logs[stage.proxy][stage.kind], bounds[stage.proxy])
        scores[stage.proxy, stage.kind] = float(gains.mean())
        exponents[stage.proxy] = best_exponent(stage, bounds[stage.proxy])
        if stage.kind == "full":
            full.append(gains)
    if not scores:
        return NOWHERE
    seeds, score, spread = min(map(len, full), default=0), _score(scores, len(bounds)), GATE_SPREAD
    if full:
        values = np.mean([capped(gains)[:seeds] for gains in full], axis=0)
        spread = max(float(np.std(values, ddof=1)) if len(values) > 1 else GATE_SPREAD, LEAST_SPREAD)
    return Standing(scores, exponents, seeds, score, score - spread / math.sqrt(max(1, seeds)))


def _score(scores: Mapping[tuple[str, str], float], proxies: int) -> float:
    """Mean over proxies, each capped; where a hurdle ended it, the last stage stands for what was not done."""
    found = {proxy: min(scores.get((proxy, "full"), scores[proxy, kind]), GAIN_CAP) for proxy, kind in scores}
    last = list(found.values())[-1]
    return (sum(found.values()) + (proxies - len(found)) * min(last, 0.0)) / proxies
