"""Plain steppers for the tests."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from proxies.proxy import Buffers


class AdamW:
    """AdamW on the flat buffers, replica by replica through views."""

    def __init__(self, buffers: Buffers) -> None:
        self.m, self.v = self._zeros(buffers), self._zeros(buffers)
        self._attach(buffers)

    def _zeros(self, buffers: Buffers) -> list[Tensor]:
        return [torch.zeros_like(w) for w in buffers.views(buffers.weights)]

    def _attach(self, buffers: Buffers) -> None:
        self.w, self.g = buffers.views(buffers.weights), buffers.views(buffers.grads)

    def step(self, t: int, lr: np.ndarray, loss: Tensor) -> None:
        for w, g, m, v in zip(self.w, self.g, self.m, self.v, strict=True):
            rate = torch.tensor(lr, dtype=w.dtype).view(-1, *[1] * (w.dim() - 1))
            m.mul_(0.9).add_(g, alpha=0.1)
            v.mul_(0.99).addcmul_(g, g, value=0.01)
            w.sub_(rate * ((m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-8) + 0.01 * w))

    def keep(self, alive: np.ndarray, buffers: Buffers) -> None:
        self.m, self.v = ([x[torch.tensor(alive)] for x in states] for states in (self.m, self.v))
        self._attach(buffers)


class SGD:
    """Plain gradient descent."""

    def __init__(self, buffers: Buffers) -> None:
        self.keep(np.ones(0), buffers)

    def step(self, t: int, lr: np.ndarray, loss: Tensor) -> None:
        for w, g in zip(self.w, self.g, strict=True):
            w.sub_(g * torch.tensor(lr, dtype=w.dtype).view(-1, *[1] * (w.dim() - 1)))

    def keep(self, alive: np.ndarray, buffers: Buffers) -> None:
        self.w, self.g = buffers.views(buffers.weights), buffers.views(buffers.grads)
