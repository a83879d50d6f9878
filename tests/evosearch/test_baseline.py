"""Baselines are tuned: never worse than their defaults, at one budget for all, on seeds of their own."""

from __future__ import annotations

import dataclasses
import random

import pytest

from evosearch.baseline import RANGES, TUNING_SEED, WARMUPS, Plan, Trial, choices, neighbours, trainings, tune
from evosearch.breed import make_context
from evosearch.final import FRESH_SEED
from primitives.machines.batch import is_plain
from primitives.reference import names, reference
from primitives.text import problems
from tests.evosearch.small import SMALL, scoring

CONFIG = scoring(tune=4, refine=1)


class Bench:
    """Trains in this process and counts what it was asked for."""

    def __init__(self) -> None:
        self.context, self.trained, self.seeds = make_context(CONFIG), 0, set()

    def __call__(self, plan: Plan, items):
        self.trained += sum(len(plan.seeds) * len(exponents) for _, exponents in items)
        self.seeds |= set(plan.seeds)
        return trainings(self.context, plan, items)


@pytest.mark.parametrize("name", [n for n in names() if is_plain(reference(n))])
def test_every_reference_program_can_be_tuned(name):
    tuned = tune(reference(name), CONFIG, Bench(), warmup=0.1)
    assert problems(tuned.text) == ()
    assert tuned.warmup == 0.1
    assert set(tuned.exponents) == {"digits"}


def test_tuning_seeds_serve_nothing_else_and_more_trials_are_no_worse():
    bench = Bench()
    few = tune(reference("adamw"), dataclasses.replace(CONFIG, scoring=scoring(tune=1, refine=0).scoring), bench)
    many = tune(reference("adamw"), CONFIG, bench)
    assert min(bench.seeds) >= TUNING_SEED > SMALL.scoring.seed_pool
    assert max(bench.seeds) < FRESH_SEED
    plan = Plan("digits", tuple(sorted(bench.seeds)), many.warmup)
    losses = [trainings(bench.context, plan, [(t.text, (t.exponents["digits"],))])[0].mean() for t in (few, many)]
    assert losses[1] < losses[0] * 1.05


def test_the_defaults_are_tried_first_then_others_once():
    program = reference("adamw")
    sets = choices(program, 50, random.Random(0))
    assert sets[0] == {name: program.defaults[name] for name in RANGES if name in program.defaults}
    assert len({tuple(s.items()) for s in sets[1:]}) == 49


def test_neighbours_are_one_step_away():
    trial = Trial((("beta1", 0.9), ("eps", 1e-8)), WARMUPS[0])
    near = {(t.constants, t.warmup) for t in neighbours(trial, warmups=True)}
    assert near == {
        ((("beta1", 0.8), ("eps", 1e-8)), WARMUPS[0]),
        ((("beta1", 0.95), ("eps", 1e-8)), WARMUPS[0]),
        ((("beta1", 0.9), ("eps", 1e-6)), WARMUPS[0]),
        ((("beta1", 0.9), ("eps", 1e-8)), WARMUPS[1]),
    }
    assert len(neighbours(trial, warmups=False)) == 3
