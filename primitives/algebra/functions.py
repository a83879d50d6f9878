"""What each primitive becomes in normal form: arithmetic, and the laws of functions, one entry each."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.comparisons import compared, equal, where
from primitives.algebra.magnitudes import absolute, maximum, minimum, sign
from primitives.algebra.numbers import as_float, logarithm, root, rounded
from primitives.algebra.powers import primitive_part
from primitives.algebra.reductions import dot, global_dot, homogeneous, linear, unflatten
from primitives.algebra.shape import EVEN, ODD, Rule, leads_negative
from primitives.algebra.signs import unit
from primitives.algebra.sums import root_of_sum
from primitives.namespaces import NUMPY
from primitives.table import PRIMITIVES

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)
INVERSES = {  # outer: inner, and whether it holds everywhere
    "sin": ("arcsin", False), "cos": ("arccos", False), "tan": ("arctan", True), "sinh": ("arcsinh", True),
    "cosh": ("arccosh", False), "tanh": ("arctanh", False), "arcsinh": ("sinh", True), "arctanh": ("tanh", True),
}  # fmt: skip
NEAR = {"arctan": "tan", "arcsin": "sin"}  # inverses of functions of what lies in [0, 1]


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
    if args and (op in ODD or op in EVEN) and leads_negative(arena, args[0]):
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
    return arena.use(law, "log", (x,), arena.add(arena.number(rounded(logarithm(c))), *parts))


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
        return _exp(arena, arena.scale(rounded(logarithm(base)), y))
    if len(terms) > 1 and arena.one in terms and arena.positive(x):
        c = terms.pop(arena.one)
        result = arena.multiply(arena.power(x, c), _power(arena, x, arena.from_terms(terms)))
        return arena.use("product of powers", "power", (x, y), result)
    return arena.value("power", (x, y))


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
    "min": minimum,
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
    "greater": compared("greater", False),
    "greater_equal": compared("greater_equal", False),
    "less": compared("greater", True),
    "less_equal": compared("greater_equal", True),
    "where": where,
    "equal": equal,
    "sum": linear("sum", "sum of multiples"),
    "mean": linear("mean", "sum of multiples"),
    "row_mean": linear("row_mean", "sum of multiples"),
    "column_mean": linear("column_mean", "sum of multiples"),
    "transpose": linear("transpose", "transpose of a sum"),
    "norm": homogeneous("norm"),
    "rms": homogeneous("rms"),
    "global_norm": homogeneous("global_norm"),
    "dot": dot,
    "grad_at": _grad_at,
    "global_dot": global_dot,
    "unflatten": unflatten,
}
