"""Known answers, coverage and error rates of the statistics, by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from evosearch import statistics
from evosearch.score import GAIN_CAP
from evosearch.statistics import Estimate


def test_gains_are_logs_against_the_first() -> None:
    losses = np.array([[[1.0, 2.0]], [[0.5, 4.0]]])
    assert statistics.gains(losses).tolist() == [[[0, 0]], [[pytest.approx(math.log(2)), pytest.approx(-math.log(2))]]]


def test_the_primary_metric_counts_a_task_up_to_the_cap() -> None:
    values = np.array([[2.0, 1.0, 3.0], [-0.1, 0.0, 0.1]])
    mean = statistics.mean_over_tasks(values)
    assert mean.mean() == pytest.approx(GAIN_CAP / 2)
    assert float(statistics.capped_mean(values)) == pytest.approx(GAIN_CAP / 2)
    assert mean == pytest.approx((values[0] * GAIN_CAP / 2 + values[1]) / 2)  # its spread is scaled with it


@pytest.mark.parametrize("n", [2, 3, 10, 80])
def test_students_test_and_interval_are_scipys(n: int) -> None:
    values = np.random.default_rng(n).normal(0.2, 1.5, n)
    found, wanted = statistics.student(values), stats.ttest_1samp(values, 0)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval(0.95)))


def test_replicates_without_spread() -> None:
    assert statistics.student(np.zeros(5)) == Estimate(0, 0, 0, 1)
    assert statistics.student(np.full(5, 0.25)).p == 0
    assert statistics.student(np.array([0.3])) == Estimate(0.3, -math.inf, math.inf, 1)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.9, 0.8]).tolist() == [1, 1]
    assert statistics.holm([]).tolist() == []


def test_holm_keeps_false_findings_below_the_level() -> None:
    p = np.random.default_rng(0).uniform(size=(4000, 6))
    assert np.mean([statistics.holm(row).min() <= 0.05 for row in p]) < 0.06


def test_simultaneous_intervals_hold_together() -> None:
    level, rng = statistics.simultaneous(0.95, 5), np.random.default_rng(1)
    estimates = [[statistics.student(row, level) for row in rng.standard_normal((5, 10))] for _ in range(1000)]
    assert np.mean([all(e.low <= 0 <= e.high for e in row) for row in estimates]) > 0.93


def test_bootstrap_of_a_mean_is_near_the_normal_interval_and_seeded() -> None:
    values = np.random.default_rng(2).normal(0.1, 0.2, (3, 200))
    low, high = statistics.bootstrap(statistics.capped_mean, values)
    error = math.sqrt((values.var(axis=1) / 200).sum()) / 3
    assert (low, high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.15 * error)
    assert statistics.bootstrap(statistics.capped_mean, values) == (low, high)


@pytest.mark.parametrize("n", [10, 40])
def test_bootstrap_covers_about_as_often_as_it_says(n: int) -> None:
    rng = np.random.default_rng(n)
    found = [statistics.bootstrap(statistics.capped_mean, rng.normal(0, 0.1, (2, n)), draws=400) for _ in range(300)]
    assert 0.87 < np.mean([low <= 0 <= high for low, high in found]) <= 1


def test_the_bootstrap_resamples_within_tasks_and_keeps_pairs() -> None:
    constant = np.array([[1.0] * 4, [5.0] * 4])
    assert statistics.bootstrap(lambda x: x.mean(axis=(1, 2)), constant) == (3, 3)
    values = np.random.default_rng(3).standard_normal((2, 6))
    assert statistics.bootstrap(lambda x, y: (x - y).mean(axis=(1, 2)), values, values - 1) == pytest.approx((1, 1))


def test_the_probability_of_improvement_is_mann_whitneys() -> None:
    own, other = np.random.default_rng(4).normal([[[0.0]], [[0.5]]], 1, (2, 3, 12))
    u = [stats.mannwhitneyu(y, x).statistic / 144 for x, y in zip(own, other, strict=True)]
    assert float(statistics.improvement(own, other)) == pytest.approx(np.mean(u))
    assert float(statistics.improvement(own, own)) == pytest.approx(0.5)
    assert statistics.improvement(np.ones((7, 2, 3)), np.full((7, 2, 3), 2.0)).tolist() == [1] * 7


def test_a_performance_profile_by_hand() -> None:
    losses = np.array([[[1.0, 2.0], [3.0, 1.0]], [[2.0, 2.0], [1.0, 4.0]]])
    assert statistics.profile(losses, np.array([1.0, 2.0, 3.0, 4.0])).tolist() == [
        [0.75, 0.75, 1, 1],
        [0.5, 0.75, 0.75, 1],
    ]


@pytest.mark.parametrize("level", [0.95, 0.995])
def test_as_many_replicates_as_are_needed_show_the_gain(level: float) -> None:
    rng = np.random.default_rng(5)
    needed = int(statistics.replicates_needed(np.tile([0.1 - 0.2, 0.1 + 0.2], 2000), level))
    shown = [statistics.student(rng.normal(0.1, 0.2, needed)).p < 1 - level for _ in range(2000)]
    assert 0.75 < np.mean(shown) < 0.85
    assert statistics.replicates_needed(np.array([-1.0, 1.0])) == math.inf


def test_steps_to_the_target() -> None:
    assert statistics.steps_to_target(np.array([5.0, math.inf, 3.0, math.inf])) == 5
    assert statistics.steps_to_target(np.array([math.inf, math.inf, 3.0])) == math.inf
