"""Where a program can divide by zero, leave the domain of a function, or lose gradients to the range of a dtype."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from primitives.analysis.interval_rules import Interval
from primitives.analysis.intervals import Ranges, ranges
from primitives.analysis.magnitudes import DTYPES, Magnitudes, Rounded, magnitudes, sentences
from primitives.analysis.values import Values, shown
from primitives.program import Program

EXACT = "any"  # of a hazard that no precision avoids
LIMITS = {  # the smallest positive number and the largest; smaller ones of 8 exponent bits are often flushed to zero
    "float32": (2.0**-126, 2.0**128 * (1 - 2.0**-24)),
    "bfloat16": (2.0**-126, 2.0**128 * (1 - 2.0**-8)),
    "float16": (2.0**-24, 65504.0),
}
DOMAINS = {  # where functions are defined and finite: low, high, and whether an end is outside
    "sqrt": (0.0, np.inf, False), "log": (0.0, np.inf, True), "log2": (0.0, np.inf, True),
    "log10": (0.0, np.inf, True), "log1p": (-1.0, np.inf, True), "arcsin": (-1.0, 1.0, False),
    "arccos": (-1.0, 1.0, False), "arccosh": (1.0, np.inf, False), "arctanh": (-1.0, 1.0, True),
}  # fmt: skip
ZERO_AT_ZERO = ("log_abs", "log2_abs", "log10_abs")  # infinite where their argument is zero
INVERSES = {  # of what grows exponentially: the argument from which on it is too large
    "exp": np.log, "expm1": np.log, "exp2": np.log2, "exp10": np.log10, "sinh": np.arcsinh, "cosh": np.arccosh,
}  # fmt: skip
POWERS = {"square": 2.0, "cube": 3.0}


@dataclass(frozen=True)
class Hazard:
    """One thing that can go wrong."""

    where: str  # the statement
    what: str  # "divides by zero"
    when: str  # the condition
    dtypes: tuple[str, ...]  # in which; ("any",) where precision is no remedy


@dataclass(frozen=True)
class Hazards:
    """What can go wrong, by intervals at the default hyperparameters, and which gradients work, by trials."""

    found: tuple[Hazard, ...]
    sizes: tuple[Magnitudes, ...]  # empty where a program asks for more than the gradient

    def lines(self) -> list[str]:
        """A sentence for each hazard, then the sizes of gradients that each dtype carries."""
        texts = [f"{x.where}: {x.what} {x.when}{_in(x.dtypes, x.when)}." for x in self.found]
        texts = texts or ["No division by zero, no root or logarithm outside its domain."]
        texts += sentences(self.sizes)
        return [line for text in texts for line in wrap(text, 100, subsequent_indent="    ")]


def _in(dtypes: tuple[str, ...], when: str) -> str:
    """The dtypes of a hazard, unless it is one of all or its condition names them."""
    return "" if dtypes == (EXACT,) or f"in {dtypes[-1]}" in when else f" in {' and '.join(dtypes)}"


def hazards(program: Program) -> Hazards:
    """What can go wrong in a valid program, and for which sizes of gradients its updates are right.

    A denominator counts as safe where its interval is, or where a `where` asks first. Values that are never zero in
    exact arithmetic and small in a dtype show in the sizes of gradients.
    """
    made, found = ranges(program)
    exact = {i: hazard for i in range(len(made.all)) if (hazard := _outside(made, found, i)) is not None}
    lost = [*_vanishing(made, set(exact)), *_forgetless(made), *_powers(made), *_exponentials(made, found)]
    return Hazards((*exact.values(), *lost), magnitudes(made))


def _outside(made: Values, found: Ranges, i: int) -> Hazard | None:
    """What is wrong with the arguments that a value may be given, in exact arithmetic."""
    op, args, *_ = made.all[i]
    if op in ("divide", "reciprocal", "mod") and _has(found, args[-1], 0.0) and not _guarded(made, i, args[-1]):
        return _hazard(made, i, "divides by zero", f"where {made.text(args[-1])} = 0")
    if op in DOMAINS:
        low, high, open_ends = DOMAINS[op]
        x, text = found.all[args[0]].over_all(), made.text(args[0])
        if x.low < low or x.high > high:
            beyond = [f"{text} < {shown(low)}"] * bool(x.low < low) + [f"{text} > {shown(high)}"] * bool(x.high > high)
            return _hazard(made, i, f"{op} is not defined", f"where {' or '.join(beyond)}")
        if open_ends and (x.low == low or x.high == high < np.inf):
            return _hazard(made, i, f"{op} is infinite", f"where {text} = {shown(low if x.low == low else high)}")
    if op in ZERO_AT_ZERO and _has(found, args[0], 0.0):
        return _hazard(made, i, f"{op} is infinite", f"where {made.text(args[0])} = 0")
    if op == "power":
        return _power(made, found, i)
    return None


def _power(made: Values, found: Ranges, i: int) -> Hazard | None:
    base, exponent = made.all[i].args
    x, y = found.all[base].over_all(), found.all[exponent].over_all()
    whole = y.low == y.high and float(y.low).is_integer()
    if x.low < 0 and not whole:
        return _hazard(made, i, "a power is not defined", f"where {made.text(base)} < 0")
    if y.low < 0 and x.low <= 0 <= x.high and not _guarded(made, i, base):
        return _hazard(made, i, "divides by zero", f"where {made.text(base)} = 0")
    return None


def _hazard(made: Values, i: int, what: str, when: str, *dtypes: str) -> Hazard:
    return Hazard(made.statement(i), what, when, dtypes or (EXACT,))


def _has(found: Ranges, i: int, number: float) -> bool:
    x = found.all[i].over_all()
    return bool(x.low <= number <= x.high)


def _guarded(made: Values, i: int, divisor: int) -> bool:
    """Whether a value reaches the outputs only where a `where` found the divisor to be positive."""
    readers = defaultdict(list)
    for j, value in enumerate(made.all):
        for place, a in enumerate(value.args):
            readers[a].append((j, place))

    def held(j: int) -> bool:
        return j not in made.outputs and bool(readers[j]) and all((_asks(made, k, divisor) and place == 1) or held(k)
                                                                  for k, place in readers[j])  # fmt: skip

    return held(i)


def _asks(made: Values, k: int, divisor: int) -> bool:
    """Whether value k is where(divisor > 0, ...)."""
    if made.all[k].op != "where":
        return False
    op, args, *_ = made.all[made.all[k].args[0]]
    zero = [made.all[a].value == 0 and made.all[a].op == "number" for a in args]
    return (op == "greater" and args[0] == divisor and zero[1]) or (op == "less" and args[1] == divisor and zero[0])


def _vanishing(made: Values, known: set[int]) -> list[Hazard]:
    """Divisions that are safe only as long as a small number beside a tensor is not rounded to zero."""
    tensors = [value for value in made.all if not value.kind.single]
    small = {a: x for value in tensors for a in value.args if (x := _constant(made, a)) is not None}
    hazards = []
    lost = {i: [d for d in DTYPES if Rounded(d)(x) == 0] for i, x in small.items() if x != 0}
    for i, dtypes in lost.items():
        if dtypes:
            without = Ranges.of(made, inputs={i: Interval(0.0, 0.0)})
            for j in range(len(made.all)):
                hazard = _outside(made, without, j) if j not in known else None
                if hazard is not None:
                    when = f"{hazard.when}, as {_named(made, i)}{small[i]:.3g} is rounded to 0"
                    hazards.append(_hazard(made, j, hazard.what, when, *dtypes))
    return hazards


def _forgetless(made: Values) -> list[Hazard]:
    """Decays of states that are rounded to one, so that nothing is forgotten."""
    hazards = []
    for i, (op, args, *_) in enumerate(made.all):
        pairs = {"multiply": [args, args[::-1]], "mix": [args[:2], args[2:]]}.get(op, [])
        for a, s in pairs:
            decay = _constant(made, a)
            state = made.all[s].op == "input" and made.all[s].value in made.new and not made.all[s].kind.single
            if decay is None or not state or not 0.5 < decay < 1:
                continue
            if dtypes := [d for d in DTYPES if Rounded(d)(decay) == 1]:
                what = f"{made.text(s)} forgets nothing"
                hazards.append(_hazard(made, i, what, f"as {_named(made, a)}{decay:.6g} is rounded to 1", *dtypes))
    return hazards


def _constant(made: Values, i: int) -> float | None:
    """The number that a value is, as a literal or as a hyperparameter other than the rate."""
    op, name = made.all[i].op, made.all[i].value
    if op == "number":
        return float(name)
    return made.program.defaults.get(str(name)) if op == "input" and name != "lr" else None


def _named(made: Values, i: int) -> str:
    return "" if made.all[i].op == "number" else f"{made.all[i].value} = "


def _powers(made: Values) -> list[Hazard]:
    """The gradients whose powers are too small or too large for a dtype."""
    hazards = []
    for i, (op, args, *_) in enumerate(made.all):
        exponent = POWERS.get(op, 2.0 if op == "multiply" and args[0] == args[1] else None)
        if op == "power" and made.all[args[1]].op == "number":
            exponent = float(made.all[args[1]].value)
        if exponent is None or exponent <= 1 or not made.is_input(args[0], "g"):
            continue
        spans = [
            f"{smallest ** (1 / exponent):.2g} to {largest ** (1 / exponent):.3g} in {dtype}"
            for dtype, (smallest, largest) in LIMITS.items()
        ]
        what = f"{made.text(i)} underflows or overflows"
        hazards.append(_hazard(made, i, what, f"but for |g| from {', '.join(spans)}", *LIMITS))
    return hazards


def _exponentials(made: Values, found: Ranges) -> list[Hazard]:
    """Exponentials that overflow for arguments that their intervals do not rule out."""
    hazards = []
    for i, (op, args, *_) in enumerate(made.all):
        if op in INVERSES:
            x, text = found.all[args[0]].over_all(), made.text(args[0])
            even = op in ("sinh", "cosh")
            ends = {dtype: float(INVERSES[op](largest)) for dtype, (_, largest) in LIMITS.items()}
            over = tuple(dtype for dtype, end in ends.items() if (x.size if even else x.high) > end)
            if over:
                limits = ", ".join(f"{ends[dtype]:.3g} in {dtype}" for dtype in over)
                when = f"where {f'abs({text})' if even else text} > {limits}"
                hazards.append(_hazard(made, i, f"{op} overflows", when, *over))
    return hazards
