"""The functions that a primitive's meaning may use, once for NumPy and once for torch, under NumPy's names.

Arrays are [..., rows, columns]. Reductions run over the last two axes, in float64, and keep them.
"""

from __future__ import annotations

import math
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
    f.first = lambda x: np.asarray(x).reshape(-1)[0]
    f.matmul = np.matmul
    f.as_column = lambda x: x.reshape(*x.shape[:-2], -1, 1)
    f.shaped = lambda x, like: x.reshape(like.shape)
    f.stacked = lambda parts: np.concatenate(parts, axis=-2)
    f.side_by_side = lambda parts: np.concatenate(parts, axis=-1)
    f.identity_like = lambda x: np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    f.unit = lambda zeros, i: _unit(zeros.copy(), i)
    f.eigh, f.solve = _eigh, _solve
    return f


def _eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues as a column and eigenvectors as columns; NaN where the matrix is not finite."""
    finite = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    values, vectors = np.linalg.eigh(np.where(finite, x, 0))
    return np.where(finite, values[..., None], np.nan).astype(x.dtype), vectors


def _solve(a: Any, b: Any) -> Any:
    """The solution of a x = b; NaN where there is none."""
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        return np.full_like(b, np.nan)


def _unit(zeros: Any, i: int) -> Any:
    zeros.reshape(*zeros.shape[:-2], -1)[..., i] = 1
    return zeros


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
    f.first = lambda x: x.reshape(-1)[0]
    f.matmul = torch.matmul
    f.as_column = lambda x: x.reshape(*x.shape[:-2], -1, 1)
    f.shaped = lambda x, like: x.reshape(like.shape)
    f.stacked = lambda parts: torch.cat(parts, dim=-2)
    f.side_by_side = lambda parts: torch.cat(parts, dim=-1)
    f.identity_like = lambda x: torch.eye(x.shape[-1], dtype=x.dtype, device=x.device).expand(x.shape)
    f.unit = lambda zeros, i: _unit(zeros.clone(), i)

    def eigh(x: Any) -> tuple[Any, Any]:
        finite = torch.isfinite(x).all(dim=-1, keepdim=True).all(dim=-2, keepdim=True)
        values, vectors = torch.linalg.eigh(torch.where(finite, x, 0))
        return torch.where(finite, values.unsqueeze(-1), math.nan), vectors

    def solve(a: Any, b: Any) -> Any:
        x, info = torch.linalg.solve_ex(a, b)
        return torch.where((info == 0).reshape(*info.shape, 1, 1), x, math.nan)

    f.eigh, f.solve = eigh, solve
    return f


NUMPY = _numpy()


def torch_namespace() -> Any:
    """torch's functions, imported when first asked for (so that `--help` needs no torch)."""
    global _TORCH
    if _TORCH is None:
        _TORCH = _torch()
    return _TORCH


_TORCH: Any = None
