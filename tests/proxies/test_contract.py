"""What every proxy must do: learn, repeat itself bit for bit, be alone in a crowd, and know its gradient.

A new entry in proxies.TASKS is tested the moment it exists. Only `learns` trains to the end; all else takes few steps,
so that a long training costs no more than a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import proxies
from proxies import formats, local, transformer
from proxies.data import digits
from proxies.generic import from_module
from proxies.perceptron import perceptron
from proxies.places import Place, place_of
from proxies.proxy import Buffers, Model, Proxy
from proxies.train import fill, train
from tests.proxies import disk
from tests.proxies.steppers import AdamW

RATES = np.array([3e-3, 1e-2, 3e-2])
OWN = Path(__file__).parents[2] / "experiments" / "own-task" / "spirals.py"


def make_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 33), nn.Tanh(), nn.Linear(33, 10))


def make_frozen() -> nn.Module:
    module = make_mlp()
    next(module.children()).requires_grad_(False)
    return module


VARIANTS: dict[str, Callable[[], Proxy]] = {
    "relu": lambda: perceptron("relu", (24, 20), "relu", steps=20),
    "module": lambda: from_module("module", make_mlp, digits, steps=20),
    "frozen": lambda: from_module("frozen", make_frozen, digits, steps=20),
    "deep": lambda: perceptron("deep", (16, 16, 16), "tanh", steps=20, batch=20),
    "own": lambda: proxies.get(str(OWN)),
}


TINY = transformer.Size(width=8, layers=1, length=6, heads=2, units=8, classes=256)
ON_DISK: dict[str, Callable[[Place], Proxy]] = {
    "cifar10": partial(local.images, formats.cifar10, (3, 4, 2), steps=20, batch=3),
    "mnist": partial(local.images, formats.mnist, (2, 3), steps=20, batch=4),
    "text": partial(local.text, size=TINY, steps=20, batch=3),
}


@cache
def on_disk(kind: str, folder: Path) -> Proxy:
    """The task of this kind, smaller, on little data."""
    place = place_of(disk.write(kind, folder))
    assert place is not None
    return ON_DISK[kind](place)


@cache
def proxy_of(name: str) -> Proxy:
    # Held-out tasks too: that a task works is no look at how a program does.
    return VARIANTS[name]() if name in VARIANTS else proxies.get(name, unseal=True)


@pytest.fixture(params=[*proxies.TASKS, *VARIANTS, *ON_DISK])
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    if request.param in ON_DISK:
        return on_disk(request.param, tmp_path_factory.getbasetemp() / "on_disk")
    return proxy_of(request.param)


def replicas(proxy: Proxy, seeds: list[int], dtype: torch.dtype = torch.float32) -> tuple[Buffers, Model]:
    """Replicas at their initial weights."""
    buffers = Buffers(proxy.layout, len(seeds), dtype)
    fill(buffers, proxy, seeds)
    return buffers, proxy.model(buffers, seeds)


@pytest.mark.parametrize("name", proxies.TASKS)
def test_adamw_learns(name: str) -> None:
    proxy = proxy_of(name)
    start = float(replicas(proxy, [0])[1].loss_on("validation")[0])
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


def test_losses_at_the_start_are_within_the_bounds(proxy: Proxy) -> None:
    _, model = replicas(proxy, [0, 1, 2])
    validation, test = model.loss_on("validation"), model.loss_on("test")
    assert validation.shape == test.shape == (3,)
    for losses in (validation, test):
        assert (losses > proxy.floor).all()
        assert (losses < proxy.ceiling).all()
    assert proxy.ceiling <= 10 * float(validation.mean())
    assert (validation != test).all(), "validation and test are on the same rows"
    assert torch.equal(validation, model.loss_on("validation")), "the loss depends on what was asked before"


def test_same_seed_same_curve(proxy: Proxy) -> None:
    first, second = (train(proxy, [5, 5, 6], RATES[:1].repeat(3), AdamW, steps=4, curves=True) for _ in range(2))
    assert np.array_equal(first.curves, second.curves)
    assert np.array_equal(first.validation, second.validation)
    assert np.array_equal(first.curves[:, 0], first.curves[:, 1])
    assert not np.array_equal(first.curves[:, 0], first.curves[:, 2])


def test_a_training_longer_than_planned_meets_other_rows(proxy: Proxy) -> None:
    buffers, model = replicas(proxy, [5])
    buffers.weights.add_(0.05 * torch.randn(len(buffers.weights), generator=torch.Generator().manual_seed(0)))
    steps = 1, 2, proxy.steps, proxy.steps + 1, proxy.steps + 2
    losses = [model.loss_and_grad(t).item() for t in steps]
    assert [model.loss_and_grad(t).item() for t in (2, 1)] == losses[1::-1], "a step's rows depend on those before"
    assert len(set(losses)) == len(losses)


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
        outcome = train(proxy, seeds, lrs, AdamW, steps=5, warmup=0.0, checks=(2,), curves=True, test=True)
        place = crowd.index((7, 1e-2))
        assert outcome.status[place] == "ok"
        assert all(outcome.status[i] != "ok" for i, (_, lr) in enumerate(crowd) if not lr < 1)
        assert outcome.curves is not None
        assert outcome.test is not None
        results.append((*outcome.curves[:, place], outcome.validation[place], outcome.test[place]))
    assert len(set(results)) == 1


def test_gradient_is_the_slope_of_the_loss(proxy: Proxy) -> None:
    """Along random directions, by central differences in float64, at weights away from the start."""
    buffers, model = replicas(proxy, [1, 2], torch.float64)
    generator = torch.Generator().manual_seed(0)
    buffers.weights.add_(0.05 * torch.randn(len(buffers.weights), generator=generator, dtype=torch.float64))
    start, h = buffers.weights.clone(), 1e-6
    model.loss_and_grad(2)
    grads = [buffers.segment(buffers.grads.clone(), k) for k in range(len(proxy.layout.shapes))]

    def moved(view: Tensor, step: Tensor) -> Tensor:
        view.add_(step)
        loss = model.loss_and_grad(2).clone()
        buffers.weights.copy_(start)
        return loss

    for name, view, grad in zip(proxy.layout.names, buffers.views(buffers.weights), grads, strict=True):
        direction = torch.randn(view.shape, generator=generator, dtype=torch.float64)
        measured = (moved(view, h * direction) - moved(view, -h * direction)) / (2 * h)
        slope = (grad * direction).flatten(1).sum(1)
        torch.testing.assert_close(slope, measured, rtol=1e-6, atol=1e-7, msg=lambda text, name=name: f"{name}: {text}")


def test_gradient_of_nan_weights_is_nan(proxy: Proxy) -> None:
    buffers, model = replicas(proxy, [0])
    buffers.segment(buffers.weights, 0).fill_(torch.nan)
    assert model.loss_and_grad(1).isnan().all()
    assert all(grad.isnan().any() for grad in buffers.views(buffers.grads))
