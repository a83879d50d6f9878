"""Scores: log ratios between floor and ceiling, at the best learning rates, with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evosearch.score import CEILING, Stage, best_exponent, best_window, interval, logs, merged, per_seed

FLOOR = 1e-3


def test_logs_are_held_between_floor_and_ceiling() -> None:
    losses = [1.0, 0.5, 0.0, -1.0, 1e-9, 1e9, math.inf, math.nan]
    low, high = math.log(FLOOR), math.log(CEILING)
    assert logs(losses, FLOOR).tolist() == pytest.approx([0.0, math.log(0.5), low, low, low, high, high, high])


@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_the_best_window_by_brute_force(width: int) -> None:
    rng = np.random.default_rng(width)
    for _ in range(50):
        values = rng.standard_normal((rng.integers(1, 5), rng.integers(1, 7)))
        first, own = best_window(values, width)
        w = min(width, values.shape[1])
        means = [values[:, i : i + w].mean() for i in range(values.shape[1] - w + 1)]
        assert means[first] == pytest.approx(min(means))
        assert own == pytest.approx(values[:, first : first + w].mean(axis=1))


def test_two_neighbours_say_more_than_the_luckiest_rate() -> None:
    values = np.array([[0.0, -1.0, 0.0, -0.8, -0.8]])
    assert best_window(values, 1)[0] == 1
    assert best_window(values, 2)[0] == 3


def stage(losses: list[list[float]], kind: str = "full", first: int = 0) -> Stage:
    seeds = tuple(range(first, first + len(losses)))
    return Stage("digits", kind, seeds, tuple(range(len(losses[0]))), tuple(map(tuple, losses)))


def test_a_score_is_the_log_of_the_baselines_loss_over_the_programs() -> None:
    base = {0: math.log(0.2), 1: math.log(0.4)}
    assert per_seed(stage([[0.1], [0.8]]), base, FLOOR) == pytest.approx([math.log(2), -math.log(2)])
    assert per_seed(stage([[0.2, 9.0], [0.4, 9.0]], "gate"), base, FLOOR) == pytest.approx([0, 0])


def test_a_noiseless_task_cannot_dominate() -> None:
    base = {0: math.log(1e-2)}
    for tiny in (1e-5, 1e-30, 0.0):
        assert per_seed(stage([[tiny]]), base, FLOOR) == pytest.approx([math.log(10)])
    assert per_seed(stage([[math.inf]]), base, FLOOR) == pytest.approx([math.log(1e-2 / CEILING)])


def test_the_best_exponent_is_that_of_the_lowest_mean_log() -> None:
    assert best_exponent(stage([[3.0, 0.1, 0.3], [3.0, 0.4, 0.1]]), FLOOR) == 2
    assert best_exponent(stage([[math.inf, math.inf]]), FLOOR) == 0


def test_merged_stages_are_one_over_all_seeds() -> None:
    a, b = stage([[0.1, 0.2], [0.3, 0.4]]), stage([[0.5, 0.6]], first=2)
    assert merged([a, b]) == stage([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    base = dict.fromkeys(range(3), 0.0)
    assert len(per_seed(merged([a, b]), base, FLOOR)) == 3


@pytest.mark.parametrize("n", [2, 3, 16, 100])
def test_intervals_are_students(n: int) -> None:
    values = np.random.default_rng(n).normal(0.3, 2.0, n)
    mean, half = interval(values)
    low, high = stats.t.interval(0.95, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_one_seed_says_nothing_of_the_spread() -> None:
    assert interval(np.array([0.5])) == (0.5, math.inf)
