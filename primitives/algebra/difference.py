"""Inputs that tell two programs apart: both run by the reference interpreter on the same numbers, small ones first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from primitives import interpreter
from primitives.algebra.trials import Array, Choice, Trial, random_trials, shared_values, small_trials
from primitives.algebra.witness import Witness
from primitives.program import Assign, Call, Program

NUDGES = 3
NUDGE = 1e-12  # relative change of all numbers that tells a real difference from rounding
RUNAWAY = 1e6  # weights from which no further step is looked at
OVERFLOW = 1e30  # weights that are not looked at: what comes next may overflow in one way of writing only
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # of a new weight, relative to the weight


@dataclass(frozen=True)
class _Part:
    """Where two runs part: the step, the weights before it and after it by either program."""

    step: int
    before: list[Array]
    after: tuple[list[Array], list[Array]]


def difference(
    p: Program,
    q: Program,
    *,
    trials: int = 3,
    steps: int = 8,
    hyper_p: Mapping[str, float] | None = None,
    hyper_q: Mapping[str, float] | None = None,
    constant_lr: bool = False,
    seed: int = 0,
    tolerance: float = 1e-6,
    shapes: Sequence[tuple[int, ...]] = ((3, 2), (3,)),
) -> Witness | None:
    """Inputs on which the two programs move the weights differently; None if none was met.

    Both get the same weights, gradients, learning rates and answers of the loss, first a few round numbers, then
    `trials` random draws over tensors of these shapes (the last is three times as long, for what a program does every
    few steps). Hyperparameters of one name have one value in both, whatever their defaults, unless `hyper_p` and
    `hyper_q` say otherwise; a name that only one of them has keeps its default. The moves of a step differ if they
    do so by more than `tolerance` times the largest of them. NaN on both sides is no difference; on one side it is.
    """
    rng = np.random.default_rng(seed)
    fixed = hyper_p or {}, hyper_q or {}

    def tried(choice: Choice, trial: Trial) -> Witness | None:
        hypers = shared_values((p, q), fixed, choice, rng)
        part = _parting(p, q, hypers, trial, tolerance)
        if part is None or not _holds(p, q, hypers, trial, part):
            return None
        return _witness((p, q), hypers, trial, part)

    small: list[tuple[Choice, Trial]] = [
        ("round" if i else "default", trial) for i, trial in enumerate(small_trials(constant_lr))
    ]
    found = next((w for choice, trial in small if (w := tried(choice, trial))), None)
    if found is not None:
        return found
    for trial in random_trials(rng, trials, steps, shapes, constant_lr):
        found = tried("random", trial)
        if found is not None:  # perhaps round numbers do, for as many steps
            longer = (tried("round", trial) for trial in small_trials(constant_lr, found.step))
            return next((w for w in longer if w), found)
    return None


def _run(program: Program, hyper: Mapping[str, float], trial: Trial, path: list[list[Array]]) -> Iterator[list[Array]]:
    """The weights after each step, each step from the weights in `path` that are there by then."""
    states = interpreter.start(program, trial.weights, trial.base_lr, hyper)
    for i in range(trial.steps):
        after, states = interpreter.step(
            program,
            path[i],
            trial.grads[i],
            states,
            t=i + 1,
            lr=trial.lr[i],
            hyper=hyper,
            base_lr=trial.base_lr,
            total_steps=trial.steps,
            loss=trial.losses[i],
            roles=trial.roles,
            oracle=trial.oracle(i, path[i]),
        )
        yield after


def _parting(
    p: Program, q: Program, hypers: tuple[dict[str, float], dict[str, float]], trial: Trial, tolerance: float
) -> _Part | None:
    """The first step whose moves differ. Both go on from the weights of p, so that rounding does not add up in w."""
    path = [list(trial.weights)]
    runs = zip(_run(p, hypers[0], trial, path), _run(q, hypers[1], trial, path), strict=True)
    for step, (x, y) in enumerate(runs, 1):
        if max(np.nan_to_num(np.abs(_flat(new)), posinf=0).max(initial=0) for new in (x, y)) > OVERFLOW:
            return None
        if _differ(path[-1], x, y, tolerance):
            return _Part(step, path[-1], (x, y))
        if not np.abs(_flat(x)).max(initial=0) < RUNAWAY:
            return None
        path.append(x)
    return None


def _differ(before: list[Array], x: list[Array], y: list[Array], tolerance: float) -> bool:
    old, a, b = _flat(before), _flat(x), _flat(y)
    if not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return True
    finite = np.isfinite(a)
    old, a, b = old[finite], a[finite], b[finite]
    move = max(np.abs(a - old).max(initial=0), np.abs(b - old).max(initial=0))
    size = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0), np.abs(old).max(initial=0))
    return bool((np.abs(a - b) > tolerance * move + ROUNDING * size).any())


def _holds(
    p: Program, q: Program, hypers: tuple[dict[str, float], dict[str, float]], trial: Trial, part: _Part
) -> bool:
    """Whether the gap is more than what either program makes of rounding: of numbers changed by a trillionth."""
    rng = np.random.default_rng(0)
    gap = _gap(*map(_flat, part.after)).max()
    for _ in range(NUDGES):
        nudged = trial.nudged(rng, NUDGE)
        for program, hyper, after in zip((p, q), hypers, part.after, strict=True):
            near = {name: _near(value, rng) for name, value in hyper.items()}
            path = [list(nudged.weights)]
            for _, x in zip(range(part.step), _run(_with_near_numbers(program, rng), near, nudged, path), strict=False):
                path.append(x)
            if not gap > 10 * _gap(_flat(path[-1]), _flat(after)).max():
                return False
    return True


def _near(value: float, rng: np.random.Generator) -> float:
    """A trillionth more or less; whole numbers are exact and stay."""
    return value if value == int(value) else value * (1 + NUDGE * float(rng.choice((-1, 1)) * rng.uniform(0.5, 1)))


def _with_near_numbers(program: Program, rng: np.random.Generator) -> Program:
    """The program with its numbers nudged."""

    def near(expr: str | float | Call) -> str | float | Call:
        if isinstance(expr, Call):
            return Call(expr.op, tuple(map(near, expr.args)))
        return expr if isinstance(expr, str) else _near(expr, rng)

    body = tuple(Assign(assign.name, near(assign.value)) for assign in program.body)
    return replace(program, body=body, returns=tuple(map(near, program.returns)))


def _flat(parts: Sequence[Array]) -> Array:
    return np.concatenate([part.ravel() for part in parts])


def _witness(
    programs: tuple[Program, Program], hypers: tuple[dict[str, float], dict[str, float]], trial: Trial, part: _Part
) -> Witness:
    """The record of a difference, at the element where the gap is widest."""
    gaps = [_gap(x, y) for x, y in zip(*part.after, strict=True)]
    tensor = int(np.argmax([gap.max(initial=0) for gap in gaps]))
    at = tuple(map(int, np.unravel_index(int(np.argmax(gaps[tensor])), gaps[tensor].shape)))
    return Witness.of(programs, hypers, trial, part.step, (tensor, at), (part.before, *part.after))


def _gap(x: Array, y: Array) -> Array:
    """How far two new tensors are apart; nothing where both are not finite, infinitely where one is not."""
    gap = np.where(np.isfinite(x) == np.isfinite(y), 0.0, np.inf)
    both = np.isfinite(x) & np.isfinite(y)
    gap[both] = np.abs(x[both] - y[both])
    return gap
