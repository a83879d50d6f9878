"""Epsilon-lexicase selection: by hand, by brute force, and in a population."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from evosearch.config import Evolution
from evosearch.lexicase import by_task, lexicase, slacks
from evosearch.population import Population
from evosearch.score import GAIN_CAP
from evosearch.standing import Standing
from tests.evosearch.test_population import entry


def test_scores_by_task_are_those_of_the_last_stage_and_what_was_not_done_is_no_gain() -> None:
    members = [
        {("a", "gate"): 0.3, ("a", "full"): 0.1, ("b", "full"): 9.0},
        {("a", "gate"): 0.2},
        {("a", "gate"): -0.2},
    ]
    np.testing.assert_allclose(by_task(members), [[0.1, GAIN_CAP], [0.2, 0.0], [-0.2, -0.2]])


def test_the_slack_is_the_median_distance_from_the_median() -> None:
    np.testing.assert_allclose(slacks(np.array([[0.0, 1.0], [1.0, 1.0], [5.0, 1.0]])), [1.0, 0.0])


@pytest.mark.parametrize("seed", range(20))
def test_who_stays_is_as_good_as_the_best_left_on_each_task_in_some_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (12, 3)).astype(float)
    slack = rng.integers(0, 2, 3).astype(float)
    order = random.Random(seed).sample(range(3), 3)
    left = list(range(12))
    for task in order:
        best = max(scores[i, task] for i in left)
        left = [i for i in left if scores[i, task] >= best - slack[task]]
    assert lexicase(scores, slack, random.Random(seed)) == left


@pytest.mark.parametrize(("part", "winners"), [(0.0, {0, 1}), (1.0, {2})])
def test_specialists_win_the_mean_and_the_all_rounder_wins_over_tasks(part: float, winners: set[int]) -> None:
    members = [entry(0, 0.2), entry(1, 0.2), entry(2, 0.15)]
    for member, (a, b) in zip(members, [(0.28, 0.0), (0.0, 0.28), (0.25, 0.25)], strict=True):
        member.standing = Standing(scores={("a", "full"): a, ("b", "full"): b})
    population = Population(Evolution(population=3, lexicase=part, tournament=3), [])
    population.refill(members)
    chosen = Counter(e.bred.number for e in population.choose(random.Random(i) for i in range(50)))
    assert chosen.most_common(1)[0][0] in winners


def test_parents_that_are_not_chosen_over_tasks_win_a_tournament_among_as_many() -> None:
    members = [entry(i, i / 100) for i in range(30)]
    for member in members:
        member.standing = Standing(scores={("a", "full"): member.score})
    population = Population(Evolution(population=30, lexicase=1e-12, tournament=2), [])
    population.refill(members)
    chosen = Counter(e.bred.number for e in population.choose(random.Random(i) for i in range(2000)))
    expected = [2000 * (2 * i + 1) / 30**2 for i in range(30)]  # the better of two
    assert all(abs(chosen[i] - expected[i]) < 5 * expected[i] ** 0.5 + 5 for i in range(30))
