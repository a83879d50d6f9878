"""The same map or not: all pairs of reference programs, changes of variables, and pairs that differ by one edit."""

from __future__ import annotations

from itertools import combinations, islice

import numpy as np
import pytest

from primitives.algebra.difference import difference
from primitives.algebra.same import same
from primitives.program import Program
from primitives.reference import names, reference
from primitives.text import parse, show
from tests.primitives.algebra.near_misses import near_misses

TWINS = {frozenset({"rmsprop", "adadelta_window"})}
AGREEMENTS = {  # where two methods that differ are one, as the documents and their authors say
    ("adam", "adamw"): "where weight_decay = 0",
    ("adam", "adam_l2"): "where weight_decay = 0",
    ("adam", "adam_coupled"): "where weight_decay = 0",
    ("adamw", "adam_l2"): "where weight_decay = 0",
    ("momentum", "heavy_ball"): "for constant lr where eta = 1 and weight_decay = 0",
    ("sgd", "momentum"): "where beta = 0 and eta = 1 and weight_decay = 0",
    ("sgd", "heavy_ball"): "where beta = 0",
    ("adagrad", "adagrad_torch"): "where lr_decay = 0 and eps = 0",
    ("rmsprop", "rmsprop_momentum"): "where beta = 0",
    ("rmsprop_torch", "rmsprop_momentum_torch"): "where beta = 0",
    ("nadam_constant", "nadamw"): "where weight_decay = 0",
    ("nesterov", "nesterov_shifted"): "for constant lr and weight_decay = 0 where w is seen at the point at which "
    "nesterov takes its gradient",
    ("rmsprop", "rmsprop_torch"): "where eps = 0",
}
APART = [("adam", "lion"), ("adam", "amsgrad"), ("amsgrad", "amsgrad_torch"), ("rprop", "irprop_minus"),
         ("newton", "hessian_free"), ("nonlinear_cg", "nonlinear_cg_fr"), ("adam", "nadam")]  # fmt: skip


@pytest.mark.parametrize("name", names())
def test_every_pair_of_reference_programs(name: str):
    """Each with itself and with all that come after it in the list."""
    program = reference(name)
    for other in names()[names().index(name) :]:
        verdict = same(program, reference(other), agreement=False)
        one = other == name or frozenset({name, other}) in TWINS
        assert verdict.answer == ("same" if one else "different"), (name, other)
        assert verdict.proved == one
        assert (verdict.witness is None) == one


@pytest.mark.parametrize("pair", AGREEMENTS, ids="-".join)
def test_where_two_methods_agree(pair: tuple[str, str]):
    verdict = same(reference(pair[0]), reference(pair[1]))
    assert (verdict.answer, verdict.where, verdict.proved) == ("different", AGREEMENTS[pair], True)


@pytest.mark.parametrize("pair", APART, ids="-".join)
def test_methods_that_agree_nowhere_that_is_tried(pair: tuple[str, str]):
    verdict = same(reference(pair[0]), reference(pair[1]))
    assert verdict.answer == "different"
    assert not (verdict.where and verdict.proved and "beta" not in verdict.where)
    assert verdict.lines()[0] == "Not the same map."


LION = """
def found(w, g, u, *, lr=0.0001, beta1=0.9, beta2=0.99, weight_decay=0):
    s = sign(beta1 * u - (1 - beta1) * g)
    u = beta2 * u - (1 - beta2) * g
    return w + lr * (s - weight_decay * w), u
"""
SUMMED = """
def found(w, g, a, b, *, lr=0.01, beta=0.9, eta=1, weight_decay=0):
    p = beta * (a - b) + eta * (g + weight_decay * w)
    return w - lr * p, 2 * p, p
"""
ELSEWHERE = """
def found(w, g, v, *, lr=0.001, decay=0.9, eps=1e-8):
    v = ema(v, g * g, decay)
    return w - lr * g / sqrt(v + eps), v
"""
LEAKY = """
def found(w, g, p, *, lr=0.01, beta=0.9):
    p = beta * p + g
    return w - lr * (1 - beta) * p, p
"""
AHEAD = """
def found(w, g, q, *, lr=0.01, beta=0.9, eta=1):
    q = beta * q + 2 * eta * grad_at(w - lr * beta * q / 2)
    return w - lr * q / 2, q
"""
AVERAGE = """
def other(w, g, m, *, lr=0.01, beta=0.9):
    m = ema(m, g, beta)
    return w - lr * m, m
"""


def program(text: str) -> Program:
    return parse(text.strip())


@pytest.mark.parametrize(
    ("one", "other", "change"),
    [
        (program(LION), reference("lion"), (("m", "-u"),)),
        (reference("lion"), program(LION), (("u", "-m"),)),
        (program(SUMMED), reference("momentum"), (("p", "a - b"),)),
        (program(AVERAGE), program(LEAKY), (("p", "m / (1 - beta)"),)),
    ],
    ids=["negative", "negative back", "redundant", "scaled"],
)
def test_a_change_of_variables_is_found_and_proved(one: Program, other: Program, change: tuple):
    verdict = same(one, other)
    assert (verdict.answer, verdict.proved) == ("same", True)
    if one.name != "found" or "b" not in one.state_names:
        assert verdict.change == change


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_change_of_variables_tells_the_program_that_has_the_state(order: str):
    stateless = program("def plain(w, g, *, lr=0.01):\n    return w - lr * g")
    redundant = program("def found(w, g, s=w, *, lr=0.01):\n    s = s - lr * g\n    return s, s")
    pair = (redundant, stateless) if order == "first" else (stateless, redundant)
    assert f"States of the {order}: s is w." in same(*pair).lines()


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_shifted_program_keeps_its_place(order: str):
    ahead = program(AHEAD)
    pair = (ahead, reference("nesterov_shifted")) if order == "first" else (reference("nesterov_shifted"), ahead)
    verdict = same(*pair)
    place = {"first": 0, "second": 1}[verdict.changed]
    assert verdict.proved
    assert tuple(name for name, _ in verdict.change) == pair[place].state_names


def test_hyperparameters_may_have_other_names():
    verdict = same(reference("rmsprop"), program(ELSEWHERE))
    assert (verdict.answer, verdict.renames) == ("same", (("decay", "rho"),))
    assert "decay is rho" in "\n".join(verdict.lines())


def test_no_false_yes_among_near_misses():
    assert judged(80, seed=3) == []


@pytest.mark.slow
def test_no_false_yes_among_10000_near_misses():
    assert judged(10_000, seed=0) == []


def judged(count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs that were called the same and are not: by more, longer and other trajectories."""
    wrong = []
    answers = {"same": 0, "different": 0, "undecided": 0}
    for p, q in islice(near_misses(np.random.default_rng(seed)), count):
        verdict = same(p, q, agreement=False, seconds=5)
        answers[verdict.answer] += 1
        if verdict.answer == "same" and difference(p, q, trials=10, steps=25, seed=99) is not None:
            wrong.append((show(p), show(q)))
    print(answers)
    assert answers["different"] > count / 2
    return wrong


def test_a_square_may_be_zero():
    one, other = (
        parse(f"def f(w, g, *, lr=0.1):\n    return w - lr * {u}\n") for u in ("sign(square(sinh(g) - 0.3))", "1")
    )
    assert same(one, other).answer is not True


def test_the_sentences():
    verdict = same(reference("momentum"), reference("heavy_ball"))
    text = " ".join(verdict.lines())
    assert "Not the same map." in text
    assert "They agree for constant lr where eta = 1 and weight_decay = 0." in text
    assert "w_prev is w + lr * p" in text
    assert all(len(line) <= 100 for line in verdict.lines())
    assert same(reference("lion"), reference("lion")).lines()[0].startswith("The same map")
    assert len(list(combinations(names(), 2))) == 780
