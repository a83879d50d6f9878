"""Data made from a seed: what cannot be explained is the noise, and sums are sums."""

from __future__ import annotations

import numpy as np
import pytest

from proxies.generators import modular_addition, teacher_student


def test_what_the_teacher_cannot_explain_is_the_noise() -> None:
    """The same seed without noise gives the teacher's own outputs, for the noise is drawn last."""
    noisy, clean = teacher_student(noise=0.2), teacher_student(noise=0.0)
    for part in ("train", "validation", "test"):
        (x, y), (same, truth) = getattr(noisy, part), getattr(clean, part)
        assert np.array_equal(x, same)
        assert ((y - truth) ** 2).mean() == pytest.approx(0.2**2, rel=0.1)
    whole = np.concatenate([clean.train[1], clean.validation[1], clean.test[1]])
    np.testing.assert_allclose(whole.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(whole.std(axis=0), 1)
    assert whole.shape[1] == 4


def test_the_teacher_is_no_straight_line_and_another_for_each_seed() -> None:
    x, y = teacher_student(noise=0.0).train
    wide = np.column_stack([x, np.ones(len(x))])
    residual = y - wide @ np.linalg.lstsq(wide, y, rcond=None)[0]
    assert (residual.var(axis=0) > 0.1).all()
    other = teacher_student(seed=1)
    assert other.sources != teacher_student().sources
    assert not np.array_equal(other.train[1], teacher_student().train[1])


def test_every_pair_once_and_the_class_is_the_sum() -> None:
    split = modular_addition(p=7, turns=(1, 3), train=0.5)
    x, y = (np.concatenate([part[k] for part in (split.train, split.validation, split.test)]) for k in (0, 1))
    assert [len(part[0]) for part in (split.train, split.validation, split.test)] == [24, 12, 13]
    points = x.reshape(49, 2, 2, 2) / np.sqrt(2)  # of a pair: number, cosine or sine, turns
    angles = np.arctan2(points[:, :, 1, 0], points[:, :, 0, 0])
    numbers = np.rint(angles * 7 / (2 * np.pi)).astype(int) % 7
    assert len({(a, b) for a, b in numbers.tolist()}) == 49
    assert np.array_equal(numbers.sum(axis=1) % 7, y)
    thrice = 2 * np.pi * 3 / 7 * numbers
    np.testing.assert_allclose(points[:, :, :, 1], np.stack([np.cos(thrice), np.sin(thrice)], axis=2), atol=1e-12)
    np.testing.assert_allclose(x.var(axis=0), 1)


def test_another_seed_divides_the_same_pairs_otherwise() -> None:
    first, second = modular_addition(), modular_addition(seed=1)
    assert first.sources == second.sources
    assert not np.array_equal(first.train[1], second.train[1])
