"""A deep autoencoder of handwritten digits: long chains of matrices that a narrow code separates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from torch import Tensor

from proxies.batches import Feed
from proxies.data import digits
from proxies.generic import generic_model
from proxies.inits import check, initial
from proxies.layers import affine
from proxies.proxy import Layout, Proxy

PIXELS = 64


def reconstructed(params: Sequence[Tensor], x: Tensor) -> Tensor:
    """Images [R, n, 64] through all layers, tanh between them, the last one linear: [R, n, 64]."""
    for k in range(0, len(params), 2):
        x = affine(x.tanh() if k else x, params[k], params[k + 1])
    return x


def reconstruction_loss(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared error over images and pixels, for each replica [R]; labels are not looked at."""
    pixels, _ = examples
    return (reconstructed(params, pixels) - pixels).square().flatten(1).mean(1)


def autoencoder(
    name: str,
    hidden: Sequence[int] = (32, 24, 16),
    *,
    batch: int = 24,
    steps: int = 300,
    floor: float = 0.005,
    ceiling: float = 0.5,
    warmup: float = 0.1,
    init: str = "fan_in_normal",
    tier: str = "search",
) -> Proxy:
    """A tanh network 64 - hidden - 64 that reconstructs digits, as a proxy; the last of `hidden` is the code.

    The decoder mirrors the encoder. Losses are squared errors of pixels, whose variance is near 0.07. `init` is one of
    proxies.inits.INITS. After Hinton and Salakhutdinov 2006.
    """
    if not hidden:
        raise ValueError("An autoencoder needs at least one hidden layer, its code.")
    check(init)
    widths = (PIXELS, *hidden, *reversed(hidden[:-1]), PIXELS)
    shapes = tuple(shape for i, o in pairwise(widths) for shape in ((o, i), (o,)))
    layers = len(widths) - 1
    names = tuple(f"layer{k}.{part}" for k in range(layers) for part in ("weight", "bias"))
    roles = ("hidden", "vector") * (layers - 1) + ("head", "vector")
    data = partial(digits, 0.0, tier)
    return Proxy(
        name=name,
        summary=f"tanh autoencoder {'-'.join(map(str, widths))} of handwritten digits"
        + ("" if init == "fan_in_normal" else f", {init} initialisation"),
        layout=Layout(names, shapes, roles),
        steps=steps,
        batch=batch,
        floor=floor,
        ceiling=ceiling,
        init=partial(initial, init, shapes, 1.0),
        model=generic_model(reconstruction_loss, data, Feed(steps, batch)),
        data=data,
        microseconds=round(3e-4 * sum(i * o for i, o in pairwise(widths)) * batch, 1),
        warmup=warmup,
    )
