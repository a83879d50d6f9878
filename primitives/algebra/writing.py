"""From values in normal form back to statements: common factors drawn out, averages and roots put together again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from primitives.algebra.arena import ONE, Arena
from primitives.algebra.factoring import common_powers, most_frequent, mostly_negative, shared_atoms, split, weight
from primitives.algebra.numbers import SHORT, SIMPLE, as_float, near_one
from primitives.algebra.sums import root_of_sum
from primitives.program import Assign, Call

Name = str | float
HALF = Fraction(1, 2)
STEEPEST = 20  # of exponentials that are written as powers: 1e-9 and 5e8 are numbers that float32 holds well
POWERS = {Fraction(2): "square", Fraction(3): "cube", HALF: "sqrt", Fraction(1, 3): "cbrt"}
SQUARED = {"norm": "dot", "global_norm": "global_dot"}


class Writer:
    """Statements for values; each value is written once and has a name afterwards."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.body: list[Assign] = []
        self.names: dict[int, Name] = {}
        self.said: dict[tuple[str, tuple[Name, ...]], str] = {}

    def write(self, i: int) -> Name:
        """The variable or number that holds a value, after the statements that it needs."""
        if i not in self.names:
            self.names[i] = self._written(i)
        return self.names[i]

    def say(self, op: str, *args: Name) -> Name:
        """A statement, unless it is there already."""
        key = (op, args)
        if key not in self.said:
            self.said[key] = f"_{len(self.said)}"
            self.body.append(Assign(self.said[key], Call(op, args)))
        return self.said[key]

    def _written(self, i: int) -> Name:
        arena, value = self.arena, self.arena.values[i]
        if value.op == "number":
            return as_float(value.data)  # type: ignore[arg-type]
        if value.op == "input":
            return str(value.data)
        if value.op == "group":
            return self.write(value.args[0])
        if value.op in ("plus", "times"):
            return self._sum(arena.terms(i))
        if value.op == "max":
            return self._chain("max", map(self.write, value.args))
        if value.op == "exp" and (power := self._exponential(value.args[0])) is not None:
            return power
        return self.say(value.op, *map(self.write, value.args))

    def _exponential(self, i: int) -> Name | None:
        """exp(c x) as a power of exp(c), where that is a short number."""
        terms = self.arena.terms(i)
        sizes = {abs(c) for c in terms.values()}
        c = min(terms.values()) if len(sizes) == 1 else Fraction(0)
        if c in (0, 1, -1) or abs(c) > STEEPEST:
            return None
        base = float(f"{math.exp(as_float(c)):.11g}")
        if len(repr(base)) > SHORT or not math.isclose(math.log(base), c, rel_tol=1e-9):
            return None
        return self.say("power", base, self._sum({p: k / c for p, k in terms.items()}))

    def _chain(self, op: str, names: Iterable[Name]) -> Name:
        first, *rest = sorted(names, key=lambda name: isinstance(name, float))
        for name in rest:
            first = self.say(op, first, name)
        return first

    # sums

    def _sum(self, terms: dict[int, Fraction]) -> Name:
        """A sum: as an average where it is one, else with the factor that most terms share drawn out."""
        if not terms:
            return 0.0
        known = self.arena.from_terms(terms)
        if known in self.names:
            return self.names[known]
        if len(terms) == 1:
            [(product, c)] = terms.items()
            return self._term(c, product)
        name = self._all_share(terms) or self._squared(terms) or self._heavy(terms) or self._average(terms)
        name = name or self._factored(terms) or self._numbers(terms) or self._plain(terms)
        self.names[known] = name
        return name

    def _all_share(self, terms: dict[int, Fraction]) -> Name | None:
        """A sum whose terms share factors, as a product; one of negative terms, as a negative."""
        if all(c < 0 for c in terms.values()):
            return self.say("negative", self._sum({p: -c for p, c in terms.items()}))
        common = common_powers(self.arena, terms)
        return self._product_of(common, split(self.arena, terms, common)[0]) if common else None

    def _product_of(self, common: dict[int, Fraction], inside: dict[int, Fraction]) -> Name:
        """Common factors times a sum."""
        i = self.arena.from_terms(inside)
        number = self.arena.as_number(i)
        if number is not None:
            return self._product(common, as_float(number))
        if i in common:  # as a divisor: to join them would be to cancel
            return self.say("multiply", self._product(common, None), self.write(i))
        return self._product({**common, i: ONE}, None)

    def _squared(self, terms: dict[int, Fraction]) -> Name | None:
        c = min(abs(k) for k in terms.values())
        for scale in (ONE, c):
            base = root_of_sum(self.arena, {p: k / scale for p, k in terms.items()}, 2)
            if base is not None and all(k.denominator < SIMPLE for k in self.arena.terms(base).values()):
                return self._times(scale, self.say("square", self.write(base)))
        return None

    def _heavy(self, terms: dict[int, Fraction]) -> Name | None:
        """As `_factored`, where the factor is no variable and no number."""
        best = most_frequent(self.arena, terms)
        if best is None or weight(self.arena, best[0]) == 1 or (best[1] > 0 and self.arena.is_number(best[0])):
            return None
        return self._factored(terms)

    def _average(self, terms: dict[int, Fraction]) -> Name | None:
        """r + f (s - r) is ema(s, r, f); what else is in the sum is added."""
        found: tuple[tuple[int, int], dict[int, Fraction], dict[int, Fraction], dict[int, Fraction]] | None = None
        for atom in shared_atoms(self.arena, terms):
            group = {p: c for p, c in terms.items() if self.arena.factors(p).get(atom, 0) >= 1}
            common = {a: e for a, e in common_powers(self.arena, group).items() if self.arena.is_number(a) and e > 0}
            if not common:
                continue
            inside, rest = split(self.arena, terms, common)
            target = {p: c for p, c in rest.items() if inside.get(p) == -c}
            whole = {p: c for p, c in inside.items() if p not in target}
            if not target or not whole or self.arena.is_number(self.arena.from_terms(whole)):
                continue
            score = (len(target), -len(whole))
            if found is None or score > found[0]:
                found = score, common, whole, target
        if found is None:
            return None
        _, common, whole, target = found
        name = self.say("ema", self._sum(whole), self._sum(target), self._product(common, None))
        rest = {p: c for p, c in split(self.arena, terms, common)[1].items() if p not in target}
        return self._joined(name, rest) if rest else name

    def _factored(self, terms: dict[int, Fraction]) -> Name | None:
        """The terms with the most frequent factor as a product, plus the others."""
        best = most_frequent(self.arena, terms)
        if best is None:
            return None
        group = {p: c for p, c in terms.items() if self.arena.factors(p).get(best[0], Fraction(0)) * best[1] > 0}
        common = common_powers(self.arena, group)
        inside, _ = split(self.arena, group, common)
        product = self._product_of(common, inside)
        rest = {p: c for p, c in terms.items() if p not in group}
        if not rest:
            return product
        return self._joined(product, rest)

    def _joined(self, name: Name, rest: dict[int, Fraction]) -> Name:
        """A value plus the rest of a sum, as a difference where that is shorter."""
        if len(rest) == 1:
            return self._plus(name, *next(iter(rest.items())))
        if all(c < 0 for c in rest.values()):
            return self.say("subtract", name, self._sum({p: -c for p, c in rest.items()}))
        return self.say("add", name, self._sum(rest))

    def _numbers(self, terms: dict[int, Fraction]) -> Name | None:
        """b x + (1 - b) y as an average, c x + c y as c (x + y)."""
        groups: dict[Fraction, dict[int, Fraction]] = {}
        for p, c in terms.items():
            groups.setdefault(abs(c), {})[p] = ONE if c > 0 else -ONE
        whole = sum(groups, Fraction(0))
        whole = ONE if near_one(whole) else whole
        scaled = 1 not in groups and min(terms.values()) > 0 and self.arena.input("w") not in terms
        if len(groups) == 2 and (whole == 1 or scaled):
            low, high = sorted(groups)
            return self._times(
                whole, self.say("ema", self._sum(groups[high]), self._sum(groups[low]), as_float(high / whole))
            )
        if set(groups) == {HALF} and len(terms) == 2:
            x, y = self.arena.order(terms)
            if all(c > 0 for c in terms.values()):
                return self.say("ema", self.write(x), self.write(y), 0.5)
        for c, group in groups.items():
            if c != 1 and len(group) > 1:
                name = self.say("multiply", as_float(c), self._sum(group))
                rest = {p: k for p, k in terms.items() if abs(k) != c}
                return self._joined(name, rest) if rest else name
        return None

    def _plain(self, terms: dict[int, Fraction]) -> Name:
        """One term after the other, those with a plus first, the constant last."""
        order = sorted(self.arena.order(terms), key=lambda p: (terms[p] < 0, p == self.arena.one))
        name = self._term(terms[order[0]], order[0])
        for p in order[1:]:
            name = self._plus(name, p, terms[p])
        return name

    def _plus(self, name: Name, product: int, c: Fraction) -> Name:
        if c < 0 and self.arena.values[product].op != "max":
            return self.say("subtract", name, self._term(-c, product))
        return self.say("add", name, self._term(c, product))

    # products

    def _term(self, c: Fraction, product: int) -> Name:
        """c times a product."""
        if product == self.arena.one:
            return as_float(c)
        value = self.arena.values[product]
        if value.op == "max" and (c < 0 or mostly_negative(self.arena, value.args)):
            least = self._least(value.args)
            return self._times(-c, least)
        if c == 1 and product in self.names:
            return self.names[product]
        if value.op != "times":
            return self._times(c, self.write(product))
        factors = self.arena.factors(product)
        largest = next((a for a, e in factors.items() if e == 1 and self.arena.values[a].op == "max"), None)
        if c < 0 and largest is not None:
            rest = self.arena.from_factors({a: e for a, e in factors.items() if a != largest})
            least = self._least(self.arena.values[largest].args)
            return self.say("multiply", self._term(-c, rest), least)
        name = self._product(factors, None if c in (1, -1) else as_float(c))
        return self.say("negative", name) if c == -1 else name

    def _least(self, values: tuple[int, ...]) -> Name:
        """The minimum of the negatives of values; of a maximum and a number, a clip."""
        parts = [self.arena.negative(a) for a in values]
        for high, inner in (parts, parts[::-1]) if len(parts) == 2 else ():
            bounds = self.arena.values[inner].args
            if self.arena.values[inner].op == "max" and len(bounds) == 2 and self.arena.is_number(high):
                low, x = sorted(bounds, key=lambda a: not self.arena.is_number(a))
                if self.arena.is_number(low):
                    return self.say("clip", self.write(x), self.write(low), self.write(high))
        return self._chain("min", map(self.write, parts))

    def _times(self, c: Fraction, name: Name) -> Name:
        if c == 1:
            return name
        return self.say("negative", name) if c == -1 else self.say("multiply", as_float(c), name)

    def _product(self, factors: dict[int, Fraction], start: Name | None) -> Name:
        """A number times a product of powers: roots under one root, a quotient where exponents are negative."""
        factors = dict(factors)
        above: list[Name] = []
        below: list[Name] = []
        for e, names in ((HALF, above), (-HALF, below)):
            roots = {a: 2 * k for a, k in factors.items() if k.denominator == 2 and abs(k) == HALF}
            if e == HALF and not any(k > 0 for k in roots.values()):
                continue
            if roots:
                factors = {a: k for a, k in factors.items() if a not in roots}
                inner = self._product({a: k * (1 if e > 0 else -1) for a, k in roots.items()}, None)
                names.append(self.say("sqrt", inner))
        corrections = [(a, found) for a, k in factors.items() if k == -1 and (found := self._correction(a))]
        for a, _ in corrections:
            del factors[a]
        order = sorted(self.arena.order(factors), key=lambda a: not self.arena.is_number(a))
        above += [self._power(a, factors[a]) for a in order if factors[a] > 0]
        below += [self._power(a, -factors[a]) for a in order if factors[a] < 0]
        name = self._multiplied([*([] if start is None else [start]), *above])
        for _, (beta, step) in corrections:
            name = self.say("bias_correct", 1.0 if name is None else name, beta, step)
        if below:
            name = self.say("divide", 1.0 if name is None else name, self._multiplied(below) or 1.0)
        return 1.0 if name is None else name

    def _multiplied(self, names: list[Name]) -> Name | None:
        if not names:
            return None
        names = sorted(names, key=lambda name: not isinstance(name, float))
        name = names[0]
        for other in names[1:]:
            name = self.say("multiply", name, other)
        return name

    def _power(self, atom: int, exponent: Fraction) -> Name:
        value = self.arena.values[atom]
        if exponent == 2 and value.op in SQUARED:
            return self.say(SQUARED[value.op], *[self.write(value.args[0])] * 2)
        name = self.write(atom)
        if exponent == 1:
            return name
        if exponent in POWERS:
            return self.say(POWERS[exponent], name)
        return self.say("power", name, as_float(exponent))

    def _correction(self, atom: int) -> tuple[Name, Name] | None:
        """beta and t of 1 - beta**t."""
        terms = dict(self.arena.terms(atom))
        if len(terms) != 2 or terms.pop(self.arena.one, None) != 1:
            return None
        [(p, c)] = terms.items()
        value = self.arena.values[p]
        if c != -1 or value.op != "power" or self.arena.values[value.args[1]].data != "t":
            return None
        return self.write(value.args[0]), self.write(value.args[1])
