"""Exported programs with matrices: squares as states, orthogonal factors and inverse roots, strange matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from primitives import matrices, torch_parts
from primitives.export import source
from primitives.namespaces import NUMPY
from primitives.text import parse
from tests.primitives.exporting import (
    SHAPES,
    assert_same,
    by_interpreter,
    by_torch,
    exported,
    random_arrays,
    saved_and_loaded,
    two_steps,
)

TEXTS = {
    "shampoo": """def shampoo(w, g, left=1e-3, right=0, *, lr=0.1, eps=1e-4):
    left = left + matmul(g, transpose(g))
    right = ema(right, matmul(transpose(g), g), 0.9)
    update = matmul(matmul(inv_root(left, 4, eps), g), inv_root(right, 4, eps))
    return w - lr * update, left, right
""",
    "full": """def full(w, g, total, *, lr=0.1, eps=1e-6):
    x = flatten(g)
    total = total + matmul(x, transpose(x))
    return w - lr * unflatten(matmul(inv_sqrt(total, eps), x), w), total
""",
    "factored": """def factored(w, g, r, c, *, lr=0.1, rho=0.9, eps=1e-6):
    r = ema(r, row_mean(square(g)), rho)
    c = ema(c, column_mean(square(g)), rho)
    v = r * c / (mean(c) + eps)
    u = g / (sqrt(v) + eps)
    return w - lr * u / max(1, rms(u)), r, c
""",
    "turned": """def turned(w, g, a, flat, *, lr=0.1, steps=5):
    a = ema(a, transpose(g), 0.9)
    update = transpose(orthogonalize(a, steps, 3.4445, -4.775, 2.0315))
    return w - lr * update - 0.01 * unflatten(flat, g), a, flatten(g)
""",
}
PROGRAMS = {name: parse(text) for name, text in TEXTS.items()}
MUON = (3.4445, -4.7750, 2.0315)
rng = np.random.default_rng(0)
SHAPES_OF_STATES = {
    "shampoo": {"left": [(3, 3), (1, 1), (2, 2)], "right": [(4, 4), (4, 4), (12, 12)]},
    "full": {"total": [(12, 12), (4, 4), (24, 24)]},
    "factored": {"r": [(1, 4), (1, 4), (1, 12)], "c": [(3, 1), (1, 1), (2, 1)]},
    "turned": {"a": [(4, 3), (4, 1), (12, 2)], "flat": [(12, 1), (4, 1), (24, 1)]},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_the_interpreter_over_50_steps(name: str) -> None:
    for ours, theirs in zip(by_torch(PROGRAMS[name], 50), by_interpreter(PROGRAMS[name], 50), strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", PROGRAMS)
def test_states_have_their_shapes_and_survive_saving(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    twin = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = exported(PROGRAMS[name])(params)
    two_steps(optimizer, params)
    for state, shapes in SHAPES_OF_STATES[name].items():
        assert [tuple(optimizer.state[p][state].shape) for p in params] == shapes
    for a, b in zip(twin, params, strict=True):
        a.data.copy_(b.data)
    other = saved_and_loaded(optimizer, exported(PROGRAMS[name])(twin))
    for each, theirs in ((optimizer, params), (other, twin)):
        two_steps(each, theirs, 3)
    assert all(torch.equal(a, b) for a, b in zip(params, twin, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_in_other_precisions(name: str, dtype: torch.dtype) -> None:
    params = [nn.Parameter(torch.tensor(w, dtype=dtype)) for w in random_arrays(0)]
    optimizer = exported(PROGRAMS[name])(params)
    two_steps(optimizer, params)
    assert all(p.dtype == dtype for p in params)
    assert all(p.isfinite().all() for p in params)


@pytest.mark.parametrize("name", ["shampoo", "full", "turned"])
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_zeros_and_what_is_not_finite_are_as_in_the_interpreter(name: str, value: float) -> None:
    from primitives.interpreter import start, step

    program = PROGRAMS[name]
    weights, grads = random_arrays(0), random_arrays(1)
    grads[0][:] = 0
    grads[0][0, 0] = value
    params = [nn.Parameter(torch.tensor(w)) for w in weights]
    optimizer = exported(program)(params)
    states: Any = start(program, weights, program.defaults["lr"])
    for t in (1, 2):
        for p, g in zip(params, grads, strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
        weights, states = step(program, weights, grads, states, t=t, lr=program.defaults["lr"])
    assert_same([p.detach() for p in params], weights)


MATRICES = {
    "wide": rng.standard_normal((3, 5)),
    "tall": rng.standard_normal((5, 3)),
    "row": rng.standard_normal((1, 7)),
    "zero": np.zeros((3, 2)),
    "tiny": np.full((2, 2), 1e-40),
    "nan": np.array([[np.nan, 1.0], [1.0, 1.0]]),
    "infinite": np.array([[np.inf, 1.0], [1.0, 1.0]]),
}


@pytest.mark.parametrize("steps", [0, 1, 5, 3.9, -2, 100])
@pytest.mark.parametrize("name", MATRICES)
def test_orthogonalize_is_that_of_the_language(name: str, steps: float) -> None:
    x, coefficients = MATRICES[name], MUON if steps < 100 else (15 / 8, -10 / 8, 3 / 8)
    with np.errstate(all="ignore"):
        wanted = matrices.orthogonalize(NUMPY, x, steps, *coefficients)
    assert_same([torch_parts.orthogonalize(torch.tensor(x), steps, *coefficients)], [wanted])


@pytest.mark.parametrize(("p", "eps"), [(1, 0.1), (2, 1e-3), (4, 0.5), (-2, 0.0), (0, 0.1), (4, 0.0), (2, -1.0)])
@pytest.mark.parametrize("name", MATRICES)
def test_inv_root_is_that_of_the_language(name: str, p: float, eps: float) -> None:
    x = MATRICES[name] @ MATRICES[name].T
    if p == 4 and eps == 0:
        x = x + np.eye(len(x))  # else rounding decides between small and zero
    with np.errstate(all="ignore"):
        wanted = matrices.inv_root(NUMPY, x, np.float64(p), np.float64(eps))
    finite = np.isfinite(wanted).all()
    found = torch_parts.inv_root(torch.tensor(x), p, eps)
    if finite or np.isnan(x).any():
        assert_same([found], [wanted], 1e-8)
    else:
        assert not found.isfinite().all()


def test_the_files_hold_the_functions_that_they_use_and_no_others() -> None:
    assert "def inv_root" in source(PROGRAMS["shampoo"])
    assert "def orthogonalize" not in source(PROGRAMS["shampoo"])
    assert "def orthogonalize" in source(PROGRAMS["turned"])
    assert "def inv_root" not in source(PROGRAMS["turned"])
    assert "left = left + g @ g.T" in source(PROGRAMS["shampoo"])
    assert len(SHAPES) == 3
