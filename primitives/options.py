"""Options of wrappers and schedules: a name, a default and the numbers that are allowed, which are a domain."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from primitives.program import ProgramError
from primitives.show import show_number


@dataclass(frozen=True, slots=True)
class Domain:
    """An interval of numbers that make sense for something; an open end is itself left out."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def contains(self, value: float) -> bool:
        """Whether the number lies in it; NaN lies nowhere, and infinity only where a bound on one side is all."""
        if math.isinf(self.low) and math.isinf(self.high):
            return math.isfinite(value)
        above = self.low < value if self.low_open else self.low <= value
        return above and (value < self.high if self.high_open else value <= self.high)

    def condition(self, name: str) -> str:
        """The Python condition that the number under this name lies in it; `math` must be imported for isfinite."""
        low, high = show_number(self.low), show_number(self.high)
        if math.isinf(self.low) and math.isinf(self.high):
            return f"math.isfinite({name})"
        if math.isinf(self.high):
            return f"{name} {'>' if self.low_open else '>='} {low}"
        if math.isinf(self.low):
            return f"{name} {'<' if self.high_open else '<='} {high}"
        return f"{low} {'<' if self.low_open else '<='} {name} {'<' if self.high_open else '<='} {high}"

    @property
    def must(self) -> str:
        """What a number must do or be, for a sentence: "must lie in [0, 1)", "must be at least 0"."""
        low, high = show_number(self.low), show_number(self.high)
        if math.isinf(self.low) and math.isinf(self.high):
            return "must be a finite number"
        if math.isinf(self.high):
            return f"must be {'above' if self.low_open else 'at least'} {low}"
        if math.isinf(self.low):
            return f"must be {'below' if self.high_open else 'at most'} {high}"
        return f"must lie in {'(' if self.low_open else '['}{low}, {high}{')' if self.high_open else ']'}"


@dataclass(frozen=True, slots=True)
class Option:
    """A number that a wrapper or a schedule takes; it becomes a hyperparameter of the program."""

    name: str
    default: float
    low: float
    high: float
    doc: str
    open_low: bool = False  # whether the lowest allowed number is itself refused
    open_high: bool = False
    whole: bool = False  # whether only whole numbers are allowed

    @property
    def domain(self) -> Domain:
        """The interval of the allowed numbers."""
        return Domain(self.low, self.high, self.open_low, self.open_high)

    def fault(self, value: float) -> str:
        """What the number must be, where it is not; else nothing."""
        if self.domain.contains(value) and math.isfinite(value) and (not self.whole or value == int(value)):
            return ""
        return f"{self.name} is {show_number(value)} and must be {self._wanted()}"

    def _wanted(self) -> str:
        number = "a whole number" if self.whole else "a number"
        low = f"{'above' if self.open_low else 'at least'} {show_number(self.low)}"
        if math.isinf(self.high):
            return f"{number}, {low}"
        return f"{number}, {low} and {'below' if self.open_high else 'at most'} {show_number(self.high)}"


def values(owner: str, options: Iterable[Option], given: Mapping[str, float]) -> dict[str, float]:
    """Every option's number, given or default; ProgramError with one sentence for each fault."""
    options = tuple(options)
    names = [option.name for option in options]
    faults = [unknown(f"{owner} has no option '{name}'", name, names) for name in given if name not in names]
    found = {option.name: float(given.get(option.name, option.default)) for option in options}
    faults += [f"{owner}: {fault}." for option in options if (fault := option.fault(found[option.name]))]
    if faults:
        raise ProgramError(*faults)
    return found


def unknown(sentence: str, name: str, names: Iterable[str], what: str = "options") -> str:
    """The sentence on an unknown name, with the one that was perhaps meant, or all that there are."""
    names = sorted(names)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"{sentence}; did you mean '{close[0]}'?"
    return f"{sentence}; the {what} are {', '.join(names)}." if names else f"{sentence}; it takes none."
