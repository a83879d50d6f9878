"""Verdicts and cautions on losses that are made up: what is the same is found the same, what differs is found."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from evosearch.cautions import cautions
from evosearch.contest import Choice, Results
from evosearch.score import GAIN_CAP
from evosearch.verdicts import verdicts

TASKS = ("digits", "least_squares", "transformer")


def results(test: np.ndarray, tasks: tuple[str, ...] = TASKS, edge: str = "", tuned: int = 1) -> Results:
    """A contest with these test losses [entrants, tasks, seeds] and nothing else of note."""
    entrants, count, seeds = test.shape
    names = tuple("abcdefgh"[:entrants])
    choice = Choice(0.1, 0.1, (), "", 1.0)
    edges = [Choice(0.1, 0.1, (), edge, 1.0)] * seeds
    chosen = tuple(tuple(tuple(edges if e == 1 else [choice] * seeds) for _ in range(count)) for e in range(entrants))
    return Results(
        names=names,
        tasks=tasks[:count],
        test=test,
        validation=test,
        steps=np.full(test.shape, 10.0),
        seconds=np.ones((entrants, count)),
        chosen=chosen,
        tuned=(("weight_decay",),) * (entrants - 1) + (("c",) * tuned,),
        centres=np.full(test.shape, 0.1),
        targets=np.ones(count),
        failed=np.zeros(test.shape, bool),
        trainings=1,
    )


def lognormal(rng: np.random.Generator, entrants: int, seeds: int, shift: float = 0.0) -> np.ndarray:
    """Losses with a share of every replicate in common, as paired seeds give, and noise that differs by task."""
    common = rng.standard_normal((1, 3, seeds))
    own = rng.standard_t(5, (entrants, 3, seeds)) * np.array([0.1, 0.3, 0.02])[None, :, None]
    shifts = np.where(np.arange(entrants) == 0, 0.0, shift)[:, None, None]
    return np.exp(0.1 * common + own - shifts)


def test_where_the_first_does_not_train_steps_to_its_target_say_nothing() -> None:
    made_up = results(np.ones((3, 2, 4)))
    made_up.steps[0, 0] = made_up.steps[1, 0] = np.inf
    made_up.steps[:, 1] = [[10.0], [20.0], [np.inf]]
    one, other = verdicts(made_up, draws=50)
    assert [t.steps for t in one.by_task] == [1.0, 2.0]
    assert [t.steps for t in other.by_task] == [1.0, np.inf]
    assert one.steps == pytest.approx(2**0.5)
    assert other.steps == np.inf


@pytest.mark.parametrize("entrants", [2, 4])
def test_what_is_the_same_is_seldom_called_different(entrants: int) -> None:
    rng = np.random.default_rng(entrants)
    primary = by_task = 0
    for _ in range(400):
        found = verdicts(results(lognormal(rng, entrants, 10)), draws=50)
        primary += any(v.verdict != "undecided" for v in found)
        by_task += any(t.verdict != "undecided" for v in found for t in v.by_task)
    assert primary / 400 <= 0.08
    assert by_task / 400 <= 0.08


def test_what_differs_is_found_with_its_sign() -> None:
    for shift, wanted in ((0.25, "better"), (-0.25, "worse")):
        [found] = verdicts(results(lognormal(np.random.default_rng(1), 2, 20, shift)))
        assert found.verdict == wanted
        assert found.gain.low < shift < found.gain.high
        assert (found.improvement > 0.5) == (shift > 0)
        assert found.simultaneous == pytest.approx((found.gain.low, found.gain.high))  # one comparison only


def test_more_programs_ask_for_more() -> None:
    losses = lognormal(np.random.default_rng(3), 2, 10, 0.1)
    [alone] = verdicts(results(losses))
    others = lognormal(np.random.default_rng(4), 3, 10)[1:]
    among = verdicts(results(np.concatenate([losses, others])))[0]
    assert among.gain == alone.gain
    assert among.adjusted > alone.adjusted
    assert among.simultaneous[0] < alone.simultaneous[0]
    assert among.needed > alone.needed


@pytest.mark.parametrize("entrants", [2, 8])
def test_more_seeds_than_were_spent_are_asked_for(entrants: int) -> None:
    steady = np.array([1.0, -1.0] * 5) / 10
    told = []
    for t in np.linspace(1.0, 3.4, 13):  # Student's, of ten replicates
        gains = np.zeros((entrants, 1, 10))
        gains[1:] = steady + t * steady.std(ddof=1) / 10**0.5
        made = results(np.exp(-gains))
        [found, *_] = verdicts(made, draws=50)
        if found.verdict == "undecided":
            [said, *_] = cautions(made, (found,), 16)
            told.append(int(re.findall(r"about --seeds (\d+) would", said)[0]))
    assert len(told) == {2: 7, 8: 13}[entrants]
    assert min(told) > 10


def test_a_task_left_out_and_the_cap() -> None:
    noise = np.exp(np.random.default_rng(5).normal(0, 0.01, (2, 3, 10)))
    noise[1, 0] *= math.exp(-2)
    made = results(noise)
    [found] = verdicts(made)
    assert found.gain.mean == pytest.approx(GAIN_CAP / 3, abs=0.01)
    assert found.verdict == "better"
    assert abs(found.without["digits"].mean) < 0.01
    said = " ".join(cautions(made, (found,), 16))
    assert "b is better over all tasks, but undecided without digits." in said
    assert "no task counts for more than +0.3" in said


def test_steps_and_seconds_are_ratios_to_the_first() -> None:
    made = results(lognormal(np.random.default_rng(6), 2, 4))
    made.steps[1] = [[5, 5, math.inf, math.inf], [20, 20, 20, 20], [10, 10, 10, 10]]
    made.seconds[1] = [2.0, 4.0, 8.0]
    [found] = verdicts(made)
    assert [t.steps for t in found.by_task] == [0.5, 2, 1]
    assert found.steps == pytest.approx(1)
    assert found.seconds == pytest.approx(4)
    made.steps[1, 0, 0] = math.inf
    assert math.isinf(verdicts(made)[0].steps)


def test_cautions() -> None:
    made = results(lognormal(np.random.default_rng(7), 2, 10), edge="high", tuned=4)
    made.failed[1, 2, :3] = True
    made.centres[0, 1, :6] = 10 ** (-20 / 4)
    said = cautions(made, verdicts(made), 16)
    for part in (
        "b is undecided: its gain may be anything from",
        "b did not train in 3 of 10 replicates on transformer",
        "b's learning rate on digits was chosen in the highest 10% of its range in 10 of 10",
        "a's best learning rate in the pilots on least_squares is mostly the last of the grid",
        "over replicates of 3 tasks",
        "of the search tier",
        "16 trials in each replicate, for as many settings as it has (a 3, b 6): who has more",
    ):
        assert any(part in sentence for sentence in said), part
    assert all(sentence.endswith(".") for sentence in said)


def test_contradictory_tasks_are_told() -> None:
    noise = np.exp(np.random.default_rng(8).normal(0, 0.01, (2, 3, 10)))
    noise[1, 0] *= 0.9
    noise[1, 1] *= 1.1
    made = results(noise)
    assert any("better on digits and worse on least_squares" in s for s in cautions(made, verdicts(made), 16))
