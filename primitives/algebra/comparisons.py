"""Comparisons and choices in normal form: what is known is decided, one form of each is kept."""

from __future__ import annotations

from fractions import Fraction

from primitives.algebra.arena import Arena
from primitives.algebra.magnitudes import maximum, minimum
from primitives.algebra.powers import primitive_part
from primitives.algebra.shape import Rule

COMPARED = ("less", "less_equal", "greater", "greater_equal", "equal")


def compared(op: str, swap: bool) -> Rule:
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
    if not arena.drops(left, right):
        return arena.value(op, (left, right))
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


def where(arena: Arena, c: int, x: int, y: int) -> int:
    known = arena.as_number(c)
    if known is not None:
        return arena.use("known choice", "where", (c, x, y), x if known else y)
    if x == y:
        return arena.use("choice between equals", "where", (c, x, y), x)
    opposite = _opposite(arena, c)
    if opposite is not None:
        return arena.use("choice by the opposite", "where", (c, x, y), where(arena, opposite, y, x))
    value = arena.values[c]
    if value.op in ("greater", "greater_equal", "less", "less_equal"):
        difference = arena.add(value.args[0], arena.negative(value.args[1]))
        for a, b, larger in ((x, y, True), (y, x, False)):
            gap = arena.add(a, arena.negative(b))
            if arena.defined(gap) and _positive_multiple(arena, gap, difference):
                larger = larger == value.op.startswith("greater")
                law = "choice of the larger" if larger else "choice of the smaller"
                return arena.use(law, "where", (c, x, y), (maximum if larger else minimum)(arena, x, y))
    return arena.value("where", (c, x, y))


def _opposite(arena: Arena, c: int) -> int | None:
    """The condition that is true where c is false, if that is the plainer one: strict, and without 1 - ... or == 0."""
    value = arena.values[c]
    if value.op in ("greater_equal", "less_equal"):
        return arena.value("less" if value.op == "greater_equal" else "greater", value.args)
    if value.op == "equal" and arena.zero in value.args:
        return value.args[0] if value.args[1] == arena.zero else value.args[1]
    terms = arena.terms(c)
    if len(terms) == 2 and terms.get(arena.one) == 1:
        [other] = [p for p in terms if p != arena.one]
        return other if terms[other] == -1 and arena.values[other].op in COMPARED else None
    return None


def equal(arena: Arena, x: int, y: int) -> int:
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
