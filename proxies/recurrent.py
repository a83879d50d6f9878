"""Recurrent networks: a reader of Python source, and memories that copy or add what they saw long before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from proxies.batches import Feed
from proxies.data import CLASSES, Split, text
from proxies.generic import generic_model
from proxies.inits import fan_in_normal
from proxies.layers import affine, cross_entropy, embedded
from proxies.proxy import Layout, Proxy
from proxies.sequences import adding as adding_data
from proxies.sequences import copying as copying_data

Array = np.ndarray[Any, Any]
Cell = Literal["gru", "tanh", "relu"]


def plain(activation: Callable[[Tensor], Tensor], seen: Tensor, matrix: Tensor) -> list[Tensor]:
    """The states [R, n, d] after each step, from what inputs add, [R, time, n, d], and hidden matrices [R, d, d]."""
    turned = matrix.transpose(1, 2)
    state, states = seen.new_zeros(seen.shape[0], seen.shape[2], matrix.shape[2]), []
    for moment in seen.unbind(1):
        state = activation(torch.baddbmm(moment, state, turned))
        states.append(state)
    return states


def gated(seen: Tensor, matrix: Tensor) -> list[Tensor]:
    """`plain` for a gated recurrent unit: seen [R, time, n, 3 d], matrix [R, 3 d, d]; reset, update, candidate.

    Cho et al. 2014, with the reset after the product as in torch.nn.GRU. The sigmoids are written by tanh: torch's own
    depends on the size of the batch in the last bit.
    """
    d = matrix.shape[2]
    of_gates, of_candidate = (part.transpose(1, 2) for part in (matrix[:, : 2 * d], matrix[:, 2 * d :]))
    state, states = seen.new_zeros(seen.shape[0], seen.shape[2], d), []
    for gates, candidate in zip(seen[..., : 2 * d].unbind(1), seen[..., 2 * d :].unbind(1), strict=True):
        halves = torch.baddbmm(gates, state, of_gates, beta=0.5, alpha=0.5)
        reset, update = (0.5 * halves.tanh() + 0.5).chunk(2, dim=2)
        new = (candidate + reset * torch.bmm(state, of_candidate)).tanh()
        state = new + update * (state - new)
        states.append(state)
    return states


CELLS: dict[Cell, Callable[[Tensor, Tensor], list[Tensor]]] = {
    "gru": gated,
    "tanh": partial(plain, Tensor.tanh),
    "relu": partial(plain, Tensor.relu),
}
GATES: dict[Cell, int] = {"gru": 3, "tanh": 1, "relu": 1}


def outputs(cell: Cell, params: Sequence[Tensor], x: Tensor, last: int) -> Tensor:
    """What the head says of the last states, [R, last * n, outputs] with time first, for inputs [R, n, time, k].

    `params`: input [R, gates * d, k], hidden [R, gates * d, d], bias [R, gates * d], head [R, outputs, d] and its bias.
    The first state is zero.
    """
    inner, matrix, bias, head, head_bias = params
    replicas, n, time, _ = x.shape
    seen = affine(x.transpose(1, 2).flatten(1, 2), inner, bias).view(replicas, time, n, -1)
    states = CELLS[cell](seen, matrix)
    return affine(torch.stack(states[-last:], dim=1).flatten(1, 2), head, head_bias)


def next_byte_loss(cell: Cell, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Cross-entropy of each next class of windows [R, n, time + 1], in nats, for each replica [R]."""
    (windows,) = examples
    table, *rest = params
    scores = outputs(cell, rest, embedded(windows[:, :, :-1], table), windows.shape[2] - 1)
    return cross_entropy(scores, windows[:, :, 1:].transpose(1, 2))


def recall_loss(cell: Cell, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Cross-entropy of the symbols [R, n, length] that the last inputs ask for, in nats, for each replica [R]."""
    x, y = examples
    return cross_entropy(outputs(cell, params, x, y.shape[2]), y.transpose(1, 2))


def sum_loss(cell: Cell, params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
    """Mean squared error of the last output against y [R, n, 1], for each replica [R]."""
    x, y = examples
    return (outputs(cell, params, x, 1) - y).square().flatten(1).mean(1)


def layout_of(cell: Cell, inputs: int, width: int, outputs: int, embedding: int = 0) -> Layout:
    """Input, hidden, bias, head and its bias; before them a table of `embedding` rows, if any."""
    if cell not in CELLS:
        raise ValueError(f"There is no cell called {cell!r}; there are {', '.join(CELLS)}.")
    gates = GATES[cell] * width
    rows: list[tuple[str, tuple[int, ...], str]] = [
        ("input", (gates, inputs), "hidden"),
        ("hidden", (gates, width), "hidden"),
        ("bias", (gates,), "vector"),
        ("head", (outputs, width), "head"),
        ("head_bias", (outputs,), "vector"),
    ]
    if embedding:
        rows.insert(0, ("embedding", (embedding, inputs), "embedding"))
    names, shapes, roles = zip(*rows, strict=True)
    return Layout(names, shapes, roles)


def orthogonal(rng: np.random.Generator, n: int) -> Array:
    """An orthogonal matrix [n, n], uniformly distributed. Saxe et al. 2014."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


def _init(cell: Cell, layout: Layout, seed: int) -> list[Tensor]:
    """Inputs by fan-in, embeddings of size 1, the head a tenth of fan-in, vectors zero.

    Hidden matrices are orthogonal, gate by gate; that of relu is the identity: Le et al. 2015.
    """
    rng = np.random.default_rng(seed)
    values: list[Array] = []
    for name, shape, role in zip(layout.names, layout.shapes, layout.roles, strict=True):
        if role == "vector":
            values.append(np.zeros(shape))
        elif role == "embedding":
            values.append(rng.standard_normal(shape))
        elif name == "hidden":
            n = shape[1]
            values.append(np.vstack([np.eye(n) if cell == "relu" else orthogonal(rng, n) for _ in range(GATES[cell])]))
        else:
            values.append((0.1 if role == "head" else 1.0) * fan_in_normal(rng, shape, 1.0))
    return [torch.from_numpy(value) for value in values]


def _proxy(
    cell: Cell,
    layout: Layout,
    data: Callable[[], Split],
    loss: Callable[[Cell, Sequence[Tensor], Sequence[Tensor]], Tensor],
    feed: Feed,
    **fixed: Any,
) -> Proxy:
    """What the three networks have in common; `fixed` are the other fields of their records."""
    return Proxy(
        layout=layout,
        steps=feed.steps,
        batch=feed.batch,
        init=partial(_init, cell, layout),
        model=generic_model(partial(loss, cell), data, feed),
        data=data,
        **fixed,
    )


def reader(
    name: str,
    width: int = 16,
    length: int = 20,
    *,
    cell: Cell = "gru",
    batch: int = 3,
    steps: int = 240,
    warmup: float = 0.1,
    tier: str = "search",
) -> Proxy:
    """A recurrent network that predicts each next byte of Python source, as a proxy; losses are in nats per byte.

    The state starts at zero in every window: gradients are truncated to `length` steps.
    """
    layout = layout_of(cell, width, width, CLASSES, embedding=CLASSES)
    summary = f"{cell} network d{width} S{length} on Python source, byte by byte"
    data = partial(text, length, tier)
    cost = 0.6 * GATES[cell] * length * batch
    return _proxy(
        cell, layout, data, next_byte_loss, Feed(steps, batch),
        name=name, summary=summary, floor=0.5, ceiling=10.0, microseconds=round(cost, 1), warmup=warmup,
    )  # fmt: skip


def copying(
    name: str,
    width: int = 24,
    *,
    symbols: int = 6,
    length: int = 4,
    delay: int = 8,
    cell: Cell = "tanh",
    batch: int = 16,
    steps: int = 240,
    problem: int = 0,
    warmup: float = 0.1,
) -> Proxy:
    """A recurrent network that repeats a string after a delay, as a proxy; `problem` seeds the data.

    Losses are nats per symbol repeated: ln(symbols) without a memory.
    """
    layout = layout_of(cell, symbols + 2, width, symbols)
    summary = f"{cell} network d{width} that copies {length} of {symbols} symbols after {delay} blanks"
    data = partial(copying_data, symbols, length, delay, problem)
    cost = 0.22 * GATES[cell] * (2 * length + delay) * batch
    return _proxy(
        cell, layout, data, recall_loss, Feed(steps, batch),
        name=name, summary=summary, floor=0.01, ceiling=5.0, microseconds=round(cost, 1), warmup=warmup,
    )  # fmt: skip


def adding(
    name: str,
    width: int = 24,
    length: int = 14,
    *,
    cell: Cell = "relu",
    batch: int = 24,
    steps: int = 240,
    problem: int = 0,
    warmup: float = 0.1,
) -> Proxy:
    """A recurrent network that adds the two marked numbers of a sequence, as a proxy; `problem` seeds the data.

    Losses are squared errors: 1/6 without a memory.
    """
    layout = layout_of(cell, 2, width, 1)
    summary = f"{cell} network d{width} that adds 2 of {length} numbers"
    data = partial(adding_data, length, problem)
    cost = 0.1 * GATES[cell] * length * batch
    return _proxy(
        cell, layout, data, sum_loss, Feed(steps, batch),
        name=name, summary=summary, floor=1e-3, ceiling=3.0, microseconds=round(cost, 1), warmup=warmup,
    )  # fmt: skip
