"""Units: the papers' statements, and programs run in other units with the interpreter."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest

from primitives import interpreter
from primitives.algebra.trials import Loss
from primitives.analysis.linear import ONE, first_contradiction, solution
from primitives.analysis.units import RULE, Units, units
from primitives.program import Program
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse


def carried(found: Units) -> dict[str, str]:
    return {c.name: c.exponent for c in found.carriers}


def step_of(update: str, states: str = "", new: str = "", hyper: str = "lr=0.1") -> Program:
    return parse(f"def f(w, g{states}, *, {hyper}):\n    return w - lr * ({update}){new}\n")


@pytest.mark.parametrize(
    ("name", "hidden"),
    [  # Zeiler 2012, section 3.2: gradient descent and momentum have 1/w, Newton's method the units of w
        ("sgd", {"lr": "2"}),
        ("momentum", {"lr": "2", "weight_decay": "-2"}),
        ("heavy_ball", {"lr": "2"}),
        ("adagrad", {"lr": "1", "initial": "-2", "eps": "-2"}),  # the update is without unit
        ("rmsprop", {"lr": "1", "eps": "-2"}),
        ("rmsprop_torch", {"lr": "1", "eps": "-1"}),
        ("adam", {"lr": "1", "eps": "-1"}),
        ("adamw", {"lr": "1", "eps": "-1", "weight_decay": "-1"}),
        ("adam_l2", {"lr": "1", "eps": "-1", "weight_decay": "-2"}),
        ("lion", {"lr": "1", "weight_decay": "-1"}),
        ("muon_everywhere", {"lr": "1", "weight_decay": "-1"}),
        ("adagrad_full", {"lr": "1", "eps": "-2"}),
        ("rprop", {"lr": "1", "step_min": "1", "step_max": "1"}),
        ("adabound", {"lr": "1", "eps": "-1", "final_lr": "2"}),  # bounds are rates of gradient descent
        ("grafted_muon", {"lr": "1", "1e-8": "-1", "weight_decay": "-1"}),  # a guard carries it, not a weight of a mean
        ("radam", {"lr": "1", "eps": "-1", "1": "1"}),  # the momentum step before it is adaptive has 1/w
    ],
)
def test_hidden_units(name, hidden):
    found = units(reference(name))
    assert found.matches is False
    assert carried(found) == hidden


@pytest.mark.parametrize("name", ["newton", "hessian_free", "conjugate_gradient", "nonlinear_cg", "nonlinear_cg_fr"])
def test_curvature_gives_the_units_of_w(name):
    found = units(reference(name))
    assert found.matches
    assert set(carried(found)) <= {"damping"}


def test_adadelta_has_the_units_of_w_but_for_eps():
    found = units(reference("adadelta"))
    assert found.matches
    assert dict(found.states) == {"G": "-2", "S": "2"}
    assert {c.exponent for c in found.carriers if c.name == "eps"} == {"2", "-2"}
    assert "eps cannot have one unit" in found.faults[0]
    split = step_of("sqrt(S + a) / sqrt(G + b) * g", ", G, S", ", ema(G, g*g, 0.9), "
                    "ema(S, square(sqrt(S + a) / sqrt(G + b) * g), 0.9)", "lr=1, a=1e-6, b=1e-6")  # fmt: skip
    assert units(split).matches
    assert carried(units(split)) == {"a": "2", "b": "-2"}


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ("sin(g)", "sin(g) needs a value without unit"),
        ("g + 1 * square(g) * exp(g)", "exp(g) needs a value without unit"),
        ("g + square(g)", "puts values of different units together"),
        ("grad_at(w - g)", "puts values of different units together"),
    ],
)
def test_contradictions_are_told(update, reason):
    found = units(step_of(update))
    assert found.matches is None
    assert reason in found.faults[0]


def test_numbers_in_the_text_may_carry_a_unit():
    found = units(step_of("sin(3 * g)"))
    assert found.matches is False
    assert carried(found) == {"lr": "1", "3": "1"}
    assert [c.place for c in found.carriers] == ["", "3 * g"]


def test_a_rate_in_the_text_does_not_pass_for_curvature():
    program = parse("def f(w, g, *, lr=0.1):\n    return w - lr * 0.01 * g\n")
    assert units(program).matches is False


@pytest.mark.parametrize("update", ["g", "g + lr * w", "g / (lr + abs(g))"])
@pytest.mark.parametrize("lr", ["0", "1e-9", "1e-7"])
def test_a_small_rate_by_default_is_a_rate(update, lr):
    assert units(step_of(update, hyper=f"lr={lr}")) == units(step_of(update, hyper="lr=0.1"))


def test_every_primitive_has_a_unit():
    assert RULE.keys() == PRIMITIVES.keys()


def ends(program: Program, found: Units, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of three steps where w is measured in units c times smaller."""
    rng = np.random.default_rng(0)
    hyper = dict(program.defaults)
    hyper |= {"weight_decay": 0.1} if "weight_decay" in hyper else {}
    hyper |= {x.name: hyper[x.name] * c ** float(Fraction(x.exponent)) for x in found.carriers}
    first = rng.standard_normal((3, 2)) * c
    half = rng.standard_normal((6, 6))
    weights, lr = [first], hyper["lr"]
    states = interpreter.start(program, weights, lr, hyper)
    for t in range(1, 4):
        grads = [rng.standard_normal((3, 2)) / c]
        loss = Loss(weights, grads, (half @ half.T + np.eye(6)) / c**2, 1.0)
        weights, states = interpreter.step(
            program, weights, grads, states, t=t, lr=lr, hyper=hyper, total_steps=9.0, loss=1.0, oracle=_Quadratic(loss)
        )
    return first, weights[0]


class _Quadratic:
    """A loss without its fourth powers, which would carry a unit of their own."""

    def __init__(self, loss: Loss) -> None:
        self.inner = loss
        self.product = loss.product

    def gradient(self, point):
        moves = [x - w for x, w in zip(point, self.inner.weights, strict=True)]
        return [g + h for g, h in zip(self.inner.grads, self.product(moves), strict=True)]


@pytest.mark.parametrize("name", names())
def test_in_other_units_the_steps_are_the_same(name):
    program, found = reference(name), units(reference(name))
    if found.faults or any(c.place for c in found.carriers):
        return
    (first, last), (first_scaled, last_scaled) = ends(program, found, 1.0), ends(program, found, 7.0)
    assert not np.allclose(first, last, atol=1e-12)
    np.testing.assert_allclose((last_scaled - first_scaled) / 7.0, last - first, rtol=1e-7, atol=1e-13)


@pytest.mark.parametrize("name", names())
def test_lines_fit_and_the_record_is_plain(name):
    found = units(reference(name))
    assert json.loads(json.dumps(asdict(found)))
    assert all(len(line) <= 100 for line in found.lines())


def test_linear_equations():
    one = Fraction(1)
    x_plus_y_is_3 = {"x": one, "y": one, ONE: Fraction(-3)}
    x_is_1 = {"x": one, ONE: -one}
    assert solution([x_plus_y_is_3, x_is_1], str) == {"x": 1, "y": 2}
    assert solution([x_plus_y_is_3], str) == {"x": 3}  # y is free, and zero
    assert first_contradiction([x_plus_y_is_3, x_is_1, {"y": one}]) == 2
    assert first_contradiction([x_plus_y_is_3, x_plus_y_is_3]) is None
