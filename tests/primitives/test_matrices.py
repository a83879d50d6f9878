"""The matrix family by what it is for: orthogonal factors, inverse roots, products of kinds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from primitives.matrices import inv_root, orthogonalize
from primitives.namespaces import NUMPY, torch_namespace
from primitives.program import ProgramError
from primitives.text import parse

MUON = (3.4445, -4.7750, 2.0315)
rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (2, 4, 7)])
def test_muons_steps_bring_singular_values_near_one_and_keep_directions(shape):
    x = rng.standard_normal(shape)
    y = orthogonalize(NUMPY, x, 5.0, *MUON)
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    inside = np.swapaxes(u, -1, -2) @ y @ np.swapaxes(vt, -1, -2)
    values = np.diagonal(inside, axis1=-2, axis2=-1)
    assert (values > 0.6).all()
    assert (values < 1.25).all()
    np.testing.assert_allclose(
        inside, np.stack([np.diag(v) for v in values.reshape(-1, values.shape[-1])]).reshape(inside.shape), atol=1e-12
    )


def test_classic_coefficients_converge_to_the_orthogonal_factor():
    x = rng.standard_normal((4, 6))
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(orthogonalize(NUMPY, x, 20.0, 15 / 8, -10 / 8, 3 / 8), u @ vt, atol=1e-10)


def test_a_vector_comes_to_0_70_of_unit_length_and_zero_stays():
    x = rng.standard_normal((1, 30))
    y = orthogonalize(NUMPY, x, 5.0, *MUON)
    np.testing.assert_allclose(y / np.linalg.norm(y), x / np.linalg.norm(x))
    assert np.linalg.norm(y) == pytest.approx(0.70, abs=0.005)
    assert not orthogonalize(NUMPY, np.zeros((3, 2)), 5.0, *MUON).any()
    assert not orthogonalize(torch_namespace(), torch.zeros(3, 2), torch.tensor(5.0), *MUON).any()


@pytest.mark.parametrize("p", [1.0, 2.0, 4.0])
def test_inverse_roots(p):
    half = rng.standard_normal((5, 5))
    x = half @ half.T
    root = inv_root(NUMPY, x, np.float64(p), np.float64(0.1))
    power = np.linalg.matrix_power(root, int(p))
    np.testing.assert_allclose(power @ (x + 0.1 * np.eye(5)), np.eye(5), atol=1e-9)


def test_what_is_not_finite_becomes_nan_and_harms_no_neighbour():
    good = np.eye(3)
    pair = np.stack([good, np.full((3, 3), np.nan)])
    for f, x, number in ((NUMPY, pair, np.float64), (torch_namespace(), torch.tensor(pair), torch.tensor)):
        root = np.asarray(inv_root(f, x, number(2.0), number(0.0)))
        np.testing.assert_allclose(root[0], good)
        assert np.isnan(root[1]).all()


@pytest.mark.parametrize(
    ("expr", "sentence"),
    [
        ("matmul(g, g)", "a tensor and a tensor have no product"),
        ("matmul(g, lr)", "have no product"),
        ("inv_sqrt(g, 0.1)", "it takes a square"),
        ("flatten(row_mean(g))", "lays out a tensor"),
        ("unflatten(g, w)", "gives a flat tensor"),
        ("orthogonalize(g, t, 1, 1, 1)", "takes 'steps' as a number or a hyperparameter"),
        ("orthogonalize(lr, 5, 1, 1, 1)", "it takes a tensor and numbers"),
        ("grad_at(lr)", "it takes a tensor"),
        ("w + matmul(g, transpose(g))", "do not broadcast"),
    ],
)
def test_faults_are_sentences(expr, sentence):
    with pytest.raises(ProgramError, match=sentence):
        parse(f"def f(w, g, *, lr=0.1):\n    u = {expr}\n    return w - lr * u\n")
