"""Unification of values in normal form: which numbers the unknowns of one are, so that it becomes the other.

Unknowns are inputs whose names begin with `?`. Sums and products are matched in any order, by backtracking; what
comes out is equations between constants, which are solved for one unknown after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction

from primitives.algebra.arena import ONE, Arena, Value
from primitives.algebra.functions import apply
from primitives.algebra.reading import inputs_of
from primitives.table import PRIMITIVES

Equation = tuple[int, int]  # a constant with unknowns, and one without
Equations = tuple[Equation, ...]
ARITHMETIC = frozenset({"number", "plus", "times", "group", "power", "exp", "input", "multiply"})
SCALED = frozenset({"sign", "abs", "norm", "global_norm"})  # a factor of the argument stands before them or is gone
ALIKE = {"clip": "max", "less": "greater", "less_equal": "greater_equal"}  # what may become the one or the other
LARGEST = 6  # arguments of a maximum, and terms that look alike, that are tried in every order
CLOSE = Fraction(1, 10**9)


class Matcher:
    """Unification in an arena; constants are the values of unknowns and of the inputs that `numbers` names."""

    def __init__(self, arena: Arena, numbers: Collection[str]) -> None:
        self.arena, self.numbers = arena, frozenset(numbers)
        self.inputs: dict[int, frozenset[str]] = {}
        self.marks: dict[int, frozenset[str]] = {}

    # what a value is made of

    def reads(self, i: int) -> frozenset[str]:
        """The inputs of a value."""
        if i not in self.inputs:
            self.inputs[i] = frozenset(inputs_of(self.arena, i))
        return self.inputs[i]

    def unknowns(self, i: int) -> list[str]:
        """The unknowns of a value, sorted."""
        return sorted(name for name in self.reads(i) if name[0] == "?")

    def constant(self, i: int) -> bool:
        """Whether a value is a number that no step changes."""
        value = self.arena.values[i]
        if not value.args and value.op not in ("input", "number"):
            return False  # what is asked of the tensor, such as is_hidden()
        if not all(name[0] == "?" or name in self.numbers for name in self.reads(i)):
            return False
        return all(self.constant(a) for a in value.args)

    def marked(self, i: int) -> frozenset[str]:
        """The inputs and functions that a value is made of, constants and arithmetic left out."""
        if i not in self.marks:
            value = self.arena.values[i]
            own = str(value.data) if value.op == "input" else f"{ALIKE.get(value.op, value.op)}()"
            marks = frozenset({own} if value.op not in ARITHMETIC or value.op == "input" else ())
            self.marks[i] = frozenset() if self.constant(i) else marks.union(*(self.marked(a) for a in value.args))
        return self.marks[i]

    def collected(self, i: int) -> dict[int, int]:
        """A value as a sum: products without constants, and their coefficients."""
        parts: dict[int, list[int]] = {}
        for product, c in self.arena.terms(i).items():
            factors = self.arena.factors(product)
            known = {a: e for a, e in factors.items() if self.constant(a)}
            rest = self.arena.from_factors({a: e for a, e in factors.items() if a not in known})
            parts.setdefault(rest, []).append(self.arena.scale(c, self.arena.from_factors(known)))
        return {rest: self.arena.add(*coefficients) for rest, coefficients in parts.items()}

    # unification

    def unify(self, r: int, p: int, scaled: bool = False) -> Iterator[Equations]:
        """Ways to make r equal to p (with `scaled`, a multiple of it), each as equations that have to hold."""
        if r == p:
            yield ()
        elif self.constant(r) or self.constant(p):
            if self.constant(r) and self.constant(p):
                yield () if scaled else ((r, p),)
        elif self.marked(r) == self.marked(p):
            mine, yours = self.collected(r), self.collected(p)
            if len(mine) == len(yours):
                for pairs in self._paired(list(mine), list(yours)):
                    known = [(mine[r], yours[p]) for r, p, way in pairs if scaled or not self._loose(r, p, way)]
                    equations = itertools.chain.from_iterable(way for _, _, way in pairs)
                    yield (*equations, *self._coefficients(known, scaled))

    def _loose(self, r: int, p: int, way: Equations) -> bool:
        """Whether a coefficient may change with the unknowns of its product: a factor of a base stands before it."""
        bases = self.arena.factors(r).keys() - self.arena.factors(p).keys()
        unlike = any(self.arena.values[a].op in ("plus", "times", *SCALED) and self.unknowns(a) for a in bases)
        return unlike and any(self.unknowns(a) or self.unknowns(b) for a, b in way)

    def _coefficients(self, pairs: list[Equation], scaled: bool) -> Equations:
        if not scaled or not pairs:
            return tuple((a, b) for a, b in pairs if a != b)
        (a0, b0), *others = pairs
        return tuple((self.arena.multiply(a, b0), self.arena.multiply(a0, b)) for a, b in others)

    def _paired(self, mine: list[int], yours: list[int]) -> Iterator[list[tuple[int, int, Equations]]]:
        """Ways to pair products, those of one make with each other, with what has to hold in each."""
        if not mine:
            yield []
            return
        product, *rest = mine
        for other in yours:
            left = [p for p in yours if p != other]
            for equations in self._product(product, other):
                for pairs in self._paired(rest, left):
                    yield [(product, other, equations), *pairs]

    def _product(self, r: int, p: int) -> Iterator[Equations]:
        if r == p:
            yield ()
        elif self.marked(r) == self.marked(p):
            mine, yours = ([self._power(a, e) for a, e in self.arena.factors(i).items()] for i in (r, p))
            if len(mine) == len(yours) <= LARGEST:
                yield from self._in_some_order(mine, yours)

    def _in_some_order(self, mine: Sequence[tuple[int, int]], yours: Sequence[tuple[int, int]]) -> Iterator[Equations]:
        """Ways to pair powers, each a base and a constant exponent."""
        if not mine:
            yield ()
            return
        (base, exponent), *rest = mine
        for k, (other, power) in enumerate(yours):
            if exponent != power and not self.unknowns(exponent):
                continue
            for equations in self._atom(base, other):
                for more in self._in_some_order(rest, [*yours[:k], *yours[k + 1 :]]):
                    yield (*equations, *([(exponent, power)] if exponent != power else []), *more)

    def _power(self, atom: int, e: Fraction) -> tuple[int, int]:
        value = self.arena.values[atom]
        if value.op == "power" and self.constant(value.args[1]):
            return value.args[0], self.arena.scale(e, value.args[1])
        return atom, self.arena.number(e)

    def _atom(self, r: int, p: int) -> Iterator[Equations]:
        a, b = self.arena.values[r], self.arena.values[p]
        if r == p:
            yield ()
        elif a.op in ("plus", "times") or b.op in ("plus", "times"):
            yield from self.unify(r, p, scaled=True)  # the base of a power, where a factor stands before the power
        elif ALIKE.get(a.op, a.op) == ALIKE.get(b.op, b.op) in ("greater", "greater_equal"):
            yield from self.unify(self._above(a), self._above(b), scaled=True)
        elif a.op == b.op and len(a.args) == len(b.args) <= LARGEST and a.op != "input":
            commutes = a.op == "max" or (a.op in PRIMITIVES and PRIMITIVES[a.op].commutative)
            scaled = a.op in SCALED or a.op == "group"
            for order in itertools.permutations(b.args) if commutes else (b.args,):
                yield from self._arguments(list(zip(a.args, order, strict=True)), scaled)

    def _above(self, comparison: Value) -> int:
        """What is above zero where a comparison holds."""
        larger, smaller = comparison.args if comparison.op.startswith("greater") else comparison.args[::-1]
        return self.arena.add(larger, self.arena.negative(smaller))

    def _arguments(self, pairs: list[tuple[int, int]], scaled: bool) -> Iterator[Equations]:
        if not pairs:
            yield ()
            return
        for equations in self.unify(*pairs[0], scaled):
            for more in self._arguments(pairs[1:], scaled):
                yield equations + more

    def unclipped(self, i: int) -> int:
        """A value with each clip as a minimum of a maximum, which it is as long as the bounds are unknown."""
        arena, value = self.arena, self.arena.values[i]
        args = tuple(self.unclipped(a) for a in value.args)
        if value.op == "clip":
            x, low, high = args
            larger = arena.value("max", tuple(arena.order((x, low))))
            return arena.negative(
                arena.value("max", tuple(arena.order((arena.negative(larger), arena.negative(high)))))
            )
        return i if args == value.args else self._with_args(i, args)

    def _with_args(self, i: int, args: Sequence[int]) -> int:
        arena, value = self.arena, self.arena.values[i]
        if value.op == "plus":
            return arena.add(*(arena.scale(c, a) for c, a in zip(value.data, args, strict=True)))  # type: ignore[arg-type]
        if value.op == "times":
            return arena.multiply(*(arena.power(a, e) for e, a in zip(value.data, args, strict=True)))  # type: ignore[arg-type]
        return args[0] if value.op == "group" else apply(arena, value.op, tuple(args))

    # equations

    def equal(self, a: int, b: int) -> bool:
        """Whether two constants are one number, but for the rounding of decimals."""
        if a == b:
            return True
        x, y = self.arena.as_number(a), self.arena.as_number(b)
        if x is None or y is None:
            gap = self.arena.as_number(self.arena.add(a, self.arena.negative(b)))
            return gap == 0
        return abs(x - y) <= CLOSE * max(abs(x), abs(y))

    def solved(self, equations: Equations, known: Mapping[str, int]) -> dict[str, int] | None:
        """What is known and what follows from the equations; None where they contradict it or one another."""
        found, pending = dict(known), list(equations)
        while True:
            again: list[Equation] = []
            before = len(found)
            for r, p in pending:
                left, right = self.with_known(r, found), self.with_known(p, found)
                gap = self._gap(left, right)
                names = set(self.unknowns(gap))
                if not names:
                    if gap != self.arena.zero and not self.equal(left, right):
                        return None
                elif len(names) == 1 and (value := self._root(gap, *names)) is not None:
                    found[names.pop()] = value
                else:
                    again.append((r, p))
            if len(found) == before:
                return found
            pending = again

    def with_known(self, i: int, known: Mapping[str, int]) -> int:
        """A constant with the known unknowns put in."""
        value = self.arena.values[i]
        if not known.keys() & self.reads(i):
            return i
        if value.op == "input":
            return known.get(str(value.data), i)
        return self._with_args(i, [self.with_known(a, known) for a in value.args])

    def _gap(self, left: int, right: int) -> int:
        """The difference of two constants, without the unknowns that are a factor of all of it: none is zero."""
        arena = self.arena
        gap = arena.add(left, arena.negative(right))
        terms = [arena.factors(p) for p in arena.terms(gap)]
        shared = set.intersection(*map(set, terms)) if len(terms) > 1 else set()
        for atom in arena.order(shared):
            if arena.values[atom].op == "input" and self.unknowns(atom):
                least = min((factors[atom] for factors in terms), key=abs)
                gap = arena.multiply(gap, arena.power(atom, -least))
        return gap

    def _root(self, gap: int, name: str) -> int | None:
        """The value of the unknown for which a u**e + b is zero; None where that is not the form."""
        arena, u = self.arena, self.arena.input(name)
        powers: set[Fraction] = set()
        parts: list[list[int]] = [[], []]  # the coefficients of u**e, the others
        for product, c in arena.terms(gap).items():
            factors = arena.factors(product)
            power = factors.get(u)
            rest = arena.scale(c, arena.from_factors({a: e for a, e in factors.items() if a != u}))
            if name in self.reads(rest):
                return None
            parts[power is None].append(rest)
            powers |= {power} if power is not None else set()
        if len(powers) != 1 or not parts[0]:
            return None
        over = arena.power(arena.add(*parts[0]), -ONE)
        value = arena.multiply(arena.negative(arena.add(arena.zero, *parts[1])), over)
        number, [power] = arena.as_number(value), powers
        if number is not None and number < 0 and power.denominator * power.numerator % 2 == 0:
            return None
        if number == 0 and power < 0:
            return None
        return arena.power(value, 1 / power)
