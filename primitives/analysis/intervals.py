"""Between which numbers each value of a program stays, over all steps, weights and gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from primitives.analysis.averages import Averages
from primitives.analysis.interval_rules import ALL, Interval, hull, interval, meet
from primitives.analysis.values import Values, shown, values
from primitives.program import Program

WIDENED = 4  # rounds after which what still grows is taken to grow for ever, unless its growth falls off
Known = dict[str | int, Interval]  # of inputs by name, of other values by their place
GUESSES = ((0.0, 1.0), (0.0, math.inf), (1e-9, math.inf))  # margin of the limit, and what no limit is beyond


def _steps() -> Interval:
    """The steps in pieces: each of the first 128 by itself, then pieces of 1 %, and all after a million."""
    ends = np.unique(np.ceil(128 * 1.01 ** np.arange(901)))
    low, high = np.concatenate([np.arange(1, 129), ends + 1]), np.concatenate([np.arange(1, 129), ends[1:], [np.inf]])
    return Interval(low[: 128 + len(ends)].copy(), high)


STEPS = _steps()


@dataclass(frozen=True)
class Intervals:
    """The intervals of states and variables at the default hyperparameters; each a name, its low and its high end."""

    states: tuple[tuple[str, float, float], ...]  # after any number of steps
    variables: tuple[tuple[str, float, float], ...]  # as they are assigned first

    def lines(self) -> list[str]:
        """A line for each state, and for each variable that stays within bounds."""
        kept = [row for row in self.variables if np.isfinite(row[1]) or np.isfinite(row[2])]
        known = {name for name, *_ in self.states}
        rows = [(f"state {row[0]}", row) for row in self.states]
        rows += [(row[0], row) for row in kept if row[0] not in known]
        return [f"{label} stays in {bracketed(Interval(low, high))}" for label, (_, low, high) in rows]


def bracketed(x: Interval) -> str:
    """An interval as text, with round brackets at ends that are not reached."""
    left, right = "[("[bool(np.isinf(x.low))], "])"[bool(np.isinf(x.high))]
    return f"{left}{shown(x.low)}, {shown(x.high)}{right}"


def intervals(program: Program, hyper: Mapping[str, float] | None = None) -> Intervals:
    """Where the states and variables of a valid program lie whatever the gradients, as far as intervals tell.

    A value lies inside wherever everything that it is computed from is finite; `hyper` replaces defaults.
    """
    made = values(program)
    found = Ranges.of(made, hyper)
    states = tuple((name, *found.states[name]) for name in made.program.state_names)
    variables = tuple((name, *found.all[i].over_all()) for i, name in made.names.items())
    return Intervals(states, variables)


@dataclass(frozen=True)
class Ranges:
    """The interval of each value, in each piece of time (STEPS) or for all; and of the states over all time."""

    all: tuple[Interval, ...]
    states: dict[str, Interval]

    @classmethod
    def of(cls, made: Values, hyper: Mapping[str, float] | None = None, inputs: Known | None = None) -> Ranges:
        """The intervals that one more step does not leave: widened until they hold, then narrowed.

        `inputs` says more of some inputs, {"lr": Interval(1, 1)}, or of values by their place.
        """
        given = _inputs({**made.program.defaults, **(hyper or {})}) | (inputs or {})
        starts = _starts(made, given)

        def holds(states: dict[str, Interval]) -> bool:
            after = _step(made, given, starts, states)[1]
            return all(hull(states[name], after[name]) == states[name] for name in states)

        past = [starts]
        for rounds in range(WIDENED + 4 * len(starts) + 1):
            states = past[-1]
            reached = _step(made, given, starts, states)[1]
            grown = {name: hull(states[name], reached[name]) for name in states}
            if grown == states:
                break
            past.append(grown)
            if rounds >= WIDENED:
                guesses = [{n: _limit(*guess, *(s[n] for s in past[-3:])) for n in grown} for guess in GUESSES]
                widened = {n: _widened(states[n], grown[n]) for n in grown}
                past.append(next((guess for guess in guesses if holds(guess)), widened))
        else:
            states = dict.fromkeys(starts, ALL)
        for _ in range(2):
            reached = _step(made, given, starts, states)[1]
            states = {name: meet(states[name], hull(starts[name], reached[name])).over_all() for name in states}
        return cls(tuple(_step(made, given, starts, states)[0]), states)

    @classmethod
    def first(cls, made: Values, inputs: Known) -> Ranges:
        """The intervals of the first step alone."""
        given = _inputs(made.program.defaults) | {"t": Interval(1.0, 1.0), **inputs}
        starts = _starts(made, given)
        return cls(tuple(_step(made, given, starts, starts)[0]), starts)


def _starts(made: Values, given: Known) -> dict[str, Interval]:
    return {s.name: given[s.start] if isinstance(s.start, str) else Interval(s.start, s.start) for s in made.states}


def _inputs(hyper: Mapping[str, float]) -> Known:
    """What is known of inputs; rates are not negative, and anything may be a weight, a gradient or a loss."""
    rate = Interval(0.0, np.inf)
    numbers: Known = {name: Interval(value, value) for name, value in hyper.items()}
    return numbers | {"w": ALL, "g": ALL, "loss": ALL, "lr": rate, "base_lr": rate, "t": STEPS,
                      "T": Interval(1.0, np.inf)}  # fmt: skip


def _step(
    made: Values, given: Known, starts: Mapping[str, Interval], states: Mapping[str, Interval]
) -> tuple[list[Interval], dict[str, Interval]]:
    """The intervals of all values where the states lie in these, and of the new states over all time."""
    found: list[Interval] = []
    averages = Averages(made, found, starts, given["t"])
    for i, (op, args, value, *_) in enumerate(made.all):
        if i in given:
            x = given[i]
        elif op == "input":
            x = states[str(value)] if value in states else given[str(value)]
        elif op == "number":
            x = Interval(float(value), float(value))
        else:
            x = _applied(made, op, args, found)
        x = meet(x, averages.within(i))
        found.append(x)
        with np.errstate(all="ignore"):
            bound = averages.ratio(i)
        found[i] = meet(x, Interval(-bound, bound)) if np.any(np.isfinite(bound)) else x
    return found, {name: found[i].over_all() for name, i in made.new.items()}


def _applied(made: Values, op: str, args: tuple[int, ...], found: list[Interval]) -> Interval:
    """A primitive of values, of which some may be one and the same."""
    given = [found[a] for a in args]
    if len(args) == 2 and args[0] == args[1] and op in ("multiply", "dot", "global_dot", "subtract", "divide"):
        if op == "subtract":
            return Interval(0.0, 0.0)
        if op == "divide":
            return Interval(1.0, 1.0)
        return interval("square", *given[:1]) if op == "multiply" else interval("sum", interval("square", *given[:1]))
    x = interval(op, *given)
    if op == "mix" and _complementary(made, args[0], args[2]) and np.all((given[0].low >= 0) & (given[0].high <= 1)):
        return meet(x, hull(given[1], given[3]))
    return x


def _complementary(made: Values, a: int, b: int) -> bool:
    """Whether one of two values is one less the other."""

    def less(x: int, y: int) -> bool:
        op, args, *_ = made.all[x]
        return op == "subtract" and args[1] == y and made.all[args[0]].value == 1

    return less(a, b) or less(b, a)


def _limit(margin: float, most: float, *last: Interval) -> Interval:
    """Where the ends lead that grow by less and less; those that do not lead anywhere are infinite."""
    low, high = (_end(margin, *(float(x[k]) for x in last)) for k in (0, 1))
    return Interval(max(low, min(-most, last[-1].low)), min(high, max(most, last[-1].high)))


def _end(margin: float, first: float, second: float, third: float) -> float:
    """The limit of a geometric series of steps, to nine digits or a little beyond."""
    before, last = second - first, third - second
    if not last or not math.isfinite(third):
        return third
    if not 0 < last / (before or last) < 1:
        return math.copysign(math.inf, last)
    limit = third + last * (last / before) / (1 - last / before)
    limit = limit + math.copysign(margin * abs(limit), last) if margin else float(f"{limit:.9g}")
    return limit if limit * third > 0 else 0.0  # what decays to zero does not cross it


def _widened(before: Interval, after: Interval) -> Interval:
    low = -np.inf if after.low < before.low else after.low
    return Interval(low, np.inf if after.high > before.high else after.high)


@lru_cache(maxsize=64)
def ranges(program: Program) -> tuple[Values, Ranges]:
    """The values of a program and their intervals at its defaults, kept for the analyses that share them."""
    made = values(program)
    return made, Ranges.of(made)
