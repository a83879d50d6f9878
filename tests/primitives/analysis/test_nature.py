"""Adaptive, momentum: document 002's comparison table, every reference program, and probes by the interpreter."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from primitives import interpreter
from primitives.analysis.nature import nature
from primitives.analysis.parity import RULE, parities
from primitives.expressions import program_of
from primitives.graph import graph
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.random_programs import random_program

# The first three columns of document 002's comparison; "Optional" stands for the program without and with it.
TABLE = """
| SGD | No | Optional | sgd | momentum |
| AdaGrad | Yes | No | adagrad | |
| RMSProp | Yes | No | rmsprop | |
| Adam | Yes | Yes | adam | |
| AdamW | Yes | Yes | adamw | |
| Lion | No (sign) | Yes | lion | |
| SAM | No | Optional | sam(sgd) | sam(momentum) |
"""

REASONS = {  # (adaptive, momentum): reason, programs
    (False, False): {
        "the gradient, at a rate of its own at most": "sgd robbins_monro",
        "curvature at this point, nothing remembered": "newton hessian_free",
    },
    (False, True): {
        "a sum or mean of past gradients is the direction": "momentum nesterov nesterov_shifted",
        "w - w_prev is the last step": "heavy_ball",
        "the sign of a mean: all coordinates move alike": "lion",
        "the mean, orthogonalised; nothing remembered scales a coordinate": "muon_everywhere",
        "the last direction is in it, by one factor for all": "conjugate_gradient nonlinear_cg nonlinear_cg_fr",
    },
    (True, False): {
        "divided by the root of squares so far": "adagrad adagrad_torch adagrad_full rmsprop rmsprop_torch",
        "the same, in units of past steps": "adadelta adadelta_window",
        "documents 000 and 001: an adaptive rate for each weight": "adaptive_gains rprop irprop_minus",
    },
    (True, True): {
        "a mean divided by the root of mean squares": "adam adam_coupled adam_l2 adamw amsgrad amsgrad_torch adabound "
        "nadam nadam_constant nadamw radam ranger",
        "a sum of normalised gradients": "rmsprop_momentum rmsprop_momentum_torch rmsprop_nesterov",
        "gains within a momentum": "adaptive_gains_momentum",
        "AdamW where it is no hidden matrix": "muon",
    },
}  # fmt: skip
EXPECTED = {name: both for both, rows in REASONS.items() for some in rows.values() for name in some.split()}
ASKING = {"newton", "hessian_free", "nesterov", "rmsprop_nesterov", *(n for n in names() if n.endswith(("cg", "_fr"))),
          "conjugate_gradient"}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.strip().splitlines())
def test_the_comparison_of_document_002(row):
    _, _, adaptive, momentum, *programs, _ = (cell.strip() for cell in row.split("|"))
    found = [nature(program_of(text)) for text in programs if text]
    assert all(n.adaptive == adaptive.startswith("Yes") for n in found)
    assert [n.momentum for n in found] == ([False, True] if momentum == "Optional" else [momentum == "Yes"])


@pytest.mark.parametrize("name", names())
def test_every_reference_program(name):
    found = nature(reference(name))
    assert (found.adaptive, found.momentum) == EXPECTED[name]
    assert json.loads(json.dumps(asdict(found)))
    assert all(len(line) <= 100 for line in found.lines())


def test_classes_of_tensors_are_told_apart():
    assert {c[0]: c[1:] for c in nature(reference("muon")).classes} == {
        "hidden": (False, True), "others": (True, True),
    }  # fmt: skip


@pytest.mark.parametrize("text", ["lookahead(sgd)", "clip_norm(sgd)", "scheduled(sgd, cosine)"])
def test_wrappers_give_sgd_no_momentum(text):
    """Document 001: Lookahead is orthogonal to adaptive rates and to accelerated schemes."""
    found = nature(program_of(text))
    assert (found.adaptive, found.momentum) == (False, False)


@pytest.mark.parametrize(
    ("body", "adaptive", "momentum"),
    [
        ("m = 0.9 * m + g\n    u = clip(m, -1, 1)", False, True),
        ("m = ema(m, abs(g), 0.9)\n    u = g / (m + 1)", True, False),
        ("m = ema(m, abs(g), 0.9)\n    u = g / (mean(m) + 1)", False, False),  # the same for all coordinates
        ("m = ema(m, abs(g), 0.9)\n    u = g + w / (m + 1)", False, False),  # the decay alone is scaled
        ("m = ema(m, g, 0.9)\n    u = g * (m * g > 0)", False, False),  # a mask that memory decides
        ("m = ema(m, w, 0.9)\n    u = g + 0.1 * (w - m)", False, False),  # pulled back to past weights
        ("m = ema(m, exp(g), 0.9)\n    u = g * m", None, False),  # what is odd in m makes an even product
        ("m = ema(m, g, 0.9)\n    u = exp(m)", False, None),
    ],
)
def test_other_programs(body, adaptive, momentum):
    found = nature(parse(f"def f(w, g, m, *, lr=0.1):\n    {body}\n    return w - lr * u, m\n"))
    assert (found.adaptive, found.momentum) == (adaptive, momentum)


def steps(name, history, gradient):
    """The last change of w after gradients [steps, n], weight decay off, each coordinate by itself."""
    program = reference(name)
    hyper = {key: 0.0 for key in program.defaults if key == "weight_decay"}
    weights = [np.zeros((1, len(gradient)))]
    states = interpreter.start(program, weights, 0.01)
    for t, g in enumerate([*history, gradient], start=1):
        old = weights
        weights, states = interpreter.step(
            program, weights, [g[None]], states, t=t, lr=0.01, hyper=hyper, total_steps=100.0
        )
    return (old[0] - weights[0])[0]


@pytest.mark.parametrize("name", [name for name in names() if name not in ASKING])
def test_momentum_moves_on_without_a_gradient(name):
    history = np.random.default_rng(0).standard_normal((9, 4)) + 1
    if name == "ranger":  # the tenth step goes back to the slow weights
        history = history[:8]
    moved = steps(name, history, np.zeros(4))
    assert (np.abs(moved).max() > 1e-6) == EXPECTED[name][1]


@pytest.mark.parametrize("name", [n for n in names() if n not in ASKING and n not in ("lion", "muon_everywhere")])
def test_without_adaptive_rates_the_step_is_linear_in_the_gradients(name):
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 30, 3))
    a, b, both = (steps(name, h[:-1], h[-1]) for h in (first, second, first + second))
    assert np.allclose(a + b, both, rtol=1e-9, atol=1e-12) != EXPECTED[name][0]


def test_every_primitive_has_a_parity():
    assert RULE.keys() == PRIMITIVES.keys()


@pytest.mark.parametrize("name", [name for name in names() if name not in ASKING])
def test_parities_hold_when_w_and_g_change_sign(name):
    program = reference(name)
    known = parities(graph(program, expand=True))
    outputs = [known[i] for i in graph(program, expand=True).outputs]
    rng = np.random.default_rng(2)
    w, gradients = rng.standard_normal((4, 3)), rng.standard_normal((5, 4, 3))
    ends = []
    for sign in (1, -1):
        weights = [sign * w]
        states = interpreter.start(program, weights, 0.01)
        for t, g in enumerate(gradients, start=1):
            weights, states = interpreter.step(program, weights, [sign * g], states, t=t, lr=0.01, total_steps=9.0)
        ends.append([weights, *states])
    for parity, x, y in zip(outputs, *ends, strict=True):
        assert parity in ("odd", "even")
        np.testing.assert_allclose(y, np.multiply(-1 if parity == "odd" else 1, x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_parities_of_random_programs(seed):
    """The weights are given, as the definition has it: what a program makes of its own is another matter."""
    program = random_program(seed)
    g = graph(program, expand=True)
    known = parities(g)
    ends = []
    for sign in (1, -1):
        rng = np.random.default_rng(seed)
        states = interpreter.start(program, [sign * rng.standard_normal((3, 2))], 0.01)
        for t in (1, 2, 3):
            w, gradient = sign * rng.standard_normal((2, 3, 2))
            new, states = interpreter.step(program, [w], [gradient], states, t=t, lr=0.01, total_steps=9.0, loss=1.0)
        ends.append({"w": new, **dict(zip(program.state_names, states, strict=True))})
    for name, i in zip(("w", *(s.name for s in g.states)), g.outputs, strict=True):
        x, y = (np.asarray(end[name], dtype=float) for end in ends)
        if known[i] in ("odd", "even"):
            np.testing.assert_allclose(y, -x if known[i] == "odd" else x, rtol=1e-6, atol=1e-9)


def test_bounds_of_one_size_keep_the_parity():
    for bounds in ("-lr, lr", "-0.5, 0.5"):
        program = parse(f"def f(w, g, m, *, lr=1):\n    m = ema(m, clip(g, {bounds}), 0.9)\n    return w - lr * m, m")
        assert nature(program).momentum is True
    program = parse("def f(w, g, m, *, lr=1):\n    m = ema(m, clip(g, 0, 1), 0.9)\n    return w - lr * m, m")
    assert nature(program).momentum is None
