"""A task whose gradients have heavy tails: the suite's least squares with Cauchy noise on the targets to train on."""

from dataclasses import replace
from functools import partial

import numpy as np

from proxies.batches import Feed
from proxies.data import Split, regression
from proxies.generic import generic_model
from proxies.least_squares import _init, squares
from proxies.proxy import Layout, Proxy

INPUTS, OUTPUTS, STEPS, BATCH = 32, 8, 100, 32
NOISE, SCALE, FARTHEST = 0.1, 0.3, 30.0  # of all targets; of the Cauchy noise, and what it is cut at


def rows() -> Split:
    """Badly scaled, correlated inputs; targets of variance 1, those to train on with outliers."""
    clean = regression(INPUTS, OUTPUTS, NOISE, 0)
    x, y = clean.train
    outliers = SCALE * np.random.default_rng(1).standard_cauchy(y.shape)
    train = x, (y + np.clip(outliers, -FARTHEST, FARTHEST)).astype(y.dtype)
    return replace(clean, train=train, sources=("linear regression with Cauchy noise, seeds 0 and 1",))


def heavy_tails() -> Proxy:
    """The task: `evosearch run --proxy experiments/2026-11-29-rediscovery/heavy_tails.py`."""
    shapes, feed = ((OUTPUTS, INPUTS), (OUTPUTS,)), Feed(STEPS, BATCH, "mini").checked(rows)
    return Proxy(
        name="heavy_tails",
        summary=f"least squares {INPUTS}-{OUTPUTS} on targets with Cauchy noise, tested without it",
        layout=Layout(("weight", "bias"), shapes, ("hidden", "vector")),
        steps=STEPS,
        batch=feed.rows(rows),
        floor=NOISE**2,
        ceiling=3.0,
        init=partial(_init, shapes),
        model=generic_model(squares, rows, feed),
        data=rows,
        microseconds=5.0,
    )
