"""What is known of a primitive's value where its arguments lie in intervals: one rule for each primitive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from primitives import matrices
from primitives.interpreter import expansion
from primitives.namespaces import NUMPY
from primitives.primitive import EPS
from primitives.program import Call
from primitives.table import PRIMITIVES

Ends = Any  # a float, or an array of them, one for each interval


class Interval(NamedTuple):
    """The reals from low to high, with both ends; arrays of ends are many intervals, treated alike.

    A value lies inside wherever it and all that it is computed from are finite. Ends are rounded to the nearest
    float, as values are.
    """

    low: Ends
    high: Ends

    @property
    def size(self) -> Ends:
        """The largest absolute value."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def bounded(self) -> bool:
        """Whether both ends are finite everywhere."""
        return bool(np.all(np.isfinite(self.size)))

    def over_all(self) -> Interval:
        """The smallest one interval that holds all of these."""
        return Interval(float(np.min(self.low)), float(np.max(self.high)))


ALL = Interval(-np.inf, np.inf)
UNIT = Interval(0.0, 1.0)
Rule = Callable[..., Interval]


def interval(op: str, *args: Interval) -> Interval:
    """Where the value of a primitive lies, given where its arguments lie."""
    with np.errstate(all="ignore"):
        low, high = (RULES.get(op) or _own(op))(*args)
        return Interval(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def hull(*parts: Interval) -> Interval:
    """The smallest interval that holds all."""
    low, high = parts[0]
    for part in parts[1:]:
        low, high = np.minimum(low, part.low), np.maximum(high, part.high)
    return Interval(low, high)


def meet(x: Interval, y: Interval) -> Interval:
    """What two intervals for the same value have in common; x where rounding leaves nothing."""
    low, high = np.maximum(x.low, y.low), np.minimum(x.high, y.high)
    return Interval(np.where(low <= high, low, x.low), np.where(low <= high, high, x.high))


def times(x: Interval, y: Interval) -> Interval:
    """The product, with 0 * inf = 0: what is unbounded is still finite."""
    corners = [np.where((a == 0) | (b == 0), 0.0, a * b) for a in x for b in y]
    return Interval(np.minimum.reduce(corners), np.maximum.reduce(corners))


def over(x: Interval, y: Interval) -> Interval:
    """The quotient; everything where the denominator can be zero from both sides."""
    below, above = np.where(y.low == 0, 0.0, y.low), np.where(y.high == 0, -0.0, y.high)
    corners = [np.where((a == 0) | np.isinf(b), 0.0, a / b) for a in x for b in (below, above)]
    crosses = ((y.low < 0) & (y.high > 0)) | ((y.low == 0) & (y.high == 0))
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    return Interval(np.where(crosses, -np.inf, low), np.where(crosses, np.inf, high))


def magnitude(x: Interval) -> Interval:
    """The absolute value."""
    crosses = (x.low <= 0) & (x.high >= 0)
    return Interval(np.where(crosses, 0.0, np.minimum(np.abs(x.low), np.abs(x.high))), x.size)


def _power(x: Interval, y: Interval) -> Interval:
    """By corners for x >= 0; a whole exponent takes negative numbers too, any other is defined for x >= 0 only."""

    def corners(base: Interval) -> Interval:
        values = [np.power(a, b) for a in base for b in y]
        return Interval(np.minimum.reduce(values), np.maximum.reduce(values))

    exact = np.asarray(y.low == y.high)
    whole, even = exact & (np.floor(y.low) == y.low), exact & (np.mod(y.low, 2) == 0)
    positive = corners(Interval(np.maximum(x.low, 0.0), np.maximum(x.high, 0.0)))
    mirrored = corners(Interval(np.maximum(-x.high, 0.0), np.maximum(-x.low, 0.0)))
    odd = Interval(-mirrored.high, np.where(x.high > 0, positive.high, -mirrored.low))
    signed = [np.where(even, a, b) for a, b in zip(corners(magnitude(x)), odd, strict=True)]
    free = ~exact  # may hit whole numbers, of either parity
    negative = np.asarray(x.low < 0)
    low = np.where(negative, np.where(free, -np.inf, np.where(whole, signed[0], positive.low)), positive.low)
    high = np.where(negative, np.where(free, np.inf, np.where(whole, signed[1], positive.high)), positive.high)
    return Interval(low, high)


def _mod(x: Interval, y: Interval) -> Interval:
    """The remainder has the sign of the divisor and is smaller; below a positive divisor it is x itself."""
    inside = (x.low >= 0) & (x.high < y.low)
    low, high = np.minimum(y.low, 0.0), np.maximum(y.high, 0.0)
    return Interval(np.where(inside, x.low, low), np.where(inside, x.high, high))


def _rising(name: str, lowest: float = -np.inf, highest: float = np.inf) -> Rule:
    """The rule of a function that rises, defined from `lowest` to `highest`."""
    function = getattr(NUMPY, name)
    return lambda x: Interval(function(np.clip(x.low, lowest, highest)), function(np.clip(x.high, lowest, highest)))


def _of_size(function: Callable[[Ends], Ends]) -> Rule:
    """The rule of what rises with the absolute value."""
    return lambda x: Interval(*map(function, magnitude(x)))


def _wave(name: str, bound: float) -> Rule:
    """The rule of a periodic function: known at a point, else its whole range."""
    function = getattr(NUMPY, name)

    def rule(x: Interval) -> Interval:
        point = (x.low == x.high) & np.isfinite(x.low)
        return Interval(np.where(point, function(x.low), -bound), np.where(point, function(x.low), bound))

    return rule


def _truth(always: Ends, perhaps: Ends) -> Interval:
    return Interval(np.where(always, 1.0, 0.0), np.where(perhaps, 1.0, 0.0))


def _less(x: Interval, y: Interval) -> Interval:
    return _truth(x.high < y.low, x.low < y.high)


def _less_equal(x: Interval, y: Interval) -> Interval:
    return _truth(x.high <= y.low, x.low <= y.high)


def _equal(x: Interval, y: Interval) -> Interval:
    same = (x.low == x.high) & (y.low == y.high) & (x.low == y.low)
    return _truth(same, (x.low <= y.high) & (y.low <= x.high))


def _where(c: Interval, x: Interval, y: Interval) -> Interval:
    first, second = (c.low > 0) | (c.high < 0), (c.low == 0) & (c.high == 0)
    both = hull(x, y)
    ends = [np.where(first, a, np.where(second, b, h)) for a, b, h in zip(x, y, both, strict=True)]
    return Interval(*ends)


def _total(x: Interval) -> Interval:
    """A sum over one value or more, nobody knows how many."""
    return Interval(np.where(x.low < 0, -np.inf, x.low), np.where(x.high > 0, np.inf, x.high))


def _length(x: Interval) -> Interval:
    return _total(magnitude(x))


def _product_total(x: Interval, y: Interval) -> Interval:
    return _total(times(x, y))


def _mixed(a: Interval, x: Interval, b: Interval, y: Interval) -> Interval:
    """Weights that are not negative and add up to at most one stay between what they mix and zero."""
    plain = interval("add", times(a, x), times(b, y))
    average = (np.minimum(a.low, b.low) >= 0) & (a.high + b.high <= 1 + 4e-16)
    short = a.low + b.low < 1 - 4e-16
    between = meet(plain, hull(x, y))
    between = Interval(np.where(short, np.minimum(between.low, 0.0), between.low),
                       np.where(short, np.maximum(between.high, 0.0), between.high))  # fmt: skip
    return Interval(*(np.where(average, p, q) for p, q in zip(meet(plain, between), plain, strict=True)))


def _orthogonalized(x: Interval, steps: Interval, a: Interval, b: Interval, c: Interval) -> Interval:
    """No element is larger than the largest singular value, and each step maps those by a s + b s^3 + c s^5."""
    coefficients = (a, b, c)
    if not all(np.all(part.low == part.high) for part in (steps, *coefficients)):
        return ALL
    a0, b0, c0 = (float(np.max(part.low)) for part in coefficients)
    largest = 1.0
    for _ in range(matrices.held(np.asarray(steps.low).flat[0])):
        turns = np.roots([5 * c0, 0, 3 * b0, 0, a0])
        points = np.array([largest, *(float(s.real) for s in turns if abs(s.imag) < 1e-12 and 0 < s.real < largest)])
        largest = float(np.max(np.abs(a0 * points + b0 * points**3 + c0 * points**5)))
    bound = np.where(x.size == 0, 0.0, largest)
    return Interval(-bound, bound)


def _inverse_root(x: Interval, p: Interval, eps: Interval) -> Interval:
    """Eigenvalues count as zero or more, so none of the result's is above eps^(-1/p)."""
    largest = np.where((p.low > 0) & (eps.low > 0), np.max(_power(eps, over(Interval(-1.0, -1.0), p)).high), np.inf)
    return Interval(-largest, largest)


def _by_expansion(name: str) -> Rule:
    """The rule of a composite: its definition, over intervals."""

    def value(expr: str | float | Call, env: dict[str, Interval]) -> Interval:
        if isinstance(expr, Call):
            return interval(expr.op, *(value(arg, env) for arg in expr.args))
        return env[expr] if isinstance(expr, str) else Interval(float(expr), float(expr))

    return lambda *args: value(expansion(name), dict(zip(PRIMITIVES[name].args, args, strict=True)))


def _own(op: str) -> Rule:
    """The rule of a user's own primitive: its definition, or nothing is known."""
    return _by_expansion(op) if PRIMITIVES[op].form == "composite" else _everything


def _same(x: Interval, *_: Interval) -> Interval:
    return x


def _everything(*_: Interval) -> Interval:
    return ALL


RULES: dict[str, Rule] = {
    "pi": lambda: Interval(np.pi, np.pi),
    "e": lambda: Interval(np.e, np.e),
    "eps": lambda: Interval(EPS, EPS),
    "add": lambda x, y: Interval(x.low + y.low, x.high + y.high),
    "subtract": lambda x, y: Interval(x.low - y.high, x.high - y.low),
    "multiply": times,
    "divide": over,
    "power": _power,
    "mod": _mod,
    "negative": lambda x: Interval(-x.high, -x.low),
    "abs": magnitude,
    "sign": _rising("sign"),
    "square": _of_size(lambda x: x * x),
    "cube": lambda x: Interval(x.low * x.low * x.low, x.high * x.high * x.high),
    "sqrt": _rising("sqrt", 0),
    "cbrt": _rising("cbrt"),
    "reciprocal": lambda x: over(Interval(1.0, 1.0), x),
    "max": lambda x, y: Interval(np.maximum(x.low, y.low), np.maximum(x.high, y.high)),
    "min": lambda x, y: Interval(np.minimum(x.low, y.low), np.minimum(x.high, y.high)),
    "floor": _rising("floor"),
    "mix": _mixed,
    **{name: _rising(name) for name in "exp exp2 exp10 expm1 sinh tanh arctan arcsinh".split()},
    **{name: _rising(name, 0) for name in ("log", "log2", "log10")},
    "log1p": _rising("log1p", -1),
    "sin": _wave("sin", 1), "cos": _wave("cos", 1), "tan": _wave("tan", np.inf),
    "arcsin": _rising("arcsin", -1, 1),
    "arccos": lambda x: Interval(np.arccos(np.clip(x.high, -1, 1)), np.arccos(np.clip(x.low, -1, 1))),
    "cosh": _of_size(np.cosh),
    "arccosh": _rising("arccosh", 1),
    "arctanh": _rising("arctanh", -1, 1),
    "less": _less,
    "less_equal": _less_equal,
    "greater": lambda x, y: _less(y, x),
    "greater_equal": lambda x, y: _less_equal(y, x),
    "equal": _equal,
    "where": _where,
    "sqrt_abs": _of_size(np.sqrt),
    "log_abs": _of_size(np.log), "log2_abs": _of_size(np.log2), "log10_abs": _of_size(np.log10),
    "log1p_abs": _of_size(np.log1p),
    "sum": _total, "mean": _same, "rms": magnitude,
    "norm": _length, "global_norm": _length,
    "dot": _product_total, "global_dot": _product_total, "matmul": _product_total,
    **dict.fromkeys(("rows", "columns", "size"), lambda x: Interval(1.0, np.inf)),
    **dict.fromkeys(("row_mean", "column_mean", "transpose", "flatten", "unflatten"), _same),
    **dict.fromkeys(("is_matrix", "is_hidden", "is_embedding", "is_head"), lambda: UNIT),
    "orthogonalize": _orthogonalized,
    "inv_root": _inverse_root,
    **dict.fromkeys(("grad_at", "loss_at", "hvp", "hessian_solve", "cg_solve"), _everything),
    **{name: _by_expansion(name) for name, p in PRIMITIVES.items() if p.form == "composite"},
}  # fmt: skip
