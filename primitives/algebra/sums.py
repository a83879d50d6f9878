"""Laws between the terms of a sum: Pythagoras, hyperbolic functions, maxima, common denominators."""

from __future__ import annotations

from fractions import Fraction

from primitives.algebra.arena import Arena
from primitives.algebra.numbers import root, total

PAIRS = {"sin": ("cos", "Pythagoras", 1), "cosh": ("sinh", "hyperbolic Pythagoras", -1)}


def tidy_sum(arena: Arena, i: int) -> int:
    """The sum with the laws between its terms used, one after the other."""
    if len(arena.terms(i)) < 2:
        return i
    for rule in (_pythagoras, _hyperbolic, _maximum, _denominator):
        found = rule(arena, i)
        if found is not None:
            return found
    return i


def _pythagoras(arena: Arena, i: int) -> int | None:
    """c sin(x)**2 + c cos(x)**2 = c, and the same of cosh and sinh."""
    terms = arena.terms(i)
    for p, c in terms.items():
        for atom, e in arena.factors(p).items():
            value = arena.values[atom]
            if value.op not in PAIRS or e < 2:
                continue
            other_op, law, sign = PAIRS[value.op]
            rest = {a: k for a, k in arena.factors(p).items() if a != atom} | {atom: e - 2}
            other = arena.value(other_op, value.args)
            q = arena.from_factors({**rest, other: rest.get(other, Fraction(0)) + 2})
            if terms.get(q) == c * sign:
                left = {a: k for a, k in terms.items() if a not in (p, q)}
                result = arena.add(arena.from_terms(left), arena.scale(c, arena.from_factors(rest)))
                return arena.use(law, "plus", (i,), result)
    return None


def _hyperbolic(arena: Arena, i: int) -> int | None:
    """c exp(x) - c exp(-x) = 2 c sinh(x), and with a plus cosh."""
    terms = arena.terms(i)
    for p, c in terms.items():
        for atom, e in arena.factors(p).items():
            if arena.values[atom].op != "exp" or e != 1:
                continue
            [x] = arena.values[atom].args
            inverse = arena.value("exp", (arena.negative(x),))
            rest = {a: k for a, k in arena.factors(p).items() if a != atom}
            q = arena.from_factors({**rest, inverse: Fraction(1)})
            if abs(terms.get(q, Fraction(0))) != abs(c) or p == q:
                continue
            name = "cosh" if terms[q] == c else "sinh"
            left = {a: k for a, k in terms.items() if a not in (p, q)}
            from primitives.algebra.functions import apply

            function = arena.multiply(apply(arena, name, (x,)), arena.from_factors(rest))
            result = arena.add(arena.from_terms(left), arena.scale(2 * c, function))
            return arena.use(f"definition of {name}", "plus", (i,), result)
    return None


def _maximum(arena: Arena, i: int) -> int | None:
    """c (x + y) + c abs(x - y) = 2 c max(x, y)."""
    terms = arena.terms(i)
    if len(terms) > 12:
        return None
    from primitives.algebra.functions import apply

    for p, c in terms.items():
        if arena.values[p].op != "abs":
            continue
        rest = arena.from_terms({q: k / c for q, k in terms.items() if q != p})
        [difference] = arena.values[p].args
        x = arena.scale(Fraction(1, 2), arena.add(rest, difference))
        y = arena.scale(Fraction(1, 2), arena.add(rest, arena.negative(difference)))
        if len(arena.terms(x)) + len(arena.terms(y)) < len(terms):
            result = arena.scale(2 * c, apply(arena, "max", (x, y)))
            return arena.use("maximum by its mean", "plus", (i,), result)
    return None


def square_root(arena: Arena, terms: dict[int, Fraction]) -> int | None:
    """x + y where the terms are x x + 2 x y + y y, for any number of them; None where they are no such square."""
    roots: list[int] = []
    for p, c in terms.items():
        factors = arena.factors(p)
        if c > 0 and all(e.denominator == 1 and e % 2 == 0 for e in factors.values()):
            half = arena.from_factors({a: e / 2 for a, e in factors.items()})
            roots.append(arena.scale(root(c, Fraction(1, 2)), half))
    if len(roots) < 2 or len(roots) * (len(roots) + 1) // 2 != len(terms):
        return None
    for i, other in enumerate(roots[1:], 1):
        [(p, _)] = arena.terms(arena.multiply(roots[0], other)).items()
        if terms.get(p, Fraction(1)) < 0:
            roots[i] = arena.negative(other)
    base = arena.add(*roots)
    expected = arena.terms(arena.multiply(base, base))
    same = expected.keys() == terms.keys() and all(total([c, -terms[p]]) == 0 for p, c in expected.items())
    return base if same else None


def _denominator(arena: Arena, i: int) -> int | None:
    """(k x + k y) / (x + y) = k, where the terms stand apart over the same denominator."""
    terms = arena.terms(i)
    bases = {a for p in terms for a, e in arena.factors(p).items() if e <= -1 and arena.values[a].op == "plus"}
    for base in arena.order(bases):
        if not (arena.positive(base) or arena.may("cancel a sum")):
            continue
        over = {p: c for p, c in terms.items() if arena.factors(p).get(base, Fraction(0)) <= -1}
        size = len(arena.terms(base))
        if len(over) < size:
            continue
        found = _quotient(arena, over, base)
        if found is not None:
            left = arena.from_terms({p: c for p, c in terms.items() if p not in over})
            return arena.use("cancel a sum", "plus", (i,), arena.add(left, found))
    return None


def _quotient(arena: Arena, over: dict[int, Fraction], base: int) -> int | None:
    """The product k with over = k, where over is k base / base term by term; None where it is not that."""
    numerators = {_raise(arena, p, base, 1): c for p, c in over.items()}
    lead, coefficient = next(iter(arena.terms(base).items()))
    for p, c in numerators.items():
        inverse = {a: -e for a, e in arena.factors(lead).items()}
        factors = dict(arena.factors(p))
        for a, e in inverse.items():
            factors[a] = factors.get(a, Fraction(0)) + e
        k = arena.from_factors(factors)
        product = {}
        for q, d in arena.terms(base).items():
            joined = dict(arena.factors(k))
            for a, e in arena.factors(q).items():
                joined[a] = joined.get(a, Fraction(0)) + e
            product[arena.from_factors(joined)] = d * c / coefficient
        if all(q in numerators for q in product) and all(numerators[q] == d for q, d in product.items()):
            rest = {q: d for q, d in numerators.items() if q not in product}
            back = arena.from_terms({_raise(arena, q, base, -1): d for q, d in rest.items()})
            return arena.add(back, arena.scale(c / coefficient, k))
    return None


def _raise(arena: Arena, product: int, base: int, by: int) -> int:
    factors = dict(arena.factors(product))
    factors[base] = factors.get(base, Fraction(0)) + by
    return arena.from_factors(factors)
