"""Noisy linear regression on badly scaled, correlated inputs: it punishes updates that ignore curvature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from proxies.data import regression
from proxies.generic import generic_model
from proxies.proxy import Layout, Proxy


def squares(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared residual of x W' + b over examples and outputs, for each replica [R]."""
    weight, bias = params
    x, y = examples
    residual = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2)) - y
    return residual.square().flatten(1).mean(1)


def _init(inputs: int, outputs: int, seed: int) -> list[Tensor]:
    """Everything starts at zero; seeds differ in the order of the data."""
    shapes = ((outputs, inputs), (outputs,))
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
) -> Proxy:
    """Least squares as a proxy; `problem` seeds the data, and noise**2 is the floor: no model can go below."""
    return Proxy(
        name=name,
        summary=f"ill-conditioned noisy least squares {inputs}-{outputs}, badly scaled columns",
        layout=Layout(("weight", "bias"), ((outputs, inputs), (outputs,)), ("hidden", "vector")),
        steps=steps,
        batch=batch,
        floor=noise**2,
        init=partial(_init, inputs, outputs),
        model=generic_model(squares, partial(regression, inputs, outputs, noise, problem), steps, batch),
        microseconds=5.0,
        warmup=warmup,
    )
