"""Problems of low rank: the rank, the widths and the noise are those asked for; losses are squares of residuals."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from proxies.data import Split
from proxies.factorisation import (
    SCALE,
    completion,
    low_rank,
    matrix_factorisation,
    ratings,
    through_a_bottleneck,
    two_factors,
)

RANK, SHRINK = 8, 0.04
SPLIT = through_a_bottleneck(24, 16, RANK, SHRINK, 0.1, 0)


def everything(split: Split) -> list[np.ndarray]:
    """All rows of a split, array by array."""
    return [np.concatenate(parts) for parts in zip(split.train, split.validation, split.test, strict=True)]


def test_the_map_has_its_rank_and_the_rest_is_noise() -> None:
    x, y = SPLIT.train
    solution = np.linalg.lstsq(x, y, rcond=None)[0]
    held, wanted = SPLIT.validation
    assert ((held @ solution - wanted) ** 2).mean() == pytest.approx(0.1**2, rel=0.1)
    [quiet_x, quiet_y] = everything(through_a_bottleneck(24, 16, RANK, SHRINK, 0.0, 0))
    exact = np.linalg.lstsq(quiet_x, quiet_y, rcond=None)[0]
    assert np.linalg.matrix_rank(exact, tol=1e-9) == RANK
    assert quiet_y.var() == pytest.approx(1, rel=0.1)


def test_directions_that_matter_are_as_wide_as_asked_and_explain_as_much_as_each_other() -> None:
    [x, y] = everything(through_a_bottleneck(24, 16, RANK, SHRINK, 0.0, 0))
    widths = np.linalg.svd(x, compute_uv=False) / np.sqrt(len(x)) / SCALE
    np.testing.assert_allclose(widths[:RANK], np.geomspace(1, SHRINK, RANK), rtol=0.1)
    np.testing.assert_allclose(widths[RANK:], SHRINK, rtol=0.1)
    explained = np.linalg.svd(y, compute_uv=False)[:RANK]
    assert explained[0] < 1.15 * explained[-1]


def test_two_factors_are_a_product_of_matrices() -> None:
    proxy = low_rank("low")
    down, up = proxy.init(1)
    x, y = (torch.from_numpy(array[:20]) for array in SPLIT.train)
    found = two_factors([w.unsqueeze(0) for w in (down, up)], [a.unsqueeze(0) for a in (x, y)])
    assert found.item() == pytest.approx(((x @ (up @ down).T - y) ** 2).mean().item())


def test_ratings_are_entries_of_one_matrix_of_low_rank_without_repetition() -> None:
    [places, values] = everything(ratings(48, 48, 4, 0.6, 0.5, 0.0, 0))
    assert len(np.unique(places, axis=0)) == len(places) == 48 * 48
    whole = np.empty((48, 48))
    whole[tuple(places.T)] = values
    assert np.linalg.matrix_rank(whole, tol=1e-9) == 4
    assert whole.std() == pytest.approx(0.5, rel=0.3)


def test_only_ratings_to_train_on_have_noise() -> None:
    quiet, noisy = (ratings(80, 60, 4, 0.6, 0.5, noise, 0) for noise in (0.0, 0.15))
    assert (noisy.train[1] - quiet.train[1]).std() == pytest.approx(0.15, rel=0.1)
    assert np.array_equal(noisy.validation[1], quiet.validation[1])
    assert np.array_equal(noisy.test[1], quiet.test[1])


def test_rows_and_columns_are_popular_by_a_power_law() -> None:
    [places, _] = everything(ratings(400, 300, 4, 0.6, 0.5, 0.0, 0))
    for k, side in enumerate((400, 300)):
        found = np.bincount(places[:, k], minlength=side)
        share = found[: side // 10].sum() / found[-side // 2 :].sum()
        ranks = np.arange(1, side + 1) ** -0.6
        assert share == pytest.approx(ranks[: side // 10].sum() / ranks[-side // 2 :].sum(), rel=0.25)


def test_completion_reads_the_entries_of_the_product() -> None:
    proxy = matrix_factorisation("completion")
    rows, columns = proxy.init(1)
    places, values = (torch.from_numpy(array[:30]) for array in proxy.data().train)
    found = completion([rows.unsqueeze(0), columns.unsqueeze(0)], [places.unsqueeze(0), values.unsqueeze(0)])
    entries = (rows @ columns.T)[places[:, 0], places[:, 1]]
    assert found.item() == pytest.approx(((entries - values) ** 2).mean().item())
