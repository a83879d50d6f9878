"""Which examples a seed sees at which step, gathered once and kept for the trainings to come."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from proxies.data import Split


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


def tensor(array: np.ndarray, dtype: torch.dtype, device: str) -> Tensor:
    """An array of examples as a contiguous tensor: floats in `dtype`, integers as int64."""
    kind = dtype if np.issubdtype(array.dtype, np.floating) else torch.int64
    return torch.as_tensor(np.ascontiguousarray(array)).to(device, kind)


@lru_cache(maxsize=16)
def cast(split: Split, double: bool) -> tuple[np.ndarray, ...]:
    """The training arrays with floats in the precision asked for, so that gathering needs no conversion."""
    kind = np.float64 if double else np.float32
    return tuple(x.astype(kind) if np.issubdtype(x.dtype, np.floating) else x for x in split.train)


@lru_cache(maxsize=64)
def gathered(
    split: Split, seed: int, block: int, steps: int, batch: int, dtype: torch.dtype, device: str
) -> tuple[Tensor, ...]:
    """The training examples of one block of steps of a seed: each array as a tensor [steps, batch, ...]."""
    rows = order(seed, block, len(split.train[0]), steps, batch)
    return tuple(tensor(array[rows], dtype, device) for array in cast(split, dtype == torch.float64))


@lru_cache(maxsize=16)
def held(split: Split, dtype: torch.dtype, device: str) -> tuple[Tensor, ...]:
    """The validation examples: each array as a tensor [n, ...]."""
    return tuple(tensor(array, dtype, device) for array in split.validation)
