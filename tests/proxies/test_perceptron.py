"""Perceptrons on any data: as wide as the data, and for classes and numbers what torch computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from proxies.datasets import DATASETS
from proxies.perceptron import Perceptron, perceptron
from proxies.proxy import Buffers, Proxy
from proxies.train import fill, train
from tests.proxies import test_contract as contract
from tests.proxies.steppers import AdamW

SEEDS = (1, 1, 2)
WIDTHS = {
    "digits": (64, 10),
    "breast_cancer": (30, 2),
    "diabetes": (10, 1),
    "wine": (13, 3),
    "teacher_student": (8, 4),
    "modular_addition": (8, 23),
}
each = pytest.mark.parametrize("name", DATASETS)


def opened(proxy: Proxy, dtype: torch.dtype = torch.float64) -> tuple[Any, Buffers]:
    """The model at weights away from the start."""
    buffers = Buffers(proxy.layout, len(SEEDS), dtype)
    fill(buffers, proxy, SEEDS)
    buffers.weights.add_(0.1 * torch.sin(torch.arange(len(buffers.weights), dtype=dtype)))
    return proxy.model(buffers, SEEDS), buffers


@each
def test_as_wide_as_the_data(name: str) -> None:
    proxy = perceptron("p", (9, 6), data=name)
    inputs, outputs = WIDTHS[name]
    assert proxy.layout.shapes[::2] == ((9, inputs), (6, 9), (outputs, 6))
    assert f"{inputs}-9-6-{outputs} on {DATASETS[name].summary}" in proxy.summary


@each
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_losses_and_gradients_are_those_of_torch(name: str, activation: Any) -> None:
    proxy = perceptron("p", (9, 6), activation, data=name, batch=11)
    model, buffers = opened(proxy)
    assert isinstance(model, Perceptron)
    losses, held = model.loss_and_grad(3).clone(), model.loss_on("test")
    again = model.loss_of(3, [w.clone() for w in buffers.views(buffers.weights)])
    loss = nn.functional.mse_loss if name in ("diabetes", "teacher_student") else nn.functional.cross_entropy
    x, y = (torch.from_numpy(array) for array in proxy.data().train)
    for r in range(len(SEEDS)):
        params = [w[r].clone().requires_grad_() for w in buffers.views(buffers.weights)]

        def outputs(rows: torch.Tensor, params: list[torch.Tensor] = params) -> torch.Tensor:
            for k in range(0, len(params) - 2, 2):
                rows = getattr(torch, activation)(nn.functional.linear(rows, params[k], params[k + 1]))
            return nn.functional.linear(rows, params[-2], params[-1])

        seen = model.runs[0 if r < 2 else 1].x[2]
        [places] = torch.where((x[:, None] == seen).all(dim=2).any(dim=1))
        assert len(places) == 11
        wanted = loss(outputs(x[places]), y[places])
        for found in (losses[r], again[r]):
            torch.testing.assert_close(found, wanted.detach(), rtol=1e-10, atol=1e-12)
        grads = torch.autograd.grad(wanted, params)
        for grad, view in zip(grads, buffers.views(buffers.grads), strict=True):
            torch.testing.assert_close(view[r], grad, rtol=1e-9, atol=1e-12)
        held_x, held_y = (torch.from_numpy(array) for array in proxy.data().test)
        torch.testing.assert_close(held[r], loss(outputs(held_x), held_y).detach(), rtol=1e-10, atol=1e-12)


@each
def test_neighbours_make_no_difference_in_any_crowd(name: str) -> None:
    proxy, found = perceptron("p", (9, 6), data=name, batch=9), set()
    for many in (1, 2, 3, 8, 17, 33, 64, 100):
        seeds = [7 if i == many // 2 else i // 4 for i in range(many)]
        outcome = train(proxy, seeds, np.full(many, 1e-2), AdamW, steps=4, curves=True)
        found.add((*outcome.curves[:, many // 2], outcome.validation[many // 2]))
    assert len(found) == 1


@pytest.mark.parametrize("batching", ["full", "online"])
def test_other_batchings_of_numbers(batching: str) -> None:
    proxy = perceptron("p", (8,), data="diabetes", batching=batching, steps=20)
    contract.test_alone_or_in_a_crowd_bit_for_bit(proxy)
    contract.test_gradient_is_the_slope_of_the_loss(proxy)


def test_options_of_the_data_are_its_own_and_stand_in_the_summary() -> None:
    noisy = perceptron("p", label_noise=0.2, tier="selection")
    assert noisy.data().sources == ("digits, part for selection",)
    assert noisy.summary.endswith("label noise 0.2, tier selection")
    with pytest.raises(ValueError, match="no data set called 'iris'; there are digits, "):
        perceptron("p", data="iris")
    with pytest.raises(ValueError, match="need classes"):
        perceptron("p", data="diabetes", batching="balanced")


def test_weight_decay_is_what_modular_addition_rewards() -> None:
    """Without it the pairs to train on are learned by heart, and the loss on others stays more than twice as high."""
    proxy, rates = perceptron("p", (32,), "relu", data="modular_addition", steps=300), np.array([1e-2, 3e-2, 1e-1])
    losses = [
        train(proxy, [0] * 3, rates, lambda buffers, decay=decay: Decaying(buffers, decay)).validation.min()
        for decay in (0.0, 0.1)
    ]
    assert losses[0] > 2 * losses[1]


class Decaying(AdamW):
    """AdamW with this weight decay in place of its own."""

    def __init__(self, buffers: Buffers, decay: float) -> None:
        super().__init__(buffers)
        self.more = decay - 0.01

    def step(self, t: int, lr: np.ndarray, loss: torch.Tensor) -> None:
        before = [w.clone() for w in self.w]
        super().step(t, lr, loss)
        for w, old in zip(self.w, before, strict=True):
            w.sub_(old * torch.tensor(self.more * lr, dtype=w.dtype).view(-1, *[1] * (w.dim() - 1)))
