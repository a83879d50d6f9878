"""Problems of low rank: a regression through two factors, and a matrix completed from some of its entries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from proxies.batches import Feed
from proxies.data import Split, divided
from proxies.generic import generic_model
from proxies.proxy import Layout, Proxy

SCALE = 40.0  # of inputs: puts the best rates of AdamW near 0.05


@cache
def through_a_bottleneck(inputs: int, outputs: int, rank: int, shrink: float, noise: float, seed: int) -> Split:
    """Inputs x [n, inputs] and y = W x + noise [n, outputs], the rank of W as given; W x has a variance of about 1.

    Of the inputs, `rank` directions matter, rotated at random and as wide as 1 down to `shrink`; the others are as
    wide as `shrink`. W makes up for it: each direction explains as much of y as any other, but gradients hardly show
    the narrow ones. `noise` is the standard deviation of what cannot be explained.
    """
    train, validation, test = 2048, 512, 512
    n = train + validation + test
    rng = np.random.default_rng((40, seed))
    widths = np.concatenate([np.geomspace(1, shrink, rank), np.full(inputs - rank, shrink)])
    rotation = np.linalg.qr(rng.standard_normal((inputs, inputs)))[0]
    hidden = rng.standard_normal((n, inputs))
    directions = np.linalg.qr(rng.standard_normal((outputs, rank)))[0] * np.sqrt(outputs / rank)
    y = hidden[:, :rank] @ directions.T + noise * rng.standard_normal((n, outputs))
    ends = 0, train, train + validation, n
    return divided((SCALE * hidden * widths @ rotation, y), ends, f"regression of rank {rank}, seed {seed}")


def two_factors(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared residual of U V x over examples and outputs, for each replica [R]."""
    down, up = params
    x, y = examples
    residual = torch.bmm(torch.bmm(x, down.transpose(1, 2)), up.transpose(1, 2)) - y
    return residual.square().flatten(1).mean(1)


def normal(shapes: Sequence[tuple[int, ...]], deviation: float, seed: int) -> list[Tensor]:
    """Parameters of a seed, normal with one deviation, float64."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(deviation * rng.standard_normal(shape)) for shape in shapes]


def low_rank(
    name: str,
    inputs: int = 24,
    outputs: int = 16,
    rank: int = 8,
    *,
    shrink: float = 0.04,
    noise: float = 0.1,
    problem: int = 0,
    batch: int = 16,
    steps: int = 200,
    warmup: float = 0.1,
) -> Proxy:
    """Regression by a linear network of two layers, V and U, as a proxy; noise**2 is the floor."""
    shapes = (rank, inputs), (outputs, rank)
    data = partial(through_a_bottleneck, inputs, outputs, rank, shrink, noise, problem)
    return Proxy(
        name=name,
        summary=f"linear network {inputs}-{rank}-{outputs} on noisy data of its rank, badly scaled directions",
        layout=Layout(("down", "up"), shapes, ("hidden", "head")),
        steps=steps,
        batch=batch,
        floor=noise**2,
        ceiling=3.0,
        init=partial(normal, shapes, 0.075),
        model=generic_model(two_factors, data, Feed(steps, batch)),
        data=data,
        microseconds=3.5,
        warmup=warmup,
    )


@cache
def ratings(rows: int, columns: int, rank: int, power: float, spread: float, noise: float, seed: int) -> Split:
    """Entries of a matrix: place [n, 2] and value [n], its rank as given, the deviation of its entries about `spread`.

    Rows and columns are as popular as 1 / rank**power, entries drawn without repetition; validation and test are
    other entries. Only values to train on have noise, of this standard deviation.
    """
    train, validation, test = 1536, 384, 384
    rng = np.random.default_rng((41, seed))
    left, right = (rng.standard_normal((side, rank)) for side in (rows, columns))
    whole = left @ right.T / np.sqrt(rank)
    popular = [np.arange(1, side + 1) ** -power for side in (rows, columns)]
    chances = np.outer(*popular).ravel()
    n = train + validation + test
    places = rng.choice(rows * columns, n, replace=False, p=chances / chances.sum())
    places = rng.permutation(places)  # drawn first are the popular ones
    values = spread * whole.ravel()[places]
    values[:train] += noise * rng.standard_normal(train)
    ends = 0, train, train + validation, n
    where = np.stack(np.divmod(places, columns), axis=1)
    return divided((where, values), ends, f"matrix of rank {rank}, seed {seed}")


def completion(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared residual of the entries of U V', for each replica [R]."""
    places, values = examples
    chosen = [
        factor.gather(1, places[..., k : k + 1].expand(-1, -1, factor.shape[2])) for k, factor in enumerate(params)
    ]
    return ((chosen[0] * chosen[1]).sum(2) - values).square().mean(1)


def matrix_factorisation(
    name: str,
    rows: int = 80,
    columns: int = 60,
    rank: int = 4,
    width: int = 6,
    *,
    power: float = 0.6,
    spread: float = 0.5,
    noise: float = 0.15,
    problem: int = 0,
    batch: int = 16,
    steps: int = 600,
    warmup: float = 0.1,
) -> Proxy:
    """Completion of a matrix by two embeddings as a proxy; a `width` above the rank leaves a way around saddles."""
    shapes = (rows, width), (columns, width)
    data = partial(ratings, rows, columns, rank, power, spread, noise, problem)
    return Proxy(
        name=name,
        summary=f"completion of a {rows} x {columns} matrix of rank {rank} by embeddings, popularity by a power law",
        layout=Layout(("rows", "columns"), shapes, ("embedding", "embedding")),
        steps=steps,
        batch=batch,
        floor=0.005,  # below what the noise of as many entries leaves, about 0.008
        ceiling=0.75,
        init=partial(normal, shapes, 0.3),
        model=generic_model(completion, data, Feed(steps, batch)),
        data=data,
        microseconds=2.7,
        warmup=warmup,
    )
