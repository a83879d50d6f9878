"""Tables of scikit-learn: the same numbers, standardised by what is trained on alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine

from proxies.data import split_rows
from proxies.tabular import TABLES, standardised, tabular


@pytest.mark.parametrize("name", TABLES)
def test_rows_to_train_on_have_mean_0_and_variance_1(name: str) -> None:
    split = tabular(name)
    numbers = [x for x in split.train if x.dtype.kind == "f"]
    assert len(numbers) == (2 if name == "diabetes" else 1)
    for x in numbers:
        assert x.ndim == 2
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(x.std(axis=0), 1)
    assert all(abs(x.mean()) > 1e-3 for x, y in (split.validation, split.test))
    assert split.sources == (f"{name} of scikit-learn",)


@pytest.mark.parametrize(("name", "load"), [("wine", load_wine), ("diabetes", load_diabetes)])
def test_it_is_the_table(name: str, load) -> None:
    """Every row is there once: what is left after one straight line a column is nothing."""
    x, y = load(return_X_y=True)
    parts = (tabular(name).train, tabular(name).validation, tabular(name).test)
    found = np.concatenate([np.column_stack(part) for part in parts])
    for ours, theirs in zip(found.T, np.column_stack([x, y]).T, strict=True):
        line = np.polyfit(np.sort(theirs), np.sort(ours), 1)
        np.testing.assert_allclose(np.sort(ours), np.polyval(line, np.sort(theirs)), atol=1e-9)
    assert np.unique(found, axis=0).shape == found.shape


def test_other_rows_are_moved_as_those_to_train_on_and_not_looked_at() -> None:
    x = np.random.default_rng(0).normal(5, 3, (50, 2))
    split = split_rows(x, np.arange(50))
    found = standardised(split)
    wild = standardised(split_rows(np.where(np.isin(x, split.test[0]), 1e6, x), np.arange(50)))
    assert np.array_equal(found.train[0], wild.train[0])
    assert np.array_equal(found.validation[0], wild.validation[0])
    mean, deviation = split.train[0].mean(axis=0), split.train[0].std(axis=0)
    np.testing.assert_allclose(found.test[0] * deviation + mean, split.test[0])
    assert found.train[1] is split.train[1]


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="no table called 'iris'; there are breast_cancer, "):
        tabular("iris")


def test_noisy_labels_are_trained_on_and_not_judged_by() -> None:
    clean, noisy = tabular("wine"), tabular("wine", 0.5)
    assert 0.2 < (noisy.train[1] != clean.train[1]).mean() < 0.5
    assert set(noisy.train[1]) == {0, 1, 2}
    for part in ("validation", "test"):
        assert all(map(np.array_equal, getattr(noisy, part), getattr(clean, part)))
    assert np.array_equal(noisy.train[0], clean.train[0])
    with pytest.raises(ValueError, match="Only classes can be noisy"):
        tabular("diabetes", 0.1)
