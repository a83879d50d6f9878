"""Counts: rates are as heavy-tailed as asked for, the loss is the deviance, and nothing overflows."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from proxies.counts import CAP, counts, deviance, heavy_counts, rate

SPLIT = heavy_counts(16, 1.5, 0)


def test_counts_have_heavy_tails_and_cannot_be_told_from_their_rates() -> None:
    x, y = SPLIT.train
    assert x.shape == (2048, 16)
    assert (y >= 0).all()
    assert (y == y.round()).all()
    assert y.var() > 10 * y.mean()  # of Poisson counts of one rate they are equal
    assert y.max() > 8 * y.mean()
    assert max(part[1].max() for part in (SPLIT.train, SPLIT.validation, SPLIT.test)) < math.exp(CAP)


def test_no_row_serves_two_parts_and_problems_differ() -> None:
    parts = [{row.tobytes() for row in part[0]} for part in (SPLIT.train, SPLIT.validation, SPLIT.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 3072
    other = heavy_counts(16, 1.5, 1)
    assert other.sources != SPLIT.sources
    assert not np.array_equal(other.train[0], SPLIT.train[0])


def test_the_loss_is_half_the_deviance_of_poisson() -> None:
    params = [w.unsqueeze(0) for w in counts("counts").init(3)]
    x, y = (torch.from_numpy(part[:50]).unsqueeze(0) for part in SPLIT.train)
    weight, bias, head, offset = (w[0].numpy() for w in params)
    rates = np.exp(np.tanh(x[0].numpy() @ weight.T + bias) @ head[0] + offset)
    wanted = (poisson.logpmf(y[0], y[0]) - poisson.logpmf(y[0], rates)).mean()
    assert deviance(params, (x, y)).item() == pytest.approx(wanted, rel=1e-12)


def test_rates_are_exponential_up_to_the_cap_and_a_straight_line_beyond() -> None:
    log_rate = torch.tensor([-3.0, 0.0, CAP, CAP + 1, 1e6], dtype=torch.float64, requires_grad=True)
    found = rate(log_rate)
    top = math.exp(CAP)
    wanted = torch.tensor([math.exp(-3), 1, top, 2 * top, (1 + 1e6 - CAP) * top], dtype=torch.float64)
    torch.testing.assert_close(found, wanted)
    [slope] = torch.autograd.grad(found.sum(), log_rate)
    torch.testing.assert_close(slope[[0, 1, 3, 4]], torch.tensor([math.exp(-3), 1, top, top], dtype=torch.float64))
    assert rate(torch.tensor([torch.nan])).isnan().all()


def test_the_floor_is_about_what_the_true_rates_cost() -> None:
    """Half the deviance of the true rate has a mean near 1/2 for large rates, and less for small ones."""
    rng = np.random.default_rng(0)
    log_rate = 1 + 1.5 * rng.standard_normal(200_000)
    y = rng.poisson(np.exp(log_rate))
    unavoidable = (poisson.logpmf(y, y) - poisson.logpmf(y, np.exp(log_rate))).mean()
    assert counts("counts").floor == pytest.approx(unavoidable, rel=0.1)
