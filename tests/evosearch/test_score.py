"""Scores: log ratios between floor and ceiling, at the best learning rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evosearch.score import (
    EDGE_PRICE,
    GAIN_CAP,
    Stage,
    best_exponent,
    capped,
    logs,
    merged,
    own_logs,
    per_seed,
)

BOUNDS = FLOOR, CEILING = 1e-3, 20.0
WIDE = 1e-300, 1e300


def test_logs_are_held_between_floor_and_ceiling() -> None:
    losses = [1.0, 0.5, 0.0, -1.0, 1e-9, 1e9, math.inf, math.nan]
    low, high = math.log(FLOOR), math.log(CEILING)
    assert logs(losses, BOUNDS).tolist() == pytest.approx([0.0, math.log(0.5), low, low, low, high, high, high])


@pytest.mark.parametrize("width", [1, 2, 3, 9])
def test_what_chooses_the_rates_does_not_score_them(width: int) -> None:
    rng = np.random.default_rng(width)
    for _ in range(50):
        values = rng.standard_normal((rng.integers(2, 6), rng.integers(1, 7)))
        own = own_logs(np.exp(values), WIDE, width)
        w = min(width, values.shape[1])
        price = EDGE_PRICE if values.shape[1] >= 5 and values.mean(0).argmin() in (0, values.shape[1] - 1) else 0
        for seed, value in enumerate(own):
            others = np.delete(values, seed, axis=0)
            first = min(range(values.shape[1] - w + 1), key=lambda i: others[:, i : i + w].mean())
            assert value == pytest.approx(values[seed, first : first + w].mean() + price)


def test_luck_with_rates_is_no_gain() -> None:
    """At rates that do the same, chosen by their own seeds, a mean would be lower than what any of them gives."""
    noise = np.random.default_rng(0).standard_normal((4000, 4, 3)) * 0.1
    own = [own_logs(np.exp(x), WIDE, 1).mean() for x in noise]
    assert abs(np.mean(own)) < 0.003
    assert np.mean([x.mean(axis=0).min() for x in noise]) < -0.03


def test_two_neighbours_say_more_than_the_luckiest_rate() -> None:
    losses = np.exp([[0.0, -1.0, 0.0, -0.8, -0.8, 0.0]])
    assert own_logs(losses, WIDE, 1) == pytest.approx([-1.0])
    assert own_logs(losses, WIDE, 2) == pytest.approx([-0.8])


def test_a_best_rate_at_the_edge_costs() -> None:
    assert own_logs([[0.5, 1.0, 2.0, 2.0, 2.0]], WIDE, 1) == pytest.approx([math.log(0.5) + EDGE_PRICE])
    assert own_logs([[1.0, 0.5, 2.0, 2.0, 2.0]], WIDE, 1) == pytest.approx([math.log(0.5)])
    assert own_logs([[0.5, 1.0, 2.0]], WIDE, 1) == pytest.approx([math.log(0.5)])  # two of its three are edges
    assert own_logs([[0.5]], WIDE, 1) == pytest.approx([math.log(0.5)])


def test_gains_are_capped_by_their_mean_and_losses_are_not() -> None:
    high = np.array([0.2, 0.9, 0.7])
    assert capped(high).mean() == pytest.approx(GAIN_CAP)
    assert np.std(capped(high)) / GAIN_CAP == pytest.approx(np.std(high) / high.mean())
    for values in ([0.0, 0.5], [-3.0, 1.0], [-9.0]):
        assert capped(np.array(values)).tolist() == values


def stage(losses: list[list[float]], kind: str = "full", first: int = 0) -> Stage:
    seeds = tuple(range(first, first + len(losses)))
    return Stage("digits", kind, seeds, tuple(range(len(losses[0]))), tuple(map(tuple, losses)))


def test_a_score_is_the_log_of_the_baselines_loss_over_the_programs() -> None:
    base = {0: math.log(0.2), 1: math.log(0.4)}
    assert per_seed(stage([[0.1], [0.8]]), base, BOUNDS) == pytest.approx([math.log(2), -math.log(2)])
    assert per_seed(stage([[0.2, 9.0], [0.4, 9.0]], "gate"), base, BOUNDS) == pytest.approx([0, 0])


def test_a_noiseless_task_cannot_dominate() -> None:
    base = {0: math.log(1e-2)}
    for tiny in (1e-5, 1e-30, 0.0):
        assert per_seed(stage([[tiny]]), base, BOUNDS) == pytest.approx([math.log(10)])
    assert per_seed(stage([[math.inf]]), base, BOUNDS) == pytest.approx([math.log(1e-2 / CEILING)])


def test_the_best_exponent_is_that_of_the_lowest_mean_log() -> None:
    assert best_exponent(stage([[3.0, 0.1, 0.3], [3.0, 0.4, 0.1]]), BOUNDS) == 2
    assert best_exponent(stage([[math.inf, math.inf]]), BOUNDS) == 0


def test_merged_stages_are_one_over_all_seeds() -> None:
    a, b = stage([[0.1, 0.2], [0.3, 0.4]]), stage([[0.5, 0.6]], first=2)
    assert merged([a, b]) == stage([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    base = dict.fromkeys(range(3), 0.0)
    assert len(per_seed(merged([a, b]), base, BOUNDS)) == 3
