"""What steppers may ask of the loss: Hessian products against torch.func, points, scales, closures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import proxies
from proxies.data import digits
from proxies.generic import from_module
from proxies.oracle import ModelOracle, hessian_product
from proxies.perceptron import Perceptron, perceptron
from proxies.proxy import Buffers, Proxy
from proxies.train import fill, train_torch

SEEDS = [1, 1, 2]
PROXIES = {
    "perceptron": perceptron("small", (4,), batch=8),
    "relu": perceptron("relu", (5, 4), "relu", batch=8),
    "module": from_module(
        "module", lambda: nn.Sequential(nn.Linear(64, 3), nn.Tanh(), nn.Linear(3, 10)), digits, batch=8
    ),
    "least_squares": proxies.get("least_squares"),
    "transformer": proxies.get("transformer"),
}


def opened(proxy: Proxy, scale: Any = None) -> tuple[ModelOracle, Buffers]:
    buffers = Buffers(proxy.layout, len(SEEDS), torch.float64)
    fill(buffers, proxy, SEEDS)
    buffers.weights.add_(0.1 * torch.sin(torch.arange(buffers.weights.numel()).double()))
    return ModelOracle(proxy.model(buffers, SEEDS), buffers, scale), buffers


def vectors(oracle: ModelOracle) -> list[Tensor]:
    return [torch.sin(3 * torch.arange(w.numel()).double()).view(w.shape) for w in oracle.weights]


@pytest.mark.parametrize("name", PROXIES)
def test_hessian_products_are_those_of_torch_func(name: str) -> None:
    oracle, _ = opened(PROXIES[name])
    found = hessian_product(oracle.model, 3, oracle.weights, vectors(oracle))

    def gradient(*params: Tensor) -> tuple[Tensor, ...]:
        loss = torch.func.grad(lambda *p: oracle.model.loss_of(3, p).sum(), tuple(range(len(params))))
        return loss(*params)

    _, pull = torch.func.vjp(gradient, *(w.clone() for w in oracle.weights))
    wanted = pull(tuple(vectors(oracle)))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", PROXIES)
def test_products_are_slopes_of_the_gradients_that_train_uses(name: str) -> None:
    scale = np.array([1.0, 2.0, 0.5])
    oracle, buffers = opened(PROXIES[name], scale)
    before = buffers.weights.clone()
    loss = oracle.begin(2)
    grads = buffers.grads.clone()
    flat = [v.reshape(len(SEEDS), *matrix(v)) for v in vectors(oracle)]
    step = 1e-6
    pairs = [(w.reshape(v.shape), v) for w, v in zip(oracle.weights, flat, strict=True)]
    points = [[w + way * v for w, v in pairs] for way in (step, -step, 0)]
    ahead, behind = (oracle.gradient(point) for point in points[:2])
    losses = [oracle.loss(point).view(-1) for point in points]
    products = oracle.product(flat)
    assert torch.equal(before, buffers.weights)
    assert torch.equal(grads, buffers.grads)
    if name != "relu":  # which has corners
        for a, b, product in zip(ahead, behind, products, strict=True):
            torch.testing.assert_close((a - b) / (2 * step), product, rtol=1e-3, atol=1e-6)
    slopes = sum((g.reshape(v.shape) * v).sum(dim=(1, 2)) for g, v in zip(oracle.grads, flat, strict=True))
    rise = (losses[0] - losses[1]) / (2 * step) * torch.from_numpy(scale)
    torch.testing.assert_close(rise, slopes, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(loss, losses[2])


def matrix(x: Tensor) -> tuple[int, int]:
    return (x.shape[1] if x.dim() > 2 else 1), -1


@pytest.mark.parametrize("name", PROXIES)
def test_the_graph_of_a_replica_has_its_loss_and_gradient(name: str) -> None:
    oracle, _ = opened(PROXIES[name], np.array([1.0, 1.0, 3.0]))
    losses = oracle.begin(4)
    for replica, factor in ((1, 1.0), (2, 3.0)):
        params = [w[replica].clone().requires_grad_() for w in oracle.weights]
        loss = oracle.graph(params, replica)
        torch.testing.assert_close(loss / factor, losses[replica])
        for g, found in zip(oracle.grads, torch.autograd.grad(loss, params), strict=True):
            torch.testing.assert_close(found, g[replica], rtol=1e-9, atol=1e-12)


def test_a_model_without_the_method_says_so() -> None:
    class Bare:
        def loss_and_grad(self, t: int) -> Tensor:
            return torch.zeros(3)

    buffers = Buffers(PROXIES["perceptron"].layout, 3)
    oracle = ModelOracle(Bare(), buffers)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="Bare has no loss_of"):
        oracle.product(oracle.weights)


def test_the_perceptron_by_hand_is_what_is_tested() -> None:
    assert isinstance(opened(PROXIES["perceptron"])[0].model, Perceptron)


class Closing(torch.optim.SGD):
    """Gradient descent that asks for everything by a closure."""

    needs_closure = True
    differentiates_twice = False

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        loss = closure()
        if self.differentiates_twice:
            params = self.param_groups[0]["params"]
            slopes = torch.autograd.grad(loss, params, create_graph=True)
            assert all(slope.requires_grad for slope in slopes)
            for param, slope in zip(params, slopes, strict=True):
                param.grad = slope.detach()
        else:
            assert not loss.requires_grad
        super().step()
        return loss


class Twice(Closing):
    differentiates_twice = True


@pytest.mark.parametrize("make", [Closing, Twice])
def test_closures_give_what_the_buffers_give(make: Any) -> None:
    proxy = proxies.get("digits")
    arguments: Any = (SEEDS, np.array([0.1, np.nan, 0.3]))
    more: Any = {"steps": 12, "dtype": torch.float64, "grad_scale": np.array([1.0, 1.0, 0.5])}
    wanted = train_torch(proxy, partial(torch.optim.SGD, lr=1.0), *arguments, **more)
    found = train_torch(proxy, partial(make, lr=1.0), *arguments, **more)
    np.testing.assert_allclose(found.validation, wanted.validation, rtol=1e-9)
    assert found.status == ("ok", "nan", "ok")
