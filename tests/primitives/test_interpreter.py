"""The interpreter against formulas written out in NumPy, and against torch's own optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from primitives import interpreter
from primitives.reference import names, reference
from primitives.text import parse
from tests.primitives.batches import Array

STEPS, LR = 50, 0.02
SHAPES = ((4, 3), (6,), (2, 3, 3, 2), ())  # a matrix, a vector, a convolution and a scalar
State = dict[str, Any]


def sgd(w: Array, g: Array, s: State, t: int, lr: float, h: dict[str, float]) -> Array:
    return w - lr * g


def momentum(w: Array, g: Array, s: State, t: int, lr: float, h: dict[str, float]) -> Array:
    s["p"] = h["beta"] * s.get("p", 0) + h["eta"] * (g + h["weight_decay"] * w)
    return w - lr * s["p"]


def rmsprop(w: Array, g: Array, s: State, t: int, lr: float, h: dict[str, float]) -> Array:
    s["v"] = h["rho"] * s.get("v", 0) + (1 - h["rho"]) * g**2
    return w - lr * g / np.sqrt(s["v"] + h["eps"])


def adamw(w: Array, g: Array, s: State, t: int, lr: float, h: dict[str, float]) -> Array:
    s["m"] = h["beta1"] * s.get("m", 0) + (1 - h["beta1"]) * g
    s["v"] = h["beta2"] * s.get("v", 0) + (1 - h["beta2"]) * g * g
    m, v = s["m"] / (1 - h["beta1"] ** t), s["v"] / (1 - h["beta2"] ** t)
    return (1 - lr * h.get("weight_decay", 0.0)) * w - lr * m / (np.sqrt(v) + h["eps"])


def lion(w: Array, g: Array, s: State, t: int, lr: float, h: dict[str, float]) -> Array:
    m = s.get("m", np.zeros_like(w))
    update = np.sign(h["beta1"] * m + (1 - h["beta1"]) * g) + h["weight_decay"] * w
    s["m"] = h["beta2"] * m + (1 - h["beta2"]) * g
    return w - lr * update


FORMULAS: dict[str, tuple[Callable[..., Array], dict[str, float]]] = {
    "sgd": (sgd, {}),
    "momentum": (momentum, {"beta": 0.8, "eta": 0.7, "weight_decay": 0.03}),
    "rmsprop": (rmsprop, {"rho": 0.8, "eps": 1e-3}),
    "adam": (adamw, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4}),
    "adamw": (adamw, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "weight_decay": 0.2}),
    "lion": (lion, {"beta1": 0.7, "beta2": 0.95, "weight_decay": 0.2}),
}


def bowl(w: Array, scale: Array, t: int) -> Array:
    """Gradient of a badly scaled quadratic."""
    return scale * w


def waves(w: Array, scale: Array, t: int) -> Array:
    """Gradient of something bumpy that changes from step to step."""
    return np.sin(3 * w + t) + 0.1 * scale * w


def start_of(seed: int = 0, dtype: type = np.float64) -> tuple[list[Array], list[Array]]:
    rng = np.random.default_rng(seed)
    weights = [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]
    return weights, [np.asarray(10 ** rng.uniform(-1, 1, shape), dtype) for shape in SHAPES]


def interpreted(name: str, hyper: dict[str, float], gradient: Callable[..., Array], lr: float = LR) -> list[Array]:
    program = reference(name)
    weights, scales = start_of()
    states = interpreter.start(program, weights, lr, hyper)
    for t in range(1, STEPS + 1):
        grads = [gradient(w, c, t) for w, c in zip(weights, scales, strict=True)]
        weights, states = interpreter.step(program, weights, grads, states, t=t, lr=lr, hyper=hyper)
    return weights


def check_close(found: Sequence[Array], wanted: Sequence[Array]) -> None:
    for x, y in zip(found, wanted, strict=True):
        assert x.shape == y.shape
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-10)


def test_every_reference_program_has_its_formula_here():
    assert set(names()) >= set(FORMULAS)


@pytest.mark.parametrize("gradient", [bowl, waves])
@pytest.mark.parametrize("name", FORMULAS)
def test_reference_program_is_its_formula(name, gradient):
    formula, hyper = FORMULAS[name]
    weights, scales = start_of()
    states: list[State] = [{} for _ in weights]
    for t in range(1, STEPS + 1):
        grads = [gradient(w, c, t) for w, c in zip(weights, scales, strict=True)]
        weights = [np.asarray(formula(w, g, s, t, LR, hyper)) for w, g, s in zip(weights, grads, states, strict=True)]
    check_close(interpreted(name, hyper, gradient), weights)


@pytest.mark.parametrize(
    ("name", "hyper", "optimizer"),
    [
        ("sgd", {}, lambda p: torch.optim.SGD(p, LR)),
        (
            "momentum",
            {"beta": 0.8, "weight_decay": 0.1},
            lambda p: torch.optim.SGD(p, LR, momentum=0.8, weight_decay=0.1),
        ),
        ("adam", {"beta1": 0.8, "eps": 1e-6}, lambda p: torch.optim.Adam(p, LR, betas=(0.8, 0.999), eps=1e-6)),
        (
            "adamw",
            {"beta2": 0.9, "weight_decay": 0.3},
            lambda p: torch.optim.AdamW(p, LR, betas=(0.9, 0.9), weight_decay=0.3),
        ),
    ],
)
def test_reference_program_is_torchs_optimizer(name, hyper, optimizer):
    weights, scales = start_of()
    parameters = [torch.nn.Parameter(torch.from_numpy(w.copy())) for w in weights]
    theirs = optimizer(parameters)
    for t in range(1, STEPS + 1):
        for p, c in zip(parameters, scales, strict=True):
            p.grad = torch.from_numpy(np.asarray(waves(p.detach().numpy(), c, t)))
        theirs.step()
    check_close(interpreted(name, hyper, waves), [p.detach().numpy() for p in parameters])


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
