"""Constants of tensors: what they are, and that nothing is left of a branch that cannot be taken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from primitives import interpreter
from primitives.roles import CONSTANTS, ROLES, facts, role_of
from primitives.specialise import constants_read, specialise, variants
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show
from tests.primitives.strategies import programs

BRANCHES = """def branches(w, g, m, v, count=1, *, lr=0.1, beta=0.9):
    m = ema(m, where(is_hidden(), g, 2 * g), beta)
    v = ema(v, square(g), where(is_hidden(), 0, 0.99))
    count = where(is_matrix(), count, count + 1)
    other = m / sqrt(v + 1) / count
    update = where(is_hidden() * is_matrix(), m, other)
    return w - lr * update, m, v, count
"""
SHAPES = ((3, 2), (2, 2), (4,))
WHAT = ("hidden", "head", "vector")


def test_the_constants_are_the_primitives_of_that_form():
    assert {p.name for p in PRIMITIVES.values() if p.form == "role"} == set(CONSTANTS)
    assert [role_of(d) for d in (0, 1, 2, 4)] == ["vector", "vector", "hidden", "hidden"]
    for role in ROLES:
        assert set(facts(2, role)) == set(CONSTANTS)
        assert sum(facts(2, role).values()) == 1 + (role != "vector")
    with pytest.raises(ValueError, match="'body' is no role"):
        facts(2, "body")


def test_dead_branches_and_states_are_gone():
    program = parse(BRANCHES)
    assert constants_read(program) == ("is_matrix", "is_hidden")
    hidden = specialise(program, facts(2, "hidden"))
    assert hidden.state_names == ("m",)
    assert "v" not in show(hidden).split("return")[1]
    vector = specialise(program, facts(1, "vector"))
    assert vector.state_names == ("m", "v", "count")
    assert not constants_read(hidden)
    assert not constants_read(vector)


def test_variants_are_the_different_programs():
    found = variants(parse(BRANCHES))
    assert sorted(len(program.states) for program in found) == [1, 3, 3, 3]  # a vector called hidden is one too
    plain = parse("def f(w, g, *, lr=1):\n    return w - lr * g\n")
    assert list(variants(plain)) == [plain]


def run(program, weights, grads, roles):
    states = interpreter.start(program, weights, 0.1)
    for t in range(1, 4):
        weights, states = interpreter.step(program, weights, grads, states, t=t, lr=0.1, loss=1.0, roles=roles)
    return weights


def agree(program, indices):
    """Each tensor by itself under its variant moves as under the whole program."""
    rng = np.random.default_rng(0)
    for i in indices:
        w, g, role = [rng.standard_normal(SHAPES[i])], [rng.standard_normal(SHAPES[i])], [WHAT[i]]
        special = specialise(program, facts(w[0].ndim, role[0]))
        assert problems(special) == ()
        [wanted], [found] = run(program, w, g, role), run(special, w, g, role)
        np.testing.assert_array_equal(found, wanted)


def test_a_tensor_moves_as_under_the_whole_program():
    agree(parse(BRANCHES), range(3))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_random_programs_mean_the_same_where_their_constants_are_known(program):
    agree(program, range(3))


def test_a_reduction_of_a_masked_tensor_keeps_its_kind():
    text = "def f(w, g, *, lr=1):\n    s = norm(where(is_hidden(), g, 0))\n    return w - lr * g / (1 + s)\n"
    agree(parse(text), range(3))
