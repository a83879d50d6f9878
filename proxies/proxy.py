"""What a program is judged on: the record of a proxy task, and the buffers in which replicas train."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from proxies.data import Split

ROLES = ("hidden", "embedding", "head", "vector")
ALIGN = 64  # bytes: every segment starts on a cache line


@dataclass(frozen=True)
class Layout:
    """The parameters of one model: their names, shapes and roles, in the order of the flat buffer."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    roles: tuple[str, ...]  # of ROLES

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)


class Buffers:
    """Weights and gradients of R replicas of a model, parameter by parameter; segment k is [R, n_k].

    `weights` and `grads` are flat and share `offsets` (in elements, [K], each on a 64-byte line).
    """

    def __init__(self, layout: Layout, replicas: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
        self.layout, self.replicas = layout, replicas
        line = ALIGN // torch.empty((), dtype=dtype).element_size()
        starts = np.cumsum([0] + [-(-replicas * n // line) * line for n in layout.sizes])
        self.offsets = starts[:-1].astype(np.int64)
        self.weights = torch.zeros(int(starts[-1]), dtype=dtype, device=device)
        self.grads = torch.zeros_like(self.weights)

    def segment(self, flat: Tensor, k: int) -> Tensor:
        """Parameter k of every replica as a view [R, *shape] of a flat buffer of this layout."""
        shape, n = self.layout.shapes[k], self.layout.sizes[k]
        return flat[self.offsets[k] :][: self.replicas * n].view(self.replicas, *shape)

    def views(self, flat: Tensor) -> list[Tensor]:
        """All parameters as views [R, *shape] of a flat buffer of this layout."""
        return [self.segment(flat, k) for k in range(len(self.layout.shapes))]


class Stepper(Protocol):
    """What moves the weights: a machine running programs, or a torch optimizer."""

    def step(self, t: int, lr: np.ndarray | Tensor, loss: Tensor) -> None:
        """Update the weights in place; t counts from 1, lr is float64 [R], the rate of each replica; `loss` [R].

        A stepper that asks more of the loss has a method `attach(oracle)` too: it gets a ModelOracle (oracle.py) at
        the start and whenever replicas were dropped. One whose `in_graph` is true has `prepare(t, lr)` and `run(loss)`
        too, together a step, of which a CUDA graph may hold the second.
        """

    def keep(self, alive: np.ndarray, buffers: Buffers) -> None:
        """Go on with the replicas where `alive` [R] is true, in order; their weights are in `buffers`."""


Part = Literal["validation", "test"]  # to choose by, and to report
MakeStepper = Callable[[Buffers], Stepper]


class Model(Protocol):
    """A proxy's forward and backward for fixed replicas; made anew when replicas are dropped.

    For Hessian products, and for torch optimizers that call a closure, it has one more method: `loss_of(t, params,
    rows)`, the losses of step t of the replicas `rows` (a slice) at these parameters, as torch.autograd's function.
    """

    def loss_and_grad(self, t: int) -> Tensor:
        """Write the gradient of step t (from 1) into the buffers; return each replica's loss [R]."""

    def loss_on(self, part: Part) -> Tensor:
        """Mean loss of each replica [R] at the present weights, on the rows of a part of the data."""


@dataclass(frozen=True)
class Proxy:
    """One task: everything that is fixed when a program is judged on it."""

    name: str
    summary: str  # one line: data, model, what it rewards
    layout: Layout
    steps: int  # optimizer steps of one training
    batch: int  # examples per step
    floor: float  # losses below this count as this
    ceiling: float  # losses above this, and failed trainings, count as this: two to three times the loss at the start
    init: Callable[[int], list[Tensor]]  # seed -> the parameters, float64, in the layout's order
    model: Callable[[Buffers, Sequence[int]], Model]  # buffers, seed of each replica (fixes its data order)
    data: Callable[[], Split]  # rows to train on, to validate on and to test on
    microseconds: float  # rough cost of one replica-step on one core
    warmup: float = 0.1  # part of the steps spent in linear warm-up, before cosine decay to 0

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which losses count as they are."""
        return self.floor, self.ceiling
