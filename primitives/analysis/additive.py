"""The new w as a sum: which terms it has, with which factors of lr and of hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from primitives.analysis.interval_rules import Interval, interval
from primitives.analysis.values import Values, shown

ONE, MINUS = Interval(1.0, 1.0), Interval(-1.0, -1.0)
MOST = 24  # terms of a sum; one with more is a term itself


@dataclass(frozen=True, slots=True)
class Term:
    """lr^rates * factor * value, where the value None stands for 1; `names` are the hyperparameters of the factor."""

    rates: int
    factor: Interval
    names: tuple[str, ...]
    value: int | None

    @property
    def text(self) -> str:
        """The size of the factor: by names where it is a product of them and of the number left, else in digits."""
        size = float(np.max(self.factor.size))
        return " ".join(self.names) if self.names else shown(size)


def terms(values: Values, found: Sequence[Interval], i: int) -> list[Term]:
    """Value i as a sum of terms; numbers of a tensor come in as factors."""
    op, args, *_ = values.all[i]
    itself = [Term(0, ONE, (), i)]
    if values.is_input(i, "w"):
        return itself
    if values.is_input(i, "lr"):
        return [Term(1, ONE, (), None)]
    if values.all[i].kind.single and _known(values, found, i):
        name = str(values.all[i].value)
        return [Term(0, found[i], (name,) if op == "input" and name in values.program.defaults else (), None)]
    parts = PARTS[op](values, found, args) if op in PARTS else itself
    return _whole(parts, values, found, i) if parts is not None and len(parts) <= MOST else itself


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
    rates = any(part.rates for part in parts)
    return parts if weights or rates or not found[i].bounded else [Term(0, ONE, (), i)]


def _scaled(parts: list[Term], factor: Interval) -> list[Term]:
    return [replace(part, factor=interval("multiply", part.factor, factor)) for part in parts]


def _product(values: Values, found: Sequence[Interval], args: tuple[int, ...]) -> list[Term] | None:
    """Each term by each, as long as one of them is a number."""
    product = []
    for x in terms(values, found, args[0]):
        for y in terms(values, found, args[1]):
            if x.value is not None and y.value is not None:
                return None
            value = x.value if y.value is None else y.value
            factor = interval("multiply", x.factor, y.factor)
            product.append(Term(x.rates + y.rates, factor, (*x.names, *y.names), value))
    return product


def _quotient(values: Values, found: Sequence[Interval], args: tuple[int, ...]) -> list[Term] | None:
    if not values.all[args[1]].kind.single or not _known(values, found, args[1]):
        return None
    factor = interval("reciprocal", found[args[1]])
    parts = terms(values, found, args[0])
    return [replace(part, names=()) for part in _scaled(parts, factor)] if factor.bounded else None


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
