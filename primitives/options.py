"""Options of wrappers and schedules: a name, a default and the numbers that are allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from primitives.program import ProgramError
from primitives.show import show_number


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

    def fault(self, value: float) -> str:
        """What the number must be, where it is not; else nothing."""
        inside = self.low < value if self.open_low else self.low <= value
        inside &= value < self.high if self.open_high else value <= self.high
        if inside and math.isfinite(value) and (not self.whole or value == int(value)):
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
