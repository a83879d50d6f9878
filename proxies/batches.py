"""Which examples a seed sees at which step, gathered once and kept for the trainings to come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from proxies.data import Split
from proxies.proxy import Part

BATCHINGS = ("mini", "balanced", "online", "full")


@dataclass(frozen=True)
class Feed:
    """How a task feeds its rows: `batch` at a step (for "mini" and "balanced"), `steps` steps prepared at a time."""

    steps: int
    batch: int
    batching: str = "mini"

    def checked(self, data: Callable[[], Split]) -> Feed:
        """Itself; ValueError in one sentence if rows cannot be fed so. Only classes need a look at the data."""
        if self.batching not in BATCHINGS:
            raise ValueError(f"There is no batching called {self.batching!r}; there are {', '.join(BATCHINGS)}.")
        if self.batching == "balanced":
            labels = data().train[-1]
            if labels.ndim > 1 or not np.issubdtype(labels.dtype, np.integer):
                raise ValueError("Balanced batches need classes to balance; these targets are none.")
            if self.batch < (least := len(np.unique(labels))):
                raise ValueError(f"A balanced batch has a row of each class, so at least {least} rows.")
        return self

    def rows(self, data: Callable[[], Split]) -> int:
        """How many rows a step sees."""
        if self.batching == "full":
            return len(data().train[0])
        return 1 if self.batching == "online" else self.batch

    @property
    def block(self) -> int:
        """Steps that are prepared together: one of all rows, which are the same in every step."""
        return 1 if self.batching == "full" else self.steps

    def place(self, t: int) -> tuple[int, int]:
        """The block of step t (from 1), and the step within it."""
        return (0, 0) if self.batching == "full" else divmod(t - 1, self.steps)


def order(seed: int, block: int, examples: int, steps: int, batch: int) -> np.ndarray:
    """Rows of the training data for `steps` steps, int64 [steps, batch]: passes over shuffled data.

    A training longer than one block of steps goes on with blocks 1, 2, ...; each is drawn from (seed, block)
    alone, so a seed sees the same batches whatever else is trained and however long.
    """
    rng = np.random.default_rng((seed, block))
    needed = steps * batch
    if needed <= examples:
        return rng.choice(examples, needed, replace=False).reshape(steps, batch)
    passes = [rng.permutation(examples) for _ in range(-(-needed // examples))]
    return np.concatenate(passes)[:needed].reshape(steps, batch)


def rows(batching: str, seed: int, block: int, labels: np.ndarray, steps: int, batch: int) -> np.ndarray:
    """Rows of the training data for `steps` steps, int64 [steps, rows at a step]; `labels` are the targets [n, ...].

    "mini": passes over shuffled rows. "balanced": as many rows of each class in every batch, up to one, each class
    in passes over its shuffled rows. "online": one row a step. "full": all rows, the same for every seed and block.
    """
    if batching == "full":
        return np.broadcast_to(np.arange(len(labels)), (steps, len(labels)))
    if batching == "balanced":
        return _balanced(np.random.default_rng((seed, block)), labels, steps, batch)
    return order(seed, block, len(labels), steps, 1 if batching == "online" else batch)


def _balanced(rng: np.random.Generator, labels: np.ndarray, steps: int, batch: int) -> np.ndarray:
    classes = np.unique(labels)
    each, left = divmod(batch, len(classes))
    counts = np.full((steps, len(classes)), each)
    more = np.zeros(len(classes))  # which classes have had one row more than others, and how often
    for step in range(steps):
        chosen = np.argsort(more + rng.random(len(classes)))[:left]
        counts[step, chosen] += 1
        more[chosen] += 1
    found = np.empty((steps, batch), dtype=np.int64)
    pools = [
        _passes(rng, np.flatnonzero(labels == c), int(n)) for c, n in zip(classes, counts.sum(axis=0), strict=True)
    ]
    taken = np.zeros(len(classes), dtype=np.int64)
    for step, wanted in enumerate(counts):
        parts = [pool[at : at + n] for pool, at, n in zip(pools, taken, wanted, strict=True)]
        found[step] = rng.permutation(np.concatenate(parts))
        taken += wanted
    return found


def _passes(rng: np.random.Generator, members: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([rng.permutation(members) for _ in range(-(-count // len(members)))])[:count]


def tensor(array: np.ndarray, dtype: torch.dtype, device: str) -> Tensor:
    """An array of examples as a contiguous tensor: floats in `dtype`, integers as int64."""
    kind = dtype if np.issubdtype(array.dtype, np.floating) else torch.int64
    return torch.as_tensor(np.ascontiguousarray(array)).to(device, kind)


@lru_cache(maxsize=16)
def cast(split: Split, double: bool) -> tuple[np.ndarray, ...]:
    """The training arrays with floats in the precision asked for, so that gathering needs no conversion."""
    kind = np.float64 if double else np.float32
    return tuple(x.astype(kind) if np.issubdtype(x.dtype, np.floating) else x for x in split.train)


def gathered(split: Split, feed: Feed, seed: int, block: int, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    """The training examples of one block of steps of a seed: each array as a tensor [steps, batch, ...]."""
    if feed.batching == "full":
        seed = 0  # one copy serves all
    return _gathered(split, feed, seed, block, dtype, device)


@lru_cache(maxsize=64)
def _gathered(split: Split, feed: Feed, seed: int, block: int, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    found = rows(feed.batching, seed, block, split.train[-1], feed.block, feed.batch)
    return tuple(tensor(array[found], dtype, device) for array in cast(split, dtype == torch.float64))


class Stage:
    """The examples of the present block of steps at one place on a device: a CUDA graph may read whichever step is on.

    `gather` gives a block of each data order: arrays [steps, batch, ...].
    """

    def __init__(self, feed: Feed, gather: Callable[[int], Sequence[tuple[Tensor, ...]]]) -> None:
        self.feed, self.gather, self.t, self.block = feed, gather, 0, -1
        self.arrays: list[Tensor] = []  # [steps, data orders, batch, ...]
        self.at = torch.zeros(0)

    def prepare(self, t: int) -> None:
        """Let `examples` be those of step t (from 1)."""
        if t == self.t:
            return
        block, step = self.feed.place(t)
        if block != self.block:
            found = [torch.stack(parts, dim=1) for parts in zip(*self.gather(block), strict=True)]
            if not self.arrays:
                self.arrays = found
                self.at = torch.zeros(1, dtype=torch.int64, device=found[0].device)
            for kept, new in zip(self.arrays, found, strict=True):
                kept.copy_(new)
        self.t, self.block = t, block
        self.at.fill_(step)

    def examples(self) -> list[Tensor]:
        """The arrays of the step, [data orders, batch, ...]."""
        return [array.index_select(0, self.at)[0] for array in self.arrays]


@lru_cache(maxsize=16)
def held(split: Split, part: Part, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    """The examples of a part that is not trained on: each array as a tensor [n, ...]."""
    return tuple(tensor(array, dtype, device) for array in getattr(split, part))
