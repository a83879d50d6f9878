"""Data made from a seed: a random network to imitate, and sums modulo a prime."""

from __future__ import annotations

from functools import cache

import numpy as np

from proxies.data import Split, divided


@cache
def teacher_student(inputs: int, teacher: int, outputs: int, noise: float, seed: int) -> Split:
    """A fixed random network's outputs: x [n, inputs] normal, y = V tanh(W x + b) + noise [n, outputs].

    The teacher has one hidden layer of that many units, at random weights that take its units well into saturation; each output has mean
    0 and variance 1 over the rows before the noise, whose standard deviation is `noise`. No student's mean squared
    error can be expected below noise**2.
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
def modular_addition(p: int, train: float, seed: int) -> Split:
    """Every pair of numbers below p as two one-hot vectors side by side [p * p, 2 p], and their sum modulo p.

    The part `train` of the pairs, drawn from the seed, is trained on; validation and test share the other pairs
    evenly. Power et al. 2022, arXiv:2201.02177.
    """
    pairs = np.random.default_rng(seed).permutation(p * p)
    a, b = np.divmod(pairs, p)
    x = np.concatenate([np.eye(p)[a], np.eye(p)[b]], axis=1)
    first = round(train * p * p)
    ends = (0, first, (first + p * p) // 2, p * p)
    return divided((x, (a + b) % p), ends, f"addition modulo {p}")
