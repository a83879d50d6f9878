"""The data: train and validation are disjoint, the orders are fixed by the seed."""

from __future__ import annotations

import numpy as np
import pytest

from proxies.batches import order
from proxies.data import (
    CLASSES,
    Split,
    digits,
    fold,
    regression,
    source,
    text,
)

SPLITS = {"digits": digits(), "noisy digits": digits(0.3), "regression": regression(32, 8, 0.1, 0)}


@pytest.mark.parametrize("split", SPLITS.values(), ids=SPLITS.keys())
def test_no_row_serves_two_parts(split: Split) -> None:
    parts = [{row.tobytes() for row in part[0]} for part in (split.train, split.validation, split.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    for part in (split.train, split.validation, split.test):
        assert len({len(array) for array in part}) == 1


def test_text_validates_on_other_files() -> None:
    split = text(16)
    assert 150_000 < len(split.train[0]) < 250_000
    assert split.validation[0].shape == (128, 17)
    assert split.train[0].min() >= 0
    assert split.train[0].max() < CLASSES


def test_fold() -> None:
    assert fold(b" A_").tolist() == [0, 33, 63]
    assert (fold(b"az{~") == fold(b"AZ[^")).all()
    assert (fold(b"\n\t\xff\x7f") == fold(b"@\t\x00_")).tolist() == [True, True, True, True]
    assert b"  " not in source(("argparse",))


def test_digits() -> None:
    (x, y), (held, _) = digits().train, digits().validation
    assert x.shape == (800, 64)
    assert held.shape == (200, 64)
    assert x.min() == -0.3
    assert x.max() == 0.7
    noisy = digits(0.5)
    assert 0.4 < (noisy.train[1] != y).mean() < 0.5
    assert np.array_equal(noisy.validation[1], digits().validation[1])


def test_regression_is_ill_conditioned_and_its_floor_is_the_noise() -> None:
    split = regression(32, 8, 0.1, 0)
    x, y = split.train
    eigenvalues = np.linalg.eigvalsh(x.T @ x / len(x))
    assert 1e3 < eigenvalues[-1] / eigenvalues[0] < 1e4
    assert 0.5 < y.var() < 2
    wide, held = (np.hstack([part[0], np.ones((len(part[0]), 1))]) for part in (split.train, split.validation))
    solution = np.linalg.lstsq(wide, y, rcond=None)[0]
    assert ((held @ solution - split.validation[1]) ** 2).mean() == pytest.approx(0.1**2, rel=0.1)


def test_order_passes_over_all_examples() -> None:
    rows = order(3, 0, 50, 40, 5)
    assert rows.shape == (40, 5)
    assert (np.bincount(rows.ravel()) == 4).all()
    assert np.array_equal(rows, order(3, 0, 50, 40, 5))
    assert not np.array_equal(rows, order(3, 1, 50, 40, 5))
    assert not np.array_equal(rows, order(4, 0, 50, 40, 5))
    assert len(np.unique(order(3, 0, 1000, 10, 5))) == 50
