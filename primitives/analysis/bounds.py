"""How far one step can move one weight, and what it does where there is little to do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from primitives.analysis.additive import Term, split, terms
from primitives.analysis.first_step import Rest, at_rest, at_zero, first_step, rate_degrees
from primitives.analysis.interval_rules import Interval
from primitives.analysis.intervals import Ranges, ranges
from primitives.analysis.values import Values
from primitives.program import Program
from primitives.table import PRIMITIVES

SUMS = ("sum", "norm", "dot", "global_norm", "global_dot", "matmul")
LONGEST = 56  # characters of a term that is named


@dataclass(frozen=True)
class Bounds:
    """|change of a weight| <= lr (rate + decay |w|) + fixed, at the default hyperparameters, whatever the gradients.

    `rate` and `fixed` are None where no bound is shown, and `reason` says why.
    """

    rate: float | None
    fixed: float | None
    decay: float  # the factor of lr |w|
    sentence: str
    reason: str
    at_zero: str
    first_step: str
    at_rest: Rest

    def lines(self) -> list[str]:
        """The bound, then what happens at g = 0, in the first step and at lr = 0."""
        sentences = (self.sentence, self.at_zero, self.first_step, self.at_rest.reason)
        return [line for sentence in sentences for line in wrap(sentence, 100)]


def bounds(program: Program) -> Bounds:
    """How far a step of a valid program can move a weight; all that is said of it holds, not all that holds is said."""
    made, found = ranges(program)
    parts = terms(made, found.all, made.outputs[0])
    decays, rest, kept = split(made, parts)
    sizes, reason = _sizes(made, found, rest)
    if not reason and (not kept or any(part.rates > 1 for part in decays)):
        reason = "the new w is not the old one and a step"
    decay = sum(float(np.max(part.factor.size)) for part in decays)
    rate, fixed = (None, None) if reason else (float(np.max(sizes[1])), float(np.max(sizes[0])))
    sentence = f"No bound on the change of a weight is shown: {reason}."
    if rate is not None and fixed is not None:
        sentence = f"|change of w| <= {_right(rate, fixed, decays)} for each weight, whatever the gradients."
    return Bounds(rate, fixed, decay, sentence, reason, at_zero(program), first_step(program), at_rest(program))


def _sizes(made: Values, found: Ranges, parts: list[Term]) -> tuple[dict[int, float], str]:
    """The sum of the sizes of terms without w by their power of lr, largest over time; or why there is none."""
    degrees = rate_degrees(made)
    at_one: Ranges | None = None  # the intervals at lr = 1, for what is proportional to lr
    sizes = {0: np.zeros(()), 1: np.zeros(())}
    for part in parts:
        rates, size = part.rates, np.asarray(part.factor.size)
        if part.value is not None:
            x, degree = found.all[part.value], degrees[part.value]
            if not x.bounded and degree == 1:
                at_one = at_one or Ranges.of(made, inputs={"lr": Interval(1.0, 1.0)})
                x, rates = at_one.all[part.value], rates + 1
            if not x.bounded:
                return {}, _reason(made, found if at_one is None else at_one, part.value)
            size = size * x.size
        if rates not in sizes:
            return {}, f"a part of the update is proportional to lr^{rates}"
        sizes[rates] = sizes[rates] + size
    return {rates: float(np.max(size)) for rates, size in sizes.items()}, ""


def _right(rate: float, fixed: float, decays: list[Term]) -> str:
    """The right side of the bound; rounded up."""
    weights = [f"{part.text} |w|" for part in decays]
    inner = [*([_up(rate)] if rate else []), *weights]
    if len(inner) > 1:
        parts = [f"lr ({' + '.join(inner)})"]
    elif inner:
        parts = ["lr" if inner[0] == "1" else f"lr {inner[0]}" if weights else f"{inner[0]} lr"]
    else:
        parts = []
    return " + ".join([*parts, *([_up(fixed)] if fixed or not parts else [])])


def _up(number: float) -> str:
    """A number to four digits, rounded up but for a billionth of it."""
    if number == 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(number)) - 3)
    return f"{math.ceil(number / unit * (1 - 1e-9)) * unit:.4g}"


def _reason(made: Values, found: Ranges, i: int) -> str:
    """What makes a value unbounded."""
    text = made.text(i)
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
    causes = _causes(made, found, i)
    if "g" in causes and text == "g":
        return "it grows with the gradient"
    if not causes:
        return f"{text} may grow from step to step"
    cause = next(name for name in ("g", *sorted(causes - {"g", "w"}), "w") if name in causes)
    words = {"g": "the gradient", "w": "the weights", "lr": "the rate", "base_lr": "the rate", "t": "the step"}
    return f"{text} grows with {words.get(cause, cause)}"


def _causes(made: Values, found: Ranges, i: int) -> set[str]:
    """The inputs from which infinite intervals come, and operations that make them of finite ones."""
    causes: set[str] = set()
    pending, seen = [i], set()
    while pending:
        j = pending.pop()
        if j in seen:
            continue
        seen.add(j)
        op, args, value, *_ = made.all[j]
        infinite = [a for a in args if not found.all[a].bounded]
        if op == "input" and value in found.states:
            pending.append(made.new[str(value)])
        elif op == "input":
            causes.add(str(value))
        elif op in PRIMITIVES and PRIMITIVES[op].form == "oracle":
            causes.add(f"what {op} gives")
            infinite = [a for a in infinite if op in ("hvp", "hessian_solve", "cg_solve")]
        elif op in ("rows", "columns", "size") or (op in SUMS and not infinite):
            causes.add("the shape of the tensor")
            infinite = []
        elif not infinite:
            causes.add(f"1 / ({made.text(args[-1])})" if op in ("divide", "reciprocal") else made.text(j))
        pending += infinite
    return causes
