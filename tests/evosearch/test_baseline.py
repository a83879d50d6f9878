"""Baselines are tuned: never worse than their defaults, at one budget for all, on seeds of their own, and stored."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import proxies
from evosearch import baseline
from evosearch.breed import make_context
from evosearch.final import FRESH_SEED
from evosearch.tuning import TUNING_SEED, Plan, Tuned, trainings, tune
from primitives.machines.batch import company
from primitives.reference import names, reference
from primitives.text import problems
from tests.evosearch.small import SMALL


class Bench:
    """Trains in this process and counts what it was asked for."""

    def __init__(self) -> None:
        self.context, self.trained, self.seeds = make_context(SMALL), 0, set()

    def __call__(self, plan: Plan, items):
        self.trained += sum(len(plan.seeds) * len(item[1]) for item in items)
        self.seeds |= set(plan.seeds)
        return trainings(self.context, plan, items)


@pytest.mark.parametrize("name", [n for n in names() if company(reference(n)) == ()])
def test_every_reference_program_can_be_tuned_and_all_get_the_same(name):
    bench = Bench()
    tuned = tune(reference(name), ("digits",), bench, sets=4, warmup=0.1)
    assert problems(tuned.text) == ()
    assert tuned.warmup == 0.1
    assert set(tuned.exponents) == {"digits"}
    assert bench.trained == tuned.trainings
    assert np.isfinite(tuned.loss)


def test_tuning_seeds_serve_nothing_else_and_more_sets_are_no_worse():
    bench = Bench()
    few = tune(reference("adamw"), ("digits",), bench, sets=1)
    many = tune(reference("adamw"), ("digits",), bench, sets=16)
    assert min(bench.seeds) >= TUNING_SEED > SMALL.scoring.seed_pool
    assert max(bench.seeds) < FRESH_SEED
    assert many.loss <= few.loss
    assert many.loss == min(tried.loss for tried in many.tried if tried.round >= 2)
    assert {tried.round for tried in many.tried} <= {0, 1, 2, 3}
    assert few.warmup == 0.1


def test_what_is_tuned_together_has_one_set_of_constants():
    tuned = tune(reference("lion"), ("digits", "least_squares"), Bench(), sets=4)
    assert set(tuned.exponents) == {"digits", "least_squares"}


def test_the_bar_is_the_better_of_adamw_and_nadamw():
    losses = {"adamw": -1.0, "nadamw": -1.1, "lion": -2.0}
    tuned = {name: Tuned("", 0.1, {}, loss) for name, loss in losses.items()}
    assert baseline.bar(tuned) == "nadamw"
    assert baseline.bar({**tuned, "adamw": Tuned("", 0.1, {}, -1.2)}) == "adamw"


def test_what_was_stored_is_what_was_tuned_and_stale_tunings_are_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "FOLDER", tmp_path)
    tasks = ("digits",)
    tuned = {name: tune(reference(name), tasks, Bench(), sets=2) for name in baseline.NAMES}
    assert baseline.stored(tasks) is None
    record = baseline.to_record(tasks, tuned, 1.0)
    baseline.path_of(tasks).write_text(json.dumps(record))
    assert baseline.stored(tasks) == tuned
    other = dataclasses.replace(proxies.get("digits"), steps=99)
    monkeypatch.setattr(proxies, "get", lambda name: other)
    assert baseline.stored(tasks) is None


@pytest.mark.parametrize("path", sorted(baseline.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_stored_baselines_are_those_of_todays_tasks_and_programs(path):
    record = json.loads(path.read_text())
    tasks = tuple(record["tasks"])
    assert baseline.path_of(tasks) == path
    found = baseline.stored(tasks)
    assert found is not None, "tasks have changed: `evosearch baselines --rerun` tunes them again"
    assert set(found) == set(baseline.NAMES)
    assert len({t.trainings for t in found.values()}) == 1 or min(t.tried[0].round for t in found.values()) == 0
