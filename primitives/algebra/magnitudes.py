"""Absolute values, signs, maxima and minima in normal form."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.powers import primitive_part
from primitives.algebra.shape import SIGN_KEEPING, leads_negative


def absolute(arena: Arena, x: int) -> int:
    """abs(x): factor by factor."""
    if arena.nonnegative(x):
        return x if arena.as_number(x) is not None else arena.use("abs of what is not negative", "abs", (x,), x)
    terms = arena.terms(x)
    if len(terms) > 1:
        common, rest = primitive_part(arena, x)
        if rest == x:
            return arena.value("abs", (x,))
        return arena.multiply(absolute(arena, common), arena.value("abs", (rest,)))
    [(product, c)] = terms.items()
    factors = arena.factors(product)
    if factors == {product: ONE}:
        value = arena.values[product]
        if value.op in SIGN_KEEPING:
            from primitives.algebra.functions import apply

            return arena.scale(abs(c), apply(arena, value.op, (absolute(arena, value.args[0]),)))
        inner = product if arena.nonnegative(product) else arena.value("abs", (product,))
        return inner if c == 1 else arena.use("abs of a product", "abs", (x,), arena.scale(abs(c), inner))
    parts = [
        arena.from_factors({a: e})
        if arena.nonnegative(arena.from_factors({a: e}))
        else arena.power(absolute(arena, a), e)
        for a, e in factors.items()
    ]
    return arena.use("abs of a product", "abs", (x,), arena.scale(abs(c), arena.multiply(arena.one, *parts)))


def sign(arena: Arena, x: int) -> int:
    """sign(x): positive factors do not matter."""
    if arena.positive(x):
        return arena.use("sign of what is positive", "sign", (x,), arena.one)
    terms = arena.terms(x)
    if not terms:
        return arena.zero
    if len(terms) > 1:
        common, rest = primitive_part(arena, x)
        if rest != x and arena.values[rest].op == "plus":
            result = arena.multiply(sign(arena, common), sign(arena, rest))
            return arena.use("sign of a positive multiple", "sign", (x,), result)
        return arena.value("sign", (x,))
    [(product, c)] = terms.items()
    kept, law = _signed_factors(arena, product)
    inner = arena.from_factors(kept)
    value = arena.values[inner]
    if inner == arena.one or value.op == "sign":
        result = inner
    elif value.op in SIGN_KEEPING:
        result = sign(arena, value.args[0])
        law = "sign of an odd function"
    else:
        result = arena.value("sign", (inner,))
    result = arena.negative(result) if c < 0 else result
    if inner != product:
        return arena.use(law, "sign", (x,), result)
    if c != 1:
        return arena.use("sign is odd" if c < 0 else "sign of a positive multiple", "sign", (x,), result)
    return result


def _signed_factors(arena: Arena, product: int) -> tuple[dict[int, Fraction], str]:
    """The factors on which the sign depends, with odd exponents made 1."""
    kept: dict[int, Fraction] = {}
    law = "sign of a positive multiple"
    for atom, e in arena.factors(product).items():
        if arena.positive(atom):
            continue
        odd = e.denominator == 1 and e % 2 == 1
        wanted = "sign of an inverse" if e < 0 else "sign of an even power" if not odd else "sign of an odd power"
        if e != 1 and arena.may(wanted) and (odd or e.denominator == 1):
            law = wanted
            if odd:
                kept[atom] = ONE
        else:
            kept[atom] = e
    return kept, law


def maximum(arena: Arena, x: int, y: int) -> int:
    """max(x, y): nested ones in one, a common positive factor drawn out."""
    parts = {a for i in (x, y) for a in (_members(arena, i))}
    if len(parts) == 1:
        return arena.use("maximum of maxima", "max", (x, y), parts.pop())
    numbers = [n for a in parts if (n := arena.as_number(a)) is not None]
    if len(numbers) > 1:
        parts = {a for a in parts if arena.as_number(a) is None} | {arena.number(max(numbers))}
    for larger, smaller in permutations(arena.order(parts), 2):
        may = {larger, smaller} <= parts and arena.drops(smaller)
        if may and arena.nonnegative(arena.add(larger, arena.negative(smaller))):
            parts.discard(smaller)
    if len(parts) == 1:
        return arena.use("maximum where the larger is known", "max", (x, y), parts.pop())
    if len(parts) == 2:
        p, q = arena.order(parts)
        if arena.negative(p) == q:
            return arena.use("abs as a maximum", "max", (x, y), absolute(arena, p))
        for low, rest in ((p, q), (q, p)):
            if (found := _clipped(arena, low, rest)) is not None:
                return arena.use("clip by maximum and minimum", "max", (x, y), found)
    return _drawn_out(arena, parts)


def _members(arena: Arena, i: int) -> tuple[int, ...]:
    """The values of which one is the maximum: of a positive multiple of a maximum, too."""
    terms = arena.terms(i)
    if len(terms) == 1:
        [(product, c)] = terms.items()
        if c > 0 and arena.values[product].op == "max":
            return tuple(arena.scale(c, a) for a in arena.values[product].args)
    return (i,)


def _clipped(arena: Arena, low: int, rest: int) -> int | None:
    """max(low, min(x, high)) as clip(x, low, high), where low is known not to be above high."""
    terms = arena.terms(rest)
    if len(terms) != 1:
        return None
    [(product, c)] = terms.items()
    if c >= 0 or arena.values[product].op != "max" or len(arena.values[product].args) != 2:
        return None
    a, b = (arena.scale(c, arg) for arg in arena.values[product].args)
    for x, high in ((a, b), (b, a)):
        room = arena.add(high, arena.negative(low))
        if arena.is_number(low) and arena.is_number(high) and arena.nonnegative(room):
            return _clip(arena, x, low, high)
    return None


def _clip(arena: Arena, x: int, low: int, high: int) -> int:
    """clip as an atom, of what does not lead with a minus."""
    if leads_negative(arena, x):
        flipped = arena.value("clip", (arena.negative(x), arena.negative(high), arena.negative(low)))
        return arena.negative(flipped)
    return arena.value("clip", (x, low, high))


def _drawn_out(arena: Arena, parts: set[int]) -> int:
    """A maximum of several values, as a positive number times a maximum that begins with a coefficient of one."""
    scales = [abs(c) for a in arena.order(parts) for p, c in arena.terms(a).items() if p != arena.one]
    c = min(scales, default=ONE)
    rest = arena.order({arena.scale(1 / c, a) for a in parts})
    return arena.scale(c, arena.value("max", tuple(rest)))


def minimum(arena: Arena, x: int, y: int) -> int:
    result = arena.negative(maximum(arena, arena.negative(x), arena.negative(y)))
    return arena.use("minimum as a maximum", "min", (x, y), result)
