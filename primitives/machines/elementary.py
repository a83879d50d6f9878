"""Elementary functions for compiled kernels: float32 through float64 polynomials that LLVM turns into vector code.

The float32 forms are accurate to about one unit in the last place over their whole domain. The remainder has no
polynomial and goes through the C library, one element at a time (its cost in the table says so).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from primitives.machines import circular

F32, F64 = np.float32, np.float64
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
INLINE: Any = {"forceinline": True, "error_model": "numpy"}


@njit(**INLINE)
def exp64(x: float) -> float:
    """e**x with a relative error near 3e-10, for x from -200 to 200; beyond that as at the bounds."""
    bounded = x if x > -200.0 else -200.0  # noqa: FURB136 (vectorises; max does not keep NaN alike)
    bounded = bounded if bounded < 200.0 else 200.0  # noqa: FURB136
    k = np.floor(bounded * LOG2_E + 0.5)
    r = (bounded - k * LN2_HIGH) - k * LN2_LOW
    p = 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    power = np.int64((np.int64(k) + np.int64(1023)) << np.int64(52)).view(F64)
    return p * power if x == x else x


@njit(**INLINE)
def log64(x: float) -> float:
    """Natural logarithm with an absolute error near 1e-13 of normal numbers; -inf at 0, NaN below."""
    bits = np.float64(x).view(np.int64)
    e = (bits >> np.int64(52)) - np.int64(1023)
    m = np.int64((bits & np.int64(0x000FFFFFFFFFFFFF)) | np.int64(0x3FF0000000000000)).view(F64)
    big = m > 1.4142135623730951
    m = m * 0.5 if big else m
    k = np.float64(e) + (1.0 if big else 0.0)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 1.0 / 13.0
    p = p * z + 1.0 / 11.0
    p = p * z + 1.0 / 9.0
    p = p * z + 1.0 / 7.0
    p = p * z + 1.0 / 5.0
    p = p * z + 1.0 / 3.0
    y = k * 0.6931471805599453 + 2.0 * s * (p * z + 1.0)
    y = y if x < np.inf else x
    y = y if x > 0.0 else (-np.inf if x == 0.0 else np.nan)
    return y if x == x else x


@njit(**INLINE)
def exp(x: float) -> float:
    return F32(exp64(F64(x)))


@njit(**INLINE)
def exp2(x: float) -> float:
    return F32(exp64(F64(x) * 0.6931471805599453))


@njit(**INLINE)
def exp10(x: float) -> float:
    return F32(exp64(F64(x) * 2.302585092994046))


@njit(**INLINE)
def expm1(x: float) -> float:
    z = F64(x)
    series = z * (1.0 + z * (0.5 + z * (1.0 / 6.0 + z * (1.0 / 24.0 + z / 120.0))))
    return F32(series if abs(z) < 0.02 else exp64(z) - 1.0) if x != 0 else x


@njit(**INLINE)
def log(x: float) -> float:
    return F32(log64(F64(x)))


@njit(**INLINE)
def log2(x: float) -> float:
    return F32(log64(F64(x)) * LOG2_E)


@njit(**INLINE)
def log10(x: float) -> float:
    return F32(log64(F64(x)) * 0.4342944819032518)


@njit(**INLINE)
def log1p(x: float) -> float:
    z = F64(x)
    return F32(z - 0.5 * z * z if abs(z) < 1e-5 else log64(1.0 + z)) if x != 0 else x


@njit(**INLINE)
def sinh(x: float) -> float:
    z = F64(x)
    u = exp64(z)
    q = z * z
    series = z * (1.0 + q * (1.0 / 6.0 + q * (1.0 / 120.0 + q / 5040.0)))
    return F32(series if abs(z) < 0.1 else 0.5 * (u - 1.0 / u)) if x != 0 else x


@njit(**INLINE)
def cosh(x: float) -> float:
    u = exp64(F64(x))
    return F32(0.5 * (u + 1.0 / u))


@njit(**INLINE)
def tanh(x: float) -> float:
    z = F64(x)
    u = exp64(2.0 * z)
    q = z * z
    series = z * (1.0 - q * (1.0 / 3.0 - q * (2.0 / 15.0 - q * (17.0 / 315.0))))
    return F32(series if abs(z) < 0.02 else 1.0 - 2.0 / (u + 1.0)) if x != 0 else x


@njit(**INLINE)
def arcsinh(x: float) -> float:
    a = abs(F64(x))
    q = a * a
    series = a * (1.0 - q * (1.0 / 6.0 - q * (3.0 / 40.0 - q * (15.0 / 336.0))))
    y = series if a < 0.02 else log64(a + np.sqrt(q + 1.0))
    return F32(-y if x < 0 else y) if x != 0 else x


@njit(**INLINE)
def arccosh(x: float) -> float:
    z = F64(x)
    return F32(log64(z + np.sqrt((z - 1.0) * (z + 1.0))) if z >= 1.0 else np.nan)


@njit(**INLINE)
def arctanh(x: float) -> float:
    z = F64(x)
    q = z * z
    series = z * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q / 7.0)))
    return F32(series if abs(z) < 0.02 else 0.5 * log64((1.0 + z) / (1.0 - z))) if x != 0 else x


@njit(**INLINE)
def cbrt(x: float) -> float:
    y = exp64(log64(abs(F64(x))) / 3.0)
    return F32(-y if x < 0 else y) if x != 0 else x


@njit(**INLINE)
def power(x: float, y: float) -> float:
    """x**y as the C library has it, special values included; of a negative x for whole y only."""
    z, w = F64(x), F64(y)
    whole = np.floor(w) == w
    odd = whole and np.floor(0.5 * w) * 2.0 != w and abs(w) < np.inf
    r = exp64(w * log64(abs(z)))
    negative = z < 0.0 or (z == 0.0 and 1.0 / z < 0.0)
    r = -r if negative and odd else r
    r = np.nan if z < 0.0 and not whole and z > -np.inf else r
    r = 1.0 if w == 0.0 or z == 1.0 or (z == -1.0 and abs(w) == np.inf) else r
    return F32(r)


@njit(error_model="numpy")
def _cbrt64(x: float) -> float:
    """Cube root: a power, then one Newton step; zeros, infinities and NaN as they come."""
    if x == 0 or x != x or abs(x) == np.inf:
        return x
    y = math.copysign(abs(x) ** (1.0 / 3.0), x)
    return y - (y - x / (y * y)) / 3.0  # no cube, which would overflow or vanish


@njit(error_model="numpy")
def _exp10_64(x: float) -> float:
    return 10.0**x


@njit(error_model="numpy")
def _mod64(x: float, y: float) -> float:
    """Remainder with the divisor's sign, as NumPy has it."""
    return np.mod(x, y)


@njit(error_model="numpy")
def mod(x: float, y: float) -> float:
    return F32(np.mod(F32(x), F32(y)))


@njit(error_model="numpy")
def _power64(x: float, y: float) -> float:
    return x**y


# Under these names kernels in the table find their functions, by dtype.
SINGLE: dict[str, Any] = {
    "F": F32, "exp": exp, "exp2": exp2, "exp10": exp10, "expm1": expm1, "log": log, "log2": log2,
    "log10": log10, "log1p": log1p, "sinh": sinh, "cosh": cosh, "tanh": tanh, "sqrt": np.sqrt, "floor": np.floor,
    "mod": mod, "power": power, "cbrt": cbrt,
    "sin": circular.sin, "cos": circular.cos, "tan": circular.tan, "arcsin": circular.arcsin,
    "arccos": circular.arccos, "arctan": circular.arctan, "arcsinh": arcsinh, "arccosh": arccosh, "arctanh": arctanh,
}  # fmt: skip
DOUBLE: dict[str, Any] = {
    "F": F64, "exp": np.exp, "exp2": np.exp2, "exp10": _exp10_64, "expm1": np.expm1, "log": np.log,
    "log2": np.log2, "log10": np.log10, "log1p": np.log1p, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "sqrt": np.sqrt, "floor": np.floor, "mod": _mod64, "power": _power64, "cbrt": _cbrt64,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
}  # fmt: skip
