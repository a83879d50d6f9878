"""A plateau is found where there is one and nowhere else; rates are held and halved."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from proxies.perceptron import perceptron
from proxies.plateau import HalveOnPlateau, Plateau
from proxies.train import train, train_torch
from tests.proxies.steppers import AdamW

T = np.arange(1, 101, dtype=np.float64)
FLAT = {
    "falls, then flat": np.maximum(2 - T / 20, 0.5),
    "exponential to a floor": 1 + np.exp(-T / 8),
    "rises": 1 + T / 100,
}
DESCENDING = {
    "linear": 2 - T / 80,
    "exponential": np.exp(-T / 100),
    "one over t": 1 / T,
    "flat, then descends again": np.where(T < 70, 1.0, 1 - (T - 70) / 60),
}


def noisy(curve: np.ndarray, level: float, many: int = 200) -> np.ndarray:
    return curve[:, None] * (1 + level * np.random.default_rng(0).standard_normal((len(curve), many)))


@pytest.mark.parametrize("name", FLAT)
def test_a_plateau_is_found(name: str) -> None:
    assert Plateau().on(FLAT[name])
    assert Plateau().on(noisy(FLAT[name], 0.02)).mean() > 0.9


@pytest.mark.parametrize("name", DESCENDING)
@pytest.mark.parametrize("level", [0, 0.02, 0.1])
def test_none_in_a_descending_curve(name: str, level: float) -> None:
    assert not Plateau().on(DESCENDING[name])
    assert Plateau().on(noisy(DESCENDING[name], level)).mean() <= 0.005


def test_none_before_two_windows_and_none_in_what_is_not_finite() -> None:
    assert not Plateau().on(np.ones(39))
    assert Plateau().on(np.ones(40))
    assert not Plateau().on(np.full(50, np.nan))
    assert not Plateau().on(np.full(50, np.inf))
    assert Plateau().on(np.zeros(50))


def test_train_ends_what_sits_on_a_plateau_and_leaves_the_rest_as_it_is() -> None:
    proxy = perceptron("flat", (16,), steps=60)
    lrs, seeds = np.array([0.0, 1e-2, 0.0]), [3, 3, 4]
    plain = train(proxy, seeds, lrs, AdamW, curves=True)
    early = train(proxy, seeds, lrs, AdamW, curves=True, plateau=Plateau(tolerance=0.1))
    assert early.status == ("ok",) * 3
    assert early.stopped_at.tolist() == [50, 60, 50]
    np.testing.assert_array_equal(early.validation, plain.validation)  # at rate 0 nothing moves after it either
    np.testing.assert_array_equal(early.curves[:, 1], plain.curves[:, 1])
    everything = train(proxy, seeds[:1], lrs[:1], AdamW, plateau=Plateau(tolerance=0.1))
    assert everything.stopped_at.tolist() == [50]
    assert everything.validation[0] == plain.validation[0]
    by_torch = train_torch(proxy, torch.optim.AdamW, seeds, lrs, plateau=Plateau(tolerance=0.1))
    assert by_torch.stopped_at.tolist() == [50, 60, 50]
    assert by_torch.status == ("ok",) * 3


def test_the_flat_beginning_of_a_long_warm_up_is_no_plateau() -> None:
    proxy = perceptron("slow", (16,), batching="full", steps=60)
    losses = train(proxy, [1], np.array([1e-3]), AdamW, warmup=1.0, curves=True).curves
    assert Plateau(window=10, tolerance=0.1).on(losses[:20])
    checked = {"checks": range(20, 60, 5), "plateau": Plateau(window=10, tolerance=0.1)}
    assert train(proxy, [1], np.array([1e-3]), AdamW, warmup=1.0, **checked).stopped_at.tolist() == [60]
    assert train(proxy, [1], np.zeros(1), AdamW, warmup=0.5, **checked).stopped_at.tolist() == [50]


INF, NAN = float("inf"), float("nan")
METRICS = (INF, INF, 1.0, 0.9, 0.9, 0.9, 0.89999, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, NAN, 0.4, 0.4)


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": r} for r in (1.0, 0.1)])


@pytest.mark.parametrize("patience", [0, 1, 3])
def test_as_torchs_reduce_on_plateau(patience: int) -> None:
    ours, theirs = optimizer(), optimizer()
    schedule = HalveOnPlateau(ours, patience=patience, min_lr=0.02)
    other = torch.optim.lr_scheduler.ReduceLROnPlateau(theirs, factor=0.5, patience=patience, min_lr=0.02, eps=0)
    for metric in METRICS:
        schedule.step(metric)
        other.step(metric)
        assert [g["lr"] for g in ours.param_groups] == [g["lr"] for g in theirs.param_groups]
    assert ours.param_groups[0]["lr"] < 1


def test_a_rate_below_the_least_stays_and_a_tensor_keeps_its_place() -> None:
    low = torch.optim.SGD([torch.zeros(1)], lr=0.01)
    schedule = HalveOnPlateau(low, min_lr=0.1)
    assert [schedule.step(1.0) for _ in range(3)] == [False] * 3
    assert low.param_groups[0]["lr"] == 0.01
    rate = torch.tensor(0.5)
    adam = torch.optim.Adam([torch.zeros(1)], lr=rate)
    schedule = HalveOnPlateau(adam)
    assert [schedule.step(1.0) for _ in range(2)] == [False, True]
    assert adam.param_groups[0]["lr"] is rate
    assert rate == 0.25


def test_it_goes_on_from_its_state() -> None:
    whole, first, second = optimizer(), optimizer(), optimizer()
    schedule, begun, resumed = (HalveOnPlateau(o, patience=2) for o in (whole, first, second))
    for metric in METRICS[:9]:
        schedule.step(metric)
        begun.step(metric)
    resumed.load_state_dict(begun.state_dict())
    second.load_state_dict(first.state_dict())
    for metric in METRICS[9:]:
        assert schedule.step(metric) == resumed.step(metric)
    assert whole.param_groups[0]["lr"] == second.param_groups[0]["lr"]


def test_noisy_metrics_are_judged_by_a_plateau() -> None:
    o = optimizer()
    schedule = HalveOnPlateau(o, plateau=Plateau(window=5))
    lowered = [i for i in range(20) if schedule.step(1.0)]
    assert lowered == [9, 19]
    assert o.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("wrong", [{"factor": 1.0}, {"patience": -1}, {"min_lr": -1.0}])
def test_wrong_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"."):
        HalveOnPlateau(optimizer(), **wrong)
    with pytest.raises(ValueError, match="window of at least 2"):
        Plateau(window=1)
