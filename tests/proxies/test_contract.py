"""What every proxy must do: learn, repeat itself bit for bit, be alone in a crowd, and know its gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import proxies
from proxies.data import digits
from proxies.generic import from_module
from proxies.perceptron import perceptron
from proxies.proxy import Buffers, Proxy
from proxies.train import fill, train
from tests.proxies.steppers import AdamW

RATES = np.array([3e-3, 1e-2, 3e-2])


def make_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 33), nn.Tanh(), nn.Linear(33, 10))


VARIANTS = {
    "relu": perceptron("relu", (24, 20), "relu", steps=20),
    "module": from_module("module", make_mlp, digits, steps=20),
    "deep": perceptron("deep", (16, 16, 16), "tanh", steps=20, batch=20),
}


def proxy_of(name: str) -> Proxy:
    return VARIANTS.get(name) or proxies.get(name, unseal=True)  # that a task works is no look at how a program does


@pytest.fixture(params=[*proxies.TASKS, *VARIANTS])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return proxy_of(request.param)


@pytest.mark.parametrize("name", proxies.TASKS)
def test_adamw_learns(name: str) -> None:
    proxy = proxy_of(name)
    start = train(proxy, [0], np.zeros(1), AdamW, steps=1).validation[0]
    outcome = train(proxy, [0] * len(RATES), RATES, AdamW)
    assert outcome.validation.min() < proxies.TASKS[name].learns * start, (start, outcome.validation)


def test_layout_fits_the_initial_weights(proxy: Proxy) -> None:
    layout, init = proxy.layout, proxy.init(3)
    assert tuple(tuple(w.shape) for w in init) == layout.shapes
    assert tuple(w.numel() for w in init) == layout.sizes
    assert len(layout.names) == len(layout.roles) == len(layout.shapes) == len(set(layout.names))
    assert set(layout.roles) <= {"hidden", "embedding", "head", "vector"}
    assert all((role == "vector") == (len(s) < 2) for role, s in zip(layout.roles, layout.shapes, strict=True))
    assert all(w.dtype == torch.float64 for w in init)
    assert all(torch.equal(a, b) for a, b in zip(init, proxy.init(3), strict=True))


def test_same_seed_same_curve(proxy: Proxy) -> None:
    first, second = (train(proxy, [5, 5], RATES[:2], AdamW, steps=12, curves=True) for _ in range(2))
    assert np.array_equal(first.curves, second.curves)
    assert np.array_equal(first.validation, second.validation)


def test_longer_training_begins_with_the_same_data(proxy: Proxy) -> None:
    short = train(proxy, [5], np.zeros(1), AdamW, steps=5, curves=True)
    long = train(proxy, [5], np.zeros(1), AdamW, steps=proxy.steps + 2, curves=True)
    assert np.array_equal(short.curves, long.curves[:5])
    assert len(np.unique(long.curves)) > proxy.steps


CROWDS = {
    "alone": [(7, 1e-2)],
    "pair": [(7, 1e-2), (7, 3e-3)],
    "last, after other seeds and NaN": [(1, 1e-2), (1, np.nan), (2, 1e-2), (7, np.nan), (7, 1e-2)],
    "middle of 23": [(3, 1e-2)] * 11 + [(7, 1e-2), (7, np.inf)] + [(4, 2e-2)] * 10,
    "interleaved": [(3, 1e-2), (7, 1e-2), (3, 1e9), (7, 1e-2)],
}


def test_alone_or_in_a_crowd_bit_for_bit(proxy: Proxy) -> None:
    results = []
    for crowd in CROWDS.values():
        seeds, lrs = [seed for seed, _ in crowd], np.array([lr for _, lr in crowd])
        outcome = train(proxy, seeds, lrs, AdamW, steps=10, curves=True)
        place = crowd.index((7, 1e-2))
        assert outcome.status[place] == "ok"
        assert all(outcome.status[i] != "ok" for i, (_, lr) in enumerate(crowd) if not lr < 1)
        results.append((*outcome.curves[:, place], outcome.validation[place]))
    assert len(set(results)) == 1


def test_gradient_is_the_slope_of_the_loss(proxy: Proxy) -> None:
    """Along random directions, by central differences in float64, at weights away from the start."""
    buffers = Buffers(proxy.layout, 2, torch.float64)
    fill(buffers, proxy, [1, 2])
    generator = torch.Generator().manual_seed(0)
    buffers.weights.add_(0.05 * torch.randn(len(buffers.weights), generator=generator, dtype=torch.float64))
    model, start, h = proxy.model(buffers, [1, 2]), buffers.weights.clone(), 1e-6
    for k, view in enumerate(buffers.views(buffers.weights)):
        direction = torch.randn(view.shape, generator=generator, dtype=torch.float64)
        model.loss_and_grad(2)
        slope = (buffers.segment(buffers.grads, k) * direction).flatten(1).sum(1)
        losses = []
        for sign in (1, -1):
            view.add_(direction, alpha=sign * h)
            losses.append(model.loss_and_grad(2).clone())
            buffers.weights.copy_(start)
        measured = (losses[0] - losses[1]) / (2 * h)
        torch.testing.assert_close(slope, measured, rtol=1e-6, atol=1e-7, msg=proxy.layout.names[k])


def test_gradient_of_nan_weights_is_nan(proxy: Proxy) -> None:
    buffers = Buffers(proxy.layout, 1)
    fill(buffers, proxy, [0])
    buffers.segment(buffers.weights, 0).fill_(torch.nan)
    assert proxy.model(buffers, [0]).loss_and_grad(1).isnan().all()
    assert all(grad.isnan().any() for grad in buffers.views(buffers.grads))
