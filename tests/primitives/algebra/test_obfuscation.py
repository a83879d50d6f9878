"""Obfuscated programs and near misses: every identity holds, the maps are the same, the texts are not."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from primitives import interpreter
from primitives.program import Program, calls, expressions
from primitives.reference import names, reference
from primitives.specialise import alive
from primitives.text import parse, problems, show
from tests.primitives.algebra.identities import IDENTITIES, LETTERS
from tests.primitives.algebra.near_misses import EDITS, near_misses
from tests.primitives.algebra.obfuscation import asks_the_loss, drawn, obfuscated, same_path

FREE = [reference(name) for name in names() if not asks_the_loss(reference(name))]
ASKING = [reference(name) for name in names() if asks_the_loss(reference(name))]


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Program, Program]]:
    """Programs and rewritings of them of every strength, whatever floating point makes of them."""
    rng = np.random.default_rng(0)
    return [(p := FREE[i % len(FREE)], drawn(p, rng, 3 + i % 13)) for i in range(200)]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda i: f"{i.left} = {i.right}")
def test_both_sides_of_an_identity_have_one_value(identity):
    rng = np.random.default_rng(0)
    env = {name: [rng.standard_normal((3, 2))] for name in LETTERS}
    env |= {name: [np.abs(x[0]) + 0.1] for name, x in env.items() if name in identity.nonneg + identity.positive}
    env |= {"n": np.float64(0.7), "k": np.float64(3.0)}
    for zeros in (False, True):
        if zeros and not identity.positive and identity.left != "x / y":
            for name in identity.nonneg or "x":
                env[name] = [env[name][0] * np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])]
        with np.errstate(all="ignore"):
            left, right = (interpreter.evaluate(side, env) for side in identity.sides)
        left, right = (np.broadcast_to(x[0] if isinstance(x, list) else x, (3, 2)) for x in (left, right))
        finite = np.isfinite(left)
        np.testing.assert_allclose(right[finite], left[finite], rtol=1e-12, atol=1e-13)


def test_the_same_map_along_a_trajectory_but_for_a_few_that_floating_point_spoils(pairs):
    spoiled = [show(other) for program, other in pairs if not same_path(program, other)]
    assert len(spoiled) <= 3, spoiled


def test_they_are_programs(pairs):
    for program, other in pairs:
        assert problems(other) == ()
        assert parse(show(other)) == other
        assert other.hyper == program.hyper


def test_programs_that_ask_the_loss_too():
    rng = np.random.default_rng(0)
    for i, program in enumerate(ASKING):
        other = obfuscated(program, rng, 3 + i)
        assert other != program
        assert same_path(program, other)


def test_one_seed_gives_one_program():
    first, again, other = (obfuscated(reference("adam"), np.random.default_rng(seed), 9) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_they_read_like_the_result_of_a_search(pairs):
    """Most have dead code or dead states, and together they are three times as long and use many primitives."""
    assert sum(alive(other) != other for _, other in pairs) > 0.8 * len(pairs)
    assert sum(len(other.states) > len(program.states) for program, other in pairs) > 0.3 * len(pairs)
    length = Counter({"before": 0, "after": 0})
    for program, other in pairs:
        length["before"] += sum(1 for expr in expressions(program) for _ in calls(expr))
        length["after"] += sum(1 for expr in expressions(other) for _ in calls(expr))
    assert length["after"] > 1.7 * length["before"]
    assert len({call.op for _, other in pairs for expr in expressions(other) for call in calls(expr)}) > 40


def test_near_misses_are_valid_and_other_texts_of_every_edit():
    rng = np.random.default_rng(0)
    for program, other in islice(near_misses(rng), 60):
        assert problems(other) == ()
        assert other != program
    nadam = reference("nadam")
    for edit in EDITS:
        edited = edit(nadam, rng)
        assert edited is not None, edit
        assert edited != nadam or edit.__name__ in ("primitive", "variable"), edit


def test_near_misses_are_the_same_for_one_seed():
    first, again = (list(islice(near_misses(np.random.default_rng(5)), 10)) for _ in range(2))
    assert first == again


def test_eps_moves_into_the_root():
    from tests.primitives.algebra.near_misses import root

    outside = parse("def f(w, g, *, eps=1e-8):\n    return w - g / (sqrt(g) + eps)\n")
    inside = parse("def f(w, g, *, eps=1e-8):\n    return w - g / sqrt(g + eps)\n")
    rng = np.random.default_rng(0)
    assert root(outside, rng) == inside
    assert root(inside, rng) == outside
