"""Laws between the terms of a sum: Pythagoras, hyperbolic functions, maxima, common denominators."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from primitives.algebra.arena import Arena, Value
from primitives.algebra.numbers import root, total

MOST_FACTORED = 24  # terms of a sum that is tried as a product of sums
CUBES = (4, 10, 20)  # terms of the cube of a sum of 2, 3 and 4 terms
PAIRS = {"sin": ("cos", "Pythagoras", 1), "cosh": ("sinh", "hyperbolic Pythagoras", -1)}


def tidy_sum(arena: Arena, i: int) -> int:
    """The sum with the laws between its terms used, one after the other."""
    if len(arena.terms(i)) < 2:
        return i
    for rule in (
        _pythagoras,
        _hyperbolic,
        _maximum,
        _into_maximum,
        _larger_and_smaller,
        _above_and_below,
        _denominator,
    ):
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


def root_of_sum(arena: Arena, terms: dict[int, Fraction], degree: int) -> int | None:
    """x + y where the terms are those of (x + y)**degree, 2 or 3, also for more than two; None where they are not."""
    if degree == 3 and len(terms) not in CUBES:
        return None
    roots: list[int] = []
    for p, c in terms.items():
        factors = arena.factors(p)
        if (c > 0 or degree == 3) and all(e.denominator == 1 and e % degree == 0 for e in factors.values()):
            part = arena.from_factors({a: e / degree for a, e in factors.items()})
            roots.append(arena.scale(root(abs(c), Fraction(1, degree)) * (1 if c > 0 else -1), part))
    if len(roots) < 2 or (degree == 2 and len(roots) * (len(roots) + 1) // 2 != len(terms)):
        return None
    for i, other in enumerate(roots[1:] if degree == 2 else [], 1):
        [(p, _)] = arena.terms(arena.multiply(roots[0], other)).items()
        if terms.get(p, Fraction(1)) < 0:
            roots[i] = arena.negative(other)
    base = arena.add(*roots)
    expected = arena.terms(arena.multiply(*[base] * degree))
    same = expected.keys() == terms.keys() and all(total([c, -terms[p]]) == 0 for p, c in expected.items())
    return base if same else None


def _into_maximum(arena: Arena, i: int) -> int | None:
    """c max(x, y) + z = c max(x + z / c, y + z / c), where that is shorter."""
    from primitives.algebra.functions import apply

    terms = arena.terms(i)
    for p, c in terms.items():
        value = arena.values[p]
        if value.op != "max":
            continue
        held = [arena.terms(a) for a in value.args]
        inside = {q: k / c for q, k in terms.items() if any(part.get(q) == -k / c for part in held)}
        members = [arena.add(a, arena.from_terms(inside)) for a in value.args]
        if sum(len(arena.terms(a)) for a in members) < sum(map(len, held)) + len(inside):
            whole = arena.scale(c, reduce(lambda a, b: apply(arena, "max", (a, b)), members))
            left = arena.from_terms({q: k for q, k in terms.items() if q != p and q not in inside})
            return arena.use("sum with a maximum", "plus", (i,), arena.add(left, whole))
    return None


def _larger_and_smaller(arena: Arena, i: int) -> int | None:
    """c max(x, y) + c min(x, y) = c (x + y)."""

    def other(value: Value) -> int | None:
        return arena.value("max", tuple(arena.order(map(arena.negative, value.args)))) if len(value.args) == 2 else None

    return _pair(arena, i, "max", other, lambda value: arena.add(*value.args), "maximum and minimum")


def _above_and_below(arena: Arena, i: int) -> int | None:
    """c (x > 0) - c (x < 0) = c sign(x)."""
    from primitives.algebra.magnitudes import sign

    def other(value: Value) -> int | None:
        return arena.value("less", value.args) if value.args[1] == arena.zero else None

    return _pair(arena, i, "greater", other, lambda value: sign(arena, value.args[0]), "sign by comparisons")


def _pair(
    arena: Arena,
    i: int,
    op: str,
    other: Callable[[Value], int | None],
    whole: Callable[[Value], int],
    law: str,
) -> int | None:
    """c r x - c r y = c r z for a product with a factor x = op(...), where `other` gives y and `whole` gives z."""
    terms = arena.terms(i)
    for p, c in terms.items():
        factors = arena.factors(p)
        for atom, e in factors.items():
            value = arena.values[atom]
            if value.op != op or e != 1 or (partner := other(value)) is None:
                continue
            rest = {a: k for a, k in factors.items() if a != atom}
            q = arena.from_factors({**rest, partner: Fraction(1)})
            if q != p and terms.get(q) == -c:
                left = arena.from_terms({a: k for a, k in terms.items() if a not in (p, q)})
                both = arena.scale(c, arena.multiply(arena.from_factors(rest), whole(value)))
                return arena.use(law, "plus", (i,), arena.add(left, both))
    return None


def factored(arena: Arena, i: int) -> tuple[int, int] | None:
    """A sum as a product of two sums, where for some atom the coefficients of its powers are one sum times products."""
    from primitives.algebra.powers import primitive_part

    terms = arena.terms(i)
    if not 4 <= len(terms) <= MOST_FACTORED:
        return None
    for atom in arena.order({a for p in terms for a in arena.factors(p)}):
        groups: dict[Fraction, dict[int, Fraction]] = {}
        for p, c in terms.items():
            factors = dict(arena.factors(p))
            e = factors.pop(atom, Fraction(0))
            groups.setdefault(e, {})[arena.from_factors(factors)] = c
        sizes = {len(group) for group in groups.values()}
        if len(groups) < 2 or len(sizes) > 1 or sizes == {1}:
            continue
        parts = [primitive_part(arena, arena.from_terms(group)) for group in groups.values()]
        if len({rest for _, rest in parts}) == 1:
            powers = [arena.multiply(k, arena.from_factors({atom: e})) for e, (k, _) in zip(groups, parts, strict=True)]
            return arena.add(*powers), parts[0][1]
    return None


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
