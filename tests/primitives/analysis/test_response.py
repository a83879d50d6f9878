"""Responses against what the literature's formulas give by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from primitives.analysis.response import CELLS, ROWS, SIGNALS, STEPS, Response, gradients, plot, responses
from primitives.reference import names, reference
from primitives.text import parse

T = np.arange(1, STEPS + 1)


def found(name: str) -> dict[str, Response]:
    return {r.signal: r for r in responses(reference(name)).found}


@pytest.mark.parametrize(
    ("name", "signal", "wanted"),
    [
        ("sgd", "constant", np.ones(STEPS)),
        ("sgd", "noise", gradients("noise")[:, 0, 0]),
        ("momentum", "constant", 10 * (1 - 0.9**T)),
        ("momentum", "impulse", 0.9 ** (T - 1)),
        ("momentum", "alternating", -((-1.0) ** T) * (1 - (-0.9) ** T) / 1.9),
        ("heavy_ball", "impulse", 0.9 ** (T - 1)),
        ("adagrad", "constant", 1 / np.sqrt(T)),
        ("rmsprop", "constant", 1 / np.sqrt(1 - 0.9**T)),
        ("adam", "constant", np.ones(STEPS)),
        ("lion", "constant", np.ones(STEPS)),
        ("lion", "impulse", np.ones(STEPS)),
        ("robbins_monro", "constant", T**-0.75),
        ("rprop", "constant", np.minimum(1.2 ** (T - 1), 5000)),
    ],
)
def test_updates_are_those_of_the_formula(name, signal, wanted):
    np.testing.assert_allclose(found(name)[signal].update, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "signal", "said"),
    [
        ("sgd", "constant", "constant g = 1: is 1 throughout"),
        ("sgd", "impulse", "g = 1 once, then 0: 1 at step 1, then nothing"),
        ("momentum", "constant", "constant g = 1: settles at 9.98"),
        ("momentum", "impulse", "g = 1 once, then 0: 1 at step 1, below half 7 steps later; 9.98 in all"),
        ("momentum", "alternating", "g = 1, -1, 1, ...: updates alternate; their size settles at 0.525"),
        ("adagrad", "constant", "constant g = 1: falls from 1 (step 1) to 0.129 and still shrinks"),
        ("adaptive_gains", "constant", "constant g = 1: still grows: 3.95 at step 60"),
        ("lion", "noise", "noise of size 1: updates of size 1, correlated 0.16 with the one before"),
    ],
)
def test_captions(name, signal, said):
    assert found(name)[signal].caption == said


def test_an_average_damps_noise_as_theory_says():
    """A sum with decay b has 1 / (1 - b^2) times the variance, and the correlation b."""
    noise = found("momentum")["noise"]
    assert noise.size == pytest.approx(1 / np.sqrt(1 - 0.81), rel=0.2)
    assert "correlated 0.91" in noise.caption


@pytest.mark.parametrize("name", names())
def test_every_program_has_four_or_a_reason(name):
    record = responses(reference(name))
    assert [r.signal for r in record.found] == ([] if record.refused else list(SIGNALS))
    assert "asks the loss" in record.refused or record.found
    assert json.loads(json.dumps(asdict(record)))
    for unicode in (True, False):
        assert all(len(line) <= 100 for line in record.lines(unicode=unicode))
    assert all(ord(c) < 128 for line in record.lines(unicode=False) for c in line)


def test_weights_that_run_away_are_told():
    record = responses(parse("def f(w, g, *, lr=1):\n    return w - lr * (g / (t < 5))\n"))
    assert record.found[0].caption == "constant g = 1: runs away at step 5"
    assert len(record.found[0].update) == 4


def test_a_program_that_does_nothing():
    record = responses(parse("def f(w, g, *, lr=1):\n    return w - lr * (0 * g)\n"))
    assert all(r.caption.endswith("no update at all from w = 0") for r in record.found)


def test_a_plot_has_a_dot_for_each_step_at_its_height():
    rows = plot([1.0] * 30 + [0.0] * 30)
    assert len(rows) == ROWS
    assert all(len(row) <= 60 for row in rows)
    assert rows[0].endswith("⠉" * 15 + "⠀" * 15)
    assert rows[-1].endswith("⠀" * 15 + "⣀" * 15)
    assert plot([-1.0] * 60, unicode=False)[-1].endswith("-1 |" + "*" * CELLS)
