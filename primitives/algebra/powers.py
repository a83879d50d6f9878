"""Powers of products and sums, and what all terms of a sum share."""

from __future__ import annotations

from fractions import Fraction

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.numbers import near_one, root, shortened
from primitives.algebra.products import as_atom, raised, tidy


def power_of_product(arena: Arena, c: Fraction, product: int, exponent: Fraction) -> int:
    """(c x**a y**b)**exponent, factor by factor; what has no known sign stays together under a root."""
    before = (arena.from_terms({product: c}), arena.number(exponent))
    outside: dict[int, Fraction] = {}
    inside: dict[int, Fraction] = {}
    for atom, e in arena.factors(product).items():
        law, base = _power_of_power(arena, atom, e, exponent)
        if law is None or not arena.may(law):
            inside[atom] = e
            continue
        outside[base] = outside.get(base, Fraction(0)) + e * exponent
        if law not in ("power of a product", "root of a product"):
            arena.use(law, "power", (raised(arena, atom, e), before[1]), raised(arena, base, e * exponent))
    coefficient = ONE
    try:
        coefficient = root(abs(c) if inside else c, exponent)
        c = c / abs(c) if inside else ONE
    except ArithmeticError:
        inside, outside = arena.factors(product), {}
    if not inside and c != 1:
        return arena.value("power", before)
    result = tidy(arena, outside)
    if inside or c != 1:
        rest = arena.from_terms({arena.from_factors(inside): c})
        result = arena.multiply(result, raised(arena, as_atom(arena, rest), exponent))
    result = arena.scale(shortened(coefficient), result)
    if len(arena.factors(product)) > 1 and outside:
        arena.use("root of a product" if exponent.denominator > 1 else "power of a product", "power", before, result)
    return result


def _power_of_power(arena: Arena, atom: int, e: Fraction, exponent: Fraction) -> tuple[str | None, int]:
    """The law by which (x**e)**exponent is a power of x or of abs(x), and of which; None where none is known."""
    if exponent.denominator == 1:
        if e.denominator > 1 and not arena.nonnegative(atom) and (e * exponent).denominator == 1:
            return "collect roots", atom
        inverse = e < 0 and exponent < 0 and not arena.positive(atom)
        return ("power of a quotient" if inverse else "power of a product"), atom
    if arena.nonnegative(atom):
        return ("square of a root" if e == 2 else "root of a product"), atom
    if e.denominator == 1 and e % 2 == 0:
        from primitives.algebra.magnitudes import absolute

        return "root of a square", absolute(arena, atom)
    return None, atom


def primitive_part(arena: Arena, i: int) -> tuple[int, int]:
    """A sum as (common part, rest): a number and the powers that all its terms share, and what is left."""
    terms = arena.terms(i)
    products = [p for p in terms if p != arena.one] or list(terms)
    shared = dict(arena.factors(products[0])) if arena.one not in terms else {}
    for p in products[1:]:
        other = arena.factors(p)
        shared = {
            a: min(e, other[a], key=abs) for a, e in shared.items() if a in other and e * other[a] > 0
        }  # of one sign
    lead = measure(arena, terms)
    common = arena.from_factors(shared)
    rest = {
        arena.from_factors({a: e - shared.get(a, Fraction(0)) for a, e in arena.factors(p).items()}): c / lead
        for p, c in terms.items()
    }
    return arena.from_terms({common: lead}), arena.from_terms(rest)


def measure(arena: Arena, terms: dict[int, Fraction]) -> Fraction:
    """The number by which a sum is divided in a base: with coefficients of one size that size, else their sum.

    So averages stay as they are. The same for all multiples of a sum; constants do not count.
    """
    coefficients = {p: c for p, c in terms.items() if p != arena.one} or terms
    together = sum(coefficients.values(), Fraction(0))
    together = ONE if near_one(together) else together
    first = coefficients[arena.order(coefficients)[0]]
    size = abs(together) if len({abs(c) for c in coefficients.values()}) > 1 and together else abs(first)
    constant = terms.get(arena.one, Fraction(0))
    return size if (constant or together or first) > 0 else -size


def power_of_sum(arena: Arena, i: int, exponent: Fraction) -> int:
    """(x + y)**exponent with what all terms share drawn out, where the sign of that is known or does not matter."""
    from primitives.algebra.magnitudes import absolute
    from primitives.algebra.sums import factored, root_of_sum

    if exponent.denominator == 2 and (base := root_of_sum(arena, arena.terms(i), 2)) is not None:
        result = arena.power(absolute(arena, base), 2 * exponent)
        return arena.use("root of a square", "power", (i, arena.number(exponent)), result)
    common, rest = primitive_part(arena, i)
    whole = exponent.denominator == 1
    if (parts := factored(arena, rest)) is not None and (whole or arena.nonnegative(parts[0])):
        return arena.multiply(*(arena.power(part, exponent) for part in (common, *parts)))
    if rest in (i, arena.one) or not (whole or arena.nonnegative(common)):
        if not whole and arena.positive(arena.negative(common)):
            common, rest = arena.negative(common), arena.negative(rest)
        else:
            return raised(arena, i, exponent)
    return arena.multiply(arena.power(common, exponent), raised(arena, rest, exponent))


def cancel_sum(arena: Arena, i: int, j: int) -> int | None:
    """i times j where one is a sum and the other divides by it, or by its abs; None where that is not so."""
    for whole, quotient in ((i, j), (j, i)):
        if len(arena.terms(whole)) < 2:
            continue
        common, base = primitive_part(arena, whole)
        for divisor, left, law in (
            (base, arena.one, "collect factors" if arena.positive(base) else "cancel a sum"),
            (arena.value("abs", (base,)), arena.value("sign", (base,)), "x over abs(x) is its sign"),
        ):
            terms = arena.terms(quotient)
            signed = arena.value("sign", (base,))
            if divisor == base and terms and all(arena.factors(p).get(signed) == 1 for p in terms):
                rest = [arena.from_factors({**arena.factors(p), signed: Fraction(0)}) for p in terms]
                left = arena.add(*(arena.scale(c, p) for c, p in zip(terms.values(), rest, strict=True)))
                size = arena.value("abs", (base,)) if not arena.nonnegative(base) else base
                result = arena.multiply(common, size, left)
                return arena.use("sign times itself", "multiply", (i, j), result)
            if not terms or not arena.may(law) or not all(arena.factors(p).get(divisor, 0) <= -1 for p in terms):
                continue
            raised = [arena.from_factors({**(f := arena.factors(p)), divisor: f[divisor] + 1}) for p in terms]
            lowered = arena.add(*(arena.scale(c, p) for c, p in zip(terms.values(), raised, strict=True)))
            return arena.use(law, "multiply", (i, j), arena.multiply(common, left, lowered))
    return None
