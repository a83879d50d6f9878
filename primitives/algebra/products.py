"""Products of atoms: how exponents, signs, absolute values and exponentials join, and powers of products and sums."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.laws import EXACT


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
            arena.use(law, "multiply", (raised(arena, atom, before), raised(arena, atom, exponent)),
                      raised(arena, atom, joined[atom]))  # fmt: skip
    for atom in apart:
        joined[atom] = joined.get(atom, Fraction(0)) + 1
    return tidy(arena, joined)


def _held(arena: Arena, atom: int, exponent: Fraction) -> int:
    """An atom to a power as an atom of its own, which joins with nothing."""
    return arena.value("power", (atom, arena.number(exponent)))


def raised(arena: Arena, atom: int, exponent: Fraction) -> int:
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


def tidy(arena: Arena, factors: dict[int, Fraction]) -> int:
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
        from primitives.algebra.magnitudes import absolute

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
        arena.use("even power of an abs", "power", (atom, arena.number(exponent)), raised(arena, x, exponent))
        return
    sign = arena.value("sign", (x,))
    if factors.get(sign) == 1 and exponent.denominator == 1 and exponent > 0:
        del factors[atom], factors[sign]
        factors[x] = factors.get(x, Fraction(0)) + exponent
        arena.use("sign times abs", "multiply", (sign, atom), x)
        return
    power = factors.get(x, Fraction(0))
    law = "x over abs(x) is its sign"
    if power == 0 or power.denominator != 1 or (min(power, exponent) < 0 and not arena.may(law)):
        return
    before = (raised(arena, x, power), raised(arena, atom, exponent))
    del factors[x], factors[atom]
    if power % 2:
        factors[sign] = factors.get(sign, Fraction(0)) + 1
    if power + exponent:
        even = (power + exponent) % 2 == 0
        base = x if even else atom
        factors[base] = factors.get(base, Fraction(0)) + power + exponent
    after = arena.from_factors({a: e for a, e in factors.items() if a in (x, atom, sign)})
    arena.use(law if min(power, exponent) < 0 else "sign times abs", "multiply", before, after)


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
    base = as_atom(arena, inner)
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


def as_atom(arena: Arena, i: int) -> int:
    """A value as a base for an exponent: a product is held together, so that its own exponents do not mix with it."""
    return arena.value("group", (i,)) if len(arena.terms(i)) == 1 and arena.atoms(i) is None else i
