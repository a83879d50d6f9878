"""Programs as a person would write them: the same map, without what adds nothing."""

from __future__ import annotations

import numpy as np
import pytest

from primitives.graph import canonical
from primitives.readable import readable, without_zeros
from primitives.reference import names, reference
from primitives.text import parse, show
from tests.primitives.batches import Problem, interpret
from tests.primitives.random_programs import random_program


@pytest.mark.parametrize("name", names())
def test_the_readable_form_has_the_same_canonical_form(name):
    assert canonical(readable(reference(name))) == canonical(reference(name))


@pytest.mark.parametrize(
    ("update", "left"),
    [
        ("m + 0 * w", "m"),
        ("0 * w + m", "m"),
        ("m - 0 * w * g", "m"),
        ("sign(m) + 0 * sqrt(abs(g))", "sign(m)"),
        ("m * 2 + 0", "2 * m"),
    ],
)
def test_products_with_zero_go(update, left):
    def program(text: str) -> str:
        return show(
            canonical(parse(f"def f(w, g, m, *, lr=1):\n    m = ema(m, g, 0.9)\n    return w - lr * ({text}), m\n"))
        )

    assert show(without_zeros(parse(program(update)))) == program(left)


@pytest.mark.parametrize(
    "update", ["g / norm(row_mean(g) + 0 * w)", "g * norm(0 * g + 0 * w)", "g / (1 + rms(row_mean(0 * m + 1)))"]
)
def test_a_zero_that_spreads_a_value_stays(update):
    """Without it a norm would be over fewer elements, or over a number."""
    text = f"def f(w, g, m, *, lr=1):\n    m = ema(m, g, 0.9)\n    return w - lr * ({update}), m\n"
    program = canonical(parse(text))
    problem = Problem(1, 3, np.float64)
    before, after = (interpret(p, problem, 0, 0.1) for p in (program, without_zeros(program)))
    for a, b in zip(before, after, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-12)


def test_a_state_that_only_zero_reads_stays_so_that_programs_keep_their_states():
    program = canonical(parse("def f(w, g, m, *, lr=1):\n    m = ema(m, g, 0.9)\n    return w - lr * (g + 0 * m), m\n"))
    assert without_zeros(program) == program


@pytest.mark.parametrize("seed", range(40))
def test_where_numbers_are_finite_it_is_the_same_map(seed):
    program = canonical(random_program(seed))
    problem = Problem(1, 3, np.float64)
    with np.errstate(all="ignore"):
        before, after = (interpret(p, problem, 0, 0.1) for p in (program, without_zeros(program)))
    for a, b in zip(before, after, strict=True):
        for x, y in zip(a, b, strict=True):
            finite = np.isfinite(x)
            np.testing.assert_allclose(y[finite], x[finite], rtol=1e-12)
