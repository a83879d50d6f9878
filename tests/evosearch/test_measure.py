"""Trainings of programs: the same alone and in company, and the same as torch's own optimizer in the same loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import proxies
from evosearch.breed import make_context
from evosearch.evaluate import Candidate, Hurdles, evaluate
from evosearch.measure import measure, rate, trained
from evosearch.score import Baseline
from primitives.graph import canonical
from primitives.reference import reference
from primitives.text import parse, show
from proxies.train import train, train_torch
from tests.evosearch.small import SMALL, scoring

ADAMW, SGD, LION = (show(canonical(reference(name))) for name in ("adamw", "sgd", "lion"))
MUON = (
    "def f(w, g, m, *, lr=1):\n    m = ema(m, g, 0.9)\n    return w - lr * where(is_hidden(), newton_schulz(m), m), m\n"
)
NORMED = "def f(w, g, *, lr=1):\n    return w - lr * where(is_hidden(), g, g / global_norm(g))\n"
BROKEN = "def f(w, g, *, lr=1):\n    return w - lr * log(g - g)\n"
SCALED = "def f(w, g, *, lr=1):\n    x1 = clip(g, -0.01, 0.01)\n    return w - lr * x1\n"
GRID = (-12, -8, -4)


def baseline() -> Baseline:
    """Log loss 0 on every seed: scores are negative log losses."""
    seeds = dict.fromkeys(range(SMALL.scoring.seed_pool), 0.0)
    return Baseline(ADAMW, 0.1, {"digits": -4}, {"digits": {"gate": seeds, "full": seeds}})


@pytest.mark.parametrize("name", ["digits", "least_squares"])
def test_alone_as_in_any_company_bit_for_bit(name):
    proxy, texts = proxies.get(name), [ADAMW, BROKEN, SGD, LION, MUON, NORMED, MUON.replace("0.9", "0.5")] * 4
    together = measure(texts, proxy, [3, 4], [GRID] * len(texts), steps=30)
    for i in (0, 2, 3, 4, 5, 6, 24, 25, 26, 27):
        alone = measure([texts[i]], proxy, [4], [GRID], steps=30)
        assert (alone[0, 0] == together[i, 1]).all()
    assert np.isinf(together[1]).all()
    assert np.isfinite(together[0]).all()


def test_each_program_on_a_seed_of_its_own_as_alone_bit_for_bit():
    texts, seeds, proxy = [ADAMW, LION, ADAMW, BROKEN], [[3], [4], [5], [3]], proxies.get("digits")
    options = {"steps": 12, "test": True, "watch": (4, 12)}
    together = trained(texts, proxy, seeds, [GRID] * 4, warmups=[0.1, 0.1, 0.3, 0.1], **options)
    for i, (text, seed, warmup) in enumerate(zip(texts, seeds, [0.1, 0.1, 0.3, 0.1], strict=True)):
        alone = trained([text], proxy, seed, [GRID], warmups=[warmup], **options)
        np.testing.assert_array_equal(together.validation[i], alone.validation[0])
        np.testing.assert_array_equal(together.test[i], alone.test[0])
        np.testing.assert_array_equal(together.watched[:, i], alone.watched[:, 0])


@pytest.mark.parametrize("name", proxies.of_tier("search"))
def test_torchs_adamw_in_the_same_loop(name):
    proxy = proxies.get(name)
    exponents = (-12, -10)
    ours = measure([ADAMW], proxy, [5], [exponents], warmup=0.2)[0, 0]
    torchs = train_torch(
        proxy,
        lambda parameters: torch.optim.AdamW(parameters, weight_decay=0.01),
        [5, 5],
        np.array([rate(e) for e in exponents]),
        warmup=0.2,
    ).validation
    assert ours == pytest.approx(torchs, rel=2e-3)


def run(config, *items, thresholds=None):
    return evaluate(make_context(config), Hurdles(baseline(), thresholds or {}), items)


def candidate(text: str, **more) -> Candidate:
    return Candidate(text, (0, 1), {"digits": -4}, **more)


def test_stages_of_a_candidate():
    [found] = run(SMALL, candidate(ADAMW))
    assert [(s.kind, len(s.seeds), len(s.exponents)) for s in found.stages] == [
        ("gate", 1, 3), ("scale", 1, 3), ("scale", 1, 3), ("full", 2, 2),
    ]  # fmt: skip
    assert (found.status, found.reason) == ("ok", "")


def test_the_check_of_the_gradients_scale_follows_the_learning_rate():
    sgd = Candidate(SGD, (0, 1), {"digits": 0}, (100.0, 0.01))
    clipped = Candidate(SCALED, (0, 1), {"digits": 4}, (1.0, 0.01))
    results = run(scoring(gate_steps=1.0), sgd, clipped)
    assert results[0].status == "ok"
    assert results[1].status == "scale"
    assert run(scoring(gradient_scale=False), clipped)[0].status == "ok"


def test_hurdles_and_failures_end_a_candidate():
    high = {("digits", "gate"): 99.0}
    assert run(SMALL, candidate(ADAMW), thresholds=high)[0].reason == "below the hurdle of digits, gate"
    assert run(SMALL, candidate(BROKEN))[0].status == "failed"
    assert len(run(SMALL, candidate(BROKEN), candidate(ADAMW))[1].stages) == 4


def test_more_seeds_are_full_trainings_at_the_grid_given():
    [found] = run(SMALL, Candidate(ADAMW, (4, 5), grids={"digits": (-5, -4)}))
    [stage] = found.stages
    assert (stage.kind, stage.seeds, stage.exponents) == ("full", (4, 5), (-5, -4))


def test_a_candidate_is_the_same_in_any_company():
    items = [candidate(t) for t in (ADAMW, LION, BROKEN)] + [Candidate(LION, (2, 3), {"digits": -8})]
    together = run(SMALL, *items)
    assert [run(SMALL, item)[0] for item in items] == together


def test_programs_are_texts_of_the_language():
    assert show(parse(ADAMW)) == ADAMW


SAM = """def sam(w, g, *, lr=0.1, rho=0.05):
    return w - lr * grad_at(w + rho * g / global_norm(g))
"""
MUON = """def muon(w, g, m, *, lr=0.1):
    m = ema(m, g, 0.9)
    return w - lr * where(is_hidden(), orthogonalize(m, 5, 3.4445, -4.775, 2.0315), m), m
"""


def test_sam_is_what_one_would_write_by_hand():
    proxy, lr = proxies.get("digits"), rate(-2)

    class Sam:
        def attach(self, oracle):
            self.oracle = oracle

        def step(self, t, rates, loss):
            norm = sum(g.double().square().flatten(1).sum(1) for g in self.oracle.grads).sqrt()
            w = [x.reshape(len(x), *shape(x)) for x in self.oracle.weights]
            g = [x.reshape(len(x), *shape(x)) for x in self.oracle.grads]
            there = [x + (0.05 * y / norm.view(-1, 1, 1)).to(x.dtype) for x, y in zip(w, g, strict=True)]
            for x, slope in zip(self.oracle.weights, self.oracle.gradient(there), strict=True):
                x.sub_(float(rates[0]) * slope.reshape(x.shape))

    wanted = train(proxy, [3], np.array([lr]), lambda buffers: Sam(), steps=40).validation
    np.testing.assert_allclose(measure([SAM], proxy, [3], [(-2,)], steps=40)[0, 0], wanted, rtol=1e-3)


def shape(x):
    return x.shape[1] if x.dim() > 2 else 1, -1


def test_what_needs_more_than_tensors_costs_its_neighbours_nothing_and_learns():
    proxy, grid = proxies.get("digits"), (-6, 1, 30)
    plain = ADAMW
    alone = [measure([t], proxy, [0, 1], [grid], steps=30, grad_scale=2.0)[0] for t in (plain, MUON, SAM)]
    together = measure([plain, MUON, plain, SAM], proxy, [0, 1], [grid] * 4, steps=30, grad_scale=2.0)
    for i, k in enumerate((0, 1, 0, 2)):
        np.testing.assert_array_equal(together[i], alone[k])
    assert together[:, :, :2].min() < 1


def test_who_carries_a_schedule_has_the_full_rate_at_every_step():
    proxy, rates = proxies.get("digits"), np.array([rate(-3), rate(-2), rate(40)])
    text = "def own(w, g, *, lr=1):\n    return w - lr * (1 - t / T) * g\n"

    class Own:
        def __init__(self, buffers):
            self.buffers = buffers

        def step(self, t, lr, loss):
            views = (self.buffers.views(self.buffers.weights), self.buffers.views(self.buffers.grads))
            for w, g in zip(*views, strict=True):
                for r, one in enumerate(rates[: len(w)]):
                    w[r] -= float(one * (1 - t / 40)) * g[r]

        def keep(self, alive, buffers):
            assert alive.tolist() == [True, True, False]  # the last rate diverges
            self.buffers = buffers

    wanted = train(proxy, [3] * 3, rates, Own, steps=40).validation
    found = measure([text, SGD], proxy, [3], [(-3, -2, 40)] * 2, steps=40)
    np.testing.assert_allclose(found[0, 0], wanted, rtol=1e-4)
    np.testing.assert_array_equal(found[1], measure([SGD], proxy, [3], [(-3, -2, 40)], steps=40)[0])
