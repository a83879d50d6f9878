"""Rare features: words follow Zipf's law, rare ones say more, and the truth is not to be beaten."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from torch.nn.functional import binary_cross_entropy_with_logits

from proxies.sparse import ROWS, VALUE, divergence, documents, rare_features, zipf

SPLIT = documents(60, 8, 1.2, 8.0, 0)


def true_weights() -> np.ndarray:
    """From the true chances of the rows to validate on, which are linear in their logits."""
    seen, chances, _ = SPLIT.validation
    return np.linalg.lstsq(seen, np.log(chances) - np.log1p(-chances), rcond=None)[0]


def test_words_follow_zipfs_law() -> None:
    words = SPLIT.train[0] / VALUE
    assert words.shape == (ROWS[0], 60)
    assert (words.sum(axis=1) == 8).all()
    assert (words == words.round()).all()
    chances = zipf(60, 1.2)
    assert chances.sum() == pytest.approx(1)
    assert chances[9] / chances[0] == pytest.approx(10**-1.2)
    expected = 8 * ROWS[0] * chances
    np.testing.assert_allclose(words.sum(axis=0), expected, atol=5 * np.sqrt(expected.max()), rtol=0.5)


def test_every_word_explains_as_much_and_the_rarest_has_the_size_asked_for() -> None:
    truth = VALUE * true_weights()
    assert abs(truth[-1]) == pytest.approx(8, rel=1e-6)
    explained = truth**2 * zipf(60, 1.2)
    np.testing.assert_allclose(explained, explained[0], rtol=1e-6)


def test_labels_to_train_on_are_drawn_by_the_chances() -> None:
    seen, labels, unavoidable = SPLIT.train
    assert set(labels) == {0.0, 1.0}
    assert not unavoidable.any()
    chances = expit(seen @ true_weights())
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        some = (chances >= low) & (chances < high)
        assert labels[some].mean() == pytest.approx(chances[some].mean(), abs=4 / np.sqrt(some.sum()) / 2)


def test_the_loss_is_cross_entropy_in_training_and_divergence_from_the_truth_on_held_rows() -> None:
    rng = torch.Generator().manual_seed(0)
    weight, bias = (torch.randn(3, n, generator=rng, dtype=torch.float64) / 10 for n in (60, 1))
    arrays = [torch.from_numpy(array[:40]) for array in SPLIT.train]
    found = divergence((weight, bias), [array.expand(3, *array.shape) for array in arrays])
    for r in range(3):
        wanted = binary_cross_entropy_with_logits(arrays[0] @ weight[r] + bias[r], arrays[1])
        torch.testing.assert_close(found[r], wanted)
    truth = torch.from_numpy(true_weights()).unsqueeze(0)
    held = [torch.from_numpy(array).unsqueeze(0) for array in SPLIT.test]
    nothing = torch.zeros(1, 1, dtype=torch.float64)
    assert divergence((truth, nothing), held).item() == pytest.approx(0, abs=1e-9)
    assert divergence((0.9 * truth, nothing), held).item() > 1e-4


def test_the_best_estimate_from_the_rows_stays_above_the_floor() -> None:
    """Newton's method on as many documents as a training sees, to the maximum of the likelihood."""
    proxy = rare_features("rare")
    many = proxy.batch * proxy.steps
    seen, labels = (array[:many] for array in proxy.data().train[:2])
    weight = np.zeros(seen.shape[1])
    for _ in range(15):
        chances = expit(seen @ weight)
        hessian = seen.T @ (seen * (chances * (1 - chances))[:, None]) + 1e-2 * np.eye(len(weight))
        weight -= np.linalg.solve(hessian, seen.T @ (chances - labels) + 1e-2 * weight)
    held = [torch.from_numpy(array).unsqueeze(0) for array in proxy.data().validation]
    params = torch.from_numpy(weight).unsqueeze(0), torch.zeros(1, 1, dtype=torch.float64)
    assert proxy.floor < divergence(params, held).item() < 5 * proxy.floor
