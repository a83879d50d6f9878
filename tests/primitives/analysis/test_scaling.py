"""Scaling: the literature's statements, and every claim measured with the interpreter."""

from __future__ import annotations

import json
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest

from primitives.analysis.degrees import update_degree
from primitives.analysis.probe import inputs, moved
from primitives.analysis.scaling import CASES, Scaling, scaling
from primitives.expressions import program_of
from primitives.graph import graph
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.random_programs import random_program

CASES_OF_W_AND_G = [case for case in CASES.values() if not case.loss]


def of(body: str, states: str = "", new: str = "", hyper: str = "lr=0.1") -> Scaling:
    return scaling(parse(f"def f(w, g{states}, *, {hyper}):\n    {body}{new}\n"))


@pytest.mark.parametrize(
    ("name", "degree", "apart", "at_default"),
    [
        ("sgd", "1", (), ()),
        ("heavy_ball", "1", (), ()),  # w - w_prev is a step
        ("nesterov", "1", (), ()),
        ("momentum", "1", (), ("weight_decay = 0",)),
        ("adam", "0", ("eps = 1e-8",), ()),  # Kingma and Ba 2015: invariant to the scale of the gradients
        ("adamw", "0", ("eps = 1e-8",), ()),  # decoupled decay does not touch it
        ("adam_l2", "0", ("eps = 1e-8", "weight_decay * w"), ()),
        ("lion", "0", (), ()),  # exactly: there is no eps
        ("rprop", "0", (), ()),
        ("adagrad", "0", ("eps = 1e-8",), ("initial = 0",)),
        ("adagrad_full", "0", ("eps = 1e-8",), ()),
        ("adadelta", "0", ("eps = 1e-6",), ()),  # of the root below alone: the other starts the steps
        ("rmsprop", "0", ("eps = 1e-8",), ()),
        ("muon_everywhere", "0", (), ()),
        ("radam", None, (), ()),  # steps with the momentum alone before it is adaptive
        ("adabound", None, (), ()),  # bounds of rates
    ],
)
def test_gradients(name, degree, apart, at_default):
    found = scaling(reference(name)).gradients
    assert (found.degree, found.apart, found.at_default) == (degree, apart, at_default)
    assert found.exact == (degree is not None and not apart)
    assert found.refuted == (degree is None)


def test_a_sentence_says_what_was_left_out():
    assert scaling(reference("adam")).gradients.words == (
        "Scaling the gradients by c changes nothing, apart from eps = 1e-8."
    )


@pytest.mark.parametrize("name", ["newton", "conjugate_gradient", "nonlinear_cg", "nonlinear_cg_fr"])
def test_second_order_methods_do_not_see_the_scale_of_the_loss(name):
    found = scaling(reference(name))
    assert found.asks
    assert (found.gradients.degree, found.loss.degree) == ("1", "0")
    assert found.weights_inverse.degree == "1"  # H has 1/c^2 there


@pytest.mark.parametrize("case", CASES.values())
@pytest.mark.parametrize("name", ["sgd", "adam", "lion"])
def test_programs_that_ask_nothing_see_the_loss_through_gradients(name, case):
    found = scaling(reference(name))
    assert (found.loss.degree, found.asks) == (found.gradients.degree, False)


def test_trust_ratios_move_with_the_weights():
    """LARS, You et al. 2017: the update is as large as the weights."""
    found = of("return w - lr * norm(w) / norm(g) * g")
    assert [x.degree for x in (found.gradients, found.weights, found.weights_inverse)] == ["0", "1", "1"]


@pytest.mark.parametrize(
    ("body", "degree"),
    [
        ("return w - lr * sqrt(abs(g)) * sign(g)", "1/2"),
        ("return w - lr * g * abs(g)", "2"),
        ("return w - lr * cbrt(g)", "1/3"),
        ("return w - lr * g / norm(g)", "0"),
        ("return w - lr * ((g + w) - w)", "1"),  # exact cancellation
        ("return w - lr * (g - g)", "any"),
        ("return w - lr * tanh(g)", None),
        ("return w - lr * g * (abs(g) > 0.5)", None),
        ("return w - lr * g * (abs(g) > mean(abs(g)))", "1"),
        ("return w - lr * clip_by_global_norm(g, 1)", None),
        ("return w - lr * (max(g, 0) + abs(g))", "1"),
        ("return w - lr * sign(g) * exp(norm(g) / norm(g))", "0"),
        ("return lr * g", None),  # which forgets w
    ],
)
def test_other_programs(body, degree):
    found = of(body).gradients
    assert found.degree == degree
    if degree is None:
        assert found.refuted


@pytest.mark.parametrize("update", ["g", "sign(g) + lr * w", "g / (lr + abs(g))"])
@pytest.mark.parametrize("lr", ["0", "1e-7"])
def test_a_small_rate_by_default_is_a_rate(update, lr):
    small, usual = (of(f"return w - lr * ({update})", hyper=f"lr={x}") for x in (lr, "0.1"))
    for one, other in ((small.gradients, usual.gradients), (small.weights, usual.weights)):
        assert (one.degree, one.apart, one.at_default) == (other.degree, other.apart, other.at_default)


def test_the_loss_may_be_read():
    """A step by Polyak's rule, (loss / |g|^2) g, scales as the loss over the gradient."""
    polyak = of("return w - lr * loss / dot(g, g) * g")
    assert (polyak.gradients.degree, polyak.loss.degree, polyak.asks) == ("-1", "0", True)
    assert of("return w - lr * g / (1 + loss)").loss.refuted


def test_a_shrinking_of_w_is_set_aside():
    found = of("return (1 - lr * decay) * w - lr * g", hyper="lr=0.1, decay=0.01").gradients
    assert found.degree == "1"
    assert "w itself shrinks" in found.words
    assert of("return w - lr * g - lr * decay * w", hyper="lr=0.1, decay=0.01").gradients.degree == "1"


def test_lookahead_keeps_the_degree():
    assert scaling(program_of("lookahead(sgd)")).gradients.degree == "1"
    assert scaling(program_of("lookahead(lion)")).gradients.degree == "0"


def test_a_state_that_starts_at_a_number_does_not_scale_on_the_first_step():
    assert of("s = 0.9 * s + g", ", s=1", "\n    return w - lr * s, s").gradients.degree is None
    assert of("s = 0.9 * s + g", ", s", "\n    return w - lr * s, s").gradients.degree == "1"


class Answers:
    """Answers of a loss that are the same wherever they are asked, times powers of c."""

    def __init__(self, case, c):
        rng = np.random.default_rng(7)
        half = rng.standard_normal((6, 6))
        self.curvature = c**case.hessian * (half @ half.T + np.eye(6))
        self.slope = c**case.gradient * 1e3 * rng.standard_normal((3, 2))
        self.value = c**case.loss

    def gradient(self, point):
        return [self.slope]

    def loss(self, point):
        return self.value

    def product(self, vector):
        return [(self.curvature @ vector[0].ravel()).reshape(3, 2)]


@pytest.mark.parametrize("name", names())
def test_every_claim_is_measured(name):
    """With gradients so large that eps does not matter, and without weight decay."""
    program, found = reference(name), scaling(reference(name))
    hyper = {key: 0.0 for key in program.defaults if key == "weight_decay"}
    w, gradients = inputs()
    for scaled, case in zip(asdict(found).values(), CASES.values(), strict=False):
        if scaled["degree"] is None:
            continue
        one, other = (
            moved(program, w * c**case.w, 1e3 * gradients * c**case.g, hyper, c**case.loss, Answers(case, c))
            for c in (1.0, 3.0)
        )
        assert one.any()
        np.testing.assert_allclose(other, one * 3.0 ** float(Fraction(scaled["degree"])), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", names())
def test_lines_fit_and_the_record_is_plain(name):
    found = scaling(reference(name))
    assert json.loads(json.dumps(asdict(found)))
    assert all(len(line) <= 100 for line in found.lines())


@pytest.mark.parametrize("op", [p.name for p in PRIMITIVES.values() if p.form == "pointwise" and 0 < p.arity < 3])
def test_every_pointwise_primitive_by_the_interpreter(op):
    """Where a primitive of the gradient, or of it and a mean, is claimed to have a degree, it has."""
    args = ", ".join(["g", "m", "m"][: PRIMITIVES[op].arity])
    program = parse(f"def f(w, g, m, *, lr=0.1):\n    m = ema(m, g, 0.5)\n    return w - lr * {op}({args}), m\n")
    degree = update_degree(graph(program, expand=True, symbolic=True), program, next(iter(CASES.values())))
    if isinstance(degree, Fraction):
        w, gradients = inputs()
        once, twice = moved(program, w, abs(gradients)), moved(program, w, 2 * abs(gradients))
        np.testing.assert_allclose(twice, once * 2.0 ** float(degree), rtol=1e-9)


@pytest.mark.parametrize("seed", range(80))
def test_exact_claims_of_random_programs_hold(seed):
    program = random_program(seed)
    found = scaling(program)
    w, gradients = inputs(3)
    for scaled, case in zip((found.gradients, found.weights, found.weights_inverse), CASES_OF_W_AND_G, strict=True):
        if not scaled.exact:
            continue
        once, twice = (moved(program, w * c**case.w, gradients[:3] * c**case.g) for c in (1.0, 2.0))
        size = np.abs(once).max()
        if np.isfinite(once).all() and size < 1e4:
            factor = 1.0 if scaled.degree == "any" else 2.0 ** float(Fraction(scaled.degree))
            np.testing.assert_allclose(twice, once * factor, rtol=1e-6, atol=1e-9 * max(1, size))
