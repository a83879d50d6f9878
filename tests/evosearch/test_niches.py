"""Niches: which programs share one, the best of each stays, and a search that draws from them is the same again."""

from __future__ import annotations

import dataclasses
import random

import pytest

from evosearch.archive import Entry
from evosearch.breed import Bred, describe
from evosearch.config import Config
from evosearch.flat import searchable
from evosearch.niches import Niches, degree, niche
from evosearch.standing import Standing
from primitives.reference import reference
from tests.evosearch.small import SMALL, rows, search


def bred(name: str, number: int = 0) -> Bred:
    [found] = describe([searchable(reference(name))], [(number, "start")], Config())
    return found


def entry(name: str, believed: float, number: int = 0) -> Entry:
    made = bred(name, number)
    return Entry(made, standing=Standing(seeds=4), score=believed, believed=believed)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sgd", ("linear", True, False, 1.0, 0)),
        ("momentum", ("linear", True, True, 1.0, 1)),
        ("lion", ("sign", True, True, 0.0, 1)),
        ("adamw", ("adaptive", True, True, 0.0, 2)),
        ("rmsprop", ("adaptive", True, False, 0.0, 1)),
        ("muon_everywhere", ("orthogonal", True, True, 0.0, 1)),
    ],
)
def test_what_references_do_is_their_niche(name, wanted):
    assert niche(bred(name)) == wanted


def test_responses_that_are_no_power_count_for_nothing():
    assert degree(Bred(0, responses=(0.0, float("inf")))) == 0
    assert degree(Bred(0, responses=(1e4, 1e-4))) == 2


def test_the_best_of_each_niche_stays_and_each_is_drawn():
    niches = Niches(lambda e: e.believed, [entry("adamw", 0.0)])
    niches.note(entry("adam", 0.1, 1))
    niches.note(entry("lion", -0.5, 2))
    niches.note(dataclasses.replace(entry("sgd", -0.9, 3), reason="below a hurdle"))
    assert sorted(e.bred.number for e in niches.best.values()) == [1, 2]
    assert {niches.choose(random.Random(seed)).bred.number for seed in range(20)} == {1, 2}
    assert Niches(lambda e: e.believed, []).choose(random.Random(0)) is None


def test_a_search_with_niches_is_the_same_in_one_go_and_in_two(tmp_path):
    config = dataclasses.replace(SMALL, evolution=dataclasses.replace(SMALL.evolution, niches=0.5))
    whole = search(tmp_path / "whole", config)
    search(tmp_path / "parts", config, programs=48)
    parts = search(tmp_path / "parts", config)
    assert rows(whole.directory) == rows(parts.directory)
    assert rows(whole.directory) != rows(search(tmp_path / "plain", SMALL).directory)
