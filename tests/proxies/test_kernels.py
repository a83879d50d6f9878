"""The float32 functions and the fused parts of the perceptron against NumPy and autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numba import njit

from proxies import kernels
from proxies.perceptron import Perceptron, autograd_loss, perceptron
from proxies.proxy import Buffers
from proxies.train import fill


@njit  # not cached on disk: a cache would not notice a change of the functions inside
def exp_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = kernels.exp(x[i])


@njit
def tanh_of(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = kernels.tanh(x[i])


@pytest.mark.parametrize(
    ("function", "truth", "bounds", "error"),
    [(exp_of, np.exp, (-87, 20), 2e-7), (tanh_of, np.tanh, (-30, 30), 4e-7)],
)
def test_float32_functions(function: Any, truth: Any, bounds: tuple[float, float], error: float) -> None:
    x = np.linspace(*bounds, 100_001, dtype=np.float32)
    out = np.empty_like(x)
    function(x, out)
    np.testing.assert_allclose(out, truth(x.astype(np.float64)), rtol=error, atol=1e-30)
    extremes = np.array([np.nan, np.inf, -np.inf, -200.0, 0.0], dtype=np.float32)
    out = np.empty_like(extremes)
    function(extremes, out)
    assert np.isnan(out[0])
    assert not np.isnan(out[1:]).any()
    assert (np.abs(out[2:4] - truth(extremes[2:4])) < 1e-6).all()


@pytest.mark.parametrize("hidden", [(32,), (24, 20), (7, 5, 9)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_manual_backward_is_autograd(hidden: tuple[int, ...], activation: Any) -> None:
    proxy = perceptron("p", hidden, activation, batch=19)
    seeds = [1, 1, 2]
    buffers = Buffers(proxy.layout, 3, torch.float64)
    fill(buffers, proxy, seeds)
    buffers.weights.add_(0.1 * torch.randn(len(buffers.weights), dtype=torch.float64))
    model = proxy.model(buffers, seeds)
    assert isinstance(model, Perceptron)
    loss = model.loss_and_grad(4)
    leaves = [view.clone().requires_grad_() for view in buffers.views(buffers.weights)]
    x = torch.stack([run.x[3] for run in model.runs])[[0, 0, 1]]
    y = torch.from_numpy(model.targets[[0, 0, 1], 3]).long()
    truth = autograd_loss(activation == "relu", leaves, (x, y))
    torch.testing.assert_close(loss, truth.detach(), rtol=1e-12, atol=1e-14)
    slopes = torch.autograd.grad(truth.sum(), leaves)
    for ours, theirs in zip(buffers.views(buffers.grads), slopes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_nonsense_is_refused() -> None:
    for hidden, batch in (((), 32), ((3, 9), 32), ((4,), 1)):
        with pytest.raises(ValueError, match="at least 4 units"):
            perceptron("p", hidden, batch=batch)
    with pytest.raises(ValueError, match="tanh or relu"):
        perceptron("p", (4,), "gelu")  # type: ignore[arg-type]
