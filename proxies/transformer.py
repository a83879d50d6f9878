"""A small transformer that reads Python source, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from proxies.batches import Feed
from proxies.data import CLASSES, text
from proxies.generic import generic_model
from proxies.inits import INITS, check
from proxies.layers import cross_entropy, embedded, linear
from proxies.proxy import Layout, Proxy


@dataclass(frozen=True)
class Size:
    """Width, number of blocks, length of the text seen, attention heads, units of the perceptrons, classes of bytes."""

    width: int
    layers: int
    length: int
    heads: int
    units: int
    classes: int = CLASSES


def layout_of(size: Size) -> Layout:
    """Embeddings, then for each block 6 parameters in the order that `logits` reads them, then norm and head."""
    d = size.width
    rows: list[tuple[str, tuple[int, ...], str]] = [
        ("embedding", (size.classes, d), "embedding"),
        ("position", (size.length, d), "embedding"),
    ]
    for k in range(size.layers):
        rows += [
            (f"block{k}.attention_gain", (d,), "vector"),
            (f"block{k}.attention_in", (3 * d, d), "hidden"),
            (f"block{k}.attention_out", (d, d), "hidden"),
            (f"block{k}.perceptron_gain", (d,), "vector"),
            (f"block{k}.perceptron_in", (size.units, d), "hidden"),
            (f"block{k}.perceptron_out", (d, size.units), "hidden"),
        ]
    rows += [("gain", (d,), "vector"), ("head", (size.classes, d), "head")]
    names, shapes, roles = zip(*rows, strict=True)
    return Layout(names, shapes, roles)


def normed(x: Tensor, gain: Tensor) -> Tensor:
    """Layer norm over the width of x [R, n, d] with each replica's gain [R, d]."""
    return functional.layer_norm(x, x.shape[-1:]) * gain.unsqueeze(1)


def attention(x: Tensor, inner: Tensor, outer: Tensor, size: Size, hidden: Tensor) -> Tensor:
    """Causal self-attention of x [R, batch * length, d]; `hidden` [length, length] is -inf in the future."""
    replicas, depth = x.shape[0], size.width // size.heads
    parts = linear(x, inner).view(replicas, -1, size.length, 3, size.heads, depth)
    # [3, R, batch, heads, length, depth], the four in the middle seen as one batch of matrices
    q, k, v = parts.permute(3, 0, 1, 4, 2, 5).reshape(3, -1, size.length, depth).unbind(0)
    scores = torch.bmm(q, k.transpose(1, 2)) * depth**-0.5 + hidden
    mixed = torch.bmm(scores.softmax(-1), v)
    joined = mixed.view(replicas, -1, size.heads, size.length, depth).transpose(2, 3)
    return linear(joined.reshape(replicas, -1, size.width), outer)


def logits(params: Sequence[Tensor], tokens: Tensor, size: Size) -> Tensor:
    """Scores of the next class, [R, batch * length, classes], for tokens [R, batch, length]."""
    embedding, position, *blocks, gain, head = params
    x = (embedded(tokens, embedding) + position.unsqueeze(1)).flatten(1, 2)
    ones = torch.full((size.length, size.length), -torch.inf, dtype=x.dtype, device=x.device)
    future = ones.triu(1)
    for k in range(0, len(blocks), 6):
        gain1, inner, outer, gain2, up, down = blocks[k : k + 6]
        x = x + attention(normed(x, gain1), inner, outer, size, future)
        x = x + linear(linear(normed(x, gain2), up).relu(), down)
    return linear(normed(x, gain), head)


def next_byte_loss(size: Size, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Cross-entropy of each next class, in nats, mean over batch and positions, for each replica [R]."""
    (windows,) = examples
    return cross_entropy(logits(params, windows[:, :, :-1], size), windows[:, :, 1:])


def initial_weights(size: Size, rule: str, seed: int) -> list[Tensor]:
    """Gains and the size of embeddings at 1, matrices by the rule (of INITS), the head a tenth of that scale."""
    rng = np.random.default_rng(seed)
    layout = layout_of(size)
    scale = {"embedding": 1.0, "hidden": 1.0, "head": 0.1}
    values = []
    for shape, role in zip(layout.shapes, layout.roles, strict=True):
        if role == "vector":
            values.append(torch.ones(shape, dtype=torch.float64))
        elif role == "embedding" or rule == "fan_in_normal":  # in the roundings of the first trainings
            spread = scale[role] / (1 if role == "embedding" else shape[1] ** 0.5)
            values.append(torch.from_numpy(spread * rng.standard_normal(shape)))
        else:
            values.append(torch.from_numpy(scale[role] * INITS[rule](rng, shape, 1.0)))
    return values


def transformer(
    name: str,
    width: int = 16,
    layers: int = 1,
    length: int = 16,
    heads: int = 2,
    units: int = 32,
    *,
    batch: int = 4,
    steps: int = 200,
    floor: float = 0.5,
    warmup: float = 0.1,
    init: str = "fan_in_normal",
    tier: str = "search",
) -> Proxy:
    """A transformer on the text of the standard library as a proxy; losses are in nats per byte.

    `units` are those of the perceptrons; `tier` says whose files are read. `init` is one of proxies.inits.INITS, for
    the matrices that are no embeddings. One window a step is `batch=1`.
    """
    check(init)
    if width % heads:
        raise ValueError(f"A width of {width} does not divide among {heads} heads.")
    size = Size(width, layers, length, heads, units)
    layout = layout_of(size)
    data = partial(text, length, tier)
    return Proxy(
        name=name,
        summary=f"transformer d{width} L{layers} S{length} on Python source, byte by byte"
        + ("" if init == "fan_in_normal" else f", {init} initialisation"),
        layout=layout,
        steps=steps,
        batch=batch,
        floor=floor,
        ceiling=10.0,
        init=partial(initial_weights, size, init),
        model=generic_model(partial(next_byte_loss, size), data, Feed(steps, batch)),
        data=data,
        microseconds=round(3.2e-4 * sum(layout.sizes) * length * batch),
        warmup=warmup,
    )
