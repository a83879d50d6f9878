"""Trials lie in their ranges, fill them evenly, and are programs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evosearch.trials import EDGE, RANGES, WARMUPS, axes, decay, trials, tuned, with_constants
from primitives.domains import domains
from primitives.graph import canonical
from primitives.program import Program
from primitives.reference import names, reference
from primitives.text import parse, problems

FOUND = parse(
    "def found(w, g, m, *, lr=0.1):\n    x1 = ema(m, g, 0.9)\n    x2 = multiply(x1, 0.5)\n    return w - lr * x2, x1\n"
)


@pytest.mark.parametrize("name", names())
def test_every_constant_of_every_reference_program_can_be_tuned(name: str) -> None:
    program = reference(name)
    for trial in trials(program, "all", 0.0, 4, [1]):
        assert problems(trial.text) == ()
        kept = {k: v for k, v in program.hyper if k != "lr" and (v or k in RANGES)}
        assert dict(trial.constants) == {k: v for k, v in parse(trial.text).hyper if k in kept}
    assert set(tuned(program, ("weight_decay",))) <= {"weight_decay"}


def test_points_fill_the_box_and_differ_by_seed() -> None:
    found = trials(reference("adamw"), ("weight_decay",), -4.0, 64, [0, 1])
    places = np.array([(t.exponent + 4 + 3) / 6 for t in found])  # 0.75 decades are three exponents
    assert (np.histogram(places, 8, (0, 1))[0] == 8).all()
    starts = np.array([math.log(t.warmup / WARMUPS[0]) / math.log(WARMUPS[1] / WARMUPS[0]) for t in found])
    assert np.ptp(np.histogram(starts, 4, (0, 1))[0]) <= 4
    assert [t.edge for t in found] == ["low" if p < EDGE else "high" if p > 1 - EDGE else "" for p in places]
    assert trials(reference("adamw"), ("weight_decay",), -4.0, 64, [0, 1]) == found
    assert trials(reference("adamw"), ("weight_decay",), -4.0, 64, [0, 2])[0] != found[0]


def test_a_weight_decay_may_be_none() -> None:
    values = [dict(t.constants)["weight_decay"] for t in trials(reference("lion"), ("weight_decay",), 0.0, 64, [3])]
    assert values.count(0.0) == 16
    assert all(1e-3 <= v <= 10 for v in values if v)
    assert decay(0.999) == pytest.approx(10, rel=0.02)


def test_ranges_reach_from_end_to_end() -> None:
    ends = {name: sorted((scale(0.0), scale(1.0))) for name, scale in RANGES.items()}
    assert ends["beta1"] == pytest.approx([0, 0.98], abs=1e-12)
    assert ends["beta2"] == pytest.approx([0.5, 0.999])
    assert ends["eps"] == pytest.approx([1e-9, 1e-2])


def test_numbers_of_a_found_program_move_by_at_most_four() -> None:
    assert tuned(FOUND, "all") == ("number 1", "number 2")
    assert tuned(FOUND, ("weight_decay",)) == ()
    for trial in trials(FOUND, "all", 0.0, 8, [4]):
        body = {a.value.op: [x for x in a.value.args if not isinstance(x, str)] for a in parse(trial.text).body}
        assert 0.1 / 4 <= 1 - body["ema"][0] <= 0.1 * 4
        assert 0.5 / 4 <= body["multiply"][0] <= 0.5 * 4
    same = with_constants(FOUND, {"number 1": 1.0, "number 2": 1.0})
    assert same.body == canonical(FOUND).body


def values(name: str, program: Program) -> np.ndarray:
    """The values of one constant, from end to end."""
    scale = dict(axes(program, "all"))[name]
    return np.array([scale(u) for u in np.linspace(0, 1, 20)])


def written(hyper: str, update: str) -> Program:
    return parse(f"def f(w, g, m, *, lr=0.1, {hyper}):\n    m = ema(m, g, 0.9)\n    return w - lr * ({update}), m\n")


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("k", reference("ranger")),
        ("ns_steps", reference("muon")),
        ("rounds", written("rounds=5", "orthogonalize(m, rounds, 3.4, -4.8, 2)")),
    ],
)
def test_whole_numbers_stay_whole(name: str, program: Program) -> None:
    found = values(name, program)
    assert (found % 1 == 0).all()
    assert 1 <= found.min() < found.max() == 4 * program.defaults[name]


def test_a_factor_with_the_name_of_a_count_is_a_factor() -> None:
    found = values("k", written("k=0.1", "g + k * m"))
    assert (found[0], found[-1]) == pytest.approx((0.025, 0.4))


@pytest.mark.parametrize(
    ("name", "program", "ends"),
    [
        ("alpha", reference("ranger"), (0.125, 1.0)),
        ("beta_fast", written("beta_fast=0.9", "ema(m, g, beta_fast)"), (0.6, 0.975)),
        ("mixed", written("mixed=0.1", "interp(m, g, mixed)"), (0.025, 0.4)),
        ("beta_slow", written("beta_slow=0.9999", "bias_correct(m, beta_slow, t)"), (0.9996, 0.999975)),
        ("eta_minus", reference("rprop"), (0.125, 0.875)),
        ("eta_plus", reference("rprop"), (1.05, 1.8)),
        ("gain", written("gain=3", "gain * m"), (0.75, 12)),
    ],
)
def test_a_constant_stays_where_its_use_or_its_name_makes_sense(name: str, program: Program, ends: tuple) -> None:
    found = values(name, program)
    assert sorted(ends) == pytest.approx([found.min(), found.max()])
    assert all(domains(program)[name].contains(x) for x in found)


def test_a_zero_that_no_factor_moves_is_not_tuned() -> None:
    program = written("gamma=0, weight_decay=0, a=0.5", "g + gamma * m + a * m + weight_decay * w")
    assert tuned(program, "all") == ("weight_decay", "a")
    assert tuned(program, ("gamma",)) == ()
    assert tuned(reference("newton"), "all") == ()
    assert len(trials(reference("newton"), "all", 0.0, 4, [5])) == 4
