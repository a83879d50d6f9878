"""Poisson regression on counts with heavy-tailed rates: now and then a gradient is many times the usual one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.special import xlogy

from proxies.batches import Feed
from proxies.data import Split, divided
from proxies.generic import generic_model
from proxies.inits import initial
from proxies.layers import affine
from proxies.proxy import Layout, Proxy

CAP = 6.0  # log rate from where on rates grow along the tangent of the exponential: beyond nearly every count


@cache
def heavy_counts(inputs: int, spread: float, seed: int) -> Split:
    """Inputs x [n, inputs] and counts y [n], Poisson with the rates exp(teacher(x)).

    The teacher is a network of one layer of tanh; its log rates have the mean 1 and the standard deviation `spread`,
    so rates are heavy-tailed, about log-normal.
    """
    train, validation, test = 2048, 512, 512
    n = train + validation + test
    rng = np.random.default_rng((50, seed))
    x = rng.standard_normal((n, inputs))
    hidden = np.tanh(x @ rng.standard_normal((inputs, 8)) / np.sqrt(inputs))
    log_rate = hidden @ rng.standard_normal(8)
    log_rate = 1 + spread * (log_rate - log_rate.mean()) / log_rate.std()
    y = rng.poisson(np.exp(log_rate)).astype(np.float64)
    return divided((x, y), (0, train, train + validation, n), f"counts, seed {seed}")


def rate(log_rate: Tensor) -> Tensor:
    """The exponential up to CAP, its tangent beyond: no weights make it overflow, and gradients lead back."""
    return torch.exp(torch.minimum(log_rate, log_rate.new_tensor(CAP))) * (1 + torch.relu(log_rate - CAP))


def deviance(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Half the mean Poisson deviance, y log(y / rate) - (y - rate), for each replica [R]; 0 if every rate is y.

    The network has one layer of tanh and the log rate as its output.
    """
    weight, bias, head, offset = params
    x, y = examples
    log_rate = affine(affine(x, weight, bias).tanh(), head, offset).squeeze(2)
    found: Tensor = (xlogy(y, y) - y - y * log_rate + rate(log_rate)).mean(1)
    return found


def counts(
    name: str,
    inputs: int = 16,
    width: int = 16,
    *,
    spread: float = 1.5,
    problem: int = 1,
    batch: int = 8,
    steps: int = 150,
    warmup: float = 0.1,
) -> Proxy:
    """Poisson regression by a small network as a proxy."""
    shapes = (width, inputs), (width,), (1, width), (1,)
    data = partial(heavy_counts, inputs, spread, problem)
    return Proxy(
        name=name,
        summary=f"Poisson regression {inputs}-{width}-1 (tanh), heavy-tailed rates",
        layout=Layout(("weight", "bias", "head", "offset"), shapes, ("hidden", "vector", "head", "vector")),
        steps=steps,
        batch=batch,
        floor=0.5,  # what the true rates leave; it hardly depends on them
        ceiling=30.0,
        init=partial(initial, "fan_in_normal", shapes, 1.0),
        model=generic_model(deviance, data, Feed(steps, batch)),
        data=data,
        microseconds=4.7,
        warmup=warmup,
    )
