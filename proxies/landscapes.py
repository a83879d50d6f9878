"""Landscapes known in full: a noisy quadratic with a wide spectrum, and Rosenbrock's curved valley."""

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

ROWS = 2048, 256, 256  # to train on, to validate on, to test on
ENDS = (0, ROWS[0], ROWS[0] + ROWS[1], sum(ROWS))
DISTANCE = 0.3  # standard deviation of where the quadratic starts, around its minimum
STEEP = 100.0  # walls of the valley
REACH = 0.5  # starts in the valley lie this far from 0 or nearer: at the end away from the minimum


def factors(side: int, condition: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Roots A, B [side, side] of the two factors of a Hessian: that of |A W B'|^2 / 2 is A'A x B'B.

    Its eigenvalues go from 1 to 1 / condition; both factors are rotated at random, so no scaling of single weights
    removes them.
    """
    rng = np.random.default_rng((30, seed))
    roots = np.geomspace(1, condition**-0.25, side)
    rotations = (np.linalg.qr(rng.standard_normal((side, side)))[0] for _ in range(2))
    left, right = (roots[:, None] * rotation for rotation in rotations)
    return left, right


def _calmer(rows: np.ndarray, means: int) -> np.ndarray:
    """Normal rows whose held part is as if each were the mean of several."""
    rows[ROWS[0] :] /= np.sqrt(means)
    return rows


@cache
def clouds(side: int, noise: float, means: int, seed: int) -> Split:
    """Rows x = A X B' of points X around zero, [n, side, side], seen through `factors`: normal with deviation `noise`.

    So noise is largest where the curvature is least, and gradients have a covariance proportional to the Hessian, as
    in Zhang et al. 2019. Rows to validate and to test on are means of `means` points: what cannot be avoided of the
    loss is that much smaller there, side^2 noise^2 / (2 means).
    """
    rng = np.random.default_rng((31, seed))
    rows = _calmer(noise * rng.standard_normal((sum(ROWS), side, side)), means)
    return divided((rows,), ENDS, f"noisy quadratic, seed {seed}")


def quadratic(roots: tuple[Tensor, Tensor], params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean over rows of |A W B' - x|^2 / 2, for each replica [R]; that is (w - x)' H (w - x) / 2."""
    [weight], [x] = params, examples
    left, right = (root.to(weight).expand(len(weight), -1, -1) for root in roots)
    seen = torch.bmm(torch.bmm(left, weight), right.transpose(1, 2))
    return (seen.unsqueeze(1) - x).square().flatten(2).sum(2).mean(1) / 2


def _at_distance(side: int, seed: int) -> list[Tensor]:
    """A start near the minimum, as far from it in steep directions as in flat ones."""
    return [torch.from_numpy(DISTANCE * np.random.default_rng(seed).standard_normal((side, side)))]


def noisy_quadratic(
    name: str,
    side: int = 10,
    condition: float = 1e3,
    *,
    noise: float = 0.05,
    means: int = 1000,
    problem: int = 0,
    batch: int = 2,
    steps: int = 400,
    warmup: float = 0.1,
) -> Proxy:
    """The noisy quadratic model as a proxy, its Hessian rotated. Zhang et al. 2019, arXiv:1907.04164."""
    left, right = factors(side, condition, problem)
    roots = torch.from_numpy(left), torch.from_numpy(right)
    data = partial(clouds, side, noise, means, problem)
    return Proxy(
        name=name,
        summary=f"noisy quadratic in {side * side} rotated directions, curvature 1 to {1 / condition:g}",
        layout=Layout(("weight",), ((side, side),), ("hidden",)),
        steps=steps,
        batch=batch,
        floor=side**2 * noise**2 / (2 * means),
        ceiling=1.5,
        init=partial(_at_distance, side),
        model=generic_model(partial(quadratic, roots), data, Feed(steps, batch)),
        data=data,
        microseconds=2.9,
        warmup=warmup,
    )


@cache
def shifts(dimensions: int, noise: float, means: int, seed: int) -> Split:
    """Rows [n, dimensions] that shift the landscape, normal with deviation `noise`; held rows are means of `means`."""
    rng = np.random.default_rng((32, seed))
    rows = _calmer(noise * rng.standard_normal((sum(ROWS), dimensions)), means)
    return divided((rows,), ENDS, f"shifts of a valley, seed {seed}")


def valley(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Rosenbrock's function at z = w - x, mean over rows and links z, z' of its chain, for each replica [R].

    A link costs STEEP (z' - z^2)^2 + (1 - z)^2. Its least value, 0, is at z = 1, at the end of a long
    curved valley.
    """
    [weight], [x] = params, examples
    z = weight.unsqueeze(1) - x
    here, following = z[..., :-1], z[..., 1:]
    terms = STEEP * (following - here.square()).square() + (1 - here).square()
    return terms.flatten(1).mean(1)


def _points(dimensions: int, seed: int) -> list[Tensor]:
    """A start uniform in [-REACH, REACH]."""
    return [torch.from_numpy(np.random.default_rng(seed).uniform(-REACH, REACH, dimensions))]


def rosenbrock(
    name: str,
    dimensions: int = 24,
    *,
    noise: float = 0.01,
    means: int = 100,
    problem: int = 0,
    batch: int = 1,
    steps: int = 800,
    warmup: float = 0.1,
) -> Proxy:
    """Rosenbrock's chained function as a proxy, shifted a little by every row. Rosenbrock 1960."""
    data = partial(shifts, dimensions, noise, means, problem)
    return Proxy(
        name=name,
        summary=f"Rosenbrock's curved valley in {dimensions} dimensions, shifted by noise",
        layout=Layout(("point",), ((dimensions,),), ("vector",)),
        steps=steps,
        batch=batch,
        floor=5 * STEEP * noise**2 / means,
        ceiling=30.0,
        init=partial(_points, dimensions),
        model=generic_model(valley, data, Feed(steps, batch), elementwise=True),
        data=data,
        microseconds=1.9,
        warmup=warmup,
    )
