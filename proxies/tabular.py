"""Small tables of measurements that come with scikit-learn: each is a data set of its own."""

from __future__ import annotations

from functools import cache

import numpy as np

from proxies.data import Split, divided

TABLES = ("breast_cancer", "diabetes", "wine")
TRAIN, VALIDATION = 0.6, 0.2  # parts of the rows; the rest is for the test


@cache
def tabular(name: str) -> Split:
    """A table of scikit-learn: inputs [n, columns] and classes [n], or one number for each row [n, 1].

    The rows come in a fixed random order. Inputs, and numbers to predict, have mean 0 and variance 1 over the rows to
    train on; the other rows are moved and scaled by the same amounts.
    """
    if name not in TABLES:
        raise ValueError(f"There is no table called {name!r}; there are {', '.join(TABLES)}.")
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    train, validation = round(TRAIN * len(x)), round((TRAIN + VALIDATION) * len(x))
    x = _standardised(x[order], train)
    is_class = np.issubdtype(y.dtype, np.integer)
    y = y[order].astype(np.int64) if is_class else _standardised(y[order, None], train)
    return divided((x, y), (0, train, validation, len(x)), f"{name} of scikit-learn")


def _standardised(x: np.ndarray, train: int) -> np.ndarray:
    """Columns with mean 0 and variance 1 over the first `train` rows."""
    first = x[:train]
    return np.asarray((x - first.mean(axis=0)) / first.std(axis=0))
