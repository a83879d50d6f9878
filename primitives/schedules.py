"""Learning-rate schedules as texts of the language: a factor of lr over t, T and numbers, for `scheduled(P, S)`.

Step t counts from 1 and T is the planned number of steps. torch.optim.lr_scheduler counts the same step as index
t - 1: each schedule says whether its first factor is torch's at index 0 (it says "index t - 1"), or, where a document
writes a formula in t, that formula at t = 1 ("index t"). After step T a factor stays where it is or goes on falling.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from primitives.interpreter import evaluate
from primitives.options import Option, values
from primitives.program import Assign, Call, ProgramError
from primitives.text import parse_expr

Expr = str | float | Call


@dataclass(frozen=True, slots=True)
class Schedule:
    """A factor of the learning rate; `text` is assignments, a line each, then the factor."""

    name: str
    options: tuple[Option, ...]
    text: str
    doc: str

    def __call__(self, **given: float) -> Schedule:
        """The schedule with other numbers; ProgramError with a sentence for each fault."""
        found = values(self.name, self.options, given)
        return replace(self, options=tuple(replace(o, default=found[o.name]) for o in self.options))

    @property
    def defaults(self) -> dict[str, float]:
        """The options and their numbers."""
        return {option.name: option.default for option in self.options}

    def parsed(self) -> tuple[tuple[Assign, ...], Expr]:
        """The assignments, and the factor."""
        known = ("t", "T", *self.defaults)
        *lines, factor = self.text.split("\n")
        body = []
        for line in lines:
            name, _, text = line.partition(" = ")
            body.append(Assign(name, parse_expr(text, known)))
            known = (*known, name)
        return tuple(body), parse_expr(factor, known)

    def factor(self, t: float, T: float = math.nan) -> float:
        """The factor at step t of T."""
        body, factor = self.parsed()
        env: dict[str, Any] = {name: np.float64(x) for name, x in {"t": t, "T": T, **self.defaults}.items()}
        with np.errstate(all="ignore"):
            for assign in body:
                env[assign.name] = evaluate(assign.value, env)
            return float(evaluate(factor, env))


def factor(name: str, t: float, T: float = math.nan, **options: float) -> float:
    """The factor of lr at step t of T in the schedule of that name."""
    if name not in SCHEDULES:
        raise ProgramError(f"there is no schedule '{name}'; the schedules are {', '.join(SCHEDULES)}.")
    return SCHEDULES[name](**options).factor(t, T)


def _part(name: str, default: float, doc: str, **bounds: Any) -> Option:
    return Option(name, default, 0, 1, f"{doc}, as a part of the planned steps", **bounds)


_END = Option("end", 0, 0, 1, "the last factor")
_WARMUP = _part("warmup", 0.05, "the steps of the warm-up, Tw")
_RISING = "Tw = max(1, floor(warmup * T + 0.5))"

_ALL = (
    Schedule("constant", (), "1", "lr stays as it is."),
    Schedule(
        "piecewise",
        (
            _part("first", 0.5, "when lr drops"),
            _part("second", 0.75, "when lr drops again"),
            Option("drop", 0.1, 0, 1, "what each drop multiplies by", open_low=True),
        ),
        "where(t > first * T, drop, 1) * where(t > second * T, drop, 1)",
        "Piecewise constant, two drops. torch's MultiStepLR, index t - 1.",
    ),
    Schedule(
        "exponential",
        (Option("r", 1000, 0, math.inf, "the steps in which lr falls by e; about the size of the training set",
                open_low=True),),
        "exp(-t / r)",
        "exp(-t/r). torch's ExponentialLR(gamma=exp(-1/r)), index t.",
    ),
    Schedule(
        "reciprocal",
        (
            Option("r", 1000, 0, math.inf, "the steps after which the fall sets in", open_low=True),
            Option("c", 1, 0, math.inf, "the power of the fall, about 1"),
        ),
        "(1 + t / r)**-c",
        "(1 + t/r)^-c. torch's LambdaLR, index t.",
    ),
    Schedule(
        "linear_warmup",
        (_WARMUP,),
        f"{_RISING}\nmin(t, Tw) / Tw",
        "min(t, Tw)/Tw. torch's LinearLR(start_factor=1/Tw, total_iters=Tw-1), index t - 1.",
    ),
    Schedule(
        "cosine",
        (_END,),
        "turn = min((t - 1) / T, 1)\nend + (1 - end) * (1 + cos(pi() * turn)) / 2",
        "Cosine decay from 1 to `end`. torch's CosineAnnealingLR(T), index t - 1; torch's rises again after T.",
    ),
    Schedule(
        "warmup_cosine",
        (_WARMUP, _END),
        f"{_RISING}\nturn = min(max(t - 1 - Tw, 0) / max(T - Tw, 1), 1)\n"
        "min(t / Tw, 1) * (end + (1 - end) * (1 + cos(pi() * turn)) / 2)",
        "Linear warm-up, then cosine decay. torch's SequentialLR of LinearLR and CosineAnnealingLR(T-Tw), index t - 1.",
    ),
    Schedule(
        "one_cycle",
        (
            _part("warmup", 0.3, "the steps of the rise", open_high=True),
            Option("start_div", 25, 1, math.inf, "the first factor is 1 over this"),
            Option("end_div", 1e4, 1, math.inf, "the last factor is the first over this"),
        ),
        "top = max(warmup * T - 1, 0)\n"
        "low = 1 / start_div\n"
        "rise = (1 - cos(pi() * (t - 1) / max(top, 1e-9))) / 2\n"
        "fall = (1 - cos(pi() * min((t - 1 - top) / max(T - 1 - top, 1e-9), 1))) / 2\n"
        "where(t - 1 <= top, low + (1 - low) * rise, 1 + (low / end_div - 1) * fall)",
        "One cycle: a cosine up, a cosine down. Smith 2017, arXiv:1708.07120. torch's OneCycleLR, index t - 1.",
    ),
    Schedule(
        "robbins_monro",
        (
            Option("t0", 0, 0, math.inf, "steps by which the fall is ahead"),
            Option("c", 0.75, 0.5, 1, "the power: lr sums to infinity, its square does not", open_low=True),
        ),
        "(t + t0)**-c",
        "(t + t0)^-c. Robbins and Monro 1951. torch's LambdaLR, index t.",
    ),
)  # fmt: skip

SCHEDULES: dict[str, Schedule] = {schedule.name: schedule for schedule in _ALL}
