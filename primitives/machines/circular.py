"""Circular functions and their inverses in float32, through float64 polynomials that LLVM turns into vector code."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

F32, F64 = np.float32, np.float64
INLINE: Any = {"forceinline": True, "error_model": "numpy"}
HALF_PI, QUARTER_PI = 1.5707963267948966, 0.7853981633974483
# Half of pi in two parts, the first with 33 bits, so that multiples below 2^20 are exact (as in fdlibm).
HALF_PI_HIGH, HALF_PI_LOW = 1.57079632673412561417, 6.07710050650619224932e-11
FAR = 1e6  # beyond this the reduction loses digits: the kernels call the C library there


@njit(**INLINE)
def sine64(r: float) -> float:
    """sin(r) for r in [-pi/4, pi/4], relative error near 1e-12."""
    q = r * r
    p = -1.0 / 39916800.0
    p = p * q + 1.0 / 362880.0
    p = p * q - 1.0 / 5040.0
    p = p * q + 1.0 / 120.0
    p = p * q - 1.0 / 6.0
    return r + r * q * p


@njit(**INLINE)
def cosine64(r: float) -> float:
    """cos(r) for r in [-pi/4, pi/4], relative error near 1e-12."""
    q = r * r
    p = 1.0 / 479001600.0
    p = p * q - 1.0 / 3628800.0
    p = p * q + 1.0 / 40320.0
    p = p * q - 1.0 / 720.0
    p = p * q + 1.0 / 24.0
    p = p * q - 0.5
    return 1.0 + q * p


@njit(**INLINE)
def sin(x: float) -> float:
    k = np.floor(F64(x) / HALF_PI + 0.5)
    r = (F64(x) - k * HALF_PI_HIGH) - k * HALF_PI_LOW
    quadrant = k - 4.0 * np.floor(0.25 * k)
    odd = quadrant == 1.0 or quadrant == 3.0
    y = cosine64(r) if odd else sine64(r)
    return F32(-y if quadrant >= 2.0 else y) if x != 0 else x


@njit(**INLINE)
def cos(x: float) -> float:
    k = np.floor(F64(x) / HALF_PI + 0.5)
    r = (F64(x) - k * HALF_PI_HIGH) - k * HALF_PI_LOW
    quadrant = k - 4.0 * np.floor(0.25 * k)
    odd = quadrant == 1.0 or quadrant == 3.0
    y = sine64(r) if odd else cosine64(r)
    return F32(-y if quadrant == 1.0 or quadrant == 2.0 else y)


@njit(**INLINE)
def tan(x: float) -> float:
    k = np.floor(F64(x) / HALF_PI + 0.5)
    r = (F64(x) - k * HALF_PI_HIGH) - k * HALF_PI_LOW
    odd = k - 2.0 * np.floor(0.5 * k) == 1.0
    s, c = sine64(r), cosine64(r)
    return F32(-c / s if odd else s / c) if x != 0 else x


@njit(**INLINE)
def arctan64(x: float) -> float:
    """arctan(x) with a relative error near 1e-11: three ranges, each with a series on |z| <= tan(pi / 8)."""
    a = abs(x)
    inverse = a > 2.414213562373095
    middle = a > 0.4142135623730951
    z = -1.0 / a if inverse else ((a - 1.0) / (a + 1.0) if middle else a)
    start = HALF_PI if inverse else (QUARTER_PI if middle else 0.0)
    q = z * z
    p = 1.0 / 25.0
    p = 1.0 / 23.0 - q * p
    p = 1.0 / 21.0 - q * p
    p = 1.0 / 19.0 - q * p
    p = 1.0 / 17.0 - q * p
    p = 1.0 / 15.0 - q * p
    p = 1.0 / 13.0 - q * p
    p = 1.0 / 11.0 - q * p
    p = 1.0 / 9.0 - q * p
    p = 1.0 / 7.0 - q * p
    p = 1.0 / 5.0 - q * p
    p = 1.0 / 3.0 - q * p
    y = start + (z - z * q * p)
    return -y if x < 0.0 else y


@njit(**INLINE)
def arctan(x: float) -> float:
    return F32(arctan64(F64(x))) if x != 0 else x


@njit(**INLINE)
def arcsin(x: float) -> float:
    z = F64(x)
    return F32(arctan64(z / np.sqrt((1.0 - z) * (1.0 + z)))) if x != 0 else x


@njit(**INLINE)
def arccos(x: float) -> float:
    z = F64(x)
    return F32(2.0 * arctan64(np.sqrt((1.0 - z) / (1.0 + z))))
