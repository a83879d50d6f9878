"""The solves in exported files mean what they mean in the language, also where nothing can be solved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from primitives import oracles, torch_parts
from primitives.namespaces import NUMPY
from tests.primitives.exporting import assert_same


class Fixed:
    """The Hessian as a matrix, for both ways to say what a solve means."""

    def __init__(self, hessian: Any) -> None:
        self.hessian = hessian

    def product(self, vector: list[Any]) -> list[Any]:
        if isinstance(vector[0], Tensor):
            flat = torch.cat([v.reshape(-1) for v in vector])
            return torch_parts.parts_of(torch.tensor(self.hessian) @ flat, vector)
        x = self.hessian @ np.concatenate([v.ravel() for v in vector])
        return [x[:6].reshape(2, 3), x[6:].reshape(1, 4)]


HALF = np.random.default_rng(1).standard_normal((10, 10))
STRANGE = HALF @ HALF.T
STRANGE = np.where(np.eye(10) * np.arange(10) == 9, np.nan, STRANGE)
HESSIANS = {
    "positive": HALF @ HALF.T + np.eye(10),
    "indefinite": HALF + HALF.T,
    "negative": -np.eye(10),
    "identity": np.eye(10),
    "zero": np.zeros((10, 10)),
    "nan": STRANGE,
}


@pytest.mark.parametrize("damping", [0.0, 0.5])
@pytest.mark.parametrize("first", [1.0, 0.0, np.nan, np.inf])
@pytest.mark.parametrize("name", HESSIANS)
def test_the_solves_are_those_of_the_language(name: str, first: float, damping: float) -> None:
    x = [np.random.default_rng(2).standard_normal(shape) for shape in ((2, 3), (1, 4))]
    x = [x[0] * first, x[1] * (first != 0)] if first in (0, 1) else [np.full((2, 3), first), x[1]]
    loss: Any = Fixed(HESSIANS[name])
    tensors = [torch.tensor(part) for part in x]
    with np.errstate(all="ignore"):
        for steps in (0, 1, 2, 5):
            wanted = oracles.cg_solve(NUMPY, loss, x, damping, np.float64(steps))
            found = torch_parts.cg_solve(loss, tensors, [damping] * 2, [float(steps)] * 2)
            assert_same(found, wanted, 1e-8)
        wanted = oracles.hessian_solve(NUMPY, loss, x, damping)
    found = torch_parts.hessian_solve(loss, tensors, [damping] * 2)
    if all(np.isfinite(part).all() for part in wanted):
        assert_same(found, wanted, 1e-8)
    else:
        assert not all(part.isfinite().all() for part in found)
