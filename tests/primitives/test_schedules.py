"""Every schedule against torch.optim.lr_scheduler, at the index that its docstring names."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as theirs

from primitives.expressions import program_of
from primitives.program import ProgramError
from primitives.schedules import SCHEDULES, factor
from proxies.schedule import schedule as outside
from tests.primitives.descents import PROBLEMS, agree, descend

T = 40


def _lambda(function):
    return lambda sgd: theirs.LambdaLR(sgd, function)


def _warm(sgd, steps):
    return theirs.LinearLR(sgd, start_factor=1 / steps, total_iters=steps - 1)


def _warmup_cosine(sgd):
    after = theirs.CosineAnnealingLR(sgd, T - 8, eta_min=0.1 * 0.2)
    return theirs.SequentialLR(sgd, [_warm(sgd, 8), after], milestones=[8])


TWINS = {  # numbers that are not the defaults, and torch's scheduler of the same meaning
    "constant": ({}, _lambda(lambda i: 1)),
    "piecewise": (
        {"first": 0.25, "second": 0.6, "drop": 0.3},
        lambda sgd: theirs.MultiStepLR(sgd, [10, 24], gamma=0.3),
    ),
    "exponential": ({"r": 13}, lambda sgd: theirs.ExponentialLR(sgd, math.exp(-1 / 13))),
    "reciprocal": ({"r": 7, "c": 1.5}, _lambda(lambda i: (1 + i / 7) ** -1.5)),
    "linear_warmup": ({"warmup": 0.25}, lambda sgd: _warm(sgd, 10)),
    "cosine": ({"end": 0.2}, lambda sgd: theirs.CosineAnnealingLR(sgd, T, eta_min=0.1 * 0.2)),
    "warmup_cosine": ({"warmup": 0.2, "end": 0.2}, _warmup_cosine),
    "one_cycle": (
        {"warmup": 0.4, "start_div": 10, "end_div": 50},
        lambda sgd: theirs.OneCycleLR(
            sgd, 0.1, total_steps=T, pct_start=0.4, div_factor=10, final_div_factor=50, cycle_momentum=False
        ),
    ),
    "robbins_monro": ({"t0": 3, "c": 0.6}, _lambda(lambda i: (i + 3) ** -0.6)),
}


def torchs(make, count):
    """lr over its base at each index from 0."""
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, found = make(sgd), []
    for i in range(count):
        found.append(sgd.param_groups[0]["lr"] / 0.1)
        if i < count - 1:
            sgd.step()
            scheduler.step()
    return found


@pytest.mark.filterwarnings("ignore:.*epoch parameter.*")  # torch's own SequentialLR uses what torch deprecates
@pytest.mark.parametrize("name", SCHEDULES)
def test_torch_has_the_same(name):
    options, make = TWINS[name]
    later = SCHEDULES[name].doc.endswith("index t.")
    expected = torchs(make, T + later)[later:]
    found = [factor(name, t, T, **options) for t in range(1, T + 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)
    assert all(option.default != options[option.name] for option in SCHEDULES[name].options)


@pytest.mark.parametrize("name", SCHEDULES)
def test_defaults_are_sound(name):
    for steps in (1, 2, 10, 1000):
        factors = [factor(name, t, steps) for t in range(1, steps + 3)]
        assert all(0 <= f <= 1 for f in factors), (steps, factors)
        assert factors[-1] <= max(factors[:steps])
        assert factors[0] > 0


@pytest.mark.parametrize("name", ["cosine", "warmup_cosine", "one_cycle"])
def test_after_the_planned_steps_the_factor_stays_at_its_end(name):
    """torch's cosine rises again there, and its one-cycle raises an error."""
    end = factor(name, T + 1, T, **TWINS[name][0])
    assert end == pytest.approx({"one_cycle": 1 / 500}.get(name, 0.2), rel=1e-12)
    assert factor(name, 3 * T, T, **TWINS[name][0]) == end


def test_beside_the_schedule_that_stands_outside_every_program():
    """The trainings' own differs in that it never quite reaches zero, and not before its decay."""
    ours = np.array([factor("warmup_cosine", t, T, warmup=0.25) for t in range(1, T + 1)])
    theirs = outside(T, 0.25)
    np.testing.assert_allclose(ours[:10], theirs[:10], rtol=1e-15)
    assert np.abs(ours - theirs).max() < 0.05


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_program_with_a_schedule_is_the_program_at_its_rates(name):
    """Against gradient descent whose lr is given at each step; the numbers are hyperparameters of the program."""
    options, _ = TWINS[name]
    written = ", ".join(f"{key}={value}" for key, value in options.items())
    program = program_of(f"scheduled(sgd(lr=0.01), {name}({written}))")
    assert program.defaults == {"lr": 0.01, **options}
    for problem in PROBLEMS:
        w, by_hand = problem.begin, []
        for t in range(1, T + 1):
            rate = 0.01 * factor(name, t, T, **options)
            w = [x - rate * g for x, g in zip(w, problem.gradient(w), strict=True)]
            by_hand.append(w)
        agree(descend(program, problem, T), by_hand, 1e-12)


def test_wrong_schedules():
    with pytest.raises(ProgramError, match="no schedule 'cosin'"):
        factor("cosin", 1)
    with pytest.raises(ProgramError, match=r"c is 0\.5 and must be a number, above 0\.5 and at most 1"):
        factor("robbins_monro", 1, c=0.5)
    with pytest.raises(ProgramError, match="no option 'ends'; did you mean 'end'"):
        factor("cosine", 1, ends=0.5)


def test_two_schedules_on_one_program():
    program = program_of("scheduled(scheduled(sgd(lr=0.01), cosine(end=0.5)), warmup_cosine(end=0.1))")
    assert set(program.defaults) == {"lr", "end", "warmup", "end_2"}
    problem = PROBLEMS[0]
    [first] = descend(program, problem, 1)
    [g, _] = problem.gradient(problem.begin)
    np.testing.assert_allclose(first[0], problem.begin[0] - 0.01 * g, rtol=1e-12)
