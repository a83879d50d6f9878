"""Measuring, in a worker: candidates through gate, gradient-scale check and full trainings. Pure functions."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evosearch.breed import Context
from evosearch.config import Scoring
from evosearch.measure import STEPS_PER_DECADE, measure
from evosearch.score import Baseline, Stage, best_exponent, per_seed
from evosearch.standing import Standing, standing
from proxies.proxy import Proxy

SCALES = (1e2, 1e-2)  # of the gradients in the check; the order of `Candidate.responses`


@dataclass(frozen=True)
class Candidate:
    """A program to be measured: as new, around `centres`, or once more on other seeds, at the grids given.

    `seeds` are its training seeds, the first serves the gate; `centres` the exponents of the learning rates to look
    around, by proxy; `responses` how the size of its update answers to gradients scaled by SCALES.
    """

    text: str
    seeds: tuple[int, ...]
    centres: Mapping[str, int] = field(default_factory=dict)
    responses: tuple[float, float] = (1.0, 1.0)
    grids: Mapping[str, tuple[int, ...]] | None = None
    founder: bool = False  # starting programs are not checked


@dataclass(frozen=True)
class Measured:
    """What trainings gave; "ok" also where a hurdle ended it, "failed" where no learning rate trains, else "scale".

    Two follow from the stages and are made in the worker, so that the driver need not: where a new program stands, and
    the text that the store keeps.
    """

    stages: tuple[Stage, ...]
    status: str = "ok"
    reason: str = ""
    standing: Standing | None = field(default=None, compare=False)
    text: str = field(default="", compare=False)


@dataclass(frozen=True)
class Hurdles:
    """The baseline, and the scores that stages ask for, by (proxy, kind)."""

    baseline: Baseline
    thresholds: Mapping[tuple[str, str], float] = field(default_factory=dict)


def evaluate(context: Context, hurdles: Hurdles, items: Sequence[Candidate]) -> list[Measured]:
    """Each candidate through all stages, proxy by proxy, until one ends it. Failed trainings are values too."""
    runs = [_Run(item) for item in items]
    bounds = {proxy.name: proxy.bounds for proxy in context.proxies}
    for k, proxy in enumerate(context.proxies):
        trial = _Trial(context.config.scoring, proxy, hurdles, context.config.device)
        trial.more([run for run in runs if proxy.name in (run.item.grids or {})])
        alive = [run for run in runs if run.item.grids is None and not run.ended]
        trial.gate(alive)
        if context.config.scoring.gradient_scale and k == 0:
            trial.scale([run for run in alive if not (run.ended or run.item.founder)])
        trial.full([run for run in alive if not run.ended])
    found = []
    for run in runs:
        place = standing(run.stages, hurdles.baseline, bounds) if run.item.grids is None else None
        found.append(Measured(tuple(run.stages), run.status, run.ended, place, stages_text(run.stages)))
    return found


def stages_text(stages: Sequence[Stage]) -> str:
    """Stages as the store keeps them: JSON lists of proxy, kind, seeds, exponents, losses."""
    return json.dumps([[s.proxy, s.kind, s.seeds, s.exponents, s.losses] for s in stages])


class _Run:
    """A candidate on its way."""

    def __init__(self, item: Candidate) -> None:
        self.item = item
        self.stages: list[Stage] = []
        self.gate: Stage | None = None
        self.status, self.ended = "ok", ""

    def end(self, status: str, reason: str) -> None:
        self.status, self.ended = status, reason


class _Trial:
    """The stages of one proxy."""

    def __init__(self, scoring: Scoring, proxy: Proxy, hurdles: Hurdles, device: str) -> None:
        self.scoring, self.proxy, self.hurdles, self.device = scoring, proxy, hurdles, device
        self.gate_steps = max(1, round(proxy.steps * scoring.gate_steps))
        self.base = hurdles.baseline.logs[proxy.name]

    def gate(self, runs: Sequence[_Run]) -> None:
        """One seed, few steps, learning rates half a decade apart."""
        around = grid(self.scoring.gate_lrs, 2)
        grids = [tuple(run.item.centres[self.proxy.name] + e for e in around) for run in runs]
        for run, stage in zip(runs, self._train("gate", runs, grids, seeds=1, steps=self.gate_steps), strict=True):
            run.gate = stage
            self._hurdle(run, stage)

    def scale(self, runs: Sequence[_Run]) -> None:
        """The gate again with gradients of another scale, each at learning rates tuned again.

        The response of the update's size says around which; the best there may lose little against the gate.
        """
        around = grid(3, 2)
        for k, factor in enumerate(SCALES):
            grids = []
            for run in runs:
                response = min(max(run.item.responses[k], 1e-6), 1e6)
                centre = self._best(run) - round(STEPS_PER_DECADE * math.log10(response))
                grids.append(tuple(centre + e for e in around))
            scaled = self._train("scale", runs, grids, seeds=1, steps=self.gate_steps, grad_scale=factor)
            for run, stage in zip(runs, scaled, strict=True):
                if not run.ended and self._score(stage) < self._score(run.gate) - self.scoring.scale_loss:
                    run.end("scale", f"it loses when gradients are multiplied by {factor:g}")

    def full(self, runs: Sequence[_Run]) -> None:
        """All steps, several seeds, learning rates a quarter of a decade apart around the gate's best."""
        grids = [tuple(self._best(run) + e for e in grid(self.scoring.lrs, 1)) for run in runs]
        for run, stage in zip(runs, self._train("full", runs, grids), strict=True):
            self._hurdle(run, stage)

    def more(self, runs: Sequence[_Run]) -> None:
        """Full trainings on more seeds, at the learning rates of the first ones."""
        self._train("full", runs, [(run.item.grids or {})[self.proxy.name] for run in runs])

    def _train(
        self,
        kind: str,
        runs: Sequence[_Run],
        grids: Sequence[tuple[int, ...]],
        *,
        seeds: int | None = None,
        steps: int | None = None,
        grad_scale: float | None = None,
    ) -> list[Stage]:
        """A stage of each run, those with the same seeds and size of grid in one batch."""
        keys = [(run.item.seeds[:seeds], len(exponents)) for run, exponents in zip(runs, grids, strict=True)]
        found: dict[int, Stage] = {}
        for key in dict.fromkeys(keys):
            mine = [i for i, other in enumerate(keys) if other == key]
            losses = measure(
                [runs[i].item.text for i in mine], self.proxy, key[0], [grids[i] for i in mine],
                steps=steps, warmup=self.hurdles.baseline.warmup, grad_scale=grad_scale, device=self.device,
            )  # fmt: skip
            for i, rows in zip(mine, losses.tolist(), strict=True):
                found[i] = Stage(self.proxy.name, kind, key[0], grids[i], tuple(map(tuple, rows)))
        stages = [found[i] for i in range(len(runs))]
        for run, stage in zip(runs, stages, strict=True):
            run.stages.append(stage)
        return stages

    def _best(self, run: _Run) -> int:
        assert run.gate is not None
        return best_exponent(run.gate, self.proxy.bounds)

    def _score(self, stage: Stage | None) -> float:
        assert stage is not None
        base = self.base["full" if stage.kind == "full" else "gate"]
        return float(per_seed(stage, base, self.proxy.bounds).mean())

    def _hurdle(self, run: _Run, stage: Stage) -> None:
        if not np.isfinite(stage.losses).any():
            run.end("failed", f"no learning rate trains on {self.proxy.name}")
        elif self._score(stage) < self.hurdles.thresholds.get((self.proxy.name, stage.kind), -math.inf):
            run.end("ok", f"below the hurdle of {self.proxy.name}, {stage.kind}")


def grid(count: int, step: int) -> list[int]:
    """`count` exponents around 0, `step` apart."""
    return [step * (i - (count - 1) // 2) for i in range(count)]
