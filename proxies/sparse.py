"""Logistic regression on rare but informative features: it rewards rates that remember how often a weight moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from proxies.batches import Feed
from proxies.data import Split, divided
from proxies.generic import generic_model
from proxies.layers import affine
from proxies.proxy import Layout, Proxy

ROWS = 4096, 1024, 1024  # to train on, to validate on, to test on
VALUE = 5.0  # of a feature that is present: puts the best rates of AdamW near 0.03


def zipf(many: int, power: float) -> np.ndarray:
    """Probabilities [many] that fall as 1 / rank**power."""
    weights: np.ndarray = np.arange(1, many + 1) ** -power
    return np.asarray(weights / weights.sum())


def _distinct(rows: np.ndarray) -> np.ndarray:
    """Rows as they first come: no document is trained on and tested on."""
    return np.asarray(rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])])


@cache
def documents(features: int, active: int, power: float, size: float, seed: int) -> Split:
    """How often each word occurs [n, features], times VALUE; the chance of label 1 [n]; what cannot be avoided [n].

    A document has `active` words, drawn by Zipf's law independently, so common ones repeat. What a word says grows with
    the root of its rarity up to `size` for the rarest: every word explains about as much of the labels as any other. In
    training the chance is a label drawn by it, 0 or 1, and nothing is called unavoidable; to validate and to test on,
    rows have the true chances and their entropy, so the loss there is the divergence from the truth, without the noise
    of labels.
    """
    rng = np.random.default_rng((20, seed))
    chances = zipf(features, power)
    truth = rng.choice([-1.0, 1.0], features) * size * np.sqrt(chances[-1] / chances)
    words = _distinct(np.sort(rng.choice(features, (2 * sum(ROWS), active), p=chances)))[: sum(ROWS)]
    score = truth[words].sum(axis=1)
    chance = 1 / (1 + np.exp(-score))
    entropy = np.logaddexp(0, score) - chance * score
    train = np.arange(len(words)) < ROWS[0]
    labels = np.where(train, rng.random(len(words)) < chance, chance)
    ends = (0, ROWS[0], ROWS[0] + ROWS[1], sum(ROWS))
    seen = VALUE * (words[:, :, None] == np.arange(features)).sum(axis=1)
    arrays = seen, labels, np.where(train, 0.0, entropy)
    return divided(arrays, ends, f"documents of {active} from {features} words, seed {seed}")


def divergence(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean cross entropy less the unavoidable, for each replica [R]; examples as in `documents`, [R, batch, ...]."""
    weight, bias = params
    seen, labels, unavoidable = examples
    score = affine(seen, weight.unsqueeze(1), bias).squeeze(2)
    # Not softplus: its last elements go another way through the processor, and differ in the last bit.
    cross_entropy = -logsigmoid(-score) - labels * score
    return (cross_entropy - unavoidable).mean(1)


def _init(features: int, seed: int) -> list[Tensor]:
    """A start near zero, so that documents differ from the first step on."""
    weight = 0.02 * np.random.default_rng(seed).standard_normal(features)
    return [torch.from_numpy(weight), torch.zeros(1, dtype=torch.float64)]


def rare_features(
    name: str,
    features: int = 60,
    active: int = 8,
    *,
    power: float = 1.2,
    size: float = 8.0,
    problem: int = 2,
    batch: int = 2,
    steps: int = 1500,
    warmup: float = 0.1,
) -> Proxy:
    """Sparse logistic regression as a proxy, the case for which AdaGrad was made. Duchi, Hazan and Singer 2011."""
    data: Callable[[], Split] = partial(documents, features, active, power, size, problem)
    return Proxy(
        name=name,
        summary=f"logistic regression on {features} features by Zipf's law, rare ones informative",
        layout=Layout(("weight", "bias"), ((features,), (1,)), ("vector", "vector")),
        steps=steps,
        batch=batch,
        floor=0.005,  # half of what the best estimate from 3000 documents is expected to leave, weights / (2 documents)
        ceiling=1.5,
        init=partial(_init, features),
        model=generic_model(divergence, data, Feed(steps, batch)),
        data=data,
        microseconds=2.1,
        warmup=warmup,
    )
