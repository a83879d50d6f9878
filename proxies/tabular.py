"""Small tables of measurements that come with scikit-learn: each is a data set of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from proxies.data import Split, split_rows

TABLES = ("breast_cancer", "diabetes", "wine")


@cache
def tabular(name: str, label_noise: float = 0.0) -> Split:
    """A table of scikit-learn: inputs [n, columns] and classes [n], or one number for each row [n, 1].

    Inputs, and numbers to predict, have mean 0 and variance 1 over the rows to train on; the other rows are moved and
    scaled by the same amounts. `label_noise` is the part of the classes to train on that are replaced by a random one.
    """
    if name not in TABLES:
        raise ValueError(f"There is no table called {name!r}; there are {', '.join(TABLES)}.")
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    targets = y if np.issubdtype(y.dtype, np.integer) else y[:, None]
    split = standardised(split_rows(x, targets, source=f"{name} of scikit-learn"))
    return noisy(split, label_noise) if label_noise else split


def noisy(split: Split, part: float) -> Split:
    """The same rows with a part of the training classes [n], of the last array, replaced by a random class."""
    *inputs, labels = split.train
    if labels.dtype.kind == "f":
        raise ValueError("Only classes can be noisy labels; these targets are numbers.")
    rng = np.random.default_rng(1)
    drawn = np.where(rng.random(len(labels)) < part, rng.integers(0, labels.max() + 1, len(labels)), labels)
    return replace(split, train=(*inputs, drawn))


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
