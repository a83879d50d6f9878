"""What a program does with four simple gradients: constant, an impulse, noise and alternating signs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np

from primitives import interpreter
from primitives.graph import graph
from primitives.interpreter import Array
from primitives.program import Program
from primitives.table import PRIMITIVES

STEPS = 60
SIDE = 4  # noise is seen by a matrix of SIDE x SIDE weights, all else by one weight
SEED = 0
SIGNALS = ("constant", "impulse", "noise", "alternating")
INTRODUCED = {
    "constant": "constant g = 1", "impulse": "g = 1 once, then 0", "noise": "noise of size 1",
    "alternating": "g = 1, -1, 1, ...",
}  # fmt: skip
ROWS, CELLS = 4, 30  # of a plot; a braille character has 4 x 2 dots
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
LARGEST = 1e100  # an update beyond is as good as infinite
LAST = 10  # steps that tell where a sequence goes
STEADY = 0.01  # relative change over them that still counts as settled


@dataclass(frozen=True)
class Response:
    """The update at each step: how far w falls, over lr; up to the first that runs away.

    `size` is its root mean square over the second half of the steps.
    """

    signal: str  # one of SIGNALS
    gradient: tuple[float, ...]
    update: tuple[float, ...]  # of one coordinate
    total: float  # the sum of the updates
    size: float  # over all coordinates
    caption: str

    def lines(self, *, unicode: bool = True) -> list[str]:
        """The caption, and a plot of the update that is at most 60 characters wide."""
        return [*wrap(self.caption, 100, subsequent_indent="    "), *plot(self.update, unicode=unicode)]


@dataclass(frozen=True)
class Responses:
    """The four responses, or why there are none; at the default hyperparameters, from w = 0."""

    found: tuple[Response, ...]
    refused: str

    def lines(self, *, unicode: bool = True) -> list[str]:
        """Captions and plots, in braille or in ASCII."""
        return [self.refused] * bool(self.refused) + [x for r in self.found for x in r.lines(unicode=unicode)]


def responses(program: Program) -> Responses:
    """The updates of a valid program over 60 steps, as the reference interpreter computes them.

    The rate is its default, or 1 where that is 0. The weight is a matrix between hidden units that starts at 0 and
    moves; a loss that is read is 1. Noise is normal with a fixed seed. A program that asks the loss for more than
    the gradient has no responses.
    """
    asked = sorted(n.op for n in graph(program).nodes if n.op in PRIMITIVES and PRIMITIVES[n.op].form == "oracle")
    if asked:
        return Responses((), f"no responses: it asks the loss ({', '.join(dict.fromkeys(asked))}).")
    rate = program.defaults.get("lr", 0.001) or 1.0
    return Responses(tuple(_response(program, signal, rate) for signal in SIGNALS), "")


def gradients(signal: str) -> Array:
    """The gradients of a signal, [steps, rows, columns]."""
    if signal == "noise":
        return np.random.default_rng(SEED).standard_normal((STEPS, SIDE, SIDE))
    t = np.arange(STEPS, dtype=np.float64)
    one: Array = {"constant": np.ones(STEPS), "impulse": 1.0 * (t == 0), "alternating": 1 - 2 * (t % 2)}[signal]
    return one[:, None, None]


def _response(program: Program, signal: str, rate: float) -> Response:
    given = gradients(signal)
    update = _simulated(program, given, rate)
    caption = f"{INTRODUCED[signal]}: {_said(signal, update)}"
    known = update[: _usable(update)]
    half = known[len(known) // 2 :]
    first = known[:, 0, 0]
    size = float(np.sqrt(np.mean(half * half))) if len(half) else 0.0
    return Response(
        signal, tuple(map(float, given[:, 0, 0])), tuple(map(float, first)), float(np.sum(first)), size, caption
    )


def _usable(update: Array) -> int:
    """How many steps there are before something runs away or is not a number."""
    wrong = np.flatnonzero(~(np.abs(update) < LARGEST).all(axis=(1, 2)))
    return int(wrong[0]) if len(wrong) else len(update)


def _simulated(program: Program, given: Array, rate: float) -> Array:
    """Minus the change of w over the rate at each step, shaped as the gradients."""
    weights = [np.zeros(given.shape[1:])]
    states = interpreter.start(program, weights, rate)
    updates = []
    for t, g in enumerate(given, start=1):
        new, states = interpreter.step(
            program, weights, [g], states, t=t, lr=rate, total_steps=float(len(given)), loss=1.0
        )
        with np.errstate(all="ignore"):  # weights may run away
            updates.append((weights[0] - new[0]) / rate)
        weights = new
    return np.array(updates)


def _said(signal: str, update: Array) -> str:
    """What a person would say of the plot."""
    if _usable(update) < len(update):
        return f"runs away at step {_usable(update) + 1}"
    if not update.any():
        return "no update at all from w = 0"
    first = update[:, 0, 0]
    if signal == "constant":
        return _trend(first)
    if signal == "impulse":
        return _impulse(first)
    if signal == "noise":
        return _noise(update)
    if (first[-LAST:-1] * first[1 - LAST :] < 0).all():
        return f"updates alternate; their size {_trend(np.abs(first))}"
    return "updates die out" if not first[-LAST:].any() else f"the update {_trend(first)}"


def _trend(values: Array) -> str:
    """Where a sequence goes, told from its last steps."""
    end, last = float(values[-1]), values[-LAST:]
    near = STEADY * max(abs(end), 1e-12)
    if float(np.ptp(last)) <= near:
        return f"is {end:.3g} throughout" if float(np.ptp(values)) <= near else f"settles at {end:.3g}"
    steps = np.diff(last)
    if (steps > 0).any() and (steps < 0).any():
        return f"swings between {last.min():.3g} and {last.max():.3g}"
    if abs(end) > abs(float(last[0])):
        return f"still grows: {end:.3g} at step {len(values)}"
    peak = _peak(values)
    return f"falls from {values[peak]:.3g} (step {peak + 1}) to {end:.3g} and still shrinks"


def _peak(values: Array) -> int:
    """Where the values are largest; the first of those that are as good as equal."""
    sizes = np.abs(values)
    return int(np.argmax(sizes >= (1 - 1e-6) * sizes.max()))


def _impulse(values: Array) -> str:
    """Where the answer to one gradient peaks, and how long it lasts."""
    peak = _peak(values)
    height = float(values[peak])
    text = f"{height:.3g} at step {peak + 1}"
    if not values[peak + 1 :].any():
        return f"{text}, then nothing"
    below = np.abs(values[peak:]) < 0.5 * abs(height)
    later = int(np.argmax(below))
    fallen = f"below half {later} step{'s' * (later > 1)} later" if below.any() else "not below half to the end"
    return f"{text}, {fallen}; {float(values.sum()):.3g} in all"


def _noise(update: Array) -> str:
    """The size of the update, and how much of it stays for the next step."""
    half = update[STEPS // 2 :]
    size = float(np.sqrt(np.mean(half * half)))
    now, then = half[1:].ravel(), half[:-1].ravel()
    kept = float(now @ then / np.sqrt((now @ now) * (then @ then))) if now.any() and then.any() else 0.0
    return f"updates of size {size:.3g}, correlated {kept:.2f} with the one before"


def plot(values: Sequence[float], *, unicode: bool = True) -> list[str]:
    """Finite values as a small plot, 4 rows high; beside it the largest and the smallest, or zero."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    span = (high - low) or 1.0
    cells = [[0] * CELLS for _ in range(ROWS)]
    for k, value in enumerate(values[: 2 * CELLS]):
        down = round((high - value) / span * (4 * ROWS - 1))
        cells[down // 4][k // 2] |= DOTS[down % 4][k % 2]
    labels = [f"{high:.3g}", *[""] * (ROWS - 2), f"{low:.3g}"]
    drawn = [[chr(0x2800 + cell) if unicode else " *"[cell > 0] for cell in row] for row in cells]
    bar = "│" if unicode else "|"
    return [f"{label:>10} {bar}{''.join(row)}" for label, row in zip(labels, drawn, strict=True)]
