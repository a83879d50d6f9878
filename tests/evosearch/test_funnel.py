"""Who goes on and who wins, on losses that were made up so that the answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evosearch.contest import Results
from evosearch.funnel import Losses, OnTask, bar, standings, survivors, winners
from evosearch.score import GAIN_CAP
from evosearch.statistics import Estimate

BARS = ("adamw", "nadamw")
TASKS = tuple(f"task {k}" for k in range(6))
SEEDS = 8
NULL = tuple(str(i) for i in range(6))


def losses(gains: dict[str, list[float] | float], seed: int = 0, noise: float = 0.03, seeds: int = SEEDS) -> Losses:
    """Losses around 1 of the bars and of programs that gain so much on each task, with noise on every training."""
    rng = np.random.default_rng(seed)
    names = (*BARS, *gains)
    logs = rng.normal(0, noise, (2, len(names), len(TASKS), seeds))
    for i, gain in enumerate(gains.values()):
        logs[:, 2 + i] -= np.broadcast_to(np.array(gain, dtype=float), len(TASKS))[:, None]
    logs[:, 1] += 0.1  # the second bar is worse
    return Losses(names, TASKS, *np.exp(logs))


def passed(some: Losses, names: tuple[str, ...]) -> tuple[str, ...]:
    return survivors(standings(some, BARS[0], names), lambda name: name)


def test_a_planted_winner_goes_on_and_wins_and_nobody_else():
    some = losses({**dict.fromkeys(NULL, 0.0), "planted": 0.1})
    assert passed(some, (*NULL, "planted")) == ("planted",)
    held_out = standings(losses({"planted": 0.1}, seed=1), BARS[0], ("planted",))
    assert winners(held_out) == ("planted",)
    [standing] = held_out
    assert all(abs(on.gain.mean - 0.1) < 0.05 for on in standing.by_task)
    assert [on.task for on in standing.by_task] == list(standing.without) == list(TASKS)


def test_where_nothing_is_planted_hardly_anything_passes():
    found = [passed(losses(dict.fromkeys(NULL, 0.0), seed=seed, noise=0.2), NULL) for seed in range(400)]
    assert sum(map(bool, found)) <= 2 * 0.05 * len(found)  # expected at most 2.5 %: one side of 95 %
    assert sum(map(bool, found)) > 0  # the test can fail


def test_one_catastrophic_task_outweighs_small_gains_on_all_others():
    some = losses({"reckless": [0.1, 0.1, 0.1, 0.1, 0.1, -1.5], "sound": 0.1})
    reckless, sound = standings(some, BARS[0], ("reckless", "sound"))
    assert survivors((reckless, sound), lambda name: name) == ("sound",)
    assert reckless.gain.mean < -0.1
    assert [on.word for on in reckless.by_task] == ["better"] * 5 + ["worse"]
    assert reckless.without[TASKS[5]].low > 0


def test_no_task_can_be_won_at_the_cost_of_the_rest():
    [one] = standings(losses({"one": [3, -0.2, -0.2, -0.2, -0.2, -0.2]}), BARS[0], ("one",))
    assert one.gain.high < 0
    assert one.gain.mean == pytest.approx((GAIN_CAP - 5 * 0.2) / 6, abs=0.05)


def test_each_program_goes_on_once_and_at_most_three():
    names = ("1", "2", "1, tuned again", "3", "4")
    some = losses(dict(zip(names, (0.1, 0.2, 0.15, 0.12, 0.11), strict=True)), noise=0.005)
    found = survivors(standings(some, BARS[0], names), lambda name: name[0])
    assert found == ("2", "1, tuned again", "3")


def test_the_more_candidates_the_wider_the_intervals():
    some = losses(dict.fromkeys(NULL, 0.0))
    few, many = standings(some, BARS[0], NULL[:1])[0], standings(some, BARS[0], NULL)[0]
    assert few.gain.mean == many.gain.mean
    assert many.gain.low < few.gain.low
    assert many.gain.high > few.gain.high
    assert all(m.gain.low < f.gain.low for f, m in zip(few.by_task, many.by_task, strict=True))


def test_the_bar_is_chosen_by_validation_losses_alone():
    some = losses({})
    assert bar(some, BARS) == BARS[0]
    assert bar(dataclasses.replace(some, validation=some.validation[::-1]), BARS) == BARS[1]
    assert bar(dataclasses.replace(some, test=some.test[::-1]), BARS) == BARS[0]


def test_what_is_said_of_a_task():
    said = {
        (0.01, 0.2): "better",
        (-0.04, 0.2): "not worse by more than 0.05",
        (-0.3, -0.1): "worse",
        (-0.3, 0.1): "undecided",
    }
    for (low, high), word in said.items():
        assert OnTask("task", Estimate((low + high) / 2, low, high, 0.5)).word == word


def test_losses_are_those_of_a_contest():
    some = losses({"one": 0.1})
    shape = some.test.shape
    nothing = np.zeros(shape[:2])
    results = Results(
        names=some.names, tasks=some.tasks, test=some.test, validation=some.validation, steps=some.test,
        seconds=nothing, chosen=(), tuned=(), centres=nothing, targets=np.zeros(shape[1]),
        failed=np.zeros(shape, bool), trainings=0,
    )  # fmt: skip
    found = Losses.of(results)
    assert standings(found, BARS[0], ("one",)) == standings(some, BARS[0], ("one",))
    assert bar(found, BARS) == BARS[0]
