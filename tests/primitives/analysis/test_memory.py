"""What states remember: the literature's statements, and the claimed decay measured with the interpreter."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from primitives import interpreter
from primitives.analysis.memory import STATISTICS, memory
from primitives.expressions import program_of
from primitives.reference import names, reference
from primitives.text import parse


def of(text: str, where: str = "") -> dict[str, tuple[str, str]]:
    return {s.state: (s.statistic, s.of) for s in memory(program_of(text)).states if s.where == where}


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("sgd", {}),
        ("adam", {"m": ("average", "g"), "v": ("average", "square(g)")}),
        ("adagrad", {"G": ("sum", "square(g)")}),
        ("adagrad_full", {"G": ("sum", "matmul(flatten(g), transpose(flatten(g)))")}),
        ("amsgrad", {"m": ("average", "g"), "v": ("average", "square(g)"), "v_max": ("maximum", "v")}),
        ("momentum", {"p": ("leaky sum", "eta * (g + w * weight_decay)")}),
        ("rmsprop_momentum", {"v": ("average", "square(g)"), "p": ("leaky sum", "g / sqrt(eps + v)")}),
        ("heavy_ball", {"w_prev": ("last value", "w")}),
        ("rprop", {"last": ("last value", "sign(g)"), "s": ("gain", "eta_plus * s or eta_minus * s or s")}),
        ("nonlinear_cg", {"d": ("leaky sum", "g"), "g_last": ("last value", "g")}),
        ("lion", {"m": ("average", "g")}),
    ],
)
def test_what_the_literature_says(name, states):
    assert of(name) == states


def test_more_of_the_statistics():
    assert of("nadam")["mu_product"][0] == "product"
    assert of("lookahead(sgd)")["slow"][0] == "slow weights"
    assert of("muon", "others").keys() == {"m", "v"}
    decays = {s.where: s.decay for s in memory(reference("muon")).states if s.state == "m"}
    assert decays == {"hidden": 0.95, "others": 0.9}


@pytest.mark.parametrize(
    ("update", "statistic"),
    [
        ("m - 0.1 * (m - g)", "average"),
        ("m + 0.1 * (g - m)", "average"),
        ("0.9 * m + 0.1 * g", "average"),
        ("0.9 * m + 0.2 * g", "leaky sum"),
        ("min(m, g)", "minimum"),
        ("m + 1", "count"),
        ("sin(m)", "other"),
        ("1.1 * m + g", "other"),
        ("m * g", "other"),
    ],
)
def test_other_ways_to_write_them(update, statistic):
    [state] = memory(parse(f"def f(w, g, m, *, lr=0.1):\n    m = {update}\n    return w - lr * m * g, m\n")).states
    assert state.statistic == statistic


@pytest.mark.parametrize(
    ("state", "update", "remark"),
    [
        ("b=10", "max(b, abs(g))", "or its start, 10, where that is larger"),
        ("b", "max(b, g)", "or its start, 0, where that is larger"),
        ("b", "min(b, loss)", "or its start, 0, where that is smaller"),
        ("b=lr", "max(b, abs(g))", "or its start, lr, where that is larger"),
        ("b", "max(abs(g), b)", ""),
        ("b=-1", "max(b, abs(g))", ""),
        ("b=1", "min(b, tanh(g))", ""),
    ],
)
def test_an_extreme_may_be_the_start_of_the_state(state, update, remark):
    [found] = memory(
        parse(f"def f(w, g, {state}, *, lr=0.1):\n    b = {update}\n    return w - lr * b * g, b\n")
    ).states
    assert found.remark == remark
    assert ("start" in found.words) == bool(remark)


@pytest.mark.parametrize("name", ["amsgrad", "amsgrad_torch", "muon", "lookahead(amsgrad)"])
def test_the_extremes_of_the_literature_start_where_nothing_is_beyond(name):
    assert not any("start" in s.words for s in memory(program_of(name)).states)


@pytest.mark.parametrize("name", names())
def test_a_decay_is_what_a_step_leaves_of_the_state(name):
    """After half_life steps without gradient half is left; averages of a constant keep it."""
    program = reference(name)
    if any(op in str(program.body) + str(program.returns) for op in ("grad_at", "hvp")):
        return
    rng = np.random.default_rng(0)
    for s in memory(program).states:
        if s.decay is None or s.statistic == "slow weights":
            continue
        k = program.state_names.index(s.state)
        weights = [np.zeros((1, 1)) if s.where in ("", "hidden") else np.zeros(1)]
        states = interpreter.start(program, weights, 0.1)
        other = list(states)
        one = [np.full((1, 1), 3.0)]
        other[k] = one if isinstance(states[k], list) else np.float64(3.0)
        hyper = {key: 0.0 for key in program.defaults if key == "weight_decay"}
        before = float(np.asarray(other[k]).ravel()[0])
        zero = [np.zeros_like(weights[0])]
        _, left = interpreter.step(program, weights, zero, other, t=3, lr=0.1, hyper=hyper)
        assert float(np.asarray(left[k]).ravel()[0]) == pytest.approx(
            s.decay * before, rel=0.05 if name == "adadelta" else 1e-9
        )
        if s.half_life is not None:
            assert s.decay**s.half_life == pytest.approx(0.5)
        if s.statistic == "average" and s.of == "g":
            g = [rng.standard_normal(weights[0].shape)]
            other[k] = [g[0].reshape(1, 1)]
            _, left = interpreter.step(program, weights, g, other, t=3, lr=0.1, hyper=hyper)
            assert float(left[k][0].ravel()[0]) == pytest.approx(float(g[0].ravel()[0]))


@pytest.mark.parametrize("name", names())
def test_every_state_is_told_in_lines_that_fit(name):
    found = memory(reference(name))
    assert json.loads(json.dumps(asdict(found)))
    assert all(len(line) <= 100 for line in found.lines())
    assert all(s.statistic in STATISTICS and s.of for s in found.states)
    assert not [s for s in found.states if s.statistic == "other"]
    assert {s.state for s in found.states} == set(reference(name).state_names)


def test_floats_and_arithmetic():
    assert [memory(reference(name)).floats for name in ("sgd", "lion", "adam")] == ["0", "1", "2"]
    [sgd] = memory(reference("sgd")).arithmetic
    assert (sgd.operations, sgd.cost) == (2, 2.0)  # multiply, subtract
    assert {a.where for a in memory(reference("muon")).arithmetic} == {"hidden", "others"}
