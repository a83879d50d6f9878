"""What tells two programs apart: found at once where they differ, never where they are one map, small and true."""

from __future__ import annotations

import dataclasses
import json
from itertools import islice

import numpy as np
import pytest

from primitives import interpreter
from primitives.algebra.difference import difference
from primitives.algebra.trials import Loss
from primitives.reference import names, reference
from primitives.text import parse
from tests.primitives.algebra.near_misses import literal, near_misses, root, start
from tests.primitives.algebra.obfuscation import drawn, same_path

ADAM = reference("adam")
SAME_MAPS = {("adadelta_window", "rmsprop")}  # of all the reference programs, as the literature notes


def program(update: str, states: str = "", returns: str = "", hyper: str = "lr=0.01"):
    return parse(f"def f(w, g{states}, *, {hyper}):\n    return w - lr * ({update}){returns}\n")


def test_of_all_pairs_of_reference_programs_one_is_one_map():
    alike = {
        (a, b) for i, a in enumerate(names()) for b in names()[i:] if difference(reference(a), reference(b)) is None
    }
    assert alike == SAME_MAPS | {(name, name) for name in names()}


def test_momentum_is_the_heavy_ball_while_the_rate_is_constant():
    plain, ball = reference("momentum"), reference("heavy_ball")
    fixed = {"eta": 1.0, "weight_decay": 0.0}
    assert difference(plain, ball, hyper_p=fixed, constant_lr=True) is None
    assert difference(plain, ball, hyper_p=fixed) is not None
    assert difference(plain, ball, hyper_p=fixed | {"eta": 2.0}, constant_lr=True) is not None


def test_obfuscated_programs_are_no_others():
    rng = np.random.default_rng(2)
    for name in names()[::2]:
        other = drawn(reference(name), rng, 8)
        if same_path(reference(name), other):
            assert difference(reference(name), other) is None, name


def test_a_near_miss_is_found():
    rng = np.random.default_rng(0)
    for edit, name in ((root, "adam"), (root, "rmsprop"), (literal, "lion"), (start, "momentum"), (literal, "nadam")):
        assert difference(reference(name), edit(reference(name), rng)) is not None, (edit, name)


def replayed(p, hyper, witness):
    """The element that the witness names, after the steps that it tells, from its own numbers alone."""
    weights = [np.array(x) for x in witness.weights]
    base = witness.lr[0] if witness.base_lr is None else witness.base_lr
    states = interpreter.start(p, weights, base, hyper)
    path = [weights]
    for i in range(witness.step):
        grads = [np.array(g) for g in witness.gradients[i]]
        oracle = None
        if witness.curvature is not None:
            oracle = Loss(path[-1], grads, np.array(witness.curvature), witness.losses[i])
        after, states = interpreter.step(
            p, path[-1], grads, states, t=i + 1, lr=witness.lr[i], hyper=hyper, base_lr=base,
            total_steps=witness.total_steps or np.nan, loss=witness.losses[i], roles=witness.roles or None,
            oracle=oracle,
        )  # fmt: skip
        path.append(after)
    return float(path[-1][witness.tensor][witness.coordinate])


def test_a_witness_is_true():
    rng = np.random.default_rng(1)
    found = 0
    for p, q in islice(near_misses(rng), 60):
        witness = difference(p, q)
        if witness is None:
            continue
        found += 1
        assert replayed(p, witness.hyper_p, witness) == pytest.approx(witness.new_p, rel=1e-6, nan_ok=True)
        assert replayed(q, witness.hyper_q, witness) == pytest.approx(witness.new_q, rel=1e-6, nan_ok=True)
        assert all(len(line) <= 100 for line in witness.lines())
        json.dumps(dataclasses.asdict(witness))
    assert found > 25


def test_small_inputs_come_first():
    witness = difference(ADAM, reference("adamw"))
    assert witness.weights == ((1.0,),)
    assert witness.gradients == (((1.0,),),)
    assert witness.step == 1
    assert witness.lines() == [
        "Step 1 takes w from 1 to 0.9 in the first program, to 0.899 in the second.",
        "At first w = 1; the gradients are 1.",
        "There lr is 0.1.",
        "Hyperparameters: beta1 = 0.9, beta2 = 0.999, eps = 1e-08, weight_decay = 0.01.",
    ]


def test_what_shows_after_steps_or_in_some_tensors_only():
    assert difference(reference("ranger"), reference("radam")).step == 5
    assert difference(reference("nonlinear_cg"), reference("nonlinear_cg_fr")).curvature is not None
    assert difference(program("g / norm(g)"), program("sign(g)")).weights == ((1.0, -2.0),)
    assert len(difference(program("g / norm(g)"), program("g / global_norm(g)")).weights) == 2
    assert difference(program("is_head() * g"), program("is_embedding() * g")).roles[0] == "embedding"
    assert difference(program("where(t > 10, 2, 1) * g"), program("g")).step == 11


def test_rates_and_totals_are_told_apart():
    assert difference(program("g * lr / base_lr"), program("g")) is not None
    assert difference(program("g * lr / base_lr"), program("g"), constant_lr=True) is None
    assert difference(program("g * t / T"), program("g * t / 8")).total_steps != 8
    assert difference(program("g * loss"), program("g")) is not None


def test_not_a_number_on_both_sides_is_no_difference_and_on_one_side_is_one():
    assert difference(program("g + sqrt(-square(g) - 1)"), program("log(-1 - square(g))")) is None
    assert difference(program("g / g"), program("1 + 0 * g")) is not None  # some gradients are zero


def test_the_witness_names_an_element_that_differs():
    witness = difference(program("log(g) + where(g > 0, 1, 0)"), program("log(g)"))
    assert np.isfinite((witness.new_p, witness.new_q)).all()


def test_the_way_to_overflow_is_no_difference():
    assert difference(program("exp(9 * abs(g)) * w"), program("exp(3 * abs(g)) ** 3 * w")) is None


def test_rounding_is_no_difference():
    assert difference(program("sign(g * (0.1 + 0.2) - 0.3 * g)"), program("sign(0.3 * g - g * (0.1 + 0.2))")) is None
    assert (
        difference(program("g * (1 - a)", hyper="lr=0.1, a=0.9"), program("g - g * a", hyper="lr=0.1, a=0.9")) is None
    )


def test_rounding_on_either_side_of_where_a_root_ends_is_no_difference():
    assert difference(program("sqrt(g * (0.1 + 0.2) - 0.3 * g)"), program("sqrt(0.3 * g - g * (0.1 + 0.2))")) is None


def test_hyperparameters_of_one_name_have_one_value():
    a, b = program("a * g", hyper="lr=0.1, a=0.9"), program("a * g", hyper="lr=0.1, a=0.5")
    assert difference(a, b) is None
    witness = difference(a, b, hyper_p=a.defaults, hyper_q=b.defaults)
    assert (witness.hyper_p, witness.hyper_q) == ({"a": 0.9}, {"a": 0.5})
    assert difference(a, program("0.9 * g")) is None  # at the default, which only one of them has
    assert difference(a, program("0.9 * g", hyper="lr=0.1, a=0.9")) is not None
