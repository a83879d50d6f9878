"""What the interpreter does with shapes, kinds, starts, dtypes and wrong use; test_zoo_*.py run whole methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from primitives import interpreter
from primitives.reference import reference
from primitives.text import parse
from tests.primitives.batches import Array

SHAPES = ((4, 3), (6,), (2, 3, 3, 2), ())  # a matrix, a vector, a convolution and a scalar


def start_of(seed: int = 0, dtype: type = np.float64) -> tuple[list[Array], list[Array]]:
    rng = np.random.default_rng(seed)
    weights = [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]
    return weights, [np.asarray(10 ** rng.uniform(-1, 1, shape), dtype) for shape in SHAPES]


def one_step(text: str, weights: list[Array], grads: list[Array], **numbers: float) -> tuple[list[Array], list[Any]]:
    program = parse(text)
    states = interpreter.start(program, weights, numbers.get("base_lr", 0.1))
    return interpreter.step(program, weights, grads, states, t=1, lr=0.1, **numbers)


def test_parameters_are_seen_as_matrices():
    weights, grads = start_of()
    text = "def f(w, g, *, lr=0.1):\n    return w * 0 + rows(w) + 100 * columns(w) + 10000 * size(w)\n"
    found, _ = one_step(text, weights, grads)
    expected = [4 + 300 + 120000, 1 + 600 + 60000, 2 + 1800 + 360000, 1 + 100 + 10000]
    assert [float(x.ravel()[0]) for x in found] == expected
    assert [x.shape for x in found] == list(SHAPES)


def test_reductions_are_of_a_tensor_or_of_the_model():
    weights, grads = start_of()
    text = "def f(w, g, a, b, *, lr=0.1):\n    return w, norm(g), global_norm(g)\n"
    _, (by_tensor, whole) = one_step(text, weights, grads)
    np.testing.assert_allclose([float(x[0, 0]) for x in by_tensor], [np.linalg.norm(g) for g in grads])
    np.testing.assert_allclose(whole, np.sqrt(sum(np.sum(g**2) for g in grads)))


def test_row_and_column_states_have_their_shapes():
    weights, grads = start_of()
    text = "def f(w, g, r, c, *, lr=0.1):\n    return w, row_mean(g), column_mean(g)\n"
    _, (row, column) = one_step(text, weights, grads)
    assert [(r.shape, c.shape) for r, c in zip(row, column, strict=True)][:2] == [((1, 3), (4, 1)), ((1, 6), (1, 1))]
    np.testing.assert_allclose(row[0], grads[0].mean(axis=0, keepdims=True))


def test_states_start_where_their_defaults_say():
    program = parse("def f(w, g, a, b=2, c=lr, d=w, e=k, *, lr=0.1, k=7):\n    return w, a + g, b, c, d, e\n")
    weights, _ = start_of()
    a, b, c, d, e = interpreter.start(program, weights, 0.3, {"k": 9})
    assert (b, c, e) == (2, 0.3, 9)
    assert all(not x.any() for x in a)
    assert np.array_equal(d[0], weights[0])
    assert d[0] is not weights[0]


def test_numbers_come_from_outside():
    text = "def f(w, g, a, *, lr=0.1):\n    return w, t + 10 * lr + 100 * base_lr + 1000 * T + 10000 * loss\n"
    _, (value,) = one_step(text, *start_of(), base_lr=2.0, total_steps=3.0, loss=4.0)
    assert value == 1 + 1 + 200 + 3000 + 40000


def test_nothing_is_changed_in_place_and_dtypes_are_kept():
    weights, grads = start_of(dtype=np.float32)
    before = [x.copy() for x in (*weights, *grads)]
    program = reference("adamw")
    states = interpreter.start(program, weights, 0.1)
    new, states = interpreter.step(program, weights, grads, states, t=1, lr=0.1)
    kept = [x.copy() for x in states[0]]
    interpreter.step(program, new, grads, states, t=2, lr=0.1)
    assert all(np.array_equal(x, y) for x, y in zip(before, (*weights, *grads), strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(kept, states[0], strict=True))
    assert {x.dtype for x in (*new, *states[0], *states[1])} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w, g, s: (w, g[:1], s),  # a gradient too few
        lambda w, g, s: (w, g, s[:1]),  # a state too few
        lambda w, g, s: (w, [x.T[:1] for x in g], s),  # gradients of other shapes
    ],
)
def test_wrong_use_is_an_error(spoil):
    weights, grads = ([x for x in part if x.ndim == 2] + [np.ones(6)] for part in start_of())
    program = reference("adamw")
    states = interpreter.start(program, weights, 0.1)
    w, g, s = spoil(weights, grads, states)
    with pytest.raises(ValueError, match=r"shorter|longer|broadcast|zip"):
        interpreter.step(program, w, g, s, t=1, lr=0.1)
