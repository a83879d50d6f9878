"""Perceptrons for classes and for numbers: gradients by hand, matrix products in torch, the rest fused in numba."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby, pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from proxies import kernels
from proxies.batches import Feed, gathered, held
from proxies.data import Split, decorrelated
from proxies.datasets import DATASETS, dataset
from proxies.generic import GenericModel
from proxies.inits import check, initial
from proxies.perceptron_device import DevicePerceptron
from proxies.proxy import Buffers, Layout, Model, Part, Proxy

Activation = Literal["tanh", "relu"]


@dataclass(frozen=True)
class Task:
    """What a perceptron needs to know of its proxy."""

    data: Callable[[], Split]
    relu: bool
    feed: Feed
    rows: int  # at a step
    classes: bool  # to tell apart by cross-entropy; else numbers to meet in mean square


@dataclass(frozen=True)
class Run:
    """Neighbouring replicas of one seed: they see the same examples, so layer 1 is one product for all.

    weight and grad [n * H, inputs], hidden and delta [n * H, batch] are views of those replicas; x
    ([batch, inputs]) and its transpose stand in lists, one entry for each step of a block.
    """

    weight: Tensor
    grad: Tensor
    hidden: Tensor
    delta: Tensor
    x: list[Tensor]
    transposed: list[Tensor]


@lru_cache(maxsize=64)
def block_of(task: Task, seed: int, block: int, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor], np.ndarray]:
    """Of each step of a block: x [batch, inputs], its transpose, and targets [steps, ...] as kernels read them."""
    x, y = gathered(task.data(), task.feed, seed, block, dtype, "cpu")
    return list(x.unbind(0)), list(x.transpose(1, 2).contiguous().unbind(0)), for_kernels(y)


def for_kernels(y: Tensor) -> np.ndarray:
    """Targets as the losses in kernels.py read them: classes int32 [..., batch], numbers [..., outputs, batch]."""
    return y.transpose(-1, -2).contiguous().numpy() if y.is_floating_point() else y.numpy().astype(np.int32)


class Perceptron:
    """Forward and backward of R replicas; every array and view is made once, the steps only fill them."""

    def __init__(self, task: Task, buffers: Buffers, seeds: Sequence[int]) -> None:
        self.task, self.seeds, self.dtype = task, list(seeds), buffers.weights.dtype
        weights, grads = buffers.views(buffers.weights), buffers.views(buffers.grads)
        self.W, self.dW = weights[::2], grads[::2]
        self.b, self.db = [x.numpy() for x in weights[1::2]], [x.numpy() for x in grads[1::2]]
        self.WT = [w.transpose(1, 2) for w in self.W]
        self.a, self.d = self._arrays(task.rows), self._arrays(task.rows)
        # The outputs become their own gradient in place.
        self.d[-1] = self.a[-1]
        self.aT = [a.transpose(1, 2) for a in self.a]
        self.a_np, self.d_np = [a.numpy() for a in self.a], [d.numpy() for d in self.d]
        self.end = kernels.cross_entropy if task.classes else kernels.squares
        self.loss = torch.zeros(len(seeds), dtype=self.dtype)
        self.loss_np = self.loss.numpy()
        self.orders = list(dict.fromkeys(self.seeds))
        self.which = np.array([self.orders.index(seed) for seed in self.seeds])
        self.runs: list[Run] = []
        self.targets = np.zeros((0, 0, 0))
        self.block = -1

    def loss_and_grad(self, t: int) -> Tensor:
        """Write the gradient of step t into the buffers; return each replica's loss [R]."""
        step = self._step(t)
        for run in self.runs:
            torch.mm(run.weight, run.transposed[step], out=run.hidden)
        self._forward(self.a, self.a_np)
        self.end(self.a_np[-1], self.b[-1], self.targets, self.which, step, self.db[-1], self.loss_np)
        for k in range(len(self.W) - 1, 0, -1):
            torch.bmm(self.d[k], self.aT[k - 1], out=self.dW[k])
            torch.bmm(self.WT[k], self.d[k], out=self.d[k - 1])
            kernels.activate_back(self.d_np[k - 1], self.a_np[k - 1], self.db[k - 1], self.task.relu)
        for run in self.runs:
            torch.mm(run.delta, run.x[step], out=run.grad)
        return self.loss

    def loss_of(self, t: int, params: Sequence[Tensor], rows: slice = slice(None)) -> Tensor:
        """The losses of step t of some replicas at these parameters, with their graph."""
        step = self._step(t)
        data, feed = self.task.data(), self.task.feed
        seen = [gathered(data, feed, seed, self.block, self.dtype, "cpu") for seed in self.seeds[rows]]
        x, y = (torch.stack([array[step] for array in arrays]) for arrays in zip(*seen, strict=True))
        return autograd_loss(self.task.relu, params, (x, y))

    def _step(self, t: int) -> int:
        """The place of step t in its block, which is now there."""
        block, step = self.task.feed.place(t)
        if block != self.block:
            self._load(block)
        return step

    def loss_on(self, part: Part) -> Tensor:
        """Mean loss of each replica [R] on the rows of a part."""
        x, y = held(self.task.data(), part, self.dtype, "cpu")
        a = self._arrays(len(x))
        arrays = [part.numpy() for part in a]
        torch.mm(self.W[0].flatten(0, 1), x.t(), out=a[0].flatten(0, 1))
        self._forward(a, arrays)
        loss, unused = torch.zeros_like(self.loss), np.zeros_like(self.b[-1])
        self.end(arrays[-1], self.b[-1], for_kernels(y)[None, None], np.zeros_like(self.which), 0, unused, loss.numpy())
        return loss

    def _forward(self, a: list[Tensor], arrays: list[np.ndarray]) -> None:
        """From the first layer's products to the last layer's, a[k] being [R, units, examples]."""
        for k in range(1, len(a)):
            kernels.activate(arrays[k - 1], self.b[k - 1], self.task.relu)
            torch.bmm(self.W[k], a[k - 1], out=a[k])

    def _arrays(self, examples: int) -> list[Tensor]:
        """Room for the outputs of each layer: [R, units, examples]."""
        return [torch.zeros(w.shape[0], w.shape[1], examples, dtype=self.dtype) for w in self.W]

    def _load(self, block: int) -> None:
        """Point the runs and the targets at a block of steps."""
        self.block, first = block, 0
        self.runs.clear()
        for seed, group in groupby(self.seeds):
            some = slice(first, first := first + len(list(group)))
            x, transposed, _ = block_of(self.task, seed, block, self.dtype)
            arrays = (self.W[0], self.dW[0], self.a[0], self.d[0])
            weight, grad, hidden, delta = (array[some].flatten(0, 1) for array in arrays)
            self.runs.append(Run(weight, grad, hidden, delta, x, transposed))
        self.targets = np.stack([block_of(self.task, seed, block, self.dtype)[2] for seed in self.orders])


def autograd_loss(relu: bool, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """The same mathematics for torch.autograd: the truth in tests, and the path of online batches.

    Integer targets [R, batch] are classes (cross-entropy), floats [R, batch, outputs] numbers (mean squared error).
    """
    x, y = examples
    for k in range(0, len(params), 2):
        if k:
            x = x.relu() if relu else x.tanh()
        x = torch.baddbmm(params[k + 1].unsqueeze(1), x, params[k].transpose(1, 2))
    if y.is_floating_point():
        return (x - y).square().flatten(1).mean(1)
    chosen = x.log_softmax(2).gather(2, y.unsqueeze(2))
    return -chosen.flatten(1).mean(1)


def _model(task: Task, buffers: Buffers, seeds: Sequence[int]) -> Model:
    if buffers.weights.device.type == "cpu" and task.rows > 1:  # MKL's products of one row depend on neighbours
        return Perceptron(task, buffers, seeds)
    if buffers.weights.device.type != "cpu":
        return DevicePerceptron(task.data, task.relu, task.feed, task.classes, buffers, seeds)
    loss = partial(autograd_loss, task.relu)
    return GenericModel(loss, task.data, task.feed, buffers, seeds)


def perceptron(
    name: str,
    hidden: Sequence[int] = (32,),
    activation: Activation = "tanh",
    *,
    data: str = "digits",
    batch: int = 32,
    steps: int = 100,
    floor: float = 0.01,
    ceiling: float = 5.0,
    warmup: float = 0.1,
    init: str = "fan_in_normal",
    batching: str = "mini",
    decorrelate: bool = False,
    **options: Any,
) -> Proxy:
    """A perceptron as a proxy, as wide at its ends as its data: a name in proxies.datasets.DATASETS, with its options.

    Classes are learned by cross-entropy, numbers by mean squared error. `init` is one of proxies.inits.INITS, with the
    gain of the activation; `batching` one of proxies.batches.BATCHINGS; `decorrelate` whitens the inputs by PCA.
    """
    if not hidden or hidden[0] < 4 or batch < 2:
        # With fewer, MKL takes other kernels by the number of replicas, and results depend on the neighbours.
        raise ValueError("A perceptron needs at least 4 units in a first hidden layer and 2 examples a batch.")
    if activation not in ("tanh", "relu"):
        raise ValueError(f"The activation is tanh or relu, not {activation}.")
    load = dataset(data, **options)
    load = partial(decorrelated, load) if decorrelate else load
    x, y = load().train
    classes = y.ndim == 1
    widths = (x.shape[1], *hidden, int(y.max()) + 1 if classes else y.shape[1])
    layers = list(pairwise(widths))
    shapes = tuple(shape for i, o in layers for shape in ((o, i), (o,)))
    names = tuple(f"layer{k}.{part}" for k in range(len(layers)) for part in ("weight", "bias"))
    roles = ("hidden", "vector") * len(hidden) + ("head", "vector")
    relu = activation == "relu"
    check(init)
    feed = Feed(steps, batch, batching).checked(load)
    task = Task(load, relu, feed, feed.rows(load), classes)
    products = sum(i * o for i, o in layers)
    return Proxy(
        name=name,
        summary=f"{activation} perceptron {'-'.join(map(str, widths))} on {DATASETS[data].summary}"
        + "".join(f", {option.replace('_', ' ')} {value}" for option, value in options.items())
        + ("" if init == "fan_in_normal" else f", {init} initialisation")
        + ("" if batching == "mini" else f", {batching} batches")
        + (", decorrelated inputs" if decorrelate else ""),
        layout=Layout(names, shapes, roles),
        steps=steps,
        batch=task.rows,
        floor=floor,
        ceiling=ceiling,
        init=partial(initial, init, shapes, 2.0 if relu else 1.0),
        model=partial(_model, task),
        data=load,
        microseconds=round(0.8 * len(layers) + 7.5e-5 * products * task.rows, 1),  # measured: within 40 %
        warmup=warmup,
    )
