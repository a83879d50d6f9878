"""Plain torch modules as proxies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from proxies.data import digits
from proxies.generic import from_module
from proxies.perceptron import perceptron
from proxies.proxy import Buffers
from proxies.train import fill, train
from tests.proxies.steppers import AdamW


def make_mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


class Odd(nn.Module):
    """A module that decides by the values of its input, which vmap cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.sum().item() < 1e9 else x


def test_a_module_is_the_perceptron_written_by_hand() -> None:
    hand, module = perceptron("hand"), from_module("module", make_mlp, digits)
    assert module.layout.shapes == hand.layout.shapes
    assert module.layout.roles == hand.layout.roles
    results = []
    for proxy in (hand, module):
        buffers = Buffers(proxy.layout, 3, torch.float64)
        fill(buffers, hand, [1, 1, 2])
        model = proxy.model(buffers, [1, 1, 2])
        losses = [model.loss_and_grad(t).clone() for t in (1, 5)]
        results.append((*losses, buffers.grads, model.loss_on("validation")))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_module_has_its_own_initial_weights() -> None:
    proxy = from_module("module", make_mlp, digits)
    state = torch.random.get_rng_state()
    first, again, other = (proxy.init(seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_what_vmap_cannot_batch_runs_one_by_one() -> None:
    odd, plain = from_module("odd", Odd, digits, steps=6), from_module("plain", make_mlp, digits, steps=6)
    rates = np.array([1e-2, np.nan, 2e-2])
    with pytest.warns(UserWarning, match="Odd runs one replica at a time, many times slower"):
        slow = train(odd, [1, 1, 2], rates, AdamW, dtype=torch.float64)
    fast = train(plain, [1, 1, 2], rates, AdamW, dtype=torch.float64)
    np.testing.assert_allclose(slow.validation, fast.validation, rtol=1e-9)
    assert slow.status == fast.status == ("ok", "nan", "ok")


def test_what_a_module_does_not_use_has_no_gradient() -> None:
    def make() -> nn.Module:
        module = make_mlp()
        module.spare = nn.Linear(2, 2)  # forward of a Sequential would run it
        module.forward = lambda x: nn.Sequential(*list(module)[:3])(x)  # type: ignore[method-assign]
        return module

    proxy = from_module("module", make, digits)
    buffers = Buffers(proxy.layout, 1, torch.float64)
    fill(buffers, proxy, [1])
    proxy.model(buffers, [1]).loss_and_grad(1)
    used, spare = buffers.grads[:-6], buffers.grads[-6:]
    assert used.any()
    assert not spare.any()


def test_roles_of_a_module() -> None:
    def make() -> nn.Module:
        return nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2, bias=False))

    roles = from_module("module", make, digits).layout.roles
    assert roles == ("embedding", "hidden", "vector", "vector", "vector", "head")


@pytest.mark.filterwarnings("ignore:.*runs one replica at a time")
@pytest.mark.parametrize("make", [make_mlp, Odd])
def test_frozen_parameters_are_not_trained(make: Callable[[], nn.Module]) -> None:
    """They keep the same values for all seeds and in any process: those of torch's seed 0."""

    def head_only() -> nn.Module:
        module = make()
        first, *_ = (part for part in module.modules() if isinstance(part, nn.Linear))
        first.requires_grad_(False)
        return module

    proxy = from_module("frozen", head_only, digits)
    assert proxy.layout.shapes == ((10, 32), (10,))
    assert proxy.layout.roles == ("head", "vector")
    buffers = Buffers(proxy.layout, 2, torch.float64)
    fill(buffers, proxy, [1, 2])
    model = proxy.model(buffers, [1, 2])
    model.loss_and_grad(1)
    torch.manual_seed(0)
    hidden = nn.Sequential(*list(make_mlp())[:2]).double()
    x, y = map(torch.tensor, digits().validation)
    heads = zip(*buffers.views(buffers.weights), strict=True)
    wanted = [nn.functional.cross_entropy(hidden(x) @ weight.T + bias, y) for weight, bias in heads]
    torch.testing.assert_close(model.loss_on("validation"), torch.stack(wanted), rtol=1e-12, atol=0)
    assert buffers.grads.any()
