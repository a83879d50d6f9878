"""Products of atoms: how exponents, signs, absolute values and exponentials join, and powers of products and sums."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.laws import EXACT
from primitives.algebra.numbers import near_one, root, shortened

TWO = Fraction(2)


def join_products(arena: Arena, p: int, q: int) -> int:
    """The product of two products, as far as the tier lets exponents join; may be a sum."""
    if p == arena.one or q == arena.one:
        return q if p == arena.one else p
    joined: dict[int, Fraction] = {}
    apart: list[int] = []  # factors that the tier does not let join
    for atom, exponent in _pairs(arena, p, q):
        before = joined.get(atom)
        if before is None:
            joined[atom] = exponent
            continue
        law = _joining(arena, atom, before, exponent)
        if not arena.may(law):
            apart.append(_held(arena, atom, exponent))
            continue
        joined[atom] = before + exponent
        if law != "collect factors" or exponent * before < 0:
            arena.use(law, "multiply", (_raised(arena, atom, before), _raised(arena, atom, exponent)),
                      _raised(arena, atom, joined[atom]))  # fmt: skip
    for atom in apart:
        joined[atom] = joined.get(atom, Fraction(0)) + 1
    return _tidy(arena, joined)


def _held(arena: Arena, atom: int, exponent: Fraction) -> int:
    """An atom to a power as an atom of its own, which joins with nothing."""
    return arena.value("power", (atom, arena.number(exponent)))


def _raised(arena: Arena, atom: int, exponent: Fraction) -> int:
    return arena.from_factors({atom: exponent})


def _pairs(arena: Arena, p: int, q: int) -> Iterator[tuple[int, Fraction]]:
    yield from arena.factors(p).items()
    yield from arena.factors(q).items()


def _joining(arena: Arena, atom: int, a: Fraction, b: Fraction) -> str:
    """The law by which x**a x**b is x**(a + b)."""
    whole = a.denominator == b.denominator == 1
    if arena.positive(atom) or (whole and a * b > 0) or (a > 0 and b > 0 and arena.nonnegative(atom)):
        return "collect factors"
    if a * b > 0:
        return "collect roots" if (a + b).denominator == 1 else "collect factors"
    return "cancel a factor"


def _tidy(arena: Arena, factors: dict[int, Fraction]) -> int:
    """Laws between the atoms of a product: of signs, absolute values, exponentials and hyperbolic functions."""
    factors = {atom: e for atom, e in factors.items() if e}
    for atom in list(factors):
        value = arena.values[atom]
        if atom not in factors:
            continue
        if value.op == "sign":
            _tidy_sign(arena, factors, atom)
        elif value.op == "abs":
            _tidy_abs(arena, factors, atom)
        elif value.op in ("cos", "cosh") and factors[atom] < 0:
            _tidy_tangent(arena, factors, atom)
        elif value.op == "cbrt" and factors[atom].denominator == 1 and factors[atom] % 3 == 0:
            _tidy_cube_root(arena, factors, atom)
    whole = arena.tier != EXACT  # where every law serves a whole power can be opened
    if (divided := _divided(arena, factors)) is not None:
        return divided
    groups = {a: e for a, e in factors.items() if arena.values[a].op == "group" and (e == 1 or (whole and e == int(e)))}
    groups = {a: e for a, e in groups.items() if len(arena.terms(arena.values[a].args[0])) == 1}
    sums = {a: e for a, e in factors.items() if arena.values[a].op == "plus" and e >= 1 and arena.opens(a, e)}
    product = _exponentials(arena, {a: e for a, e in factors.items() if a not in groups and a not in sums})
    opened = [arena.power(arena.values[a].args[0], e) for a, e in groups.items()]
    opened += [arena.power(a, e) for a, e in sums.items()]
    return arena.multiply(product, *opened) if opened else product


def _tidy_sign(arena: Arena, factors: dict[int, Fraction], atom: int) -> None:
    exponent = factors[atom]
    [x] = arena.values[atom].args
    if exponent == 1 and factors.get(x) == 1:
        from primitives.algebra.functions import absolute

        del factors[atom], factors[x]
        size = absolute(arena, x)
        factors[size] = factors.get(size, Fraction(0)) + 1
        arena.use("sign times itself", "multiply", (atom, x), size)
        return
    if exponent.denominator != 1 or exponent == 1:
        return
    if exponent % 2 and exponent > 0:
        factors[atom] = ONE
        arena.use("odd power of a sign", "power", (atom, arena.number(exponent)), atom)
    elif arena.may("square of a sign"):
        if exponent % 2:
            factors[atom] = ONE
        else:
            del factors[atom]
        arena.use("square of a sign", "power", (atom, arena.number(exponent)), atom if exponent % 2 else arena.one)


def _tidy_abs(arena: Arena, factors: dict[int, Fraction], atom: int) -> None:
    """Powers of x and of abs(x) and sign(x) in one product."""
    [x] = arena.values[atom].args
    exponent = factors[atom]
    if exponent.denominator == 1 and exponent % 2 == 0 and exponent > 0:
        del factors[atom]
        factors[x] = factors.get(x, Fraction(0)) + exponent
        arena.use("even power of an abs", "power", (atom, arena.number(exponent)), _raised(arena, x, exponent))
        return
    sign = arena.value("sign", (x,))
    if factors.get(sign) == 1 and exponent.denominator == 1 and exponent > 0:
        del factors[atom], factors[sign]
        factors[x] = factors.get(x, Fraction(0)) + exponent
        arena.use("sign times abs", "multiply", (sign, atom), x)
        return
    power = factors.get(x, Fraction(0))
    law = "x over abs(x) is its sign"
    if power == 0 or power.denominator != 1 or (exponent < 0 and not arena.may(law)):
        return
    before = (_raised(arena, x, power), _raised(arena, atom, exponent))
    del factors[x], factors[atom]
    if power % 2:
        factors[sign] = factors.get(sign, Fraction(0)) + 1
    if power + exponent:
        even = (power + exponent) % 2 == 0
        base = x if even else atom
        factors[base] = factors.get(base, Fraction(0)) + power + exponent
    after = arena.from_factors({a: e for a, e in factors.items() if a in (x, atom, sign)})
    arena.use(law if exponent < 0 else "sign times abs", "multiply", before, after)


def _tidy_tangent(arena: Arena, factors: dict[int, Fraction], atom: int) -> None:
    """sin over cos, and sinh over cosh."""
    op, args, _ = arena.values[atom]
    sine = arena.value(op.replace("cos", "sin"), args)
    count = min(factors.get(sine, Fraction(0)), -factors[atom])
    if count <= 0:
        return
    tangent = arena.value("tanh" if op == "cosh" else "tan", args)
    for a, e in ((sine, -count), (atom, count), (tangent, count)):
        factors[a] = factors.get(a, Fraction(0)) + e
    arena.use("definition of tanh" if op == "cosh" else "definition of tan", "divide", (sine, atom), tangent)


def _tidy_cube_root(arena: Arena, factors: dict[int, Fraction], atom: int) -> None:
    exponent = factors.pop(atom)
    inner = arena.values[atom].args[0]
    before = (atom, arena.number(exponent))
    base = _atom(arena, inner)
    factors[base] = factors.get(base, Fraction(0)) + exponent / 3
    arena.use("cube of a root", "power", before, arena.power(inner, exponent / 3))


def _divided(arena: Arena, factors: dict[int, Fraction]) -> int | None:
    """x / (c + k x) as (1 - c / (c + k x)) / k, for a number x: one form of all such quotients."""
    for base, e in factors.items():
        terms = arena.terms(base)
        if e > -1 or e.denominator > 1 or len(terms) != 2 or arena.one not in terms:
            continue
        [x] = [p for p in terms if p != arena.one]
        if factors.get(x, Fraction(0)) < 1 or not arena.is_number(x):
            continue
        less = {**factors, x: factors[x] - 1}
        whole = arena.from_factors({**less, base: e + 1})
        rest = arena.from_factors(less)
        c, k = terms[arena.one], terms[x]
        result = arena.add(arena.scale(1 / k, whole), arena.scale(-c / k, join_products(arena, rest, arena.one)))
        return arena.use("division with remainder", "times", (arena.from_factors(factors),), result)
    return None


def _exponentials(arena: Arena, factors: dict[int, Fraction]) -> int:
    """exp(x) exp(y) = exp(x + y), also for powers of one base."""
    groups: dict[int | None, list[int]] = {}
    for atom in factors:
        value = arena.values[atom]
        if value.op == "exp":
            groups.setdefault(None, []).append(atom)
        elif value.op == "power" and arena.positive(value.args[0]):
            groups.setdefault(value.args[0], []).append(atom)
    result: list[int] = []
    for base, atoms in groups.items():
        if len(atoms) == 1 and (factors[atoms[0]] == 1 or base is not None):
            continue
        before = arena.from_factors({a: factors[a] for a in atoms})
        exponents = [arena.scale(factors.pop(a), arena.values[a].args[-1]) for a in atoms]
        together = arena.add(*exponents)
        after = _exponential(arena, base, together)
        law = "product of powers" if base is not None else "product of exponentials"
        result.append(arena.use(law, "times", (before,), after))
    product = arena.from_factors(factors)
    return arena.multiply(product, *result) if result else product


def _exponential(arena: Arena, base: int | None, exponent: int) -> int:
    if exponent == arena.zero:
        return arena.one
    number = arena.as_number(exponent)
    if base is None:
        return arena.value("exp", (exponent,))
    return arena.power(base, number) if number is not None else arena.value("power", (base, exponent))


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
            arena.use(law, "power", (_raised(arena, atom, e), before[1]), _raised(arena, base, e * exponent))
    coefficient = ONE
    try:
        coefficient = root(abs(c) if inside else c, exponent)
        c = c / abs(c) if inside else ONE
    except ArithmeticError:
        inside, outside = arena.factors(product), {}
    if not inside and c != 1:
        return arena.value("power", before)
    result = _tidy(arena, outside)
    if inside or c != 1:
        rest = arena.from_terms({arena.from_factors(inside): c})
        result = arena.multiply(result, _raised(arena, _atom(arena, rest), exponent))
    result = arena.scale(shortened(coefficient), result)
    if len(arena.factors(product)) > 1 and outside:
        arena.use("root of a product" if exponent.denominator > 1 else "power of a product", "power", before, result)
    return result


def _atom(arena: Arena, i: int) -> int:
    """A value as a base for an exponent: a product is held together, so that its own exponents do not mix with it."""
    return arena.value("group", (i,)) if len(arena.terms(i)) == 1 and arena.atoms(i) is None else i


def _power_of_power(arena: Arena, atom: int, e: Fraction, exponent: Fraction) -> tuple[str | None, int]:
    """The law by which (x**e)**exponent is a power of x or of abs(x), and of which; None where none is known."""
    if exponent.denominator == 1:
        if e.denominator > 1 and not arena.nonnegative(atom) and (e * exponent).denominator == 1:
            return "collect roots", atom
        inverse = e < 0 and exponent < 0 and not arena.positive(atom)
        return ("power of a quotient" if inverse else "power of a product"), atom
    if arena.nonnegative(atom):
        return ("square of a root" if e == TWO else "root of a product"), atom
    if e.denominator == 1 and e % 2 == 0:
        from primitives.algebra.functions import absolute

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
    from primitives.algebra.functions import absolute
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
            return _raised(arena, i, exponent)
    return arena.multiply(arena.power(common, exponent), _raised(arena, rest, exponent))


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
