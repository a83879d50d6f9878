"""What each primitive becomes in normal form: arithmetic, and the laws of functions, one entry each."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations

import numpy as np

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.numbers import as_float, root, rounded
from primitives.algebra.products import measure, primitive_part
from primitives.algebra.signs import unit
from primitives.algebra.sums import root_of_sum
from primitives.namespaces import NUMPY
from primitives.table import PRIMITIVES

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)
ODD = ("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cbrt", "transpose", "orthogonalize")
EVEN = ("cos", "cosh")
SIGN_KEEPING = ("tanh", "sinh", "arctan", "arcsinh", "arcsin", "arctanh", "cbrt")
INVERSES = {  # outer: inner, and whether it holds everywhere
    "sin": ("arcsin", False), "cos": ("arccos", False), "tan": ("arctan", True), "sinh": ("arcsinh", True),
    "cosh": ("arccosh", False), "tanh": ("arctanh", False), "arcsinh": ("sinh", True), "arctanh": ("tanh", True),
}  # fmt: skip
COMPARED = ("less", "less_equal", "greater", "greater_equal", "equal")
NEAR = {"arctan": "tan", "arcsin": "sin"}  # inverses of functions of what lies in [0, 1]
Rule = Callable[..., int]


def apply(arena: Arena, op: str, args: tuple[int, ...]) -> int:
    """The value of a primitive of values in normal form, in normal form."""
    folded = _folded(arena, op, args)
    if folded is not None:
        return folded
    rule = RULES.get(op)
    return rule(arena, *args) if rule is not None else _plain(arena, op, args)


def _folded(arena: Arena, op: str, args: tuple[int, ...]) -> int | None:
    """A function of numbers, where arithmetic does not do it exactly."""
    p = PRIMITIVES[op]
    numbers = [arena.as_number(a) for a in args]
    if p.form != "pointwise" or op in ARITHMETIC or any(n is None for n in numbers):
        return None
    with np.errstate(all="ignore"):
        value = float(p.meaning(NUMPY, *(np.float64(as_float(n)) for n in numbers)))  # type: ignore[misc, arg-type]
    return arena.number(rounded(value)) if math.isfinite(value) else None


def _plain(arena: Arena, op: str, args: tuple[int, ...]) -> int:
    """A function without laws of its own, but for its parity."""
    if args and (op in ODD or op in EVEN) and _leads_negative(arena, args[0]):
        flipped = (arena.negative(args[0]), *args[1:])
        law = "odd function" if op in ODD else "even function"
        inner = apply(arena, op, flipped)
        return arena.use(law, op, args, arena.negative(inner) if op in ODD else inner)
    if op in INVERSES and arena.values[args[0]].op == INVERSES[op][0]:
        law = "inverse of its function" if INVERSES[op][1] else "function of its inverse anywhere"
        if arena.may(law):
            return arena.use(law, op, args, arena.values[args[0]].args[0])
    if op in NEAR and arena.values[args[0]].op == NEAR[op] and unit(arena, arena.values[args[0]].args[0]):
        return arena.use("inverse of its function near 0", op, args, arena.values[args[0]].args[0])
    if PRIMITIVES[op].commutative:
        args = tuple(arena.order(args))
    return arena.value(op, args)


def _leads_negative(arena: Arena, i: int) -> bool:
    terms = arena.terms(i)
    return bool(terms) and measure(arena, terms) < 0


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
        if {larger, smaller} <= parts and arena.nonnegative(arena.add(larger, arena.negative(smaller))):
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
    if _leads_negative(arena, x):
        flipped = arena.value("clip", (arena.negative(x), arena.negative(high), arena.negative(low)))
        return arena.negative(flipped)
    return arena.value("clip", (x, low, high))


def _drawn_out(arena: Arena, parts: set[int]) -> int:
    """A maximum of several values, as a positive number times a maximum that begins with a coefficient of one."""
    scales = [abs(c) for a in arena.order(parts) for p, c in arena.terms(a).items() if p != arena.one]
    c = min(scales, default=ONE)
    rest = arena.order({arena.scale(1 / c, a) for a in parts})
    return arena.scale(c, arena.value("max", tuple(rest)))


def _minimum(arena: Arena, x: int, y: int) -> int:
    result = arena.negative(maximum(arena, arena.negative(x), arena.negative(y)))
    return arena.use("minimum as a maximum", "min", (x, y), result)


def _exp(arena: Arena, x: int) -> int:
    terms = arena.terms(x)
    outside = []
    for product, c in list(terms.items()):
        factors = arena.factors(product)
        logarithm = next((a for a, e in factors.items() if e == 1 and arena.values[a].op == "log"), None)
        if logarithm is None:
            continue
        [inner] = arena.values[logarithm].args
        law = "exponential of a logarithm" if arena.positive(inner) else "exponential of any logarithm"
        if arena.may(law):
            del terms[product]
            rest = arena.from_factors({a: e for a, e in factors.items() if a != logarithm})
            power = _power(arena, inner, arena.scale(c, rest))
            outside.append(arena.use(law, "exp", (arena.from_terms({product: c}),), power))
    inside = arena.one if not terms else arena.value("exp", (arena.from_terms(terms),))
    return arena.multiply(inside, *outside) if outside else inside


def _log(arena: Arena, x: int) -> int:
    terms = arena.terms(x)
    if len(terms) != 1:
        return arena.value("log", (x,))
    [(product, c)] = terms.items()
    factors = arena.factors(product)
    if c <= 0 or not all(arena.positive(a) for a in factors) or (factors == {product: ONE} and c == 1):
        value = arena.values[x]
        if value.op == "exp":
            return arena.use("logarithm of an exponential", "log", (x,), value.args[0])
        if value.op == "power" and arena.positive(value.args[0]):
            result = arena.multiply(value.args[1], _log(arena, value.args[0]))
            return arena.use("logarithm of a power", "log", (x,), result)
        return arena.value("log", (x,))
    parts = [arena.scale(e, _log(arena, a)) for a, e in factors.items()]
    law = "logarithm of a power" if len(parts) == 1 else "logarithm of a product"
    return arena.use(law, "log", (x,), arena.add(arena.number(rounded(math.log(as_float(c)))), *parts))


def _power(arena: Arena, x: int, y: int) -> int:
    number = arena.as_number(y)
    if number is not None:
        return arena.power(x, number)
    if x == arena.one:
        return x
    terms = arena.terms(y)
    base = arena.as_number(x)
    if base == 0 and arena.positive(y):
        return arena.zero
    if base is not None and base > 0:
        return _exp(arena, arena.scale(rounded(math.log(as_float(base))), y))
    if len(terms) > 1 and arena.one in terms and arena.positive(x):
        c = terms.pop(arena.one)
        result = arena.multiply(arena.power(x, c), _power(arena, x, arena.from_terms(terms)))
        return arena.use("product of powers", "power", (x, y), result)
    return arena.value("power", (x, y))


def _compared(op: str, swap: bool) -> Rule:
    """less and greater as a comparison of a difference with zero, divided by its leading coefficient."""

    def rule(arena: Arena, x: int, y: int) -> int:
        before = (x, y)
        if swap:
            x, y = y, x
        difference = arena.add(x, arena.negative(y))
        common, rest = primitive_part(arena, difference) if len(arena.terms(difference)) > 1 else _leading(
            arena, difference
        )  # fmt: skip
        name = op
        if arena.positive(arena.negative(common)):
            name = {"greater": "less", "greater_equal": "less_equal"}[op]
        elif not arena.positive(common):
            rest = difference
        constant = arena.terms(rest).get(arena.one, Fraction(0))
        left = arena.from_terms({p: c for p, c in arena.terms(rest).items() if p != arena.one})
        result = _decided(arena, name, left, arena.number(-constant))
        return result if arena.values[result].args == before else arena.use("comparison by a difference", (
            {"greater": "less", "greater_equal": "less_equal"}[op] if swap else op), before, result)  # fmt: skip

    return rule


def _decided(arena: Arena, op: str, left: int, right: int) -> int:
    number, other = arena.as_number(left), arena.as_number(right)
    if number is not None and other is not None:
        truth = {"less": number < other, "less_equal": number <= other, "greater": number > other,
                 "greater_equal": number >= other}[op]  # fmt: skip
        return arena.number(Fraction(int(truth)))
    above = arena.add(left, arena.negative(right))
    below = arena.negative(above)
    if op.startswith("less"):
        above, below = below, above
    strict = op in ("less", "greater")
    if arena.positive(above) or (not strict and arena.nonnegative(above)):
        return arena.use("known comparison", op, (left, right), arena.one)
    if arena.positive(below) or (strict and arena.nonnegative(below)):
        return arena.use("known comparison", op, (left, right), arena.zero)
    return arena.value(op, (left, right))


def _leading(arena: Arena, i: int) -> tuple[int, int]:
    terms = arena.terms(i)
    if not terms:
        return arena.one, i
    [(product, c)] = terms.items()
    return arena.number(c), product


def _where(arena: Arena, c: int, x: int, y: int) -> int:
    known = arena.as_number(c)
    if known is not None:
        return arena.use("known choice", "where", (c, x, y), x if known else y)
    if x == y:
        return arena.use("choice between equals", "where", (c, x, y), x)
    opposite = _opposite(arena, c)
    if opposite is not None:
        return arena.use("choice by the opposite", "where", (c, x, y), _where(arena, opposite, y, x))
    value = arena.values[c]
    if value.op in ("greater", "greater_equal", "less", "less_equal"):
        difference = arena.add(value.args[0], arena.negative(value.args[1]))
        for a, b, larger in ((x, y, True), (y, x, False)):
            gap = arena.add(a, arena.negative(b))
            if arena.defined(gap) and _positive_multiple(arena, gap, difference):
                larger = larger == value.op.startswith("greater")
                law = "choice of the larger" if larger else "choice of the smaller"
                return arena.use(law, "where", (c, x, y), (maximum if larger else _minimum)(arena, x, y))
    return arena.value("where", (c, x, y))


def _opposite(arena: Arena, c: int) -> int | None:
    """The condition that is true where c is false, if that is the plainer one: strict, and without 1 - ... or == 0."""
    value = arena.values[c]
    if value.op in ("greater_equal", "less_equal"):
        return arena.value("less" if value.op == "greater_equal" else "greater", value.args)
    if value.op == "equal" and arena.zero in value.args:
        other = value.args[0] if value.args[1] == arena.zero else value.args[1]
        return other
    terms = arena.terms(c)
    if len(terms) == 2 and terms.get(arena.one) == 1:
        [other] = [p for p in terms if p != arena.one]
        return other if terms[other] == -1 and arena.values[other].op in COMPARED else None
    return None


def _equal(arena: Arena, x: int, y: int) -> int:
    difference = arena.as_number(arena.add(x, arena.negative(y)))
    if difference is not None:
        return arena.use("known comparison", "equal", (x, y), arena.zero if difference else arena.one)
    return arena.value("equal", tuple(arena.order((x, y))))


def _positive_multiple(arena: Arena, i: int, j: int) -> bool:
    a, b = arena.terms(i), arena.terms(j)
    if set(a) != set(b) or not a:
        return False
    ratios = {a[p] / b[p] for p in a}
    return len(ratios) == 1 and ratios.pop() > 0


def _linear(op: str, law: str) -> Rule:
    """Sums, means and transposes: number factors come out, term by term."""

    def rule(arena: Arena, x: int) -> int:
        if op == "transpose" and arena.values[x].op == "transpose":
            return arena.use("transpose of a transpose", op, (x,), arena.values[x].args[0])
        terms = arena.terms(x)
        if len(terms) == 1 and next(iter(terms.values())) == 1 and not _numbers(arena, x):
            return arena.value(op, (x,))
        if not all(_rest_is_tensor(arena, p) for p in terms):
            return arena.value(op, (x,))
        parts = []
        for p, c in terms.items():
            numbers = _numbers(arena, p)
            rest = arena.from_factors({a: e for a, e in arena.factors(p).items() if a not in numbers})
            factor = arena.from_factors({a: e for a, e in arena.factors(p).items() if a in numbers})
            parts.append(arena.scale(c, arena.multiply(factor, arena.value(op, (rest,)))))
        return arena.use(law, op, (x,), arena.add(*parts)) if parts else arena.value(op, (x,))

    return rule


def _numbers(arena: Arena, product: int) -> list[int]:
    return [a for a in arena.factors(product) if arena.is_number(a)] if len(arena.terms(product)) == 1 else []


def _rest_is_tensor(arena: Arena, product: int) -> bool:
    return any(not arena.is_number(a) for a in arena.factors(product))


def _homogeneous(op: str) -> Rule:
    """Norms: number factors come out with their absolute values."""

    def rule(arena: Arena, x: int) -> int:
        terms = arena.terms(x)
        if not terms:
            return arena.value(op, (x,))
        if len(terms) > 1:
            common, rest = primitive_part(arena, x)
        else:
            [(product, c)] = terms.items()
            common, rest = arena.number(c), product
        numbers = [] if arena.as_number(common) is not None else _numbers(arena, next(iter(arena.terms(common))))
        if len(terms) == 1:
            numbers = [a for a in _numbers(arena, rest) if _shared(arena, op, a)]
            inner = arena.from_factors({a: e for a, e in arena.factors(rest).items() if a not in numbers})
            outer = arena.from_factors({a: e for a, e in arena.factors(rest).items() if a in numbers})
            common, rest = arena.multiply(common, outer), inner
        elif not arena.is_number(common):
            return arena.value(op, (x,))
        if not _rest_is_tensor(arena, next(iter(arena.terms(rest)))):
            return arena.value(op, (x,))
        if arena.values[rest].op == "abs":
            [rest] = arena.values[rest].args
        result = arena.multiply(absolute(arena, common), arena.value(op, (rest,)))
        return result if common == arena.one else arena.use("norm of a multiple", op, (x,), result)

    return rule


def _shared(arena: Arena, op: str, i: int) -> bool:
    """Whether a number may leave the reduction: one of each tensor may not leave a sum over all tensors."""
    return not op.startswith("global") or arena.kind(i).shared


def _dot(arena: Arena, x: int, y: int) -> int:
    if x == y:
        norm = apply(arena, "norm", (x,))
        return arena.use("inner product with itself", "dot", (x, y), arena.power(norm, Fraction(2)))
    apart = [_apart(arena, i) for i in (x, y)]
    inner = arena.value("dot", tuple(arena.order(rest for _, rest in apart)))
    if all(number == arena.one for number, _ in apart):
        return inner
    return arena.use("product of multiples", "dot", (x, y), arena.multiply(apart[0][0], apart[1][0], inner))


def _apart(arena: Arena, i: int) -> tuple[int, int]:
    """A value as a number times the rest."""
    terms = arena.terms(i)
    if len(terms) != 1:
        common, rest = primitive_part(arena, i) if terms else (arena.one, i)
        return (common, rest) if arena.is_number(common) else (arena.one, i)
    [(product, c)] = terms.items()
    numbers = _numbers(arena, product)
    if not _rest_is_tensor(arena, product):
        return arena.one, i
    factors = arena.factors(product)
    outer = arena.from_factors({a: e for a, e in factors.items() if a in numbers})
    return arena.scale(c, outer), arena.from_factors({a: e for a, e in factors.items() if a not in numbers})


def _renamed(meaning: Callable[[Arena, int], int]) -> Rule:
    def rule(arena: Arena, x: int) -> int:
        return arena.use("another name", "exp2", (x,), meaning(arena, x))

    return rule


def _log_over(base: float) -> Rule:
    return lambda arena, x: arena.scale(rounded(1 / math.log(base)), _log(arena, x))


def _exp_of(base: float) -> Rule:
    return lambda arena, x: _exp(arena, arena.scale(rounded(math.log(base)), x))


def _plus_one(arena: Arena, x: int) -> int:
    return arena.add(arena.one, x)


def _subtract(arena: Arena, x: int, y: int) -> int:
    return arena.add(x, arena.negative(y))


def _divide(arena: Arena, x: int, y: int) -> int:
    if arena.as_number(y) == 0:
        return arena.value("divide", (x, y))
    return arena.multiply(x, arena.power(y, Fraction(-1)))


def _mix(arena: Arena, a: int, x: int, b: int, y: int) -> int:
    return arena.add(arena.multiply(a, x), arena.multiply(b, y))


def _cbrt(arena: Arena, x: int) -> int:
    """The cube root factor by factor: whole cubes come out, and all that is not negative."""
    terms = arena.terms(x)
    if len(terms) != 1:
        common, rest = primitive_part(arena, x) if terms else (x, x)
        base = root_of_sum(arena, arena.terms(rest), 3)
        if base is not None:
            return arena.use("root of a cube", "cbrt", (x,), arena.multiply(_cbrt(arena, common), base))
        return arena.power(x, THIRD) if arena.nonnegative(x) else _plain(arena, "cbrt", (x,))
    [(product, c)] = terms.items()
    outside, inside = [arena.number(root(abs(c), THIRD) * (1 if c > 0 else -1))], {}
    for atom, e in arena.factors(product).items():
        base = root_of_sum(arena, arena.terms(atom), 3) if e == 1 and arena.values[atom].op == "plus" else None
        if base is not None:
            outside.append(base)
        elif (e.denominator == 1 and e % 3 == 0) or arena.nonnegative(atom):
            outside.append(arena.power(atom, e / 3))
        else:
            inside[atom] = e
    rest = arena.from_factors(inside)
    result = arena.multiply(*outside, arena.one if rest == arena.one else arena.value("cbrt", (rest,)))
    return result if rest == product else arena.use("root of a cube", "cbrt", (x,), result)


def _unflatten(arena: Arena, x: int, like: int) -> int:
    value = arena.values[x]
    if value.op == "flatten":
        return arena.use("flat and back", "unflatten", (x, like), value.args[0])
    return arena.value("unflatten", (x, like))


def _global_dot(arena: Arena, x: int, y: int) -> int:
    if x == y:
        norm = apply(arena, "global_norm", (x,))
        law = "inner product with itself over the model"
        return arena.use(law, "global_dot", (x, y), arena.power(norm, Fraction(2)))
    return arena.value("global_dot", tuple(arena.order((x, y))))


def _grad_at(arena: Arena, x: int) -> int:
    """The gradient at w is g."""
    return arena.input("g") if x == arena.input("w") else arena.value("grad_at", (x,))


def _raise_to(exponent: Fraction) -> Rule:
    return lambda arena, x: arena.power(x, exponent)


ARITHMETIC: dict[str, Rule] = {
    "add": lambda arena, x, y: arena.add(x, y),
    "subtract": _subtract,
    "multiply": lambda arena, x, y: arena.multiply(x, y),
    "divide": _divide,
    "mix": _mix,
    "negative": lambda arena, x: arena.negative(x),
    "square": _raise_to(Fraction(2)),
    "cube": _raise_to(Fraction(3)),
    "sqrt": _raise_to(HALF),
    "reciprocal": _raise_to(Fraction(-1)),
    "power": _power,
}

RULES: dict[str, Rule] = {
    **ARITHMETIC,
    "abs": absolute,
    "sign": sign,
    "max": maximum,
    "min": _minimum,
    "exp": _exp,
    "log": _log,
    "exp2": _exp_of(2),
    "exp10": _exp_of(10),
    "expm1": lambda arena, x: arena.add(_exp(arena, x), arena.number(-ONE)),
    "log2": _log_over(2),
    "log10": _log_over(10),
    "log1p": lambda arena, x: _log(arena, _plus_one(arena, x)),
    "cbrt": _cbrt,
    "sqrt_abs": lambda arena, x: arena.power(absolute(arena, x), HALF),
    "log_abs": lambda arena, x: _log(arena, absolute(arena, x)),
    "log2_abs": lambda arena, x: _log_over(2)(arena, absolute(arena, x)),
    "log10_abs": lambda arena, x: _log_over(10)(arena, absolute(arena, x)),
    "log1p_abs": lambda arena, x: _log(arena, _plus_one(arena, absolute(arena, x))),
    "greater": _compared("greater", False),
    "greater_equal": _compared("greater_equal", False),
    "less": _compared("greater", True),
    "less_equal": _compared("greater_equal", True),
    "where": _where,
    "equal": _equal,
    "sum": _linear("sum", "sum of multiples"),
    "mean": _linear("mean", "sum of multiples"),
    "row_mean": _linear("row_mean", "sum of multiples"),
    "column_mean": _linear("column_mean", "sum of multiples"),
    "transpose": _linear("transpose", "transpose of a sum"),
    "norm": _homogeneous("norm"),
    "rms": _homogeneous("rms"),
    "global_norm": _homogeneous("global_norm"),
    "dot": _dot,
    "grad_at": _grad_at,
    "global_dot": _global_dot,
    "unflatten": _unflatten,
}
