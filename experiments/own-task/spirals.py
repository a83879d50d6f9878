"""A task of your own: two spirals that wind around each other, told apart by a small torch module."""

import numpy as np
from torch import nn

from proxies.generic import from_module
from proxies.proxy import Proxy


def points() -> tuple[np.ndarray, np.ndarray]:
    """Points in the plane [n, 2], and which spiral each is on [n]."""
    rng = np.random.default_rng(0)
    turn = np.sqrt(rng.random(2000)) * 2 * np.pi  # radians from the centre
    spiral = rng.integers(0, 2, 2000)
    angle = turn + np.pi * spiral
    inputs = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) / 4
    return inputs + 0.05 * rng.standard_normal(inputs.shape), spiral


def module() -> nn.Module:
    """Made anew for each seed, with torch's own initial weights."""
    return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))


def spirals() -> Proxy:
    """The task: `evosearch run --proxy experiments/own-task/spirals.py`."""
    return from_module("spirals", module, points, summary="two spirals", steps=150, batch=32, ceiling=2.0)
