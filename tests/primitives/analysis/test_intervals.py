"""Intervals: every value that the interpreter computes lies inside, and the literature's ranges come out."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from primitives.analysis.interval_rules import RULES, Interval, interval
from primitives.analysis.intervals import intervals, ranges
from primitives.interpreter import FORMS, evaluate, start, step
from primitives.program import Call
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.random_programs import random_program

ENDS = (-math.inf, -1e3, -2.0, -1.0, -0.5, 0.0, 0.3, 1.0, 1.7, 3.0, 1e3, math.inf)
POINTWISE = [
    name for name, p in PRIMITIVES.items()
    if p.form == "pointwise"
    or (p.form == "composite" and name not in ("cosine_sim", "clip_by_global_norm", "inv_sqrt", "newton_schulz"))
]  # fmt: skip


def of(text: str, **hyper: float) -> dict[str, tuple[float, float]]:
    found = intervals(parse(text), hyper)
    return {name: (low, high) for name, low, high in (*found.variables, *found.states)}


def test_every_primitive_has_a_rule():
    assert RULES.keys() == PRIMITIVES.keys()


@pytest.mark.parametrize("name", POINTWISE)
def test_values_lie_in_the_interval(name):
    rng = np.random.default_rng(0)
    p = PRIMITIVES[name]
    for _ in range(300):
        ends = [Interval(*sorted(rng.choice(ENDS, 2))) for _ in p.args]
        if any(e.low == math.inf or e.high == -math.inf for e in ends):
            continue
        ends = [Interval(0.9, 0.9) if role == "weight" else e for e, role in zip(ends, p.roles, strict=True)]
        args = [inside(rng, e) for e in ends]
        if not all(np.isfinite(args)) or (name == "every" and args[1] == 0):
            continue
        with np.errstate(all="ignore"):
            value = float(FORMS[p.form](p, [np.float64(a) for a in args]))
        if math.isfinite(value):
            low, high = interval(name, *ends)
            room = 1e-14 * abs(value)
            assert low - room <= value <= high + room, (ends, args)


def inside(rng: np.random.Generator, x: Interval) -> float:
    """A number of the interval, often one of its ends or a whole one."""
    low, high = max(x.low, -1e6), min(x.high, 1e6)
    drawn = float(rng.choice([low, high, rng.uniform(low, high), round(rng.uniform(low, high)), 0.0]))
    return drawn if low <= drawn <= high else low


@pytest.mark.parametrize("name", ["sum", "mean", "norm", "rms", "global_norm", "dot", "row_mean", "matmul"])
def test_reductions_lie_in_the_interval(name):
    rng = np.random.default_rng(1)
    p = PRIMITIVES[name]
    for low, high in ((-2.0, 1.0), (0.5, 1.0), (-2.0, -1.0), (0.0, 3.0)):
        args = [[rng.uniform(low, high, (4, 4))] for _ in p.args]
        value = FORMS[p.form](p, args)
        found = interval(name, *[Interval(low, high) for _ in p.args])
        for x in np.ravel(value):
            assert found.low <= x <= found.high


def test_orthogonalized_matrices_and_inverse_roots_are_bounded():
    rng = np.random.default_rng(2)
    numbers = (5.0, 3.4445, -4.775, 2.0315)
    found = interval("orthogonalize", Interval(-9.0, 9.0), *(Interval(n, n) for n in numbers))
    assert 1.1 < found.high < 1.3
    root = interval("inv_root", Interval(-9.0, 9.0), Interval(2.0, 2.0), Interval(0.01, 0.01))
    assert root.high == pytest.approx(10)
    for shape in ((3, 5), (5, 3), (1, 7), (4, 4)):
        x = [rng.normal(size=shape)]
        [answer] = evaluate(Call("orthogonalize", ("x", *numbers)), {"x": x})
        assert np.abs(answer).max() <= found.high
        [answer] = evaluate(Call("inv_root", ("s", 2.0, 0.01)), {"s": [x[0] @ x[0].T]})
        assert np.abs(answer).max() <= root.high * (1 + 1e-9)


@pytest.mark.parametrize(
    ("name", "state", "low", "high"),
    [
        ("adam", "m", -math.inf, math.inf),
        ("adam", "v", 0, math.inf),
        ("amsgrad", "v_max", 0, math.inf),
        ("nadam", "mu_product", 0, 1),
        ("adaptive_gains", "gain", 0.1, 10),
        ("adaptive_gains", "last", -1, 1),
        ("irprop_minus", "last", -1, 1),
        ("adagrad", "G", 0, math.inf),
        ("conjugate_gradient", "gg", 0, math.inf),
        ("rmsprop_momentum", "p", -math.sqrt(1000), math.sqrt(1000)),  # 1 / (1 - beta) / sqrt(1 - rho)
    ],
)
def test_states_of_the_literature(name, state, low, high):
    found = {row[0]: row[1:] for row in intervals(reference(name)).states}
    assert found[state] == pytest.approx((low, high))


def test_shared_values_are_seen():
    found = of(
        """def f(w, g, m, s, v, k, *, lr=0.1, b=0.9):
            x = g * g
            u = sign(g)
            m = ema(m, u, b)
            s = s - 0.1 * (s - u)
            v = ema(v, x, b)
            a = where(is_hidden(), 0.9, 0.8)
            k = ema(k, u, a)
            one = g / norm(g)
            two = g / (sqrt(v) + 1e-8)
            return w - lr * (m + s + sqrt(v) + k + one + two), m, s, v, k"""
    )
    assert found["x"] == (0, math.inf)
    assert found["m"] == found["s"] == found["k"] == (-1, 1)
    assert found["one"] == pytest.approx((-1, 1))
    assert found["two"] == pytest.approx((-math.sqrt(10), math.sqrt(10)))


def test_a_state_that_grows_has_no_end_and_one_whose_growth_falls_off_has_one():
    found = of(
        """def f(w, g, n, p, *, lr=0.1):
            n = n + 1
            p = 0.5 * p + tanh(g)
            return w - lr * n * p, n, p"""
    )
    assert found["n"] == (0, math.inf)
    assert found["p"] == pytest.approx((-2, 2))


def check(program, seed):
    """Run the program and look up every variable at every step."""
    rng = np.random.default_rng(seed)
    _, found = ranges(program)
    weights = [rng.normal(size=(2, 3)), rng.normal(size=(3,))]
    states = start(program, weights, 0.01)
    for t in range(1, 30):
        scale = 10.0 ** rng.integers(-4, 4)
        grads = [rng.normal(size=w.shape) * scale * rng.integers(0, 2, w.shape) for w in weights]
        weights, states = step(program, weights, grads, states, t=t, lr=0.01, total_steps=30, loss=1.0)
        if not all(np.isfinite(x).all() for part in (weights, *states) for x in part_of(part)):
            return
        for name, value in zip(program.state_names, states, strict=True):
            if name in found.states:
                low, high = found.states[name]
                for x in part_of(value):
                    inside_of = (x >= low - 1e-9 * abs(x)) & (x <= high + 1e-9 * abs(x))
                    assert inside_of.all(), (name, t)


def part_of(value):
    return value if isinstance(value, list) else [np.asarray(value)]


@pytest.mark.parametrize("seed", range(80))
def test_states_of_random_programs_stay_inside(seed):
    check(random_program(seed), seed)


def test_states_of_the_references_stay_inside():
    oracles = {"grad_at", "hvp", "cg_solve", "hessian_solve"}
    for name in names():
        made, _ = ranges(reference(name))
        if not oracles & {v.op for v in made.all}:
            check(reference(name), 0)


def test_rules_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in RULES:
            low, high = interval(name, *[Interval(-math.inf, math.inf)] * PRIMITIVES[name].arity)
            assert np.all(low <= high), name


def test_lines_say_where_states_stay():
    assert intervals(reference("adam")).lines() == [
        "state m stays in (-inf, inf)",
        "state v stays in [0, inf)",
        "update stays in [-7.27, 7.27]",
    ]
