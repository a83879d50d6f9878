"""Noisy linear regression on badly scaled, correlated inputs: it punishes updates that ignore curvature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from proxies.batches import Feed
from proxies.data import Split, decorrelated, regression
from proxies.generic import generic_model
from proxies.inits import check, initial
from proxies.proxy import Layout, Proxy


def squares(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared residual of x W' + b over examples and outputs, for each replica [R]."""
    weight, bias = params
    x, y = examples
    residual = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2)) - y
    return residual.square().flatten(1).mean(1)


def _init(shapes: Sequence[tuple[int, ...]], seed: int) -> list[Tensor]:
    """Everything starts at zero; seeds differ in the order of the data."""
    return [torch.zeros(shape, dtype=torch.float64) for shape in shapes]


def least_squares(
    name: str,
    inputs: int = 32,
    outputs: int = 8,
    *,
    noise: float = 0.1,
    problem: int = 0,
    batch: int = 32,
    steps: int = 100,
    warmup: float = 0.1,
    init: str | None = None,
    batching: str = "mini",
    decorrelate: bool = False,
) -> Proxy:
    """Least squares as a proxy; `problem` seeds the data, and noise**2 is the floor: no model can go below.

    `init` is one of proxies.inits.INITS; without it the start is zero, and seeds differ in the order of the data alone:
    not at all with full batches. `batching` is one of proxies.batches.BATCHINGS but "balanced"; `decorrelate` whitens
    the inputs by PCA.
    """
    if init is not None:
        check(init)
    shapes = ((outputs, inputs), (outputs,))
    data: Callable[[], Split] = partial(regression, inputs, outputs, noise, problem)
    data = partial(decorrelated, data) if decorrelate else data
    feed = Feed(steps, batch, batching).checked(data)
    return Proxy(
        name=name,
        summary=f"ill-conditioned noisy least squares {inputs}-{outputs}, badly scaled columns"
        + ("" if init is None else f", {init} initialisation")
        + ("" if batching == "mini" else f", {batching} batches")
        + (", decorrelated inputs" if decorrelate else ""),
        layout=Layout(("weight", "bias"), shapes, ("hidden", "vector")),
        steps=steps,
        batch=feed.rows(data),
        floor=noise**2,
        ceiling=3.0,
        init=partial(_init, shapes) if init is None else partial(initial, init, shapes, 1.0),
        model=generic_model(squares, data, feed),
        data=data,
        microseconds=5.0,
        warmup=warmup,
    )
