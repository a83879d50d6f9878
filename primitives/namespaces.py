"""The functions that a primitive's meaning may use, once for NumPy and once for torch, under NumPy's names.

Arrays are [..., rows, columns]. Reductions run over the last two axes, in float64, and keep them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

_SHARED = (
    "abs cos sin tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh "
    "exp exp2 expm1 log log10 log2 log1p sqrt sign floor maximum minimum where"
).split()


def _numpy() -> SimpleNamespace:
    """NumPy's functions."""
    f = SimpleNamespace(**{name: getattr(np, name) for name in _SHARED})
    f.power, f.mod, f.cbrt = np.power, np.mod, np.cbrt
    f.exp10 = lambda x: np.power(np.asarray(10.0, dtype=np.asarray(x).dtype), x)
    f.truth = lambda condition: np.where(condition, 1.0, 0.0)
    f.wide = lambda x: np.asarray(x, dtype=np.float64)
    f.total = lambda x: np.sum(np.asarray(x, dtype=np.float64), axis=(-2, -1), keepdims=True)
    f.mean_over = lambda x, axis: np.mean(x, axis=axis, keepdims=True)
    f.swap = lambda x: np.swapaxes(x, -1, -2)
    f.cast = lambda x, like: np.asarray(x, dtype=like.dtype)
    f.expand = lambda x, shape: np.broadcast_to(x, shape)
    return f


def _torch() -> SimpleNamespace:
    """torch's functions; numbers must be tensors already."""
    import torch

    def by_lanes(function: Any) -> Any:
        """On a CPU torch has other code for what is left over of a vector register: leave nothing over.

        A value then does not depend on its place.
        """

        def padded(*args: Any) -> Any:
            args = torch.broadcast_tensors(*args)  # type: ignore[no-untyped-call]
            size, shape = args[0].numel(), args[0].shape
            flat = [torch.nn.functional.pad(x.reshape(-1), (0, -size % 64), value=1.0) for x in args]
            return function(*flat)[:size].reshape(shape)

        return padded

    def cbrt(x: Any) -> Any:
        """A power, then one Newton step, except where it has nothing to add."""
        y = torch.sign(x) * f.power(torch.abs(x), torch.full_like(x, 1 / 3))
        return torch.where((x == 0) | torch.isinf(x), x, y - (y - x / (y * y)) / 3)

    f = SimpleNamespace(**{name: getattr(torch, name) for name in _SHARED})
    f.power = by_lanes(torch.pow)
    f.exp2, f.sinh, f.cosh, f.arctanh = map(by_lanes, (torch.exp2, torch.sinh, torch.cosh, torch.arctanh))
    f.mod = lambda x, y: torch.remainder(f.wide(x), f.wide(y)).to(x.dtype)  # torch's is NaN if x / y overflows
    f.sign = lambda x: torch.where(x == x, torch.sign(x), x)  # torch makes the sign of NaN zero
    f.cbrt = cbrt
    f.exp10 = lambda x: f.power(torch.full_like(x, 10.0), x)
    f.truth = lambda condition: condition.to(torch.float64)
    f.wide = lambda x: x.to(torch.float64)
    f.total = lambda x: x.to(torch.float64).sum(dim=(-2, -1), keepdim=True)
    f.mean_over = lambda x, axis: x.mean(dim=axis, keepdim=True)
    f.swap = lambda x: x.transpose(-1, -2)
    f.cast = lambda x, like: x.to(like.dtype)
    f.expand = lambda x, shape: x.expand(shape)
    return f


NUMPY = _numpy()


def torch_namespace() -> Any:
    """torch's functions, imported when first asked for (so that `--help` needs no torch)."""
    global _TORCH
    if _TORCH is None:
        _TORCH = _torch()
    return _TORCH


_TORCH: Any = None
