"""Constants apart from programs: skeletons, proposals, and that a search with them is the same search again."""

from __future__ import annotations

import dataclasses
import random

from evosearch.archive import Entry
from evosearch.breed import Bred
from evosearch.flat import constant_sites, searchable
from evosearch.skeletons import FAILED, KEPT, Skeletons, skeleton
from evosearch.standing import Standing
from primitives.reference import reference
from primitives.text import parse, show
from tests.evosearch.small import SMALL, rows, search

ADAMW = show(searchable(reference("adamw")))


def entry(number: int, text: str, believed: float) -> Entry:
    """A program that passed every hurdle."""
    bred = Bred(number, text, fingerprint=f"{number}")
    return Entry(bred, standing=Standing(seeds=4), score=believed, believed=believed)


def test_a_skeleton_has_a_mark_for_each_number():
    text = (
        "def f(w, g, m1, *, lr=1e-05):\n    x1 = ema(m1, g, 0.9)\n    x2 = -2.5e+3 * x1\n    return w - lr * x2, x1\n"
    )
    assert skeleton(text) == (
        "def f(w, g, state0, *, lr=#):\n    x1 = ema(state0, g, #)\n    x2 = # * x1\n    return w - lr * x2, x1\n"
    )
    assert skeleton(text.replace("m1", "z0")) == skeleton(text)
    assert skeleton(ADAMW) == skeleton(show(searchable(parse(ADAMW.replace("0.9,", "0.5,")))))


def test_the_best_of_each_skeleton_and_the_best_skeletons_stay():
    skeletons = Skeletons(lambda e: e.believed, [entry(-1, ADAMW, -0.5)])
    skeletons.note(entry(1, ADAMW.replace("0.9,", "0.8,"), -0.2))
    skeletons.note(entry(2, ADAMW.replace("0.9,", "0.7,"), -0.3))
    assert [e.bred.number for e in skeletons.best.values()] == [1]
    for i in range(KEPT + 5):
        skeletons.note(entry(10 + i, ADAMW.replace("x1", f"y{'q' * i}"), i / 100))
    assert len(skeletons.best) == KEPT
    assert min(e.believed for e in skeletons.best.values()) == 0.05


def test_proposals_differ_in_constants_alone_and_go_where_it_is_better():
    """The loss is how far the first constant is from 0.99: told so, proposals gather there."""
    skeletons = Skeletons(lambda e: e.believed, [entry(-1, ADAMW, -1.0)])
    rng, distances = random.Random(0), []
    for number in range(400):
        proposal = skeletons.propose(number, rng)
        assert proposal is not None
        parent, text = proposal
        assert skeleton(text) == skeleton(parent.bred.text)
        program = parse(text)
        first = program.body[0].value.args[2]
        distances.append(abs(first - 0.99))
        skeletons.told(number, entry(number, text, -distances[-1]) if number % 7 else None)
    assert not skeletons.open
    assert sorted(distances[-50:])[25] < 0.1 * sorted(distances[:50])[25]


def test_a_program_without_two_constants_is_left_alone():
    sgd = show(searchable(reference("sgd")))
    assert len(constant_sites(parse(sgd))) < 2
    assert Skeletons(lambda e: e.believed, [entry(-1, sgd, 0.0)]).propose(0, random.Random(0)) is None
    assert FAILED > 1


def test_a_search_with_proposals_is_the_same_in_one_go_and_in_two(tmp_path):
    config = dataclasses.replace(SMALL, evolution=dataclasses.replace(SMALL.evolution, constants=0.3))
    whole = search(tmp_path / "whole", config)
    search(tmp_path / "parts", config, programs=48)
    parts = search(tmp_path / "parts", config)
    assert rows(whole.directory) == rows(parts.directory)
    mutations = [row[2] for row in rows(whole.directory) if row[0] >= 0]
    assert 0.15 < mutations.count("constants") / len(mutations) < 0.45
