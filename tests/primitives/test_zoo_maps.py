"""Programs of the zoo that are the same map, or become it; and what every program's text must say."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from primitives.interpreter import as_matrix
from primitives.reference import ZOO, names, reference
from primitives.show import show
from primitives.text import parse
from tests.primitives.problems import LR, PROBLEMS, SHAPES, check_close, constant, interpreted, tensors

problems = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: type(p).__name__)


@problems
def test_heavy_ball_is_momentum_while_the_rate_is_constant(problem):
    ball, momentum = reference("heavy_ball"), reference("momentum")
    hyper = {"beta": 0.8}
    check_close(interpreted(ball, hyper, problem, rate=constant), interpreted(momentum, hyper, problem, rate=constant))
    apart = np.subtract(interpreted(ball, hyper, problem), interpreted(momentum, hyper, problem))
    assert abs(apart[:3]).max() > 1e-6  # where the rate falls, from its first fall on
    assert abs(apart).max() > 1e-4


@problems
def test_nesterov_is_nesterov_shifted_at_the_point_where_the_momentum_leads(problem):
    hyper = {"beta": 0.8, "eta": 0.7}
    ours = interpreted(reference("nesterov"), hyper, problem, rate=constant)
    shifted = interpreted(reference("nesterov_shifted"), hyper, problem, rate=constant)
    check_close([after + 0.8 * (after - before) for before, after in pairwise(ours)], shifted[1:])


@pytest.mark.parametrize(
    ("one", "other", "hyper", "more"),
    [
        ("adadelta_window", "rmsprop", {"rho": 0.8, "eps": 0.05}, {}),
        ("momentum", "sgd", {"beta": 0}, {}),
        ("nesterov", "sgd", {"beta": 0}, {}),
        ("nesterov_shifted", "sgd", {"beta": 0}, {}),
        ("heavy_ball", "sgd", {"beta": 0}, {}),
        ("robbins_monro", "sgd", {"c": 0}, {}),
        ("adaptive_gains", "sgd", {"gain_min": 1, "gain_max": 1}, {}),
        ("adaptive_gains_momentum", "momentum", {"beta": 0.8, "gain_min": 1, "gain_max": 1}, {"beta": 0.8}),
        ("rmsprop_momentum", "rmsprop", {"beta": 0, "eps": 0.05}, {"eps": 0.05}),
        ("rmsprop_nesterov", "rmsprop", {"beta": 0, "eps": 0.05}, {"eps": 0.05}),
        ("adam_l2", "adam", {"weight_decay": 0, "eps": 0.05}, {"eps": 0.05}),
        ("adam_coupled", "adam", {"weight_decay": 0, "eps": 0.05}, {"eps": 0.05}),
        ("adamw", "adam", {"weight_decay": 0, "eps": 0.05}, {"eps": 0.05}),
        ("ranger", "radam", {"alpha": 1, "k": 3}, {}),
    ],
)
@problems
def test_one_is_the_other(one, other, hyper, more, problem):
    """`more` is the hyperparameters of the other; those of the one where it is empty and they are known there."""
    known = more or {name: value for name, value in hyper.items() if name in reference(other).defaults}
    check_close(interpreted(reference(one), hyper, problem), interpreted(reference(other), known, problem))


@problems
def test_muon_is_adamw_where_nothing_is_hidden_and_muon_everywhere_where_all_is(problem):
    shared = {"beta": 0.8, "weight_decay": 0.2, "ns_steps": 4}
    all_hidden = interpreted(reference("muon"), shared, problem, roles=["hidden"] * len(SHAPES))
    check_close(all_hidden, interpreted(reference("muon_everywhere"), shared, problem))
    adam = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.2}
    none = interpreted(
        reference("muon"), {**adam, "lr_ratio": 1}, problem, roles=["head", "vector", "embedding", "vector"]
    )
    check_close(none, interpreted(reference("adamw"), adam, problem))


def test_the_steps_of_robbins_monro_sum_to_infinity_and_their_squares_do_not():
    defaults = reference("robbins_monro").defaults
    assert 1 / 2 < defaults["c"] <= 1
    t = np.arange(1.0, 2e6)
    steps = defaults["lr"] / (t + defaults["t0"]) ** defaults["c"]
    halves = steps[1000:1_000_000].sum(), steps[1_000_000:].sum()
    assert halves[1] > 0.1 * halves[0]  # what a doubling of t adds does not fade
    assert (steps[1_000_000:] ** 2).sum() < 0.05 * (steps[1000:1_000_000] ** 2).sum()


@problems
def test_looked_ahead_points_use_no_gradient_at_w(problem):
    """So a step of theirs pays for one gradient."""
    for name in ("nesterov", "rmsprop_nesterov"):
        text = show(reference(name)).split('"""')[2]
        assert not re.search(r"\bg\b", text)


@pytest.mark.parametrize("name", names())
def test_docstrings_have_a_title_a_source_and_their_conventions(name):
    title, empty, *rest = reference(name).doc.split("\n")
    assert len(title) <= 95
    assert title.endswith(".")
    assert not empty
    text = "\n".join(rest)
    assert re.search(r"\b(1[6-9]|20)\d\d\b", text), "which year?"
    assert re.search(r"[Dd]ocuments? 00[0-4](, 00[0-4])*\b|No document has", text)
    for other in re.findall(r"`(\w+)`", text):
        assert other in (*names(), *reference(name).defaults)


@pytest.mark.parametrize("name", names())
def test_texts_stand_as_they_are_shown(name):
    text = (ZOO / f"{name}.opt").read_text(encoding="utf-8")
    program = parse(text)
    assert program == reference(name)
    assert program.name == name
    assert parse(show(program)) == program
    assert show(parse(show(program))) == show(program)
    assert text.split('"""')[2] == show(program).split('"""')[2]
    assert max(map(len, text.splitlines())) <= 120


@problems
def test_the_factor_from_the_bound_on_outputs_gives_updates_that_keep_it(problem):
    """From inputs of RMS 1 an update of rate 1 makes outputs of an RMS of at most about 1; document 004."""
    factor = "sqrt(rows(w) / columns(w))"
    assert factor in reference("muon_everywhere").doc
    program = parse(show(reference("muon_everywhere")).replace("sqrt(max(1, rows(w) / columns(w)))", factor))
    for before, after in pairwise(interpreted(program, {"weight_decay": 0}, problem, rate=constant)):
        for change in tensors(after - before):
            update = as_matrix(change) / LR
            rows, columns = update.shape
            assert 0.6 < np.linalg.norm(update, 2) * np.sqrt(columns / rows) < 1.25
