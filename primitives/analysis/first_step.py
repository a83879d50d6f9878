"""What a program does where little happens: with no gradient, in the first step, and at a learning rate of zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.analysis.additive import Term, split, terms
from primitives.analysis.degrees import COMPARISONS
from primitives.analysis.interval_rules import Interval
from primitives.analysis.intervals import Ranges, ranges
from primitives.analysis.values import Values, shown
from primitives.interpreter import start, step
from primitives.program import Program
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
LR = 2.0**-7  # of the trials; changes are read off as multiples of it
STEPS = 12  # with gradients, before one without
CLOSE = 1e-6
REGULAR = (
    "add subtract multiply mix negative abs sign square cube max min where less less_equal greater greater_equal equal "
    "tanh arctan sin cos grad_at hvp sum mean norm rms dot"
).split()  # finite where their arguments are
STILL = "does not move w"
SEEN = np.outer([1, -1], [0.01, 0.1, 1, 10, 100.0])  # gradients of the first step, of one tensor


class Bowl:
    """An oracle: the loss g'd + d'd / 2 around the weights w at w + d."""

    def __init__(self, weights: Sequence[Array], grads: Sequence[Array]) -> None:
        self.weights, self.grads = weights, grads

    def gradient(self, point: list[Array]) -> list[Array]:
        return [g + x - w for x, w, g in zip(point, self.weights, self.grads, strict=True)]

    def loss(self, point: list[Array]) -> np.float64:
        gaps = [(x - w, g) for x, w, g in zip(point, self.weights, self.grads, strict=True)]
        return np.float64(sum(float(np.sum(g * d + d * d / 2)) for d, g in gaps))

    def product(self, vector: list[Array]) -> list[Array]:
        return vector


def change(program: Program, w: Array, g: Array, states: list[Any], t: int, lr: float) -> tuple[Array, list[Any]]:
    """New minus old weights of a model of one tensor, and the new states."""
    [new], after = step(program, [w], [g], states, t=t, lr=lr, base_lr=LR, total_steps=100, loss=1.0,
                        roles=["hidden"], oracle=Bowl([w], [g]))  # fmt: skip
    return new - w, after


def at_zero(program: Program) -> str:
    """Whether the first step moves weights that have no gradient."""
    made, _ = ranges(program)
    found = Ranges.first(made, {"g": Interval(0.0, 0.0), "lr": Interval(LR, LR), "base_lr": Interval(LR, LR)})
    decays, rest, still = split(made, terms(made, found.all, made.outputs[0]))
    zero = all(part.value is not None and np.all(found.all[part.value].size == 0) for part in rest)
    if zero and still and not any(np.any(part.factor.size) for part in decays):
        return "Where g = 0 the first step does not move w."
    if zero and still and all(np.all(part.factor.high <= 0) for part in decays):
        factor = " + ".join(part.text for part in decays)
        if any(np.any(part.factor.low != part.factor.high) for part in decays):
            return f"Where g = 0 the first step is weight decay alone, of at most lr {factor} |w|."
        return f"Where g = 0 the first step is weight decay alone: -lr {factor} w."
    w = np.array([[1.0, -2.0, 0.5]])
    moved, _ = change(program, w, np.zeros_like(w), start(program, [w], LR), 1, LR)
    if not np.isfinite(moved).all():
        return "Where g = 0 the first step gives NaN or infinite weights."
    size = float(np.max(np.abs(moved)))
    if size == 0:
        return "Where g = 0 the first step does not move w, as far as one trial shows."
    return f"Where g = 0 the first step moves w by up to {shown(size / LR)} lr at w of size 2."


def first_step(program: Program) -> str:
    """What the first update is of the gradient, from trials at w = 0 and at w = 1."""
    zero, one = (_seen(program, w) for w in (0.0, 1.0))
    if zero == one:
        return f"The first step {zero}{_setting(program)}."
    if zero == STILL:
        return f"The first step from w = 0 {zero}, from w = 1 it {one}{_setting(program)}."
    return f"The first step from w = 0 {zero}{_setting(program)}; elsewhere it depends on w."


def _seen(program: Program, w: float) -> str:
    """What the first update is of the gradient from weights of this size, beside what it is without a gradient."""
    with np.errstate(all="ignore"):
        first, twice, larger = (_first(program, w, SEEN * s, lr) for s, lr in ((1, LR), (1, 2 * LR), (10, LR)))
    if not (np.isfinite(first).all() and np.isfinite(larger).all()):
        return "is not finite for every gradient between 0.01 and 1000"
    if not np.any(first):
        return STILL
    by_lr = np.allclose(twice, 2 * first, rtol=CLOSE)
    rate, unit = ("lr ", LR) if by_lr else ("", 1.0)
    return f"is {_described(first / unit, larger / unit, rate)}"


def _setting(program: Program) -> str:
    """Of what the trials are, where it matters."""
    made, _ = ranges(program)
    forms = {PRIMITIVES[v.op].form for v in made.all if v.op in PRIMITIVES}
    known = (("role", "a hidden matrix"), ("oracle", "a loss of curvature 1"))
    settings = [text for form, text in known if form in forms]
    return f", for {' and '.join(settings)}" if settings else ""


def _first(program: Program, w: float, g: Array, lr: float) -> Array:
    """Minus the first change of w, less that where g = 0: decay and the like."""
    weights = np.full_like(g, w)
    given, without = (-change(program, weights, x, start(program, [weights], lr), 1, lr)[0] for x in (g, 0 * g))
    return given - without if w and np.isfinite(without).all() else given


def _described(first: Array, larger: Array, rate: str) -> str:
    """An update u(g) in words; `larger` is u(10 g)."""
    ratio, signed = first / SEEN, first / np.sign(SEEN)
    if _even(ratio):
        if _even(larger / SEEN, like=10 * ratio):
            return f"-{_times(ratio)}{rate}g"
        length = float(np.linalg.norm(first))
        if np.allclose(larger, first, rtol=1e-3):
            return f"against g, of length {shown(length)} {rate}whatever the size of g"
        return "against g, of a length that is not proportional to that of g"
    if _even(signed, tolerance=1e-3):
        return f"-{_times(signed)}{rate}sign(g) for |g| from 0.01 to 100"
    small, large = float(np.abs(first[0, 0])), float(np.abs(first[0, -1]))
    unit = f" {rate.strip()}" if rate else ""
    return f"from {shown(small)}{unit} where |g| = 0.01 to {shown(large)}{unit} where |g| = 100"


def _even(x: Array, like: Array | None = None, tolerance: float = CLOSE) -> bool:
    """Whether all numbers are one, or those of another array."""
    return bool(np.allclose(x, x[0, 0] if like is None else like, rtol=tolerance, atol=0))


def _times(ratio: Array) -> str:
    factor = shown(float(np.median(ratio)))
    return "" if factor == "1" else f"{factor} "


@dataclass(frozen=True)
class Rest:
    """Whether weights stay where they are when lr = 0 and g = 0, after steps with gradients."""

    still: bool
    proved: bool  # as lr multiplies the whole update; else from trials
    reason: str


def at_rest(program: Program) -> Rest:
    """What a step with lr = 0 and g = 0 does after some that were not; by the sum of terms first, else by trials."""
    made, found = ranges(program)
    if _all_by_lr(made, found):
        return Rest(True, True, "lr multiplies the whole update, so lr = 0 moves nothing.")
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 3))
    states = start(program, [w], LR)
    largest = 0.0
    for t in range(1, STEPS):
        moved = change(program, w, np.zeros_like(w), states, t, 0.0)[0]
        if not np.isfinite(moved).all():
            return Rest(False, False, f"At lr = 0 and g = 0, step {t} gives NaN or infinite weights.")
        largest = max(largest, float(np.max(np.abs(moved))) if t > 1 else 0.0)
        g = rng.normal(size=w.shape) * (rng.random(w.shape) < 0.7)
        step_taken, states = change(program, w, g, states, t, LR)
        w = w + step_taken
    if largest:
        return Rest(False, False, "Weights still move at lr = 0 and g = 0: part of the update has no factor lr.")
    reads = any(made.is_input(i, "lr") for i in range(len(made.all)))
    why = "not all of the update has lr as a factor" if reads else "the steps do not read lr"
    return Rest(True, False, f"Weights stay at lr = 0 and g = 0 in {STEPS - 1} trials, though {why}.")


def _all_by_lr(made: Values, found: Ranges) -> bool:
    """Whether each term of the new w but w itself has lr as a factor."""
    degrees = rate_degrees(made)
    _, rest, kept = split(made, terms(made, found.all, made.outputs[0]))

    def by_lr(part: Term) -> bool:
        degree = 0.0 if part.value is None else degrees[part.value]
        if degree is None and part.rates and _finite_without_lr(made, found, degrees):
            degree = 0.0
        return degree is not None and part.rates + degree > 0

    return kept and all(map(by_lr, rest))


def _finite_without_lr(made: Values, found: Ranges, degrees: Sequence[float | None]) -> bool:
    """Whether nothing that lr has a part in can become infinite as lr goes to zero."""
    for i, (op, args, *_) in enumerate(made.all):
        if op == "input" or degrees[i] == 0 or op in REGULAR:
            continue
        low, high = found.all[args[-1]].over_all()
        if not (op == "divide" and (low > 0 or high < 0)) and not (op == "sqrt" and low >= 0):
            return False
    return True


def rate_degrees(made: Values) -> list[float | None]:
    """For each value the power of lr that it is proportional to; None where it is to none, or not known to be."""
    degrees: list[float | None] = []
    tainted: set[str] = {s.name for s in made.states if s.start == "lr"}
    while True:
        degrees.clear()
        for op, args, value, *_ in made.all:
            if op == "input":
                degrees.append(None if value in tainted else float(value == "lr"))
            elif op == "where" and degrees[args[0]] is None:
                degrees.append(None)
            elif op in COMPARISONS and any(made.all[a].value == 0 for a in args):  # zero is as any power of lr
                degrees.append(None if any(degrees[a] is None for a in args) else 0.0)
            else:
                degrees.append(0.0 if op == "number" else PRIMITIVES[op].degree(*(degrees[a] for a in args)))
        more = {name for name, i in made.new.items() if degrees[i] != 0} - tainted
        if not more:
            return degrees
        tainted |= more
