"""Data made from a seed: a random network to imitate, and sums modulo a prime."""

from __future__ import annotations

from functools import cache

import numpy as np

from proxies.data import Split, divided


@cache
def teacher_student(inputs: int = 8, teacher: int = 12, outputs: int = 4, noise: float = 0.2, seed: int = 0) -> Split:
    """A fixed random network's outputs: x [n, inputs] normal, y = V tanh(W x + b) + noise [n, outputs].

    The teacher has `teacher` hidden units with random weights, large enough to saturate some. Each output has mean 0
    and variance 1 over the rows before the noise, whose standard deviation is `noise`: no student's mean squared error
    can be expected below noise**2.
    """
    train, validation, test = 2048, 512, 512
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((train + validation + test, inputs))
    w, b = 2 * rng.standard_normal((teacher, inputs)) / np.sqrt(inputs), rng.standard_normal(teacher)
    y = np.tanh(x @ w.T + b) @ rng.standard_normal((teacher, outputs))
    y = (y - y.mean(axis=0)) / y.std(axis=0) + noise * rng.standard_normal(y.shape)
    ends = (0, train, train + validation, train + validation + test)
    return divided((x, y), ends, f"teacher {inputs}-{teacher}-{outputs}, seed {seed}")


@cache
def modular_addition(p: int = 23, turns: tuple[int, ...] = (2, 5), train: float = 0.4, seed: int = 0) -> Split:
    """Every pair of numbers below p, as points on circles [p * p, 4 * turns], and their sum modulo p as the class.

    For each k of `turns` a number n has the two coordinates of the angle 2 pi k n / p, scaled to variance 1: the
    representation that networks find for themselves from one-hot inputs, after many thousands of steps (Nanda et al.
    2023, arXiv:2301.05217). The part `train` of the pairs, drawn from the seed, is trained on; validation and test
    share the others. Small parts are learned by heart first, and weight decay matters (Power et al. 2022,
    arXiv:2201.02177).
    """
    pairs = np.random.default_rng(seed).permutation(p * p)
    numbers = np.stack(np.divmod(pairs, p), axis=1)
    angles = 2 * np.pi / p * numbers[:, :, None] * np.array(turns)
    x = np.sqrt(2) * np.concatenate([np.cos(angles), np.sin(angles)], axis=2).reshape(p * p, -1)
    first = round(train * p * p)
    ends = (0, first, (first + p * p) // 2, p * p)
    return divided((x, numbers.sum(axis=1) % p), ends, f"addition modulo {p}")
