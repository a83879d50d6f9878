"""What the terms of a sum have in common."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

from primitives.algebra.arena import Arena


def shared_atoms(arena: Arena, terms: dict[int, Fraction]) -> list[int]:
    """Atoms that stand to the first power in more than one term."""
    counts = Counter(a for p in terms for a, e in arena.factors(p).items() if e >= 1)
    return arena.order(a for a, n in counts.items() if n > 1)


def most_frequent(arena: Arena, terms: dict[int, Fraction]) -> tuple[int, int] | None:
    """The atom that most terms have, above or (-1) below the line; None where no two share one."""
    counts: Counter[tuple[int, int]] = Counter()
    for p in terms:
        counts.update((a, 1 if e > 0 else -1) for a, e in arena.factors(p).items())
    most = max(counts.values(), default=0)
    if most < 2:
        return None
    frequent = [key for key, n in counts.items() if n == most]
    return min(frequent, key=lambda key: (key[1], -weight(arena, key[0]), arena.keys[key[0]]))


def weight(arena: Arena, atom: int) -> int:
    """How much it is to write an atom, roughly."""
    if atom not in arena.weights:
        arena.weights[atom] = min(1000, 1 + sum(weight(arena, a) for a in arena.values[atom].args[:3]))
    return arena.weights[atom]


def common_powers(arena: Arena, group: dict[int, Fraction]) -> dict[int, Fraction]:
    """The powers that all products share."""
    first, *others = [arena.factors(p) for p in group]
    for other in others:
        first = {a: min(e, other[a], key=abs) for a, e in first.items() if a in other and e * other[a] > 0}
    return first


def split(
    arena: Arena, terms: dict[int, Fraction], common: dict[int, Fraction]
) -> tuple[dict[int, Fraction], dict[int, Fraction]]:
    """The terms that have the common powers, over these; and the others."""
    inside, rest = {}, {}
    for p, c in terms.items():
        factors = dict(arena.factors(p))
        if all(factors.get(a, Fraction(0)) * e > 0 and abs(factors[a]) >= abs(e) for a, e in common.items()):
            inside[arena.from_factors({a: e - common.get(a, Fraction(0)) for a, e in factors.items()})] = c
        else:
            rest[p] = c
    return inside, rest


def mostly_negative(arena: Arena, values: tuple[int, ...]) -> bool:
    """Whether every term of every value has a minus."""
    leads = [arena.terms(v) for v in values]
    return all(all(c < 0 for c in terms.values()) for terms in leads)
