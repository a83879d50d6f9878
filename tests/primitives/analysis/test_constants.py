"""Lifted numbers: named as the literature names them, and the program computes the same, bit for bit."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from primitives.analysis.constants import lifted
from primitives.graph import canonical
from primitives.program import Program, calls, expressions
from primitives.reference import names, reference
from primitives.text import parse, problems
from tests.primitives.batches import Problem, interpret
from tests.primitives.random_programs import random_program

BETAS = ("beta", "beta1", "beta2", "rho")  # what the references call their decays
NO_ORACLE = [
    name for name in names() if not {"grad_at", "hvp", "cg_solve", "hessian_solve"}
    & {call.op for expr in expressions(reference(name)) for call in calls(expr)}
]  # fmt: skip


def hyper_of(body: str, signature: str = "w, g, *, lr=0.1") -> dict[str, float]:
    lines = "".join(f"    {line.strip()}\n" for line in body.strip().splitlines())
    found = lifted(parse(f"def f({signature}):\n{lines}")).defaults
    assert found.pop("lr") == 0.1
    return found


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("adam", ("beta1", "beta2", "eps")),
        ("adamw", ("beta1", "beta2", "eps", "weight_decay")),
        ("rmsprop", ("beta1", "eps")),
        ("amsgrad", ("beta1", "beta2", "eps")),
        ("momentum", ("beta1",)),
        ("adagrad_full", ("eps",)),
        ("muon_everywhere", ("beta1", "c1", "c2", "c3", "steps", "weight_decay")),
        ("sgd", ()),
    ],
)
def test_canonical_programs_get_the_names_of_the_literature_back(name, own):
    found = lifted(canonical(reference(name))).defaults
    assert tuple(sorted(found.keys() - {"lr"})) == own
    wanted = reference(name).defaults
    for key in ("eps", "weight_decay"):
        assert found.get(key) == (wanted.get(key) or None)
    assert {v for k, v in found.items() if k[:4] == "beta"} == {v for k, v in wanted.items() if k in BETAS}


@pytest.mark.parametrize(
    ("body", "signature", "found"),
    [
        ("m = 0.9 * m + g\nreturn w - lr * m, m", "w, g, m, *, lr=0.1", {"beta1": 0.9}),
        ("m = m - 0.1 * (m - g)\nreturn w - lr * m, m", "w, g, m, *, lr=0.1", {"c1": 0.1}),
        ("m = ema(m, g, 0)\nreturn w - lr * m, m", "w, g, m, *, lr=0.1", {"beta1": 0}),
        ("return w - lr * 0.3 * g", "w, g, *, lr=0.1", {"rate_scale": 0.3}),
        ("return w - lr * (g + 0.3 * w)", "w, g, *, lr=0.1", {"weight_decay": 0.3}),
        ("x = w * 0.3\nreturn w - lr * (g + x)", "w, g, *, lr=0.1", {"weight_decay": 0.3}),
        ("return w - lr * sin(0.3 * w)", "w, g, *, lr=0.1", {"c1": 0.3}),
        ("return w - lr * g / (norm(g) + 1e-6)", "w, g, *, lr=0.1", {"eps": 1e-6}),
        ("x = norm(g)\ny = x + 1e-6\nreturn w - lr * g / y", "w, g, *, lr=0.1", {"eps": 1e-6}),
        ("return w - lr * g * (g**2 + 1e-6)**-0.5", "w, g, *, lr=0.1", {"eps": 1e-6}),
        ("return w - lr * (g + 1e-6)", "w, g, *, lr=0.1", {"c1": 1e-6}),
        ("return w - lr * g / (1 + g) / sqrt(abs(g) + 7)", "w, g, *, lr=0.1", {"c1": 7}),
        ("return w - lr * g * 0.99**t", "w, g, *, lr=0.1", {"beta1": 0.99}),
        ("return w - lr * g**0.75 * g**3", "w, g, *, lr=0.1", {}),
        ("return w - lr * (2 * g - 0.5 * tanh(0.5 * g) + 1)", "w, g, *, lr=0.1", {"c1": 0.5}),
        ("return w - lr * (3 * g + 4 * sin(g))", "w, g, *, lr=0.1, c1=7, c=8", {"c1": 7, "c": 8, "c2": 3, "c3": 4}),
        ("v = v + g**2\nreturn w - lr * g / sqrt(v), v", "w, g, v=0.1, *, lr=0.1", {"initial": 0.1}),
        ("b = where(is_hidden(), 0.9, 0.8)\nm = ema(m, g, b)\nreturn w - lr * m, m", "w, g, m, *, lr=0.1",
         {"beta1": 0.9, "beta2": 0.8}),
    ],
)  # fmt: skip
def test_each_number_is_named_for_what_it_does(body, signature, found):
    assert hyper_of(body, signature) == found


def test_equal_numbers_share_a_name_only_where_they_do_the_same():
    found = hyper_of(
        """
        m = ema(m, g, 0.9)
        v = ema(v, g, 0.9)
        return w - lr * (m + 0.9 * g + sin(0.9 * g) + bias_correct(v, 0.9, t)), m, v
        """,
        "w, g, m, v, *, lr=0.1",
    )
    assert found == {"beta1": 0.9, "c1": 0.9}


def test_names_that_are_taken_are_not_given_again():
    found = hyper_of("beta1 = ema(beta1, g, 0.9)\nreturn w - lr * beta1 / (norm(g) + 1e-8), beta1",
                     "w, g, beta1, *, lr=0.1, eps=3")  # fmt: skip
    assert found == {"eps": 3, "beta2": 0.9, "eps_2": 1e-8}


def assert_only_exponents_are_left(program: Program) -> None:
    for call in chain(*map(calls, expressions(program))):
        for i, arg in enumerate(call.args):
            if isinstance(arg, float) and arg not in (0, 1, 2, -1):
                assert (call.op, i) in (("power", 1), ("inv_root", 1), ("exp2", 0), ("exp10", 0))


def assert_same(program: Program) -> None:
    found = lifted(program)
    assert problems(found) == ()
    assert_only_exponents_are_left(found)
    assert found.hyper[: len(program.hyper)] == program.hyper
    assert lifted(found) == found
    problem = Problem(1, 3, np.float64, [(3, 4), (5,), (1,)], seed=0)
    before, after = (interpret(p, problem, 0, 0.1) for p in (program, found))
    for x, y in zip(chain(*before), chain(*after), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_compute_the_same(seed):
    assert_same(random_program(seed))
    assert_same(canonical(random_program(seed)))


@pytest.mark.parametrize("name", NO_ORACLE)
def test_reference_programs_compute_the_same(name):
    assert_same(reference(name))
    assert_same(canonical(reference(name)))


@pytest.mark.parametrize("name", names())
def test_lifting_folds_back(name):
    program = canonical(reference(name))
    assert canonical(lifted(program)) == program
