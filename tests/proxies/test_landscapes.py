"""Landscapes: the spectrum, the noise and the minima are those of the definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import rosen
from torch.autograd.functional import hessian

from proxies.landscapes import (
    DISTANCE,
    REACH,
    STEEP,
    clouds,
    factors,
    noisy_quadratic,
    quadratic,
    rosenbrock,
    shifts,
    valley,
)

SIDE, CONDITION = 6, 1e3
ROOTS = tuple(torch.from_numpy(root) for root in factors(SIDE, CONDITION, 0))


def loss(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Of one replica."""
    return quadratic(ROOTS, [weight.view(1, SIDE, SIDE)], [x.unsqueeze(0)])[0]


def test_the_spectrum_goes_from_1_to_1_over_the_condition_and_is_rotated() -> None:
    x = torch.zeros(3, SIDE, SIDE, dtype=torch.float64)
    found = hessian(lambda w: loss(w, x), torch.zeros(SIDE * SIDE, dtype=torch.float64))
    spectrum = torch.linalg.eigvalsh(found)
    assert spectrum[-1].item() == pytest.approx(1)
    assert spectrum[0].item() == pytest.approx(1 / CONDITION)
    side = np.geomspace(1, CONDITION**-0.5, SIDE)
    np.testing.assert_allclose(spectrum, np.sort(np.outer(side, side).ravel()), rtol=1e-9)
    diagonal = found.diagonal()
    assert diagonal.min() > 20 / CONDITION  # where nothing is rotated, the diagonal is the spectrum


def test_gradients_have_a_covariance_proportional_to_the_hessian() -> None:
    left, right = (root.numpy() for root in ROOTS)
    x = clouds(SIDE, 0.2, 50, 0).train[0]
    grads = -(left.T @ x @ right).reshape(len(x), -1)  # at w = 0
    wanted = 0.2**2 * np.kron(left.T @ left, right.T @ right)
    np.testing.assert_allclose(grads.T @ grads / len(x), wanted, atol=5 * 0.2**2 / np.sqrt(len(x)))


def test_what_cannot_be_avoided_is_the_floor() -> None:
    proxy = noisy_quadratic("quadratic", SIDE, CONDITION, noise=0.2, means=50)
    for [x] in (proxy.data().validation, proxy.data().test):
        scatter = ((x - x.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean() / 2
        assert scatter == pytest.approx(proxy.floor, rel=0.05)
        at_zero = loss(torch.zeros(SIDE, SIDE, dtype=torch.float64), torch.from_numpy(x)).item()
        assert at_zero == pytest.approx(proxy.floor, rel=0.1)
    assert proxy.data().train[0].std() == pytest.approx(0.2, rel=0.02)


def test_starts_are_drawn_from_the_seed() -> None:
    starts = torch.stack([noisy_quadratic("quadratic").init(seed)[0] for seed in range(20)])
    assert starts.std().item() == pytest.approx(DISTANCE, rel=0.1)
    points = torch.stack([rosenbrock("valley").init(seed)[0] for seed in range(20)])
    assert 0.9 * REACH < points.abs().max() <= REACH
    assert len({tuple(point.tolist()) for point in points}) == 20


def test_the_valley_is_rosenbrocks_function_by_link() -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(3, 24, generator=generator, dtype=torch.float64)
    rows = torch.rand(3, 5, 24, generator=generator, dtype=torch.float64) / 10
    wanted = [np.mean([rosen((w - x).numpy()) for x in some]) / 23 for w, some in zip(weight, rows, strict=True)]
    np.testing.assert_allclose(valley([weight], [rows]), wanted, rtol=1e-12)
    assert STEEP == 100


def test_the_end_of_the_valley_is_where_z_is_1() -> None:
    ones = torch.ones(1, 24, dtype=torch.float64, requires_grad=True)
    here = valley([ones], [torch.zeros(1, 2, 24, dtype=torch.float64)])
    assert here.item() == 0
    assert not torch.autograd.grad(here.sum(), ones)[0].any()


def test_rows_shift_the_valley_and_the_floor_is_what_that_leaves() -> None:
    proxy = rosenbrock("valley", noise=0.01, means=100)
    ones = torch.ones(1, 24, dtype=torch.float64)
    found = valley([ones], [torch.from_numpy(proxy.data().validation[0]).unsqueeze(0)]).item()
    assert found == pytest.approx(proxy.floor, rel=0.1)
    assert shifts(24, 0.01, 100, 0).train[0].std() == pytest.approx(0.01, rel=0.02)
    assert shifts(24, 0.01, 100, 0).test[0].std() == pytest.approx(0.001, rel=0.05)
