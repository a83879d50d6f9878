"""What is known of a value without running it: where it is defined, and its sign."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from primitives.algebra.arena import Arena

EVERYWHERE = {
    "abs", "sign", "max", "min", "clip", "exp", "sin", "cos", "sinh", "cosh", "tanh", "arctan", "arcsinh", "cbrt",
    "floor",
    "less", "less_equal", "greater", "greater_equal", "equal", "where", "sum", "mean", "norm", "rms", "dot",
    "global_norm", "global_dot", "rows", "columns", "size", "row_mean", "column_mean", "transpose", "matmul",
    "flatten", "unflatten", "is_matrix", "is_hidden", "is_embedding", "is_head",
}  # fmt: skip
NEVER_NEGATIVE = {
    "abs", "exp", "norm", "rms", "global_norm", "rows", "columns", "size", "cosh", "less", "less_equal", "greater",
    "greater_equal", "equal", "is_matrix", "is_hidden", "is_embedding", "is_head", "arccosh", "arccos",
}  # fmt: skip
MOST = 12  # terms of a sum that is tried as an average
POSITIVE = {"exp", "cosh", "rows", "columns", "size"}
AT_MOST_ONE = {"less", "less_equal", "greater", "greater_equal", "equal", "is_matrix", "is_hidden"}


def defined(arena: Arena, i: int) -> bool:
    """Whether a value is a real number wherever its inputs are real."""
    value = arena.values[i]
    if value.op in ("input", "number"):
        return True
    if value.op == "times":
        return all(
            arena.defined(a) and (_whole(e) or arena.nonnegative(a)) and (e > 0 or arena.positive(a))
            for a, e in arena.factors(i).items()
        )
    if value.op == "power":
        return arena.positive(value.args[0]) and arena.defined(value.args[1])
    return (value.op in ("plus", "group") or value.op in EVERYWHERE) and all(arena.defined(a) for a in value.args)


def positive(arena: Arena, i: int) -> bool:
    """Whether a value is known to be above zero where it is defined."""
    value = arena.values[i]
    if value.op == "input":
        return "positive" in arena.at_least.get(str(value.data), "")
    if value.op == "number":
        return value.data > 0  # type: ignore[operator]
    if value.op == "plus":
        if _one_minus_less(arena, i):
            return True
        return _covered(arena, arena.terms(i)) and any(
            c > 0 and arena.positive(p) for p, c in arena.terms(i).items() if not _is_offset(arena, i, p)
        )
    if value.op == "times":
        return all(arena.positive(a) for a in value.args)
    if value.op == "power":
        return arena.positive(value.args[0])
    if value.op == "group":
        return arena.positive(value.args[0])
    if value.op == "max":
        return any(arena.positive(a) for a in value.args)
    return value.op in POSITIVE


def nonnegative(arena: Arena, i: int) -> bool:
    """Whether a value is known not to be below zero where it is defined."""
    value = arena.values[i]
    if value.op == "input":
        return str(value.data) in arena.at_least
    if value.op == "number":
        return value.data >= 0  # type: ignore[operator]
    if value.op == "plus":
        return _sum_nonnegative(arena, i) or _least_nonnegative(arena, i)
    if value.op == "clip":
        return arena.nonnegative(value.args[1])
    if value.op == "times":
        return all(_even(e) or not _whole(e) or arena.nonnegative(a) for a, e in arena.factors(i).items())
    if value.op == "power":
        return arena.nonnegative(value.args[0])
    if value.op == "max":
        return any(arena.nonnegative(a) for a in value.args)
    if value.op in ("where", "min"):
        return all(arena.nonnegative(a) for a in value.args[-2:])
    if value.op in ("group", "sum", "mean", "row_mean", "column_mean", "cbrt", "transpose", "tanh", "arctan"):
        return arena.nonnegative(value.args[0])
    return value.op in NEVER_NEGATIVE


def unit(arena: Arena, i: int) -> bool:
    """Whether a value is known to lie in [0, 1]; inputs that do lie in [0, 1)."""
    value = arena.values[i]
    if value.op == "input":
        return "unit" in arena.at_least.get(str(value.data), "")
    if value.op == "number":
        return 0 <= value.data <= 1  # type: ignore[operator]
    if value.op == "times":
        return all(e > 0 and unit(arena, a) for a, e in arena.factors(i).items())
    if value.op == "power":
        return unit(arena, value.args[0]) and arena.nonnegative(value.args[1])
    if value.op == "exp":
        return arena.nonnegative(arena.negative(value.args[0]))
    return value.op in AT_MOST_ONE


def _below_one(arena: Arena, i: int) -> bool:
    """Whether a value is known to lie in [0, 1)."""
    value = arena.values[i]
    if value.op == "power":
        return _below_one(arena, value.args[0]) and arena.positive(value.args[1])
    if value.op == "times":
        return unit(arena, i) and any(_below_one(arena, a) for a in value.args)
    if value.op == "number":
        return 0 <= value.data < 1  # type: ignore[operator]
    return value.op == "input" and unit(arena, i)


def _one_minus_less(arena: Arena, i: int) -> bool:
    """Whether a sum is c - k x with k <= c and x below one."""
    terms = arena.terms(i)
    rest = [(p, k) for p, k in terms.items() if p != arena.one]
    return (
        len(rest) == 1 and arena.one in terms and 0 < -rest[0][1] <= terms[arena.one] and _below_one(arena, rest[0][0])
    )


def _sum_nonnegative(arena: Arena, i: int) -> bool:
    """Each negative term must be a part of a positive one: beta x of x, with beta in [0, 1]; or it is an average."""
    terms = arena.terms(i)
    return _covered(arena, terms) or (len(terms) <= MOST and _average_of_nonnegative(arena, i))


def _average_of_nonnegative(arena: Arena, i: int) -> bool:
    """Whether a sum is a square, or u x + (1 - u) y where u lies in [0, 1] and neither x nor y is negative."""
    from primitives.algebra.sums import root_of_sum

    terms = arena.terms(i)
    if root_of_sum(arena, terms, 2) is not None:
        return True
    for u in {a for p in terms for a, e in arena.factors(p).items() if e == 1 and unit(arena, a)}:
        inside: dict[int, Fraction] = {}
        rest: dict[int, Fraction] = {}
        for p, c in terms.items():
            factors = dict(arena.factors(p))
            (inside if factors.pop(u, None) == 1 else rest)[arena.from_factors(factors)] = c
        y = arena.from_terms(rest)
        if rest and len(rest) < len(terms) and arena.nonnegative(y):
            x = arena.add(arena.from_terms(inside), y)
            if len(arena.terms(x)) < len(terms) and arena.nonnegative(x):
                return True
    return False


def _covered(arena: Arena, terms: dict[int, Fraction]) -> bool:
    """Whether each negative term is a part of a positive one."""
    room = {p: c for p, c in terms.items() if c > 0 and arena.nonnegative(p)}
    if any(c > 0 and p not in room for p, c in terms.items()):
        return False
    for p, c in terms.items():
        if c > 0:
            continue
        whole = _covering(arena, p, room, -c)
        if whole is None:
            return False
        room[whole] += c
    return True


def _least_nonnegative(arena: Arena, i: int) -> bool:
    """Whether a value is the minimum of values that are not negative."""
    terms = arena.terms(i)
    [(p, c), *rest] = terms.items()
    least = not rest and c < 0 and arena.values[p].op == "max"
    return least and all(arena.nonnegative(arena.negative(a)) for a in arena.values[p].args)


def _covering(arena: Arena, p: int, room: dict[int, Fraction], c: Fraction) -> int | None:
    """The positive term of which this product is a part."""
    factors = arena.factors(p)
    units = [a for a, e in factors.items() if e > 0 and unit(arena, a)]
    for count in range(1, 1 << min(len(units), 4)):
        dropped = {a for k, a in enumerate(units) if count >> k & 1}
        whole = arena.from_factors({a: e for a, e in factors.items() if a not in dropped})
        if room.get(whole, Fraction(0)) >= c:
            return whole
    return None


def _is_offset(arena: Arena, i: int, p: int) -> bool:
    """Whether a positive term is (partly) taken up by negative ones, and so may vanish."""
    return any(c < 0 for c in arena.terms(i).values()) and p in _taken(arena, i)


def _taken(arena: Arena, i: int) -> set[int]:
    terms = arena.terms(i)
    room = {p: c for p, c in terms.items() if c > 0}
    return {w for p, c in terms.items() if c < 0 and (w := _covering(arena, p, room, -c)) is not None}


def _whole(exponent: Fraction) -> bool:
    return exponent.denominator == 1


def _even(exponent: Fraction) -> bool:
    return exponent.denominator == 1 and exponent.numerator % 2 == 0
