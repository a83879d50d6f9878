"""Small tables of measurements that come with scikit-learn: each is a data set of its own."""

from __future__ import annotations

from functools import cache

import numpy as np

from proxies.data import Split, split_rows

TABLES = ("breast_cancer", "diabetes", "wine")


@cache
def tabular(name: str) -> Split:
    """A table of scikit-learn: inputs [n, columns] and classes [n], or one number for each row [n, 1].

    Inputs, and numbers to predict, have mean 0 and variance 1 over the rows to train on; the other rows are moved and
    scaled by the same amounts.
    """
    if name not in TABLES:
        raise ValueError(f"There is no table called {name!r}; there are {', '.join(TABLES)}.")
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    targets = y if np.issubdtype(y.dtype, np.integer) else y[:, None]
    return standardised(split_rows(x, targets, source=f"{name} of scikit-learn"))


def standardised(split: Split) -> Split:
    """The same rows, each column of floats [n, columns] with mean 0 and variance 1 over the rows to train on."""
    arrays = [_standardised(*parts) for parts in zip(split.train, split.validation, split.test, strict=True)]
    train, validation, test = zip(*arrays, strict=True)
    return Split(train, validation, test, split.sources)


def _standardised(train: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    if train.dtype.kind != "f":
        return train, *others
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return tuple((x - mean) / deviation for x in (train, *others))
