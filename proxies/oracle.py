"""What a stepper may ask of the loss during a step: gradients and losses elsewhere, Hessian products, its graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxies.proxy import Buffers, Model


class ModelOracle:
    """The loss of the present step on its data, for all replicas at once.

    Points are lists with a matrix [R, m, n] of each parameter. Gradients and Hessian products are multiplied by
    `scale` [R] as the gradient at w is; losses are not. Nothing that is asked changes weights or gradients.
    """

    def __init__(self, model: Model, buffers: Buffers, scale: np.ndarray | None = None) -> None:
        self.model, self.buffers, self.t = model, buffers, 0
        self.begun = torch.zeros(0)
        self.weights, self.grads = buffers.views(buffers.weights), buffers.views(buffers.grads)
        self.scale = None if scale is None else [_factor(scale, grad) for grad in self.grads]

    def begin(self, t: int) -> Tensor:
        """Write the gradient of step t into the buffers; the losses [R] at the present weights."""
        self.t = t
        self.begun = loss = self.model.loss_and_grad(t)
        for grad, factor in zip(self.grads, self.scale or (), strict=self.scale is not None):
            grad.mul_(factor)
        return loss

    def gradient(self, point: Sequence[Tensor]) -> list[Tensor]:
        """The gradient at a point."""
        return self._at(point)[1]

    def loss(self, point: Sequence[Tensor]) -> Tensor:
        """The loss of each replica at a point, [R, 1, 1]."""
        return self._at(point)[0].view(-1, 1, 1)

    def product(self, vector: Sequence[Tensor]) -> list[Tensor]:
        """The Hessian at the present weights times a vector."""
        vectors = [x.reshape(w.shape) for x, w in zip(vector, self.weights, strict=True)]
        return self._matrices(hessian_product(self.model, self.t, self.weights, vectors))

    def graph(self, params: Sequence[Tensor], replica: int) -> Tensor:
        """The loss of one replica at these parameters of its own, times its scale, for torch.autograd."""
        loss: Tensor = _loss_of(self.model)(self.t, [p.unsqueeze(0) for p in params], slice(replica, replica + 1))[0]
        return loss if self.scale is None else loss * self.scale[0][replica].item()

    def _at(self, point: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Loss and gradient at a point; weights and gradients are afterwards as before."""
        flat = (self.buffers.weights, self.buffers.grads, self.begun)  # a model may use the loss's memory again
        before = [x.clone() for x in flat]
        for w, x in zip(self.weights, point, strict=True):
            w.copy_(x.reshape(w.shape))
        try:
            with torch.enable_grad():
                loss = self.model.loss_and_grad(self.t).clone()
            return loss, self._matrices([grad.clone() for grad in self.grads])
        finally:
            for x, old in zip(flat, before, strict=True):
                x.copy_(old)

    def _matrices(self, arrays: Sequence[Tensor]) -> list[Tensor]:
        if self.scale is not None:
            arrays = [x * factor for x, factor in zip(arrays, self.scale, strict=True)]
        return [x.reshape(len(x), x.shape[1] if x.dim() > 2 else 1, -1) for x in arrays]


def hessian_product(model: Model, t: int, params: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """The Hessian of each replica's loss of step t at `params` [R, *shape] times its vector, by double backward."""
    with torch.enable_grad():
        leaves = [p.detach().requires_grad_() for p in params]
        loss = _loss_of(model)(t, leaves)
        slopes = torch.autograd.grad(loss.sum(), leaves, create_graph=True, materialize_grads=True)
        curved = [(slope, v) for slope, v in zip(slopes, vectors, strict=True) if slope.requires_grad]
        if not curved:  # a loss without curvature
            return [torch.zeros_like(p) for p in leaves]
        outputs, weights = zip(*curved, strict=True)
        return list(torch.autograd.grad(outputs, leaves, weights, materialize_grads=True))


def _loss_of(model: Model) -> Any:
    found = getattr(model, "loss_of", None)
    if found is None:
        raise NotImplementedError(f"{type(model).__name__} has no loss_of, which Hessian products and closures need.")
    return found


def _factor(scale: np.ndarray, grad: Tensor) -> Tensor:
    factor = torch.as_tensor(scale, dtype=grad.dtype, device=grad.device)
    return factor.view(-1, *[1] * (grad.dim() - 1))
