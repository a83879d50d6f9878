"""Trials lie in their ranges, fill them evenly, and are programs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evosearch.trials import EDGE, RANGES, WARMUPS, axes, decay, trials, tuned, with_constants
from primitives.graph import canonical
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
        assert dict(trial.constants) == {k: v for k, v in parse(trial.text).hyper if k != "lr"}
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


def test_whole_numbers_stay_whole() -> None:
    [(name, scale)] = [axis for axis in axes(reference("ranger"), "all") if axis[0] == "k"]
    assert name == "k"
    assert {scale(u) % 1 for u in np.linspace(0, 1, 20)} == {0}
    assert scale(0.0) >= 1
