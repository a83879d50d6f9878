"""Every law of the table is true where it says so, and its exception is a real one: by random substitution."""

from __future__ import annotations

import re

import numpy as np
import pytest

from primitives.algebra.laws import EXACT, LAWS, PROTECTED, Law
from primitives.algebra.simplify import normalised
from primitives.interpreter import evaluate
from primitives.program import Call
from primitives.text import parse, parse_expr, show

NAMES = ("x", "y", "z", "a", "b")
DRAWS = 40


def draws(law: Law) -> list[dict]:
    """Values for the variables: tensors of several sizes with exact zeros, numbers; those that its condition admits."""
    rng = np.random.default_rng(len(law.name))
    found = []
    for k in range(800):
        scale = (0.3, 1.0, 3.0)[k % 3]
        env: dict = {name: [rng.normal(scale=scale, size=(3, 2))] for name in "xyz"}
        if k % 4 == 0:
            env["x"][0][0] = 0.0
        if k % 4 == 1:
            env = {name: [np.abs(value[0])] for name, value in env.items()}
        env |= {name: np.float64(rng.normal(scale=2)) for name in "ab"}
        if k % 16 == 3:
            env |= {"a": np.float64(2), "b": np.float64(-2), "y": [np.ones((3, 2))]}
        if k % 8 == 5:
            env["x"] = [env["y"][0] + np.minimum(np.abs(env["x"][0]), 1)]
        if not law.given or np.all(truth(law.given, env)):
            found.append(env)
    return found[:DRAWS] if not law.except_ else found


def truth(text: str, env: dict) -> np.ndarray:
    with np.errstate(all="ignore"):
        value = evaluate(parse_expr(text, NAMES), env)
    return np.asarray(value[0] if isinstance(value, list) else value, dtype=bool)


def value(text: str, env: dict) -> np.ndarray:
    with np.errstate(all="ignore"):
        found = evaluate(parse_expr(text, NAMES), env)
    return np.asarray(found[0] if isinstance(found, list) else found)


def terms(text: str, env: dict) -> list[np.ndarray]:
    """What the outermost operation of an expression is applied to."""
    expr = parse_expr(text, NAMES)
    with np.errstate(all="ignore"):
        found = [evaluate(arg, env) for arg in expr.args] if isinstance(expr, Call) else []
    return [np.asarray(each[0] if isinstance(each, list) else each) for each in found]


def size(x: np.ndarray) -> float:
    """The largest finite number, at least 1e-3."""
    return float(np.nanmax(np.abs(np.where(np.isfinite(x), x, 0)), initial=1e-3))


@pytest.mark.parametrize("law", LAWS.values(), ids=lambda law: law.name)
def test_a_law_is_true_where_it_says(law: Law) -> None:
    tried = draws(law)
    assert len(tried) >= 10, "its condition is never met"
    differs = False
    for env in tried:
        left, right = np.broadcast_arrays(value(law.left, env), value(law.right, env))
        scale = max(size(left), *(size(term) for term in terms(law.left, env)))  # terms may cancel
        equal = np.isclose(left, right, rtol=1e-9, atol=1e-9 * scale, equal_nan=True)
        if law.except_:
            outside = np.broadcast_to(~truth(law.except_, env), left.shape)
            differs |= bool((~equal & ~outside).any())
            assert equal[outside].all()
        else:
            assert equal.all(), (law.left, law.right, env)
    real = "no real number" in law.why  # floats have an infinity there, and the right answer
    assert differs == (bool(law.except_) and not real), "an exception where the two sides never differ is none"


def test_laws_are_of_one_of_two_tiers() -> None:
    assert {law.tier for law in LAWS.values()} == {EXACT, PROTECTED}
    assert all(bool(law.except_) == bool(law.why) for law in LAWS.values())


@pytest.mark.parametrize("law", [law for law in LAWS.values() if not law.given], ids=lambda law: law.name)
def test_a_law_is_used(law: Law) -> None:
    """A program with the left side comes out as the one with the right side."""
    left, right = (normalised(parse(program(side))) for side in (law.left, law.right))
    assert (left.body, left.returns) == (right.body, right.returns), f"{show(left)}\n{show(right)}"


def program(side: str) -> str:
    for name, other in {"x": "w", "y": "g", "z": "m"}.items():
        side = re.sub(rf"\b{name}\b", other, side)
    side = f"transpose({side})" if side.startswith("transpose(a") or "* transpose" in side else side
    return f"def f(w, g, m, *, lr=0.1, a=2, b=3):\n    m = m + g\n    return w - lr * ({side} + m), m"
