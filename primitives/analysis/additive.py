"""The new w as a sum: which terms it has, with which factors of lr and of hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from primitives.analysis.interval_rules import Interval, interval
from primitives.analysis.values import Values, shown

ONE, MINUS = Interval(1.0, 1.0), Interval(-1.0, -1.0)
MOST = 24  # terms of a sum; one with more is a term itself


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """lr^rates * factor * value, where the value None stands for 1.

    The factor is the product of the hyperparameters of those `names` and of `number`.
    """

    rates: int
    factor: Interval
    names: tuple[str, ...]
    number: Interval
    value: int | None

    @property
    def text(self) -> str:
        """The largest size of the factor: its number, unless that is 1, and its names."""
        number = shown(float(np.max(self.number.size)))
        return " ".join(([] if number == "1" and self.names else [number]) + list(self.names))

    def times(self, factor: Interval) -> Term:
        """The term multiplied by a number."""
        scaled = interval("multiply", self.factor, factor), interval("multiply", self.number, factor)
        return replace(self, factor=scaled[0], number=scaled[1])


def terms(values: Values, found: Sequence[Interval], i: int) -> list[Term]:
    """Value i as a sum of terms; numbers of a tensor come in as factors."""
    op, args, *_ = values.all[i]
    itself = [Term(0, ONE, (), ONE, i)]
    if values.is_input(i, "w"):
        return itself
    if values.is_input(i, "lr"):
        return [Term(1, ONE, (), ONE, None)]
    if values.all[i].kind.single and op not in ("multiply", "negative") and _known(values, found, i):
        name = str(values.all[i].value)
        named = op == "input" and name in values.program.defaults
        return [Term(0, found[i], (name,) if named else (), ONE if named else found[i], None)]
    parts = PARTS[op](values, found, args) if op in PARTS else itself
    return _whole(parts, values, found, i) if parts is not None and len(parts) <= MOST else itself


def split(values: Values, parts: Sequence[Term]) -> tuple[list[Term], list[Term], bool]:
    """The terms in w with a factor lr, those not in w, and whether the others are just the old w."""
    weights = [part for part in parts if part.value is not None and values.is_input(part.value, "w")]
    kept = Interval(0.0, 0.0)
    for part in weights:
        kept = kept if part.rates else interval("add", kept, part.factor)
    same = bool(np.all(kept.low == 1) and np.all(kept.high == 1))
    return [part for part in weights if part.rates], [part for part in parts if part not in weights], same


def _known(values: Values, found: Sequence[Interval], i: int) -> bool:
    """Whether a number has a known size and does not come from lr."""
    if not found[i].bounded:
        return False
    pending, seen = [i], set()
    while pending:
        j = pending.pop()
        if values.is_input(j, "lr"):
            return False
        if j not in seen:
            seen.add(j)
            pending += values.all[j].args
    return True


def _whole(parts: list[Term], values: Values, found: Sequence[Interval], i: int) -> list[Term]:
    """A sum without w that is bounded is better kept whole: its terms may hold each other in check."""
    weights = any(part.value is not None and values.is_input(part.value, "w") for part in parts)
    numbers = any(part.rates or part.value is None for part in parts)
    return parts if weights or numbers or not found[i].bounded else [Term(0, ONE, (), ONE, i)]


def _scaled(parts: list[Term], factor: Interval) -> list[Term]:
    return [part.times(factor) for part in parts]


def _product(values: Values, found: Sequence[Interval], args: tuple[int, ...]) -> list[Term] | None:
    """Each term by each, as long as one of them is a number."""
    product = []
    for x in terms(values, found, args[0]):
        for y in terms(values, found, args[1]):
            if x.value is not None and y.value is not None:
                return None
            value = x.value if y.value is None else y.value
            factor, number = interval("multiply", x.factor, y.factor), interval("multiply", x.number, y.number)
            product.append(Term(x.rates + y.rates, factor, (*x.names, *y.names), number, value))
    return product


def _quotient(values: Values, found: Sequence[Interval], args: tuple[int, ...]) -> list[Term] | None:
    if not values.all[args[1]].kind.single or not _known(values, found, args[1]):
        return None
    factor = interval("reciprocal", found[args[1]])
    return _scaled(terms(values, found, args[0]), factor) if factor.bounded else None


def _mixed(values: Values, found: Sequence[Interval], args: tuple[int, ...]) -> list[Term] | None:
    a, x, b, y = args
    first, second = _product(values, found, (a, x)), _product(values, found, (b, y))
    return None if first is None or second is None else first + second


PARTS: dict[str, Callable[[Values, Sequence[Interval], tuple[int, ...]], list[Term] | None]] = {
    "add": lambda v, f, a: terms(v, f, a[0]) + terms(v, f, a[1]),
    "subtract": lambda v, f, a: terms(v, f, a[0]) + _scaled(terms(v, f, a[1]), MINUS),
    "negative": lambda v, f, a: _scaled(terms(v, f, a[0]), MINUS),
    "multiply": _product,
    "divide": _quotient,
    "mix": _mixed,
}
