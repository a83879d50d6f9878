"""Two problems that only a memory solves: to copy a string after a delay, and to add two marked numbers."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from proxies.data import Split, divided


@cache
def copying(symbols: int, length: int, delay: int, seed: int) -> Split:
    """All strings of this length, each shown once: x [n, 2 length + delay, symbols + 2] and the strings y [n, length].

    The string comes first, one-hot; then `delay` blanks; then `length` signs that ask for its symbols, in order. The
    two last classes are the blank and the sign. Strings are in an order drawn by the seed: 7 in 10 are to train on, the
    rest is divided between validation and test, so that no string serves two parts. Arjovsky et al. 2016, after
    Hochreiter and Schmidhuber 1997.
    """
    y = np.array(list(product(range(symbols), repeat=length)), dtype=np.int64)
    y = np.random.default_rng(seed).permutation(y)
    blank, sign = symbols, symbols + 1
    tokens = np.hstack([y, np.full((len(y), delay), blank), np.full((len(y), length), sign)])
    held = len(y) * 3 // 20
    ends = (0, len(y) - 2 * held, len(y) - held, len(y))
    return divided((np.eye(symbols + 2)[tokens], y), ends, f"copying {length} of {symbols} symbols, seed {seed}")


@cache
def adding(length: int, seed: int) -> Split:
    """Pairs of a number and a marker, x [n, length, 2], and the sum of the two marked numbers, y [n, 1].

    Numbers are uniform in [0, 1]; one marker is 1 in each half of a sequence, the others are 0. Who always answers 1
    has a squared error of 1/6. Hochreiter and Schmidhuber 1997, as in Le et al. 2015.
    """
    if length < 2:
        raise ValueError(f"To add two numbers a sequence needs at least 2, not {length}.")
    train, validation, test = 4096, 256, 256
    n = train + validation + test
    rng = np.random.default_rng(seed)
    numbers, markers = rng.random((n, length)), np.zeros((n, length))
    for first, last in ((0, length // 2), (length // 2, length)):
        markers[np.arange(n), rng.integers(first, last, n)] = 1
    x, y = np.stack([numbers, markers], axis=2), (numbers * markers).sum(axis=1, keepdims=True)
    return divided((x, y), (0, train, train + validation, n), f"adding over {length} steps, seed {seed}")
