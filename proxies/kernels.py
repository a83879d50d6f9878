"""The pointwise parts of a perceptron's forward and backward, fused in numba; NaN passes through all of them.

Arrays are [replicas, units, batch]: the batch lies innermost, where the loops vectorise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])

f4 = np.float32
LOG2E, LN2_HIGH, LN2_LOW = f4(1.44269504), f4(0.693359375), f4(-2.12194440e-4)


def compiled(function: F, fastmath: tuple[str, ...] = ("contract",)) -> F:
    """The function compiled by numba at its first call for each dtype, kept on disk between processes."""
    build = njit(nogil=True, error_model="numpy", fastmath=set(fastmath), cache=True)
    return cast(F, build(function))


def exp(x: Any) -> Any:
    """e**x: vectorisable in float32 (relative error 2e-7, never denormal), the C library's in float64."""
    return math.exp(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent: vectorisable in float32 (error 3e-7), the C library's in float64."""
    return math.tanh(x)


@overload(exp, inline="always")  # type: ignore[untyped-decorator]
def _overload_exp(x: Any) -> Any:
    def single(x: Any) -> Any:
        # Clamped with NaN kept out, since converting NaN to an integer is undefined; it returns at the end.
        y = f4(-87) if not x > f4(-87) else x
        y = f4(88) if not y < f4(88) else y
        n = np.floor(y * LOG2E + f4(0.5))
        r = y - n * LN2_HIGH
        r = r - n * LN2_LOW
        p = f4(1 / 5040)
        p = p * r + f4(1 / 720)
        p = p * r + f4(1 / 120)
        p = p * r + f4(1 / 24)
        p = p * r + f4(1 / 6)
        p = p * r + f4(0.5)
        p = p * r + f4(1)
        p = p * r + f4(1)
        power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
        return p * power if x == x else x

    def double(x: Any) -> Any:
        return math.exp(x)

    return single if x == types.float32 else double


@overload(tanh, inline="always")  # type: ignore[untyped-decorator]
def _overload_tanh(x: Any) -> Any:
    def single(x: Any) -> Any:
        # A ratio of polynomials, as in Eigen; beyond the clamp the tangent rounds to 1.
        y = x if not x < f4(-7.905311) else f4(-7.905311)
        y = y if not y > f4(7.905311) else f4(7.905311)
        s = y * y
        p = f4(-2.76076847742355e-16)
        p = p * s + f4(2.00018790482477e-13)
        p = p * s + f4(-8.60467152213735e-11)
        p = p * s + f4(5.12229709037114e-08)
        p = p * s + f4(1.48572235717979e-05)
        p = p * s + f4(6.37261928875436e-04)
        p = p * s + f4(4.89352455891786e-03)
        q = f4(1.19825839466702e-06)
        q = q * s + f4(1.18534705686654e-04)
        q = q * s + f4(2.26843463243900e-03)
        q = q * s + f4(4.89352518554385e-03)
        return y * p / q

    def double(x: Any) -> Any:
        return math.tanh(x)

    return single if x == types.float32 else double


@partial(compiled, fastmath=("contract", "reassoc"))
def total(row: np.ndarray) -> Any:
    """Sum of a row; the one place where additions may be reordered, or the loop would not vectorise."""
    result = row.dtype.type(0)
    for i in range(row.size):
        result += row[i]
    return result


@compiled
def activate(a: np.ndarray, bias: np.ndarray, relu: bool) -> None:
    """a = activation(a + bias) in place; a [R, H, B], bias [R, H]."""
    replicas, units, batch = a.shape
    zero = a.dtype.type(0)
    for r in range(replicas):
        for h in range(units):
            row, b = a[r, h], bias[r, h]
            if relu:
                for i in range(batch):
                    x = row[i] + b
                    row[i] = x if not x < zero else zero  # keeps NaN
            else:
                for i in range(batch):
                    row[i] = tanh(row[i] + b)


@compiled
def activate_back(d: np.ndarray, a: np.ndarray, bias_grad: np.ndarray, relu: bool) -> None:
    """d = d * activation'(at output a) in place, and its sum over the batch into bias_grad [R, H]."""
    replicas, units, batch = d.shape
    zero = d.dtype.type(0)
    for r in range(replicas):
        for h in range(units):
            row, out = d[r, h], a[r, h]
            if relu:
                for i in range(batch):
                    row[i] = zero if out[i] <= zero else row[i]
            else:
                for i in range(batch):
                    row[i] = row[i] - row[i] * out[i] * out[i]
            bias_grad[r, h] = total(row)


@compiled
def cross_entropy(
    z: np.ndarray,
    bias: np.ndarray,
    labels: np.ndarray,
    which: np.ndarray,
    step: int,
    bias_grad: np.ndarray,
    loss: np.ndarray,
) -> None:
    """Softmax cross-entropy of the logits z + bias: z [R, C, B] becomes the gradient of the mean loss.

    Replica r has the labels labels[which[r], step] (int32 [data orders, steps, B]); bias_grad [R, C] and
    loss [R] are written.
    """
    replicas, classes, batch = z.shape
    highest, summed, chosen = np.empty(batch, z.dtype), np.empty(batch, z.dtype), np.empty(batch, z.dtype)
    share, zero = z.dtype.type(1 / batch), z.dtype.type(0)
    for r in range(replicas):
        label = labels[which[r], step]
        for c in range(classes):
            row, b = z[r, c], bias[r, c]
            for i in range(batch):
                row[i] += b
        highest[:] = z[r, 0]
        for c in range(1, classes):
            row = z[r, c]
            for i in range(batch):
                highest[i] = highest[i] if not row[i] > highest[i] else row[i]
        summed[:] = zero
        chosen[:] = zero
        for c in range(classes):
            row = z[r, c]
            for i in range(batch):
                x = row[i] - highest[i]
                chosen[i] += x if label[i] == c else zero
                e = exp(x)
                row[i] = e
                summed[i] += e
        for i in range(batch):
            chosen[i] = np.log(summed[i]) - chosen[i]
            summed[i] = share / summed[i]
        loss[r] = total(chosen) * share
        for c in range(classes):
            row = z[r, c]
            for i in range(batch):
                row[i] = row[i] * summed[i] - (share if label[i] == c else zero)
            bias_grad[r, c] = total(row)


@compiled
def squares(
    z: np.ndarray,
    bias: np.ndarray,
    wanted: np.ndarray,
    which: np.ndarray,
    step: int,
    bias_grad: np.ndarray,
    loss: np.ndarray,
) -> None:
    """Mean squared error of the outputs z + bias: z [R, O, B] becomes the gradient of the mean over O and B.

    Replica r wants wanted[which[r], step] ([data orders, steps, O, B]); bias_grad [R, O] and loss [R] are written.
    """
    replicas, outputs, batch = z.shape
    squared, zero = np.empty(batch, z.dtype), z.dtype.type(0)
    share, twice = z.dtype.type(1 / (outputs * batch)), z.dtype.type(2 / (outputs * batch))
    for r in range(replicas):
        squared[:] = zero
        for o in range(outputs):
            row, b, goal = z[r, o], bias[r, o], wanted[which[r], step, o]
            for i in range(batch):
                error = row[i] + b - goal[i]
                squared[i] += error * error
                row[i] = twice * error
            bias_grad[r, o] = total(row)
        loss[r] = total(squared) * share
