"""A perceptron's forward and backward for thousands of replicas by torch alone, for GPUs: no synchronisation in a step.

What a step reads lies at fixed places, so a CUDA graph may hold it (captured.py): only `prepare` looks at the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from proxies.batches import Feed, Stage, gathered, held
from proxies.data import Split
from proxies.proxy import Buffers, Part

HELD_BYTES = 2**28  # of one layer's outputs on validation rows at once


class DevicePerceptron:
    """Gradients of R replicas by hand; outputs of layers are [R, units, batch], as in perceptron.Perceptron."""

    def __init__(
        self, data: Callable[[], Split], relu: bool, feed: Feed, classes: bool, buffers: Buffers, seeds: Sequence[int]
    ) -> None:
        self.data, self.relu, self.classes, self.seeds = data, relu, classes, list(seeds)
        self.dtype, self.device = buffers.weights.dtype, str(buffers.weights.device)
        weights, grads = buffers.views(buffers.weights), buffers.views(buffers.grads)
        self.W, self.dW, self.b, self.db = weights[::2], grads[::2], weights[1::2], grads[1::2]
        orders = list(dict.fromkeys(self.seeds))
        self.which = torch.tensor([orders.index(seed) for seed in self.seeds], device=self.device)
        self.outputs = self.W[-1].shape[1]
        self.stage = Stage(
            feed, lambda block: [gathered(data(), feed, s, block, self.dtype, self.device) for s in orders]
        )
        self.runs: list[tuple[int, slice]] = []  # neighbours that share their examples: which data order, which rows
        first = 0
        for seed, group in groupby(self.seeds):
            self.runs.append((orders.index(seed), slice(first, first := first + len(list(group)))))

    def prepare(self, t: int) -> None:
        """Say which step comes."""
        self.stage.prepare(t)

    def loss_and_grad(self, t: int) -> Tensor:
        """Write the gradient of step t (from 1) into the buffers; return each replica's loss [R]."""
        self.stage.prepare(t)
        x, y = self.stage.examples()
        first = self.W[0].new_empty(*self.W[0].shape[:2], x.shape[1])
        for order, some in self.runs:
            torch.mm(self.W[0][some].flatten(0, 1), x[order].t(), out=first[some].flatten(0, 1))
        a = self._forward(first, self.W, self.b)
        loss, d = self._end(a[-1], y.index_select(0, self.which))
        for k in range(len(self.W) - 1, 0, -1):
            torch.sum(d, 2, out=self.db[k])
            torch.bmm(d, a[k - 1].transpose(1, 2), out=self.dW[k])
            d = torch.bmm(self.W[k].transpose(1, 2), d)
            d = self._through(d, a[k - 1])
        torch.sum(d, 2, out=self.db[0])
        for order, some in self.runs:
            torch.mm(d[some].flatten(0, 1), x[order], out=self.dW[0][some].flatten(0, 1))
        return loss

    def loss_on(self, part: Part) -> Tensor:
        """Mean loss of each replica [R] at the present weights, on the rows of a part."""
        x, y = held(self.data(), part, self.dtype, self.device)
        widest = max(w.shape[1] for w in self.W)
        together = max(1, HELD_BYTES // (len(x) * widest * x.element_size()))
        losses = []
        for start in range(0, len(self.seeds), together):
            W, b = ([v[start : start + together] for v in views] for views in (self.W, self.b))
            first = torch.mm(W[0].flatten(0, 1), x.t()).view(*W[0].shape[:2], len(x))
            losses.append(self._end(self._forward(first, W, b)[-1], y.expand(len(W[0]), *y.shape))[0])
        return torch.cat(losses)

    def loss_of(self, t: int, params: Sequence[Tensor], rows: slice = slice(None)) -> Tensor:
        """The losses of step t of some replicas at these parameters, with their graph."""
        from proxies.perceptron import autograd_loss

        self.stage.prepare(t)
        examples = [array.index_select(0, self.which[rows]) for array in self.stage.examples()]
        return autograd_loss(self.relu, params, examples)

    def _forward(self, product: Tensor, W: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of every layer, the last without activation, from the first layer's product."""
        a: list[Tensor] = []
        for k in range(len(W)):
            product = product.add_(b[k].unsqueeze(2)) if k == 0 else torch.baddbmm(b[k].unsqueeze(2), W[k], a[-1])
            if k < len(W) - 1:
                product = product.relu_() if self.relu else product.tanh_()
            a.append(product)
        return a

    def _through(self, d: Tensor, a: Tensor) -> Tensor:
        """The gradient d by the outputs a of a layer, by what went into its activation."""
        back = torch.ops.aten
        return back.threshold_backward(d, a, 0) if self.relu else back.tanh_backward(d, a)  # type: ignore[no-any-return]

    def _end(self, z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Each replica's loss [R] and its gradient by the outputs z [R, outputs, batch]; y [R, batch(, outputs)]."""
        if not self.classes:
            error = z - y.transpose(1, 2)
            return error.square().mean((1, 2)), error * (2 / error[0].numel())
        logs = z.log_softmax(1)
        chosen = (y.unsqueeze(1) == torch.arange(self.outputs, device=z.device).view(1, -1, 1)).to(z.dtype)
        return -(logs * chosen).sum(1).mean(1), (logs.exp() - chosen) / z.shape[2]
