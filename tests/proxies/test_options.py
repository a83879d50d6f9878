"""Options of the proxies by their definitions, and each of them trained."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from proxies.batches import BATCHINGS, Feed, rows
from proxies.data import decorrelated, digits, regression
from proxies.generic import from_module
from proxies.inits import INITS, initial
from proxies.least_squares import least_squares
from proxies.perceptron import perceptron
from proxies.proxy import Proxy
from proxies.train import train, train_torch
from proxies.transformer import transformer
from tests.proxies import test_contract as contract
from tests.proxies.steppers import AdamW

LABELS = digits().train[-1]

# --- initialisation

VARIANCES = {
    "fan_in_normal": lambda i, o, power: power / i,
    "fan_in_uniform": lambda i, o, power: power / (3 * i),
    "xavier_uniform": lambda i, o, power: 2 * power / (i + o),
    "xavier_normal": lambda i, o, power: 2 * power / (i + o),
}
BOUNDS = {"fan_in_uniform": lambda i, o: 1 / np.sqrt(i), "xavier_uniform": lambda i, o: np.sqrt(6 / (i + o))}


@pytest.mark.parametrize("name", INITS)
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_variance_and_bounds_of_the_initial_weights(name: str, power: float) -> None:
    i, o = 300, 500
    matrix, vector = initial(name, ((o, i), (o,)), power, seed=0)
    assert not vector.any()
    assert float(matrix.var()) == pytest.approx(VARIANCES[name](i, o, power), rel=0.02)
    assert abs(float(matrix.mean())) < 4 * float(matrix.std()) / np.sqrt(i * o)
    assert torch.equal(matrix, initial(name, ((o, i), (o,)), power, seed=0)[0])
    if name in BOUNDS:
        bound = BOUNDS[name](i, o) * np.sqrt(power)
        assert 0.999 * bound < float(matrix.abs().max()) <= bound
    else:
        assert float(matrix.abs().max()) > 4 * float(matrix.std())


def test_least_squares_starts_at_zero_unless_told() -> None:
    assert not any(w.any() for w in least_squares("p").init(1))
    first, second = (least_squares("p", init="fan_in_uniform").init(seed)[0] for seed in (1, 2))
    assert not torch.equal(first, second)


def test_initial_weights_of_the_transformer() -> None:
    plain, other = transformer("p"), transformer("p", init="xavier_uniform")
    for role, before, after in zip(plain.layout.roles, plain.init(0), other.init(0), strict=True):
        if role in ("hidden", "head"):
            bound = (0.1 if role == "head" else 1.0) * np.sqrt(6 / sum(after.shape))
            assert 0.95 * bound < float(after.abs().max()) <= bound
            assert float(before.abs().max()) > bound
        else:
            assert torch.equal(before, after)


# --- decorrelation


@pytest.mark.parametrize("data", [digits, lambda: regression(32, 8, 0.1, 0)], ids=["digits", "regression"])
def test_decorrelated_inputs_have_the_identity_as_covariance(data) -> None:
    before, after = data(), decorrelated(data)
    x = after.train[0]
    covariance = x.T @ x / len(x)
    alive = np.diag(covariance) > 0.5
    assert alive.sum() == np.linalg.matrix_rank(before.train[0] - before.train[0].mean(axis=0))
    np.testing.assert_allclose(covariance, np.diag(alive.astype(float)), atol=1e-8)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-10)
    assert after.train[1] is before.train[1]


def test_validation_rows_go_the_same_way_and_are_not_looked_at() -> None:
    split, after = digits(), decorrelated(digits)
    affine = np.linalg.lstsq(np.column_stack([split.train[0], np.ones(800)]), after.train[0], rcond=None)[0]
    constant = np.ptp(split.train[0], axis=0) == 0  # directions in which training rows do not vary are dropped
    held = np.where(constant, split.train[0][0], split.validation[0])
    wanted = np.column_stack([held, np.ones(200)]) @ affine
    np.testing.assert_allclose(after.validation[0], wanted, atol=1e-6)
    with pytest.raises(ValueError, match="Only vector inputs"):
        decorrelated(lambda: dataclasses.replace(split, train=(split.train[1],)))


def test_tasks_that_share_rows_share_them_decorrelated() -> None:
    assert decorrelated(lambda: digits()) is decorrelated(digits)
    assert decorrelated(lambda: digits(0.3)) is not decorrelated(digits)


# --- batching


@pytest.mark.parametrize("batch", [10, 32, 37])
def test_balanced_batches_have_as_many_of_each_class(batch: int) -> None:
    found = rows("balanced", 3, 0, LABELS, 300, batch)
    counts = np.stack([np.bincount(LABELS[some], minlength=10) for some in found])
    assert found.shape == (300, batch)
    assert counts.min() == batch // 10
    assert counts.max() == -(-batch // 10)
    assert np.ptp(counts.sum(axis=0)) <= 1
    seen = np.bincount(found.ravel(), minlength=800)  # passes: within a class no row is two ahead of another
    assert all(np.ptp(seen[c == LABELS]) <= 1 for c in range(10))
    assert not np.array_equal(found, rows("balanced", 4, 0, LABELS, 300, batch))
    assert np.array_equal(found, rows("balanced", 3, 0, LABELS, 300, batch))


def test_full_online_and_mini() -> None:
    full = rows("full", 3, 0, LABELS, 4, 32)
    assert np.array_equal(full, np.tile(np.arange(800), (4, 1)))
    online = rows("online", 3, 0, LABELS, 800, 32)
    assert online.shape == (800, 1)
    assert np.array_equal(np.sort(online.ravel()), np.arange(800))
    mini = rows("mini", 3, 0, LABELS, 20, 30)
    assert mini.shape == (20, 30)
    assert len(np.unique(mini)) == 600


def test_a_full_batch_is_prepared_once() -> None:
    feed = Feed(100, 32, "full")
    assert feed.block == 1
    assert {feed.place(t) for t in (1, 2, 100, 101)} == {(0, 0)}
    assert Feed(100, 32).place(101) == (1, 0)


# --- as proxies

OPTIONS: dict[str, Proxy] = {
    **{f"{b} batches": perceptron(b, (16,), steps=40, batching=b) for b in BATCHINGS if b != "mini"},
    **{i: perceptron(i, (16,), "relu", steps=40, init=i) for i in INITS},
    "decorrelated": perceptron("decorrelated", (16,), steps=40, decorrelate=True),
    "least squares, decorrelated": least_squares("a", steps=40, decorrelate=True),
    "least squares, full": least_squares("b", steps=40, batching="full", init="fan_in_uniform"),
    "least squares, xavier_normal": least_squares("d", steps=40, init="xavier_normal", batching="full"),
    "transformer, xavier_uniform": transformer("e", steps=40, init="xavier_uniform"),
    "least squares, online": least_squares("c", steps=40, batching="online"),
    **{
        f"module, {b}": from_module(b, contract.make_mlp, digits, steps=40, batching=b)
        for b in BATCHINGS
        if b != "mini"
    },
    "module, decorrelated": from_module(
        "g", contract.make_mlp, partial(decorrelated, digits), summary="decorrelated module", steps=40
    ),
}
each = pytest.mark.parametrize("name", OPTIONS)


@each
def test_it_trains_and_says_what_it_is(name: str) -> None:
    proxy = OPTIONS[name]
    start = train(proxy, [0], np.zeros(1), AdamW, steps=1).validation[0]
    outcome = train(proxy, [0] * 3, contract.RATES, AdamW)
    assert outcome.validation.min() < 0.97 * start
    words = name.rpartition(", ")[2].split()[0]
    assert words in proxy.summary or words == "fan_in_normal"
    contract.test_layout_fits_the_initial_weights(proxy)


@each
def test_contracts_of_every_proxy(name: str) -> None:
    contract.test_same_seed_same_curve(OPTIONS[name])
    contract.test_alone_or_in_a_crowd_bit_for_bit(OPTIONS[name])
    contract.test_gradient_is_the_slope_of_the_loss(OPTIONS[name])


def torch_adamw(params: list[Tensor]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(params, betas=(0.9, 0.99), weight_decay=0.01)


@each
def test_torchs_adamw_trains_it(name: str) -> None:
    """The loss falls at the better rate, a seed repeats its curve, and neighbours make no difference."""
    seeds, rates = [7, 3, 7], np.array([1e-2, 3e-2, np.nan])
    start = train_torch(OPTIONS[name], torch_adamw, seeds[:1], np.zeros(1), steps=1)
    first, again = (train_torch(OPTIONS[name], torch_adamw, seeds, rates, curves=True) for _ in range(2))
    alone = train_torch(OPTIONS[name], torch_adamw, seeds[:1], rates[:1], curves=True)
    assert first.status == ("ok", "ok", "nan")
    assert first.validation.min() < 0.97 * start.validation[0]
    np.testing.assert_array_equal(first.curves, again.curves)
    np.testing.assert_array_equal(first.curves[:, 0], alone.curves[:, 0])
    assert first.validation[0] == again.validation[0] == alone.validation[0]


def test_whitening_makes_least_squares_easier_for_gradient_descent() -> None:
    """The condition number is what gradient descent suffers from."""
    covariance = np.cov(decorrelated(lambda: regression(32, 8, 0.1, 0)).train[0], rowvar=False)
    plain = np.cov(regression(32, 8, 0.1, 0).train[0], rowvar=False)
    assert np.linalg.cond(covariance) < 1.001
    assert np.linalg.cond(plain) > 1e3


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: perceptron("p", init="xavier"), "no initialisation called 'xavier'"),
        (lambda: from_module("p", contract.make_mlp, digits, batching="whole"), "no batching called 'whole'"),
        (lambda: least_squares("p", init="he"), "no initialisation called 'he'"),
        (lambda: transformer("p", init="he"), "no initialisation called 'he'"),
        (lambda: perceptron("p", batching="whole"), "no batching called 'whole'"),
        (lambda: perceptron("p", batching="balanced", batch=8), "at least 10 rows"),
        (lambda: least_squares("p", batching="balanced"), "need classes"),
    ],
)
def test_wrong_options_are_sentences(make, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make()
