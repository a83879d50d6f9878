"""Told to do nothing, a program does nothing; what moves nevertheless is found out."""

from __future__ import annotations

import pytest

from primitives.expressions import program_of
from primitives.recommended import RECOMMENDED
from primitives.reference import names, reference
from primitives.rest import stays_at_rest
from primitives.text import parse
from primitives.wrappers import WRAPPERS

MOVING = {"newton"}  # without damping it solves 0 x = 0 where the loss is flat


@pytest.mark.parametrize("name", names())
def test_reference_programs_stay_at_rest(name):
    assert stays_at_rest(reference(name)) == (name not in MOVING)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{name}(nadam)" for name in WRAPPERS if WRAPPERS[name].takes == ("program",)),
        "by_shape(muon, ranger)",
        "by_role(muon_everywhere, irprop_minus)",
        "scheduled(sam(clip_norm(adam)), one_cycle)",
        "newton(damping=0.1)",
        *(item.expression for item in RECOMMENDED.values()),
    ],
)
def test_wrapped_programs_stay_at_rest(text):
    assert stays_at_rest(program_of(text))


@pytest.mark.parametrize(
    ("body", "stays"),
    [
        ("w - lr * g", True),
        ("w - lr * (g / norm(g))", False),  # 0 / 0
        ("w - lr * (g / (norm(g) + 1e-8))", True),
        ("w * (1 - lr * decay)", True),
        ("w * (1 - decay)", False),
        ("w - base_lr * (g + decay * w)", False),
        ("w - base_lr * g", True),
        ("w - g / (abs(g) + lr)", False),
        ("w - where(is_head(), decay, lr) * (g + 1)", False),  # only there
        ("w - lr * log(abs(g))", False),  # 0 times infinity
    ],
)
def test_own_programs(body, stays):
    assert stays_at_rest(parse(f"def f(w, g, *, lr=0.1, decay=0.01):\n    return {body}\n")) == stays


def test_a_state_that_starts_at_the_rate_keeps_what_it_started_at():
    assert not stays_at_rest(parse("def f(w, g, s=lr, *, lr=0.1):\n    return w - s, s\n"))
