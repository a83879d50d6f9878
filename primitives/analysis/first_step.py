"""What a program does where little happens: with no gradient, in the first step, and at a learning rate of zero."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.analysis.additive import Term, split, terms
from primitives.analysis.degrees import COMPARISONS
from primitives.analysis.interval_rules import Interval
from primitives.analysis.intervals import Ranges, ranges
from primitives.analysis.values import Values, shown
from primitives.analysis.words import listed
from primitives.interpreter import start, step
from primitives.program import Program
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
LR = 2.0**-7  # of the trials; changes are read off as multiples of it
STEPS = 12  # with gradients, before one without
CLOSE = 1e-6
ROUNDING = 1e-14  # of changes of w = 1
REGULAR = (
    "add subtract multiply mix negative abs sign square cube max min where less less_equal greater greater_equal equal "
    "tanh arctan sin cos grad_at hvp sum mean norm rms dot"
).split()  # finite where their arguments are
STILL = "does not move w"
FREE = "does not depend on g"
BESIDE = "Beside what it is without a gradient, the first step"
PLANNED = 100  # steps of the trials
SETTINGS = {  # by form or name of what a program reads
    "role": "a hidden matrix", "oracle": "a loss of curvature 1",
    "T": f"{PLANNED} planned steps", "loss": "a loss of 1",
}  # fmt: skip
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
    [new], after = step(program, [w], [g], states, t=t, lr=lr, base_lr=LR, total_steps=PLANNED, loss=1.0,
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
    return f"Where g = 0 the first step moves w by up to {shown(size / LR)} lr at w of size 2{_setting(program)}."


def first_step(program: Program) -> str:
    """What the first update is of the gradient, from trials at w = 0 and at w = 1."""
    given, own = _first(program)
    setting = _setting(program)
    if not np.any(own):
        return f"The first step {FREE if np.any(given) else STILL}{setting}."
    zero, one = map(_described, given)
    alike = zero == one or np.allclose(given[0], given[1], rtol=CLOSE, atol=ROUNDING)
    if alike and (_odd(given) or not _odd(own)):
        return f"The first step {zero}{setting}."
    own_zero, own_one = map(_described, own)
    start = "The first step" if np.array_equal(given, own, equal_nan=True) else BESIDE
    if own_zero == own_one:
        return f"{start} {own_zero}{setting}."
    if not np.any(own[0]):
        return f"{start} from w = 0 {FREE if np.any(given[0]) else STILL}, from w = 1 it {own_one}{setting}."
    return f"The first step from w = 0 {zero}{setting}; elsewhere it depends on w."


def _first(program: Program) -> tuple[Array, Array]:
    """Minus the first changes of w, and the same less those where g = 0: decay and the like.

    From w = 0 and from w = 1, each for the gradients SEEN, for twice the rate, and for ten times the gradients.
    """
    given, without = np.empty((2, 2, 3, *SEEN.shape))
    with np.errstate(all="ignore"):
        for w, k in itertools.product(range(2), range(3)):
            weights, lr, grads = np.full_like(SEEN, w), (LR, 2 * LR, LR)[k], SEEN * (1, 1, 10)[k]
            for changes, g in ((given, grads), (without, 0 * grads)):
                changes[w, k] = -change(program, weights, g, start(program, [weights], lr), 1, lr)[0]
    finite = np.isfinite(without).all(axis=(1, 2, 3), keepdims=True)
    return given, given - np.where(finite, without, 0)


def _odd(changes: Array) -> bool:
    """Whether gradients of the other sign change w by as much, the other way."""
    return bool(np.allclose(changes[..., 0, :], -changes[..., 1, :], rtol=CLOSE, atol=ROUNDING))


def _setting(program: Program) -> str:
    """Of what the trials are, where it matters."""
    made, _ = ranges(program)
    read = {PRIMITIVES[v.op].form if v.op in PRIMITIVES else v.value for v in made.all}
    settings = [text for what, text in SETTINGS.items() if what in read]
    return f", for {listed(settings)}" if settings else ""


def _described(changes: Array) -> str:
    """The update from one w in words: u(g), the same at twice the rate, and u(10 g)."""
    first, twice, larger = changes
    if not (np.isfinite(first).all() and np.isfinite(larger).all()):
        return "is not finite for every gradient between 0.01 and 1000"
    if not np.any(first):
        return STILL
    by_lr = np.allclose(twice, 2 * first, rtol=CLOSE)
    return f"is {_update(first / LR, larger / LR, 'lr ') if by_lr else _update(first, larger, '')}"


def _update(first: Array, larger: Array, rate: str) -> str:
    """An update u(g) in words; `larger` is u(10 g)."""
    ratio, signed = first / SEEN, first / np.sign(SEEN)
    if _even(ratio):
        if _even(larger / SEEN, like=10 * ratio):
            return f"{_times(ratio)}{rate}g"
        way = "against" if ratio[0, 0] > 0 else "along"
        length = float(np.linalg.norm(first))
        if np.allclose(larger, first, rtol=1e-3):
            return f"{way} g, of length {shown(length)} {rate}whatever the size of g"
        return f"{way} g, of a length that is not proportional to that of g"
    if _even(signed, tolerance=1e-3):
        return f"{_times(signed)}{rate}sign(g) for |g| from 0.01 to 100"
    small, large = float(np.abs(first[0, 0])), float(np.abs(first[0, -1]))
    unit = f" {rate.strip()}" if rate else ""
    return f"from {shown(small)}{unit} where |g| = 0.01 to {shown(large)}{unit} where |g| = 100"


def _even(x: Array, like: Array | None = None, tolerance: float = CLOSE) -> bool:
    """Whether all numbers are one, or those of another array."""
    return bool(np.allclose(x, x[0, 0] if like is None else like, rtol=tolerance, atol=0))


def _times(ratio: Array) -> str:
    """Minus a factor, before what it multiplies."""
    factor = shown(-float(np.median(ratio)))
    return {"1": "", "-1": "-"}.get(factor, f"{factor} ")


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
