"""Sums over elements in normal form: numbers come out of sums, means, norms, products and transposes."""

from __future__ import annotations

from fractions import Fraction

from primitives.algebra.arena import Arena
from primitives.algebra.magnitudes import absolute
from primitives.algebra.powers import primitive_part
from primitives.algebra.shape import Rule


def linear(op: str, law: str) -> Rule:
    """Sums, means and transposes: number factors come out, term by term."""

    def rule(arena: Arena, x: int) -> int:
        if op == "transpose" and arena.values[x].op == "transpose":
            return arena.use("transpose of a transpose", op, (x,), arena.values[x].args[0])
        terms = arena.terms(x)
        if len(terms) == 1 and next(iter(terms.values())) == 1 and not _numbers(arena, x):
            return arena.value(op, (x,))
        if not all(_rest_is_tensor(arena, p) for p in terms):
            return arena.value(op, (x,))
        if op == "sum" and len({arena.kind(p) for p in terms}) > 1:  # a row counts once for each row of a tensor
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


def homogeneous(op: str) -> Rule:
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
        if len(terms) == 1:
            numbers = [a for a in _numbers(arena, rest) if _shared(arena, op, a)]
            inner = arena.from_factors({a: e for a, e in arena.factors(rest).items() if a not in numbers})
            outer = arena.from_factors({a: e for a, e in arena.factors(rest).items() if a in numbers})
            common, rest = arena.multiply(common, outer), inner
        elif not (arena.is_number(common) and _shared(arena, op, common)):
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


def dot(arena: Arena, x: int, y: int) -> int:
    if x == y:
        norm = homogeneous("norm")(arena, x)
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


def global_dot(arena: Arena, x: int, y: int) -> int:
    if x == y:
        norm = homogeneous("global_norm")(arena, x)
        law = "inner product with itself over the model"
        return arena.use(law, "global_dot", (x, y), arena.power(norm, Fraction(2)))
    return arena.value("global_dot", tuple(arena.order((x, y))))


def unflatten(arena: Arena, x: int, like: int) -> int:
    value = arena.values[x]
    if value.op == "flatten":
        return arena.use("flat and back", "unflatten", (x, like), value.args[0])
    return arena.value("unflatten", (x, like))
