"""Trainings of programs: the same alone and in company, and the same as torch's own optimizer in the same loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import proxies
from evosearch.baseline import bound
from evosearch.breed import make_context
from evosearch.evaluate import Candidate, Hurdles, evaluate
from evosearch.measure import measure, rate
from evosearch.score import Baseline
from primitives.reference import reference
from primitives.text import parse, show
from proxies.train import train_torch
from tests.evosearch.small import SMALL, scoring

ADAMW, SGD, LION = (show(bound(reference(name), {})) for name in ("adamw", "sgd", "lion"))
BROKEN = "def f(w, g, *, lr=1):\n    return w - lr * log(g - g)\n"
SCALED = "def f(w, g, *, lr=1):\n    x1 = clip(g, -0.01, 0.01)\n    return w - lr * x1\n"
GRID = (-12, -8, -4)


def baseline() -> Baseline:
    """Log loss 0 on every seed: scores are negative log losses."""
    seeds = dict.fromkeys(range(SMALL.scoring.seed_pool), 0.0)
    return Baseline(ADAMW, 0.1, {"digits": -4}, {"digits": {"gate": seeds, "full": seeds}})


@pytest.mark.parametrize("name", ["digits", "least_squares"])
def test_alone_as_in_any_company_bit_for_bit(name):
    proxy, texts = proxies.get(name), [ADAMW, BROKEN, SGD, LION] * 7
    together = measure(texts, proxy, [3, 4], [GRID] * len(texts), steps=30)
    for i in (0, 2, 3, 25, 26, 27):
        alone = measure([texts[i]], proxy, [4], [GRID], steps=30)
        assert (alone[0, 0] == together[i, 1]).all()
    assert np.isinf(together[1]).all()
    assert np.isfinite(together[0]).all()


@pytest.mark.parametrize("name", proxies.PROXIES)
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
