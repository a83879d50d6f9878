"""The fingerprint is what a program does: equal for equal maps, different for different ones."""

from __future__ import annotations

import random

import pytest

from evosearch.config import Language, Mutations
from evosearch.fingerprint import fingerprints
from evosearch.flat import searchable
from evosearch.mutate import mutate
from primitives.bytecode import compile_program
from primitives.reference import reference
from primitives.text import parse


def of(body: str, states: str = "") -> object:
    """The fingerprint of a program given by its statements."""
    [found] = fingerprints([compile_program(parse(f"def f(w, g{states}, *, lr=1):\n    {body}\n"))])
    return found


@pytest.mark.parametrize(
    ("one", "other", "states"),
    [
        ("return w - lr * square(g)", "return w - lr * (g * g)", ""),
        ("return w - lr * (g + w)", "x = w + g\n    return w - lr * x", ""),
        ("m = interp(m, g, 0.1)\n    return w - lr * m, m", "m = ema(m, g, 0.9)\n    return w - lr * m, m", ", m"),
        ("return w - lr * g / sqrt(g)", "return w - lr * sqrt(g) ** 2 / sqrt(g)", ""),
        ("return w - lr * (g - w) * (g + w)", "return w - lr * (g * g - w * w)", ""),
    ],
)
def test_equal_maps_have_equal_keys(one, other, states):
    assert of(one, states).key == of(other, states).key


@pytest.mark.parametrize(
    ("one", "other", "states"),
    [
        ("return w - lr * g", "return w - lr * (1.001 * g)", ""),
        ("return w - lr * g", "return w - lr * (g + 0.001 * w)", ""),
        ("m = ema(m, g, 0.9)\n    return w - lr * m, m", "m = ema(m, g, 0.899)\n    return w - lr * m, m", ", m"),
        ("return w - lr * norm(g) * g", "return w - lr * global_norm(g) * g", ""),
        ("return w - lr * g, g", "return w - lr * g, w", ", m"),
        ("return w - lr * bias_correct(g, 0.9, t)", "return w - lr * g", ""),
    ],
)
def test_different_maps_have_different_keys(one, other, states):
    if states == ", m":  # a state that w never reads is left out: let it be read a step late
        one, other = one.replace("lr * g,", "lr * (g + m),"), other.replace("lr * g,", "lr * (g + m),")
    assert of(one, states).key != of(other, states).key


@pytest.mark.parametrize("role", ["is_hidden", "is_head", "is_embedding", "is_matrix"])
def test_programs_that_differ_for_tensors_of_one_role_only_have_different_keys(role):
    both = [of(f"return w - lr * where({role}(), {x}, {y})").key for x, y in ("gw", "wg")]
    assert len({*both, of("return w - lr * g").key, of("return w - lr * w").key}) == 4


def test_the_sides_of_a_matrix_are_told_apart_within_each_role():
    for role in ("is_hidden", "is_head", "is_embedding"):
        ratios = ("rows(w) / columns(w)", "max(1, rows(w) / columns(w))", "min(1, rows(w) / columns(w))", "size(w)")
        keys = {of(f"return w - lr * where({role}(), {ratio} * g, sign(g))").key for ratio in ratios}
        assert len(keys) == len(ratios), role


def test_a_program_has_one_fingerprint_beside_those_that_read_roles():
    texts = [
        f"def f(w, g, m, *, lr=1):\n    m = ema(m, {x}, 0.9)\n    return w - lr * m, m\n"
        for x in ("g", "g * is_head()")
    ]
    codes = [compile_program(parse(text)) for text in (*texts, *texts[::-1])]
    together = fingerprints(codes)
    assert together == [fingerprints([code])[0] for code in codes]
    assert [code.reads_roles for code in codes] == [False, True, True, False]


def test_odd_or_not():
    assert of("return w - lr * sign(g) * abs(w)").odd
    assert not of("return w - lr * square(g)").odd
    assert not of("return w - lr * max(g, 0)").odd
    assert of("return w - lr * (g + 0.01 * w)").odd


def test_responses_to_the_gradients_scale():
    assert of("return w - lr * g").responses == pytest.approx((100, 0.01), rel=1e-6)
    assert of("return w - lr * sign(g)").responses == pytest.approx((1, 1), rel=1e-6)
    [adam] = fingerprints([compile_program(reference("adam"))])
    assert adam.responses == pytest.approx((1, 1), rel=1e-3)


def test_what_is_not_finite():
    assert of("return w - lr * log(w) * g").status == "nan"
    assert of("return w - lr * g / (g - g)").status == "nan"
    assert of("return w - lr * exp(1e30 * g)").status == "nan"


def test_alone_as_in_any_batch():
    start, programs = searchable(reference("adamw")), []
    for seed in range(40):
        rng, program = random.Random(seed), start
        for _ in range(3):
            program, _done = mutate(program, rng, Mutations(), Language())
        programs.append(compile_program(program))
    together = fingerprints(programs)
    assert repr([fingerprints([p])[0] for p in programs]) == repr(together)  # NaN is not itself
    assert repr(fingerprints(programs[::-1])[::-1]) == repr(together)
    assert len({f.key for f in together}) > 20


def test_states_of_other_kinds_in_the_same_job_change_nothing():
    """A program with a state of [n, n] makes room for that; what others are told by does not depend on it."""
    momentum = "def f(w, g, m, *, lr=1):\n    m = ema(m, g, 0.9)\n    return w - lr * m, m\n"
    square = "def f(w, g, R, *, lr=1):\n    R = R + matmul(transpose(g), g)\n    return w - lr * matmul(g, R), R\n"
    codes = [compile_program(parse(text)) for text in (momentum, square)]
    assert fingerprints(codes) == [fingerprints([code])[0] for code in codes]
