"""Simulated workers: their clock, their answers, and the benchmark of scaling in its smallest form."""

from __future__ import annotations

import dataclasses
import importlib
import random
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from evosearch.config import Config
from evosearch.crew import Crew
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows

FOLDER = Path(__file__).parents[2] / "experiments" / "benchmarks"


@pytest.fixture(scope="module")
def modules() -> tuple[ModuleType, ModuleType]:
    """The benchmark and its simulated workers."""
    sys.path.insert(0, str(FOLDER))
    try:
        return importlib.import_module("scaling"), importlib.import_module("simulated")
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture(scope="module")
def tape(modules, tmp_path_factory):
    """A small search as it was recorded, and where its rows are."""
    path = tmp_path_factory.mktemp("tape") / "run"
    return modules[1].record(SMALL, path), path


def test_simulated_workers_give_the_rows_of_the_real_search(modules, tape, tmp_path):
    _, simulated = modules
    made, path = tape
    clock = simulated.Clock()
    crew = Crew(simulated.Pretended(3, made, clock, simulated.Toll()), 3, MAKE_CONTEXT, (SMALL,))
    for name, pool in (("once", simulated.AtOnce(made)), ("crew", crew)):
        found, close = simulated.search_on(made, SMALL, pool, tmp_path / name)
        found.run(SMALL.programs, lambda: False, lambda search: None)
        close()
        assert rows(tmp_path / name) == rows(path)


def test_the_clock_leaps_over_waiting(modules, tape):
    _, simulated = modules
    made = dataclasses.replace(tape[0], seconds={handler: [(4, 100.0)] for handler in tape[0].seconds})
    clock = simulated.Clock()
    cluster = simulated.Pretended(2, made, clock, simulated.Toll(call=1.0))
    actors = [cluster.hire(()), cluster.hire(())]
    items = tuple((number, "", 0.0) for number in range(8))
    calls = [cluster.call(actor, "run", simulated.BREED, None, items) for actor in (*actors, actors[0])]
    assert cluster.wait(calls, 0.0) == calls[:1]
    assert 200 < clock.now() < 210
    answers, _ = cluster.result(calls[0])
    assert [bred.number for bred in answers] == list(range(8))
    assert cluster.wait(calls[1:], 0.0) == calls[1:2]
    cluster.result(calls[1])
    assert cluster.wait(calls[2:], 0.0) == calls[2:]
    assert 400 < clock.now() < 410
    assert (cluster.busy, cluster.paid) == (600.0, 3.0)


def test_a_job_takes_as_long_as_one_of_its_size(modules, tape):
    made = dataclasses.replace(tape[0], seconds={"job": [(1, 1.0), (8, 2.0), (8, 3.0)]})
    rng = random.Random(0)
    assert {made.draw("job", 8, rng) for _ in range(50)} == {2.0, 3.0}
    assert made.draw("job", 2, rng) == 2.0
    assert {made.draw("job", 16, rng) for _ in range(50)} == {4.0, 6.0}


def test_later_laps_are_new_where_the_first_was(modules, tape):
    made, answers = tape[0], modules[1].Answers(tape[0])
    lap = len(made.bred)
    for first in made.bred:
        later = answers.bred(first.number + 2 * lap)
        assert (later.number, later.text) == (first.number + 2 * lap, first.text)
        same = first.fingerprint in ("", made.founders[0][0].fingerprint)  # refused ones have none
        assert (later.fingerprint == first.fingerprint) == same


def test_the_smallest_form_of_the_benchmark(modules, tmp_path, capsys):
    scaling, _ = modules
    words = ["--proxy", "least_squares", "--programs", "200", "--block", "64", "--lag", "6", "--laps", "2"]
    scaling.main([*words, "--at-once", "300", "--simulated", "1", "4", "--no-ray"])
    printed = capsys.readouterr().out
    for part in ("mutate", "canonical form", "compile", "fingerprint", "choose parents", "look up and order", "store"):
        assert re.search(rf"{part}.* us a candidate", printed), part
    assert "MB per 100,000 candidates" in printed
    assert re.search(r"one driver keeps \d+ workers 90% busy.*candidates/s", printed.splitlines()[-1])


def test_defaults_of_the_benchmark_are_a_valid_configuration(modules):
    scaling, _ = modules
    evolution = dataclasses.replace(Config().evolution, block=scaling.BLOCK, lag=scaling.LAG)
    dataclasses.replace(scaling.batches(Config(), scaling.SMALL_BATCH), evolution=evolution).check()
