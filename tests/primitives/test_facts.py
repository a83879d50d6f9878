"""Facts against what is known of methods, and of programs written for them."""

from __future__ import annotations

import pytest

from primitives.facts import Facts, facts
from primitives.reference import names, reference
from primitives.text import parse


@pytest.mark.parametrize(
    ("name", "memory", "gradients", "closure", "shapes"),
    [
        ("sgd", "0", "1", "no", "any"),
        ("adamw", "2", "1", "no", "any"),
        ("amsgrad", "3", "1", "no", "any"),
        ("adagrad_full", "size^2", "1", "no", "small models"),
        ("nesterov", "1", "1", "yes", "any"),
        ("newton", "0", "1 + 1 Hessian", "with graph", "small models"),
        ("muon", "1 (hidden), 2 (others)", "1", "no", "by role"),
        ("muon_everywhere", "1", "1", "no", "as matrices"),
    ],
)
def test_what_is_known_of_methods(name: str, memory: str, gradients: str, closure: str, shapes: str) -> None:
    f = facts(reference(name))
    assert (f.memory, f.gradients, f.closure, f.shapes) == (memory, gradients, closure, shapes)


def of(body: str, returns: str, states: str = "") -> Facts:
    return facts(parse(f"def f(w, g{states}, *, lr=1):\n    {body}\n    return w - lr * {returns}\n"))


def test_sizes_of_other_kinds() -> None:
    f = of("r = ema(r, row_mean(square(g)), 0.9)", "(g / sqrt(r)), r", ", r")
    assert f.memory == "columns"
    assert f.states == (("r", "row"),)
    assert of("L = L + matmul(g, transpose(g))", "matmul(inv_sqrt(L, 1), g), L", ", L").memory == "rows^2"


def test_what_is_asked_of_the_loss() -> None:
    assert of("a = grad_at(w - g)", "grad_at(w - a)").gradients == "3"
    assert of("a = hvp(g)", "(a + hvp(a))").gradients == "1 + 2 Hessian products"
    assert of("a = g", "(loss * a)").closure == "yes"
    assert of("unused = hvp(g)", "g").closure == "no"


@pytest.mark.parametrize("name", names())
def test_every_method_has_facts(name: str) -> None:
    assert all(text for text in (facts(reference(name)).memory, facts(reference(name)).shapes))
