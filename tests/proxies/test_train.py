"""The training loop: dropping, scaling, schedules, torch optimizers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import proxies
from proxies.perceptron import perceptron
from proxies.train import train, train_torch
from tests.proxies.steppers import SGD, AdamW

DIGITS = proxies.get("digits")


def test_the_hopeless_are_dropped_and_the_others_do_not_notice() -> None:
    lrs = np.array([0.1, np.nan, 0.2, 1e4, 0.3])
    seeds = [1, 1, 2, 2, 3]
    dropping = train(DIGITS, seeds, lrs, AdamW, steps=30, curves=True)
    keeping = train(DIGITS, seeds, lrs, AdamW, steps=30, checks=(), curves=True)
    assert dropping.status == ("ok", "nan", "ok", "diverged", "ok")
    assert [keeping.status[i] for i in (0, 2, 4)] == ["ok"] * 3
    assert dropping.stopped_at.tolist() == [30, 3, 30, 3, 30]
    assert np.array_equal(dropping.validation, keeping.validation)
    assert np.isinf(dropping.validation[[1, 3]]).all()
    fine = [0, 2, 4]
    assert np.array_equal(dropping.curves[:, fine], keeping.curves[:, fine])
    assert np.isnan(dropping.curves[3:, [1, 3]]).all()


def test_all_dropped() -> None:
    outcome = train(DIGITS, [1, 1], np.array([np.nan, np.inf]), SGD)
    assert outcome.status == ("nan", "nan")
    assert outcome.stopped_at.tolist() == [3, 3]
    assert np.isinf(outcome.validation).all()


def test_broken_by_the_last_step() -> None:
    assert train(DIGITS, [1], np.array([np.nan]), SGD, steps=1).status == ("nan",)
    assert train(DIGITS, [1], np.array([1e4]), SGD, steps=1).status == ("diverged",)


def test_gradients_are_scaled() -> None:
    scaled = train(DIGITS, [1, 1, 1], np.array([0.4, 0.1, np.nan]), SGD, grad_scale=np.array([1.0, 4.0, 1.0]))
    assert scaled.validation[0] == scaled.validation[1]
    assert scaled.status == ("ok", "ok", "nan")


def test_shorter_training_has_its_own_schedule() -> None:
    short = train(DIGITS, [1], np.array([0.1]), SGD, steps=20, warmup=0.5, curves=True)
    whole = train(DIGITS, [1], np.array([0.1]), SGD, curves=True)
    assert len(short.curves) == 20
    assert not np.array_equal(short.curves[:, 0], whole.curves[:20, 0])


def test_seeds_and_rates_must_agree() -> None:
    with pytest.raises(ValueError, match="2 seeds but 3 learning rates"):
        train(DIGITS, [1, 2], np.ones(3), SGD)


def _torch_sgd(params: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.SGD(params, lr=1.0)


@pytest.mark.parametrize("name", proxies.of_tier("search"))
def test_torch_sgd_is_plain_sgd(name: str) -> None:
    lrs = np.array([1e-3, np.nan, 2e-3])
    proxy, seeds = proxies.get(name), [1, 1, 2]
    ours = train(proxy, seeds, lrs, SGD, steps=12, dtype=torch.float64)
    theirs = train_torch(proxy, _torch_sgd, seeds, lrs, steps=12, dtype=torch.float64)
    np.testing.assert_allclose(ours.validation, theirs.validation, rtol=1e-12)
    assert ours.status == theirs.status


def test_torch_adamw_keeps_its_state_when_others_are_dropped() -> None:
    def make(params: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(params, betas=(0.9, 0.99), weight_decay=0.01)

    lrs = np.array([np.nan, 1e-2, 3e-2])
    crowd = train_torch(DIGITS, make, [1, 1, 2], lrs)
    alone = train_torch(DIGITS, make, [2], lrs[2:])
    assert crowd.validation[2] == alone.validation[0]
    ours = train(DIGITS, [2], lrs[2:], AdamW)
    assert ours.validation[0] == pytest.approx(alone.validation[0], rel=1e-2)


def test_float32_and_float64_agree_at_first() -> None:
    single, double = (
        train(perceptron("p", (9,)), [1], np.array([0.05]), SGD, steps=5, dtype=dtype, curves=True)
        for dtype in (torch.float32, torch.float64)
    )
    np.testing.assert_allclose(single.curves, double.curves, rtol=1e-5)
