"""Tasks on data sets that stand on this disk, larger than the suite's: images by convolutions, text by a transformer.

They are meant for a GPU and run on a CPU, slowly. Images and text stay bytes until a step reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from proxies import formats, transformer
from proxies.batches import Feed
from proxies.convolution import FILTER, convolved, pooled
from proxies.data import Split
from proxies.generic import generic_model
from proxies.inits import initial
from proxies.layers import affine, cross_entropy
from proxies.places import Place, TaskError
from proxies.proxy import Layout, Proxy

CLASSES = 10
HELD = 1000  # rows at most to validate and to test on: more would take longer than the training
TOGETHER = 128  # images at once: bounds the memory of validation and test
BLOCK = 5  # steps prepared at a time: the rows of all would not fit
WINDOWS = 256  # of text to validate and to test on
LARGE = transformer.Size(width=64, layers=2, length=64, heads=4, units=256, classes=256)
Read = Callable[[Path], tuple[formats.Rows, formats.Rows]]  # rows to train on, and to test on


@dataclass(frozen=True)
class Images:
    """How images are read: height and width, then of each channel the mean and the deviation over the training rows."""

    side: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def opened(place: Place) -> Proxy:
    """The task on the data at a place; TaskError in one sentence where it is not what it should be."""
    return TASKS[place.kind](place)


def images(read: Read, channels: tuple[int, ...], place: Place, *, steps: int = 400, batch: int = 64) -> Proxy:
    """A network of convolutions, each followed by relu and maxima of 2 x 2 squares, and a linear head."""
    split = _split(read, place.path)
    rows = split.train[0]
    if rows.shape[1] != rows.shape[2] or rows.shape[1] % 2 ** len(channels):
        raise TaskError(
            f"{place.path} has images of {rows.shape[1]} x {rows.shape[2]} pixels, and the network needs squares whose "
            f"side is a multiple of {2 ** len(channels)}."
        )
    pixels = rows[:: -(-len(rows) // 5000)].reshape(-1, rows.shape[-1])  # of 5,000 images at most
    mean, deviation = pixels.mean(axis=0), np.maximum(pixels.std(axis=0), 1.0)
    looks = Images(rows.shape[1], tuple(mean.tolist()), tuple(deviation.tolist()))
    layout = layout_of(looks, channels)
    widths = (rows.shape[-1], *channels)
    return Proxy(
        name=str(place),
        summary=f"convolutional network {'-'.join(map(str, widths))} on the images in {place.path.name}",
        layout=layout,
        steps=steps,
        batch=batch,
        floor=0.01,
        ceiling=7.0,
        init=partial(_initial, layout),
        model=generic_model(partial(image_loss, looks), lambda: split, Feed(BLOCK, batch)),
        data=lambda: split,
        microseconds=0.06 * batch * looks.side**2 * channels[0],
    )


@cache
def _split(read: Read, path: Path) -> Split:
    """Validation on the last of the rows to train on, test on the first of the rows to test on."""
    train, test = read(path)
    held = min(HELD, len(train[0]) // 5)
    if not held:
        raise TaskError(f"{path} has {len(train[0])} images to train on, and should have at least 5.")
    first, last = (tuple(x[:-held] for x in train), tuple(x[-held:] for x in train))
    return Split(first, last, tuple(x[:HELD] for x in test), (str(path),))


def layout_of(images: Images, channels: tuple[int, ...]) -> Layout:
    """Filters as matrices [out, in * 9], each with its bias, then the head on the pixels that are left."""
    inputs = (len(images.mean), *channels)
    sizes = [(out, into * FILTER**2) for into, out in zip(inputs, channels, strict=False)]
    sizes.append((CLASSES, channels[-1] * (images.side >> len(channels)) ** 2))
    layers = [f"convolution{k + 1}" for k in range(len(channels))] + ["head"]
    names = tuple(f"{layer}.{part}" for layer in layers for part in ("weight", "bias"))
    shapes = tuple(shape for out, into in sizes for shape in ((out, into), (out,)))
    return Layout(names, shapes, ("hidden", "vector") * len(channels) + ("head", "vector"))


def _initial(layout: Layout, seed: int) -> list[Tensor]:
    """Filters with the gain of relu, a head of a tenth of that, so that the first scores are about zero."""
    *filters, head, bias = initial("fan_in_normal", layout.shapes, 2.0, seed)
    return [*filters, head / 10, bias]


def image_loss(images: Images, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean cross-entropy for each replica [R] on images as bytes [R, n, side, side, channels] and labels [R, n]."""
    pixels, labels = examples
    sums = []
    for first in range(0, labels.shape[1], TOGETHER):
        x, y = pixels[:, first : first + TOGETHER], labels[:, first : first + TOGETHER]
        sums.append(cross_entropy(scores(images, params, x), y) * y.shape[1])
    return torch.stack(sums).sum(0) / labels.shape[1]


def scores(images: Images, params: Sequence[Tensor], pixels: Tensor) -> Tensor:
    """Scores of the classes [R, n, 10]."""
    *filters, head, bias = params
    mean, deviation = (pixels.new_tensor(x, dtype=head.dtype) for x in (images.mean, images.deviation))
    x = (pixels - mean) / deviation
    for weight, shift in zip(filters[::2], filters[1::2], strict=True):
        x = functional.pad(x, (0, 0, 1, 1, 1, 1))
        x = pooled(convolved(x, weight, shift)).relu()
    return affine(x.flatten(2), head, bias)


def text(place: Place, size: transformer.Size = LARGE, *, steps: int = 600, batch: int = 16) -> Proxy:
    """A transformer that reads a file byte by byte; losses are in nats per byte."""
    split, layout = _windows(place.path, size.length), transformer.layout_of(size)
    return Proxy(
        name=str(place),
        summary=f"transformer d{size.width} L{size.layers} S{size.length} on {place.path.name}, byte by byte",
        layout=layout,
        steps=steps,
        batch=batch,
        floor=0.3,
        ceiling=15.0,
        init=partial(transformer.initial_weights, size, "fan_in_normal"),
        model=generic_model(partial(transformer.next_byte_loss, size), lambda: split, Feed(steps, batch)),
        data=lambda: split,
        microseconds=round(2e-4 * sum(layout.sizes) * size.length * batch),
    )


@cache
def _windows(path: Path, length: int) -> Split:
    """Every window of length + 1 bytes of the first eight tenths to train on; some of the next, and of the last."""
    whole = formats.text(path)
    if len(whole) < 20 * (length + 1):
        raise TaskError(f"{path} has {len(whole)} bytes, and a text to train on has at least {20 * (length + 1)}.")
    parts = (whole[len(whole) * a // 10 : len(whole) * b // 10] for a, b in ((0, 8), (8, 9), (9, 10)))
    train, *others = (np.lib.stride_tricks.sliding_window_view(part, length + 1) for part in parts)
    held = [part[np.linspace(0, len(part) - 1, min(WINDOWS, len(part))).astype(np.int64)] for part in others]
    return Split((train,), (held[0],), (held[1],), (str(path),))


TASKS: dict[str, Callable[[Place], Proxy]] = {
    "cifar10": partial(images, formats.cifar10, (16, 32, 32)),
    "mnist": partial(images, formats.mnist, (8, 16)),
    "text": text,
}
