"""Bounds: the literature's, and none that steps of the interpreter contradict."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from primitives.analysis import bounds as module
from primitives.analysis.first_step import change
from primitives.interpreter import start
from primitives.program import Program
from primitives.reference import names, reference
from primitives.text import parse
from tests.primitives.random_programs import random_program

bounds = cache(module.bounds)
ADAM = 0.1 / math.sqrt(0.001 * (1 - 0.81 / 0.999))  # Cauchy and Schwarz over the weights of Adam's two averages
MOVES_AT_REST = {"heavy_ball", "ranger"}  # the rate of past steps; the pull of the slow weights
WITHOUT_LR = {"rprop", "irprop_minus"}  # whose step sizes only start at lr
DECAYS = {"adamw": 0.01, "nadamw": 0.01, "muon": 0.01, "muon_everywhere": 0.01}


def with_defaults(name: str, **hyper: float) -> Program:
    program = reference(name)
    return replace(program, hyper=tuple((key, hyper.get(key, value)) for key, value in program.hyper))


def of(text: str):
    return bounds(parse(text))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("lion", "|change of w| <= lr (1 + weight_decay |w|) for each weight, whatever the gradients."),
        ("adamw", "|change of w| <= lr (7.271 + weight_decay |w|) for each weight, whatever the gradients."),
        ("adagrad", "|change of w| <= lr for each weight, whatever the gradients."),
        ("rprop", "|change of w| <= 50 for each weight, whatever the gradients."),
        ("sgd", "No bound on the change of a weight is shown: it grows with the gradient."),
    ],
)
def test_sentences(name, sentence):
    assert bounds(reference(name)).lines()[0] == sentence


@pytest.mark.parametrize(
    ("name", "rate"),
    [
        ("adam", ADAM),
        ("amsgrad", ADAM),
        ("amsgrad_torch", ADAM),
        ("adam_l2", ADAM),
        ("rmsprop", math.sqrt(10)),  # 1 / sqrt(1 - rho)
        ("rmsprop_torch", 10),
        ("adagrad_torch", 1),
        ("rmsprop_momentum", math.sqrt(1000)),
        ("lion", 1),
    ],
)
def test_rates_of_the_literature(name, rate):
    assert bounds(reference(name)).rate == pytest.approx(rate, rel=1e-6)


def test_the_bound_of_adam_needs_beta1_squared_below_beta2():
    assert bounds(with_defaults("adam", beta1=0.9, beta2=0.82)).rate is not None
    assert bounds(with_defaults("adam", beta1=0.9, beta2=0.8)).rate is None


def test_the_bound_of_adam_is_reached():
    """By gradients that grow by beta2 / beta1 a step, as equality in Cauchy and Schwarz asks for."""
    program = with_defaults("adam", beta1=0.9, beta2=0.99, eps=0.0)
    w = np.zeros((1, 1))
    states, largest = start(program, [w], 1.0), 0.0
    for t in range(1, 1500):
        moved, states = change(program, w, np.full((1, 1), 1.1 ** max(t - 1300, 0)), states, t, 1.0)
        largest = max(largest, float(abs(moved[0, 0])))
    bound = bounds(program).rate
    assert bound is not None
    assert 0.999 * bound <= largest <= bound


@pytest.mark.parametrize("name", ["sgd", "momentum", "heavy_ball", "newton", "radam", "adabound", "ranger", "adadelta"])
def test_what_is_not_bounded_says_why(name):
    found = bounds(reference(name))
    assert found.rate is None
    assert found.reason
    assert "grows with" in found.sentence


def test_forms_of_weight_decay():
    found = of("def f(w, g, *, lr=0.1, wd=0.5):\n    return w * (1 - lr * wd) - 2 * lr * sign(g)")
    assert (found.rate, found.decay) == (2, 0.5)
    assert found.sentence.startswith("|change of w| <= lr (2 + wd |w|)")
    found = of("def f(w, g, *, lr=0.1, wd=0.5):\n    return w - lr * (tanh(g) + 3 * wd * w)")
    assert found.sentence.startswith("|change of w| <= lr (1 + 3 wd |w|)")
    assert of("def f(w, g, *, lr=0.1):\n    return (lr < 1) * w - lr * sign(g)").rate is None
    assert of("def f(w, g, *, lr=0.1):\n    return 0.5 * w - lr * sign(g)").rate is None


def test_growth_is_no_decay():
    found = of("def f(w, g, *, lr=0.1):\n    return w + lr * 0.1 * w - lr * sign(g)")
    assert found.at_zero == "Where g = 0 the first step moves w by up to 0.2 lr at w of size 2."


def test_a_choice_by_the_rate_is_not_proportional_to_it():
    found = of("def f(w, g, *, lr=0.1):\n    u = where(lr < 0.5, 100 * lr * sign(g), lr * sign(g))\n    return w - u")
    assert found.rate is None
    found = of("def f(w, g, *, lr=0.1):\n    u = where(g > 0, 3 * lr * sign(g), lr * sign(g))\n    return w - u")
    assert found.rate == 3


def test_lr_may_stand_anywhere_as_a_factor():
    found = of("def f(w, g, *, lr=0.1):\n    rate = lr / (abs(g) + 1e-8)\n    return w - rate * g")
    assert found.rate == pytest.approx(1)
    assert found.fixed == 0
    found = of("def f(w, g, *, lr=0.1):\n    return w - sign(g) * lr * lr")
    assert found.rate is None


def trajectory(program: Program, seed: int, steps: int = 40):
    """Each step's weights before it, change of weights and rate."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(2, 3))
    states = start(program, [w], 2.0**-7)
    for t in range(1, steps):
        g = rng.normal(size=w.shape) * 10.0 ** rng.uniform(-6, 6, w.shape) * rng.integers(0, 2, w.shape)
        lr = float(rng.uniform(0, 0.1))
        moved, states = change(program, w, g, states, t, lr)
        if not np.isfinite(moved).all():
            return
        yield w, moved, lr
        w = w + moved


def assert_held(program: Program, seed: int) -> None:
    found = bounds(program)
    if found.rate is None or found.fixed is None:
        return
    for w, moved, lr in trajectory(program, seed):
        most = lr * (found.rate + found.decay * np.abs(w)) + found.fixed
        assert np.all(np.abs(moved) <= most * (1 + 1e-9) + 1e-12 * np.abs(w)), program.name


@pytest.mark.parametrize("name", names())
def test_no_step_of_a_reference_contradicts_its_bound(name):
    assert_held(reference(name), 0)


@pytest.mark.parametrize("seed", range(40))
def test_no_step_of_a_random_program_contradicts_its_bound(seed):
    assert_held(random_program(seed), seed)


@pytest.mark.parametrize("name", names())
def test_at_rest(name):
    found = bounds(reference(name)).at_rest
    assert found.still == (name not in MOVES_AT_REST)
    assert found.proved == (name not in MOVES_AT_REST | WITHOUT_LR)
    if name in WITHOUT_LR:
        assert "do not read lr" in found.reason


@pytest.mark.parametrize("name", names())
def test_what_is_said_of_no_gradient_holds(name):
    program = reference(name)
    sentence = bounds(program).at_zero
    w = np.array([[1.0, -3.0, 0.25]])
    moved, _ = change(program, w, np.zeros_like(w), start(program, [w], 0.5), 1, 0.5)
    if "does not move" in sentence:
        np.testing.assert_array_equal(moved, 0 * w)
    elif "weight decay" in sentence:
        np.testing.assert_allclose(moved, -0.5 * DECAYS[name] * w, rtol=1e-12)
    else:
        assert name in ("adam_l2", "adam_coupled")
        assert np.any(moved)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sgd", "-lr g."),
        ("adam", "-lr sign(g) for |g| from 0.01 to 100"),
        ("lion", "-lr sign(g)"),
        ("amsgrad", "-3.16 lr sign(g)"),
        ("nesterov_shifted", "-1.9 lr g"),
        ("rprop", "-lr sign(g)"),
        ("muon_everywhere", "against g, of length 0.696 lr whatever the size of g"),
        ("adadelta", "from 0.00408 lr where |g| = 0.01"),
        ("newton", "for a loss of curvature 1"),
    ],
)
def test_first_steps(name, words):
    assert words in bounds(reference(name)).first_step


def test_a_first_step_without_bound_or_motion():
    assert "not finite" in of("def f(w, g, *, lr=0.1):\n    return w - lr * (g / w)").first_step
    found = of("def f(w, g, m, *, lr=0.1):\n    return w - lr * m, g")
    assert found.first_step == "The first step does not move w."
    found = of("def f(w, g, *, lr=0.1):\n    return w - lr * abs(w) * sign(g)")
    assert found.first_step.startswith("The first step from w = 0 does not move w, from w = 1 it is -lr sign(g)")
    found = of("def f(w, g, *, lr=0.1):\n    return w - lr * g * (1 + 1000 * w)")
    assert found.first_step == "The first step from w = 0 is -lr g; elsewhere it depends on w."
    assert "NaN" in of("def f(w, g, *, lr=0.1):\n    return w - lr * (g / abs(g))").at_zero


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("w - lr * (sign(g) + 0.1 * w)", "Beside what it is without a gradient, the first step is -lr sign(g) for |g|"),
        ("2 * w - lr * g", "Beside what it is without a gradient, the first step is -lr g."),
        ("g", "Beside what it is without a gradient, the first step is g."),
        ("w + 2 * lr * g", "The first step is 2 lr g."),
        ("w + lr * g / norm(g)", "The first step is along g, of length 1 lr whatever the size of g."),
        ("0", "The first step does not depend on g."),
        ("w - 0.1 * lr * w", "The first step does not depend on g."),
        ("w - lr * g**0", "The first step does not depend on g."),
        ("w - lr * (g + 0.001)", "Beside what it is without a gradient, the first step is -lr g."),
        ("w - lr * sign(g + 0.001)", "The first step is -lr sign(g) for |g| from 0.01 to 100."),
        ("w - 1e-14 * lr * g", "The first step is -1e-14 lr g."),
        ("w", "The first step does not move w."),
        ("w - lr * g / T", "The first step is -0.01 lr g, for 100 planned steps."),
        ("w - lr * g * loss", "The first step is -lr g, for a loss of 1."),
        ("w - lr * loss * grad_at(w) / T", "a loss of curvature 1, 100 planned steps and a loss of 1."),
    ],
)
def test_a_first_step_is_told_apart_from_what_happens_without_a_gradient(new, words):
    assert words in of(f"def f(w, g, *, lr=0.1):\n    return {new}").first_step


def test_a_step_without_gradient_tells_the_planned_steps():
    assert of("def f(w, g, *, lr=0.1):\n    return w - lr * (g + 1 / T)").at_zero.endswith("for 100 planned steps.")


def test_lines_fit_a_terminal():
    for name in names():
        assert all(0 < len(line) <= 100 for line in bounds(reference(name)).lines())
