"""A small convolutional network on handwritten digits; convolutions are products with the patches under the filter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor
from torch.nn import functional

from proxies.batches import Feed
from proxies.data import digits
from proxies.generic import generic_model
from proxies.inits import check, initial
from proxies.layers import affine, cross_entropy
from proxies.proxy import Layout, Proxy

SIDE, CLASSES = 8, 10  # pixels of an image, digits
FILTER = 3  # pixels on a side


def convolved(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [R, n, h, w, channels] under each replica's filters [R, out, channels * 9]: [R, n, h - 2, w - 2, out].

    A row of `weight` is a filter [channels, 3, 3] of torch.nn.Conv2d, laid flat. Grouped convolutions would do the
    same, but which kernel they take depends on the number of groups, and with it the last bits.
    """
    replicas, n, height, width, channels = x.shape
    patches = x.unfold(2, FILTER, 1).unfold(3, FILTER, 1)
    rows = affine(patches.reshape(replicas, -1, channels * FILTER**2), weight, bias)
    return rows.view(replicas, n, height - FILTER + 1, width - FILTER + 1, -1)


def pooled(x: Tensor) -> Tensor:
    """The maximum of each 2 x 2 square of x [R, n, h, w, channels] with even h and w."""
    replicas, n, height, width, channels = x.shape
    squares = x.view(replicas, n, height // 2, 2, width // 2, 2, channels)
    return squares.max(5).values.max(3).values  # one dimension at a time: amax over both takes three times as long


def logits(params: Sequence[Tensor], pixels: Tensor) -> Tensor:
    """Scores of the classes [R, n, 10] for images [R, n, 64]: convolved with a border of zeros, pooled, convolved."""
    filters1, bias1, filters2, bias2, head, bias = params
    x = functional.pad(pixels.view(*pixels.shape[:2], SIDE, SIDE, 1), (0, 0, 1, 1, 1, 1))
    x = pooled(convolved(x, filters1, bias1)).relu()
    x = convolved(x, filters2, bias2).relu()
    return affine(x.flatten(2), head, bias)


def _loss(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    pixels, labels = examples
    return cross_entropy(logits(params, pixels), labels)


def layout_of(channels: tuple[int, int]) -> Layout:
    """Filters as matrices [out, in * 9], each with its bias, then the head on the 2 x 2 pixels that are left."""
    first, second = channels
    left = SIDE // 2 - FILTER + 1
    names = tuple(
        f"{layer}.{part}" for layer in ("convolution1", "convolution2", "head") for part in ("weight", "bias")
    )
    sizes = ((first, FILTER**2), (second, first * FILTER**2), (CLASSES, second * left**2))
    shapes = tuple(shape for o, i in sizes for shape in ((o, i), (o,)))
    return Layout(names, shapes, ("hidden", "vector", "hidden", "vector", "head", "vector"))


def convolution(
    name: str,
    channels: tuple[int, int] = (8, 16),
    *,
    batch: int = 16,
    steps: int = 120,
    label_noise: float = 0.0,
    floor: float = 0.02,
    ceiling: float = 7.0,
    warmup: float = 0.1,
    init: str = "fan_in_normal",
    tier: str = "search",
) -> Proxy:
    """Two convolutions of 3 x 3 pixels with relu, maxima of 2 x 2 between them, a linear head; on digits, as a proxy.

    `channels` are those of the two convolutions; `init` is one of proxies.inits.INITS, with the gain of relu.
    """
    check(init)
    layout = layout_of(channels)
    data = partial(digits, label_noise, tier)
    return Proxy(
        name=name,
        summary=f"convolutional network 1-{channels[0]}-{channels[1]} with relu and maxima on handwritten digits"
        + (f", {label_noise:.0%} of training labels random" if label_noise else "")
        + ("" if init == "fan_in_normal" else f", {init} initialisation"),
        layout=layout,
        steps=steps,
        batch=batch,
        floor=floor,
        ceiling=ceiling,
        init=partial(initial, init, layout.shapes, 2.0),
        model=generic_model(_loss, data, Feed(steps, batch)),
        data=data,
        microseconds=round(0.35 * sum(channels) * batch),
        warmup=warmup,
    )
