"""Programs find their relatives among the references: exactly with what numbers, else with what beside them."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from primitives.algebra.bound import bound
from primitives.algebra.difference import difference
from primitives.algebra.identify import Subject, pattern
from primitives.algebra.relatives import Relative, relatives
from primitives.algebra.same import with_numbers
from primitives.graph import canonical
from primitives.program import Assign, Call, Program
from primitives.reference import names, reference
from primitives.text import parse
from tests.primitives.algebra.near_misses import near_misses
from tests.primitives.random_programs import random_program

RAW = """
def raw(w, g, v, *, lr=1.0):
    x = ema(v, g, 0.9)
    v = ema(v, g, 0.998)
    return w - lr * (0.0002 * (sign(x) + 0.4602 * w){extra}), v
"""
TWINS = {"adadelta_window": "rmsprop"}  # the same map, by the better known name


def program(update: str, before: str = "", states: str = "", hyper: str = "lr=0.01") -> Program:
    listed = "".join(f", {s}" for s in states.split())
    body = "".join(f"    {line}\n" for line in before.split("; ") if line)
    return parse(f"def f(w, g{listed}, *, {hyper}):\n{body}    return {update}{listed}\n")


def text(relative: Relative) -> str:
    return " ".join(relative.lines())


def other_value(value: float) -> float:
    """Another number of the sort: counts go up by one, those in (0, 1) stay there."""
    if value > 1:
        return value + 1 if value == int(value) else value
    return 0.125 if value == 0 else value * 0.75


def at_rate(given: Program, rate: float) -> Program:
    """The program at another rate."""
    scaled = tuple(Assign(name, Call("multiply", (rate, name))) for name in ("lr", "base_lr"))
    return replace(given, body=(*scaled, *given.body)) if rate != 1 else given


@pytest.mark.parametrize("name", names())
def test_every_reference_finds_itself_with_its_own_numbers(name):
    [found] = relatives(canonical(reference(name)), seconds=20)
    assert (found.name, found.exact, found.rate, found.extra) == (TWINS.get(name, name), True, 1.0, ())
    if found.name == name:
        assert dict(found.hyper) == pytest.approx({h: x for h, x in reference(name).hyper if h != "lr"}, rel=1e-9)


@pytest.mark.parametrize("name", [name for name in names() if name not in TWINS])
def test_every_reference_finds_itself_with_other_numbers_at_another_rate(name):
    values = {h: other_value(value) for h, value in reference(name).hyper if h != "lr"}
    rate = 1.0 if any(state.start == "lr" for state in reference(name).states) else 0.3
    [found] = relatives(at_rate(with_numbers(reference(name), values), rate), seconds=20)
    assert found.name == name
    assert found.exact
    if "eta" in values:  # a factor of the gradient is one of the rate as well
        assert found.rate * dict(found.hyper)["eta"] == pytest.approx(rate * values["eta"])
    else:
        assert found.rate == pytest.approx(rate)
        assert dict(found.hyper) == pytest.approx(values, rel=1e-9)


@pytest.mark.parametrize("name", ["adamw", "lion", "adabound", "muon", "momentum"])
def test_hyperparameters_are_bound_by_name(name):
    [found] = relatives(reference(name), seconds=20)
    assert found.exact
    assert found.hyper == tuple((h, h) for h, _ in reference(name).hyper if h != "lr")


def test_the_published_raw_search_result_is_lion():
    [found] = relatives(parse(RAW.format(extra="")))
    assert (found.name, found.exact) == ("lion", True)
    assert dict(found.hyper) == pytest.approx({"beta1": 0.9, "beta2": 0.998, "weight_decay": 0.4602})
    assert found.rate == pytest.approx(0.0002)
    assert found.lines() == [
        "It is lion with beta1 = 0.9, beta2 = 0.998, weight_decay = 0.46, at 0.0002 times the rate."
    ]


def test_terms_beside_a_reference_are_told():
    first, *_ = found = relatives(parse(RAW.format(extra=" + 0.1 * w * norm(g)")))
    assert (first.name, first.exact, first.extra) == ("lion", False, ("0.1 * norm(g) * w",))
    assert text(first).startswith("Nearest: lion with beta1 = 0.9")
    assert "plus 0.1 * norm(g) * w." in text(first)
    assert len(found) == 3
    assert all(r.cosine is not None for r in found[1:])
    two = relatives(parse(RAW.format(extra=" + 0.1 * w * norm(g) - 0.3 * tanh(g)")))[0]
    assert two.name == "lion"
    assert set(two.extra) == {"0.1 * norm(g) * w", "-0.3 * tanh(g)"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (program("w - lr * 0.5 * g"), "It is sgd, at 0.5 times the rate."),
        (program("w - lr * p", "p = 0 * p + g", "p"), "It is sgd."),
        (program("w - lr * p", "p = 0.9 * p + g", "p"), "It is momentum with beta = 0.9."),
        (
            program("w - lr * (2 * g + p)", "p = decay * (p + 2 * g)", "p", "lr=1, decay=0.8"),
            "It is nesterov_shifted with beta = decay, eta = 2 * decay, at 1 / decay times the rate.",
        ),
        (
            program("w - lr * p", "p = ema(p, g, mu)", "p", "lr=0.1, mu=0.9"),
            "It is momentum with beta = mu, eta = 1 - mu.",
        ),
        (
            program("w - lr * g / sqrt(v)", "v = 0.9 * v + 0.4 * square(g)", "v"),
            "It is rmsprop with rho = 0.9, without eps, at 0.5 times the rate.",
        ),
        (
            program("w - lr * (sign(x) + c * w)", "x = 2 * m + 3 * g; m = g * 0.01 + m * 0.99", "m", "lr=1, c=0.1"),
            "It is lion with beta1 = 0.4, beta2 = 0.99, weight_decay = c.",
        ),
        (
            program("w - lr * d", "a = ema(a, g, 0.9); b = ema(b, g, 0.9); d = (a + b) / 2", "a b"),
            "It is momentum with beta = 0.9, eta = 0.1.",
        ),
    ],
)
def test_programs_written_in_other_ways(given, expected):
    [found] = relatives(given)
    assert text(found) == expected


def test_nearest_by_behaviour():
    found = relatives(program("w - lr * tanh(g) / sqrt(G + 1e-8)", "G = G + square(g)", "G"))
    assert found[0].name == "adagrad"
    assert not found[0].exact
    assert not found[0].hyper
    assert text(found[0]).startswith("Nearest by what it does: adagrad (cosine of updates 0.")
    cosines = [r.cosine for r in found]
    assert len(found) == 3
    assert cosines == sorted(cosines, reverse=True)
    assert relatives(program("w - lr * tanh(hvp(g))")) == ()  # behaves as the loss does, which is not known


def test_what_is_bound_is_the_program():
    """The claim, tried apart from the module that makes it: the reference with these numbers moves as the program."""
    given = program(
        "w - lr * 3 * m / (sqrt(v) + 0.01)", "m = ema(m, g, b); v = ema(v, square(g), b)", "m v", "lr=1, b=0.9"
    )
    subject = Subject(given, math.inf)
    for name in ("amsgrad", "rmsprop_torch", "adam"):
        assert subject.fits(pattern(name, ()), subject.normal.w) is None
    mine = with_numbers(reference("amsgrad"), {"beta1": 0.5})
    subject = Subject(mine, math.inf)
    fit = subject.fits(pattern("amsgrad", ()), subject.normal.w)
    other = bound(subject, fit)
    assert difference(mine, other) is None
    assert difference(reference("amsgrad"), other) is not None


def no_wrong_claim(given: Program, found: tuple[Relative, ...]) -> bool:
    """Whether what is called exact moves as the program, tried with other numbers than the module does."""
    for r in found:
        if r.exact and not any(isinstance(value, str) for value in (r.rate, *dict(r.hyper).values())):
            claimed = at_rate(with_numbers(reference(r.name), dict(r.hyper)), r.rate)
            return difference(given, claimed, seed=7) is None
    return True


def test_random_programs_end_in_time_and_claim_nothing_wrong():
    for seed in range(30):
        given = random_program(seed)
        began = time.monotonic()
        found = relatives(given, seconds=0.2)
        assert time.monotonic() - began < 5
        assert len(found) <= 3
        assert all(len(line) <= 100 for r in found for line in r.lines())
        assert no_wrong_claim(given, found)


def test_programs_that_are_one_edit_away_are_not_taken_for_the_reference():
    exact = 0
    for _, edited in itertools.islice(near_misses(np.random.default_rng(3)), 20):
        flat = canonical(edited)
        found = relatives(flat, seconds=0.3)
        assert no_wrong_claim(flat, found)
        exact += bool(found) and found[0].exact
    assert exact  # an edit of a number leaves a reference with another number
