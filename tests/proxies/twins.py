"""Losses and gradients of a proxy beside those of a torch module with the same weights, replica by replica."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from proxies.generic import GenericModel
from proxies.proxy import Buffers, Proxy
from proxies.train import fill

SEEDS = (1, 1, 2)


def assert_twins(proxy: Proxy, module: nn.Module, names: list[str], loss: Callable[..., Tensor]) -> None:
    """At weights away from the start, in float64: `names` are the module's parameters in the layout's order.

    `loss` takes the module and the examples of one replica. A parameter without a name in the layout is zero.
    """
    buffers = Buffers(proxy.layout, len(SEEDS), torch.float64)
    fill(buffers, proxy, SEEDS)
    generator = torch.Generator().manual_seed(0)
    buffers.weights.add_(0.1 * torch.randn(len(buffers.weights), generator=generator, dtype=torch.float64))
    model = proxy.model(buffers, SEEDS)
    assert isinstance(model, GenericModel)
    losses, held = model.loss_and_grad(3), model.loss_on("validation")
    module = module.double()
    for value in module.parameters():
        nn.init.zeros_(value)
    params = dict(module.named_parameters())
    for replica in range(len(SEEDS)):
        examples = [array[model.which[replica]] for array in model.examples[2]]
        for name, view in zip(names, buffers.views(buffers.weights), strict=True):
            params[name].data.copy_(view[replica].reshape(params[name].shape))
        found = loss(module, *examples)
        torch.testing.assert_close(losses[replica], found.detach(), rtol=1e-10, atol=1e-12)
        grads = torch.autograd.grad(found, [params[name] for name in names])
        for grad, view in zip(grads, buffers.views(buffers.grads), strict=True):
            torch.testing.assert_close(view[replica], grad.reshape(view[replica].shape), rtol=1e-9, atol=1e-12)
        validation = [torch.from_numpy(array) for array in proxy.data().validation]
        torch.testing.assert_close(held[replica], loss(module, *validation).detach(), rtol=1e-10, atol=1e-12)
