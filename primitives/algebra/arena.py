"""Values in normal form: sums of products with exact coefficients over atoms, each value once, numbered.

An atom is an input or a function of values in normal form. A product has its atoms with their exponents, a sum its
products with their coefficients; a product of sums is multiplied out while it stays small.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from primitives.algebra import signs
from primitives.algebra.laws import LAWS, TIERS
from primitives.algebra.numbers import SIMPLE, near, root, shortened, simple, total
from primitives.kinds import NUMBER, Kind, KindError, join
from primitives.table import PRIMITIVES

LARGEST_SUM = 48  # terms up to which a product of sums is multiplied out
LARGEST_POWER = 4  # of a sum that is multiplied out
ONE = Fraction(1)


class Value(NamedTuple):
    """An input (`data` its name), a number (`data`), a sum or product (`data` coefficients or exponents), or a call."""

    op: str
    args: tuple[int, ...]
    data: str | Fraction | tuple[Fraction, ...]


class OutOfTimeError(Exception):
    """The time that was given is over."""


class Use(NamedTuple):
    """A law that was used: on this primitive of these values, which became that value."""

    law: str
    op: str
    args: tuple[int, ...]
    result: int


class Arena:
    """All values of one simplification; `kinds` and `at_least` say what is known of the inputs.

    `at_least` has words for an input that is not negative: "positive", "unit" (it lies in [0, 1)), or neither.
    """

    def __init__(
        self, tier: str, kinds: Mapping[str, Kind], at_least: Mapping[str, str], until: float = float("inf")
    ) -> None:
        self.tier, self.inputs, self.at_least, self.until = tier, kinds, at_least, until
        self.values: list[Value] = []
        self.index: dict[Value, int] = {}
        self.keys: list[int] = []
        self.trail: dict[Use, None] = {}
        self.answers: dict[tuple[str, int], bool] = {}  # what is known of values
        self.kinds: dict[int, Kind] = {}
        self.weights: dict[int, int] = {}  # of values, see factoring.weight
        self.met: dict[str, Fraction] = {}  # numbers by their first digits
        self.zero, self.one = self.number(Fraction(0)), self.number(ONE)

    # values

    def value(self, op: str, args: tuple[int, ...], data: str | Fraction | tuple[Fraction, ...] = "") -> int:
        """The number of a value, which is in normal form already."""
        if time.monotonic() > self.until:
            raise OutOfTimeError
        key = Value(op, args, data)
        found = self.index.get(key)
        if found is None:
            found = self.index[key] = len(self.values)
            self.values.append(key)
            self.keys.append(zlib.crc32(repr((op, data, [self.keys[a] for a in args])).encode()))
        return found

    def number(self, value: Fraction) -> int:
        """The value of a number."""
        return self.value("number", (), self.like(value))

    def like(self, value: Fraction) -> Fraction:
        """The number, or the one met before that it equals but for rounding."""
        if value.denominator <= SIMPLE:
            return value
        keys = [near(value, side) for side in (-1, 0, 1)]
        found = next((self.met[key] for key in keys if key in self.met), None)
        if found is None:
            found = self.met[keys[1]] = simple(value)
        return found

    def input(self, name: str) -> int:
        """The value of an input."""
        return self.value("input", (), name)

    def as_number(self, i: int) -> Fraction | None:
        """The number that a value is, or None."""
        data = self.values[i].data
        return data if isinstance(data, Fraction) else None

    def order(self, ids: Iterable[int]) -> list[int]:
        """Values in an order that depends on their structure only."""
        return sorted(ids, key=lambda i: (self.keys[i], i))

    def use(self, law: str, op: str, args: tuple[int, ...], result: int) -> int:
        """Note that a law was used; the result."""
        assert law in LAWS, law
        self.trail[Use(law, op, args, result)] = None
        return result

    def may(self, law: str) -> bool:
        """Whether the tier admits the law."""
        return TIERS.index(LAWS[law].tier) <= TIERS.index(self.tier)

    def drops(self, *ids: int) -> bool:
        """Whether the tier lets values go: by exact laws only those that are defined everywhere."""
        return self.may("cancel what may be undefined") or all(self.defined(i) for i in ids)

    # what is known of a value

    def kind(self, i: int) -> Kind:
        """The kind of a value; KindError where its arguments do not go together."""
        if i not in self.kinds:
            self.kinds[i] = self._kind(i)
        return self.kinds[i]

    def _kind(self, i: int) -> Kind:
        value = self.values[i]
        if value.op == "input":
            return self.inputs.get(str(value.data), NUMBER)
        if value.op in ("number", "plus", "times", "group"):
            found = NUMBER
            for arg in value.args:
                found = join(found, self.kind(arg))
            return found
        return PRIMITIVES[value.op].kind(*(self.kind(arg) for arg in value.args))

    def is_number(self, i: int) -> bool:
        """Whether a value is one number for the model or for each tensor."""
        try:
            return self.kind(i).single
        except KindError:
            return False

    # sums

    def terms(self, i: int) -> dict[int, Fraction]:
        """A value as a sum: products and their coefficients; the product of nothing is `one`."""
        value = self.values[i]
        if value.op == "number":
            return {self.one: value.data} if value.data else {}  # type: ignore[dict-item]
        if value.op == "plus":
            return dict(zip(value.args, value.data, strict=True))  # type: ignore[arg-type]
        return {i: ONE}

    def from_terms(self, terms: Mapping[int, Fraction]) -> int:
        """The value of a sum of products."""
        left = {product: self.like(c) for product, c in terms.items() if c}
        if not left:
            return self.zero
        if len(left) == 1:
            [(product, c)] = left.items()
            if product == self.one:
                return self.number(c)
            if c == 1:
                return product
        products = self.order(left)
        return self.value("plus", tuple(products), tuple(left[p] for p in products))

    def add(self, *ids: int) -> int:
        """The sum of values, like terms collected."""
        from primitives.algebra.sums import tidy_sum

        parts: dict[int, list[Fraction]] = {}
        for i in ids:
            for product, c in self.terms(i).items():
                parts.setdefault(product, []).append(c)
        lost = [p for p, cs in parts.items() if len(cs) > 1 and total(cs) == 0 and not self.defined(p)]
        kept = {p: total(cs) for p, cs in parts.items()}
        if lost and not self.may("cancel what may be undefined"):
            return self._uncancelled(ids, lost, kept)
        result = tidy_sum(self, self.from_terms(kept))
        if lost:
            self.use("cancel what may be undefined", "plus", ids, result)
        elif any(len(cs) > 1 for cs in parts.values()):
            self.use("cancel terms" if any(c == 0 for c in kept.values()) else "collect terms", "plus", ids, result)
        return result

    def _uncancelled(self, ids: tuple[int, ...], lost: list[int], kept: dict[int, Fraction]) -> int:
        """The sum with what may be undefined kept, as a term times zero."""
        extra = [self.value("multiply", (self.zero, p)) for p in self.order(lost)]
        return self.from_terms({**kept, **dict.fromkeys(extra, ONE)})

    def scale(self, c: Fraction, i: int) -> int:
        """A value times a number."""
        if c == 0 and not self.defined(i):
            if not self.may("zero times"):
                return self.value("multiply", (self.zero, i))
            return self.use("zero times", "multiply", (self.zero, i), self.zero)
        return self.from_terms({p: shortened(c * k) for p, k in self.terms(i).items()})

    def negative(self, i: int) -> int:
        """Minus a value."""
        return self.scale(Fraction(-1), i)

    # products

    def factors(self, product: int) -> dict[int, Fraction]:
        """A product as atoms and their exponents."""
        value = self.values[product]
        if product == self.one:
            return {}
        if value.op == "times":
            return dict(zip(value.args, value.data, strict=True))  # type: ignore[arg-type]
        return {product: ONE}

    def atoms(self, i: int) -> int | None:
        """The value itself where it is an atom, else None."""
        return None if self.values[i].op in ("plus", "times", "number") else i

    def from_factors(self, factors: Mapping[int, Fraction]) -> int:
        """The value of a product of atoms with exponents."""
        left = {atom: e for atom, e in factors.items() if e}
        if not left:
            return self.one
        if len(left) == 1:
            [(atom, e)] = left.items()
            if e == 1:
                return atom
        atoms = self.order(left)
        return self.value("times", tuple(atoms), tuple(left[a] for a in atoms))

    def multiply(self, *ids: int) -> int:
        """The product of values, multiplied out while it stays small."""
        from primitives.algebra.powers import cancel_sum
        from primitives.algebra.products import join_products

        result = ids[0]
        for i in ids[1:]:
            before = (result, i)
            a, b = self.terms(result), self.terms(i)
            if not a or not b:
                result = self.scale(Fraction(0), result if not b else i)
                continue
            if (cancelled := cancel_sum(self, result, i)) is not None:
                result = cancelled
                continue
            large = len(a) * len(b) > LARGEST_SUM
            if large:
                a, b = self._as_factor(a), self._as_factor(b)
            result = self.add(
                *(self.scale(shortened(c * k), join_products(self, p, q)) for p, c in a.items() for q, k in b.items())
            )
            if len(a) > 1 and len(b) > 1 and not large:
                self.use("distribute", "multiply", before, result)
        return result

    def _as_factor(self, terms: dict[int, Fraction]) -> dict[int, Fraction]:
        """A sum that is too large to multiply out, as one atom."""
        return terms if len(terms) == 1 else {self.value("group", (self.from_terms(terms),)): ONE}

    def power(self, i: int, exponent: Fraction) -> int:
        """A value to the power of a number."""
        from primitives.algebra.powers import power_of_product, power_of_sum

        if exponent == 0:
            return self.one
        if exponent == 1:
            return i
        number = self.as_number(i)
        if number is not None:
            try:
                return self.number(root(number, exponent))
            except ArithmeticError:
                return self.value("power", (i, self.number(exponent)))
        terms = self.terms(i)
        if len(terms) == 1:
            [(product, c)] = terms.items()
            return power_of_product(self, c, product, exponent)
        if exponent > 1 and self.opens(i, exponent):
            return self.multiply(*[i] * int(exponent))
        return power_of_sum(self, i, exponent)

    def opens(self, i: int, exponent: Fraction) -> bool:
        """Whether a sum to a power is multiplied out."""
        whole = exponent.denominator == 1 and exponent <= LARGEST_POWER
        return whole and len(self.terms(i)) ** int(exponent) <= LARGEST_SUM

    # where a value is defined, and its sign

    def defined(self, i: int) -> bool:
        """Whether a value is a real number wherever its inputs are."""
        return self._asked("defined", i)

    def positive(self, i: int) -> bool:
        """Whether a value is known to be above zero."""
        return self._asked("positive", i)

    def nonnegative(self, i: int) -> bool:
        """Whether a value is known not to be below zero."""
        return self._asked("nonnegative", i)

    def _asked(self, what: str, i: int) -> bool:
        key = (what, i)
        if key not in self.answers:
            self.answers[key] = False  # while it is being asked
            self.answers[key] = getattr(signs, what)(self, i)
        return self.answers[key]
