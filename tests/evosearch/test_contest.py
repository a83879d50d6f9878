"""Contests: the same seed gives the same, seeds serve one purpose, neither order nor company changes losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import proxies
from evosearch import trainings
from evosearch.contest import (
    MOST_REPLICATES,
    Entrant,
    Results,
    checkpoints,
    contest,
    make_context,
    pilot_seed,
    training_seed,
    tuning_seed,
)
from evosearch.final import FRESH_SEED
from evosearch.measure import trained
from evosearch.trials import PILOT
from primitives.reference import reference
from primitives.text import parse, show
from proxies.train import Training
from tests.evosearch.small import SMALL

TASKS = ("digits", "least_squares")
ADAMW, LION, SGD = (Entrant(name, reference(name)) for name in ("adamw", "lion", "sgd"))
BROKEN = Entrant("broken", parse("def f(w, g, *, lr=1):\n    return w - lr * log(g - g)\n"))

BOWL = """
from proxies.landscapes import noisy_quadratic

def bowl():
    return noisy_quadratic("bowl", 4, 10.0, steps=20)
"""


class Bench:
    """Works in this process and remembers what it was asked for."""

    def __init__(self) -> None:
        self.items: list[trainings.Training] = []

    def __call__(self, handler, batches, shared):
        function = {"trainings": trainings.trainings, "timings": trainings.timings}[handler.split(":")[1]]
        if function is trainings.trainings:
            self.items += [item for batch in batches for item in batch]
        return [result for batch in batches for result in function(make_context(), shared, batch)]


def held(*entrants: Entrant, tasks=TASKS, seed: int = 0, bench: Bench | None = None, **more) -> Results:
    sizes = {"seeds": 3, "trials": 4} | more
    return contest(entrants, tasks, seed=seed, run=bench or Bench(), **sizes)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench()


@pytest.fixture(scope="module")
def pair(bench: Bench) -> Results:
    return held(ADAMW, LION, bench=bench)


def test_the_same_seed_gives_the_same_and_another_does_not(pair: Results) -> None:
    again, other = held(ADAMW, LION), held(ADAMW, LION, seed=1)
    for name in ("test", "validation", "steps", "centres", "targets", "failed"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pair, name))
    assert again.chosen == pair.chosen
    assert (other.test != pair.test).all()


def test_neither_order_nor_company_changes_losses(pair: Results) -> None:
    other = held(SGD, LION, ADAMW)
    np.testing.assert_array_equal(other.test[[2, 1]], pair.test)
    np.testing.assert_array_equal(other.validation[[2, 1]], pair.validation)
    assert (other.chosen[2], other.chosen[1]) == pair.chosen
    assert (other.targets != pair.targets).all()  # the first one's


def test_tuning_training_and_pilot_have_seeds_of_their_own(pair: Results, bench: Bench) -> None:
    finals = {item.seed for item in bench.items if item.test}
    tuning = {item.seed for item in bench.items if not item.test and len(item.exponents) == 1}
    pilot = {item.seed for item in bench.items if len(item.exponents) > 1}
    assert (len(finals), len(tuning), len(pilot)) == (3, 3, 3)
    assert not finals & tuning | finals & pilot | tuning & pilot
    assert min(finals | tuning | pilot) >= FRESH_SEED + SMALL.scoring.final_seeds
    kinds = pilot_seed, tuning_seed, training_seed
    assert len({kind(s, r) for kind in kinds for s in (0, 1) for r in range(MOST_REPLICATES)}) == 6 * MOST_REPLICATES


def test_replicates_are_paired_and_everybody_has_as_many_trials(pair: Results, bench: Bench) -> None:
    for task in TASKS:
        mine = [item for item in bench.items if item.task == task]
        finals = [item.seed for item in mine if item.test]
        assert finals == [training_seed(0, r) for r in range(3) for _ in range(2)]
        tuned = [item.seed for item in mine if not item.test and len(item.exponents) == 1]
        assert tuned == [tuning_seed(0, r) for r in range(3) for _ in range(2 * 4)]
    assert pair.trainings == sum(len(item.exponents) for item in bench.items) == 2 * 2 * 3 * (len(PILOT) + 5)


def test_what_is_reported_is_the_choice_by_validation_trained_afresh(pair: Results, bench: Bench) -> None:
    mine = [item for item in bench.items if item.task == "digits" and len(item.exponents) == 1]
    proxy = proxies.get("digits")
    some = [item for item in mine if item.seed == tuning_seed(0, 1)][4:]  # of lion
    losses = [trained([i.text], proxy, [i.seed], [i.exponents], warmups=[i.warmup]).validation[0, 0, 0] for i in some]
    best = some[int(np.argmin(losses))]
    choice = pair.chosen[1][0][1]
    assert choice.loss == min(losses)
    assert choice.warmup == best.warmup
    final = trained([best.text], proxy, [training_seed(0, 1)], [best.exponents], warmups=[best.warmup], test=True)
    assert pair.test[1, 0, 1] == pytest.approx(final.test[0, 0, 0])
    assert pair.validation[1, 0, 1] == pytest.approx(final.validation[0, 0, 0])


def test_jobs_are_large_where_there_is_much_and_hold_one_task():
    jobs: list[int] = []

    def call(handler, batches, shared):
        assert all(len({item.task for item in batch}) == 1 for batch in batches)
        jobs.extend(len(batch) for batch in batches)
        return [item.seed for batch in batches for item in batch]

    def items(task: str, count: int) -> list[trainings.Training]:
        return [trainings.Training(task, seed, "", (0.0,) * 4, 0.1) for seed in range(count)]

    some = [*items("digits", 10), *items("wine", 160), *items("digits", 2048)]
    assert trainings.train_all(call, some, False) == [item.seed for item in some]
    assert jobs == [8, 2] + [10] * 16 + [64] * 32


def test_learning_rates_lie_around_the_pilots_best(pair: Results) -> None:
    for e, k in np.ndindex(2, 2):
        for choice, centre in zip(pair.chosen[e][k], pair.centres[e, k], strict=True):
            assert abs(np.log10(choice.rate / centre)) <= 0.75 + 1e-9
            assert 0.02 <= choice.warmup <= 0.3


def test_steps_to_the_firsts_median(pair: Results) -> None:
    for k, task in enumerate(TASKS):
        watched = checkpoints(proxies.get(task).steps)
        assert (len(watched), watched[-1]) == (20, proxies.get(task).steps)
        assert pair.targets[k] == np.median(pair.validation[0, k])
        reached = np.isfinite(pair.steps[:, k])
        assert reached[pair.validation[:, k] <= pair.targets[k]].all()
        assert set(pair.steps[:, k][reached]) <= set(watched)
        assert reached[0].sum() >= 2


def test_a_program_renamed_has_trials_of_its_own(pair: Results) -> None:
    found = held(ADAMW, Entrant("adamw (2)", reference("adamw")), tasks=("digits",))
    assert found.chosen[0][0] == pair.chosen[0][0]
    assert all(a.rate != b.rate for a, b in zip(*(row[0] for row in found.chosen), strict=True))
    np.testing.assert_array_equal(found.centres[0], found.centres[1])
    with pytest.raises(ValueError, match="different names"):
        held(ADAMW, ADAMW)


def test_where_an_own_task_lies_changes_nothing(tmp_path: Path) -> None:
    found = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        task = tmp_path / folder / "bowl.py"
        task.write_text(BOWL)
        found.append(held(ADAMW, tasks=(f"{task}:bowl",)))
    assert np.array_equal(found[0].test, found[1].test)


def test_failed_trainings_count_as_the_ceiling() -> None:
    found = held(ADAMW, BROKEN, tasks=("digits",), trials=2)
    assert found.failed[1].all()
    assert found.test[1] == pytest.approx(proxies.get("digits").ceiling)
    assert not found.failed[0].any()
    assert np.isinf(found.steps[1]).all()


def test_all_steps_are_timed_of_a_program_that_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas: list[int] = []

    def step(self: Training, *given: Any) -> Any:
        replicas.append(len(self.seeds))
        return one(self, *given)

    one = Training.step
    monkeypatch.setattr(Training, "step", step)
    [seconds] = trainings.timings(None, ("digits", False), [show(BROKEN.program)])
    assert replicas == [trainings.TIMED_REPLICAS] * trainings.TIMED_STEPS * trainings.TIMED_RUNS
    assert seconds > 0


def test_every_constant_is_tuned_where_asked() -> None:
    found = held(Entrant("adamw", ADAMW.program, "all"), LION, tasks=("digits",), trials=2)
    assert found.tuned == (("beta1", "beta2", "eps", "weight_decay"), ("weight_decay",))
    assert dict(found.chosen[0][0][0].constants).keys() == {"beta1", "beta2", "eps", "weight_decay"}


def test_what_needs_more_than_tensors_takes_part() -> None:
    found = held(Entrant("muon", reference("muon")), tasks=("digits",), trials=1)
    assert np.isfinite(found.test).all()
    assert found.seconds > 0


def test_held_out_tasks_stay_sealed() -> None:
    for name in proxies.of_tier("held out"):
        with pytest.raises(ValueError, match="held out"):
            held(ADAMW, LION, tasks=(name,))
