"""For which sizes of gradients a program works in float32, bfloat16 and float16: it is run at 10^-30 to 10^30."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.analysis.values import Value, Values
from primitives.interpreter import FORMS, start
from primitives.kinds import NUMBER
from primitives.roles import facts
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
DTYPES = ("float32", "bfloat16", "float16")
LARGEST = 30  # the exponent of the largest gradient
SPACING = {"model": 10, "matrix": 6, "reduction": 3}  # decades between gradients that cannot share a tensor
PATTERN = (1.0, 0.8, 1.2, 1.0, 0.6, 1.1, 0.9, 1.3, 0.7, 1.0)  # of the gradients of ten steps
CLOSE = 0.1
Span = tuple[float, float] | None  # the smallest and the largest |g|; None where there is none


@dataclass(frozen=True)
class Magnitudes:
    """The sizes of gradients for which an update is finite, not zero, and within 10 % of that in float64."""

    dtype: str
    step: int
    finite: Span
    nonzero: Span
    close: Span
    still: bool = False  # there is no update in float64 either

    @property
    def sentence(self) -> str:
        """What is said of the update, to the decade."""
        if self.still:
            return "zero from w = 0 in float64 too"
        parts = [
            f"within 10 % of float64 for |g| {_span(self.close)}" if self.close else "never within 10 % of float64"
        ]
        if self.nonzero != self.close:
            parts.append(f"not zero {_span(self.nonzero)}" if self.nonzero else "always zero")
        if self.finite and self.finite[1] < 10.0**LARGEST:
            parts.append(f"finite up to {self.finite[1]:.0e}")
        return ", ".join(parts)


def sentences(sizes: tuple[Magnitudes, ...]) -> list[str]:
    """A sentence for each dtype and update; one for both updates where they are alike."""
    said: dict[tuple[str, str], list[int]] = {}
    for x in sizes:
        said.setdefault((x.dtype, x.sentence), []).append(x.step)
    names = {1: "first", len(PATTERN): f"{len(PATTERN)}th"}
    found = []
    for (dtype, sentence), steps in said.items():
        which = " and the ".join(names[step] for step in steps)
        found.append(f"{dtype}: the {which} update {'is' if len(steps) == 1 else 'are'} {sentence}.")
    return found


def _span(span: Span) -> str:
    return f"from {span[0]:.0e} to {span[1]:.0e}" if span else "no size"


def magnitudes(made: Values) -> tuple[Magnitudes, ...]:
    """The first and the tenth update in each dtype beside float64, from w = 0; none where a program asks the loss."""
    forms = {PRIMITIVES[v.op].form for v in made.all if v.op in PRIMITIVES}
    if "oracle" in forms:
        return ()
    wanted = _updates(made, "float64", forms)
    found = []
    for dtype in DTYPES:
        got = _updates(made, dtype, forms)
        for k, step in ((0, 1), (len(PATTERN) - 1, len(PATTERN))):
            found.append(_compared(dtype, step, _sizes(forms), got[k], wanted[k]))
    return tuple(found)


def _compared(dtype: str, step: int, sizes: Array, got: Array, wanted: Array) -> Magnitudes:
    with np.errstate(all="ignore"):
        finite = np.isfinite(got) & np.isfinite(Rounded(dtype)(sizes))
        close = finite & (np.abs(got - wanted) <= CLOSE * np.abs(wanted)) & (got != 0)
    return Magnitudes(
        dtype, step, _longest(finite, sizes), _longest(finite & (got != 0), sizes), _longest(close, sizes),
        still=not np.any(wanted),
    )  # fmt: skip


def _longest(holds: Array, sizes: Array) -> Span:
    """The longest run of sizes for which it holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], holds.astype(int), [0]])))
    runs = [(int(b - a), -int(a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    if not runs:
        return None
    length, first = max(runs)
    return float(sizes[-first]), float(sizes[-first + length - 1])


def _sizes(forms: set[str]) -> Array:
    spacing = max([1, *(SPACING[form] for form in forms & SPACING.keys())])
    return np.array([float(f"1e{k}") for k in range(-LARGEST, LARGEST + 1, spacing)])


def _updates(made: Values, dtype: str, forms: set[str]) -> Array:
    """Updates [steps, sizes]: of one tensor of all sizes, of a tensor for each size, or of a model for each."""
    sizes = _sizes(forms)
    if "model" in forms:
        runs = [_run(made, dtype, [np.full((2, 2), size)]) for size in sizes]
        return np.stack([[update[0][0, 0] for update in run] for run in runs], axis=1)
    if forms & {"reduction", "matrix"}:
        run = _run(made, dtype, [np.full((2, 2), size) for size in sizes])
        return np.array([[float(x[0, 0]) for x in update] for update in run])
    return np.array([update[0][0] for update in _run(made, dtype, [sizes.reshape(1, -1)])], dtype=np.float64)


def _run(made: Values, dtype: str, grads: list[Array]) -> list[list[Array]]:
    """The new weights of each step from weights that are zero before it."""
    rounded = Rounded(dtype)
    program, lr = made.program, made.program.defaults.get("lr", 0.001)
    with np.errstate(all="ignore"):
        g = [rounded(x) for x in grads]
        w = [np.zeros_like(x) for x in g]
        states = dict(zip(program.state_names, start(program, w, lr), strict=True))
        updates = []
        for t, factor in enumerate(PATTERN, 1):
            numbers = {**program.defaults, "lr": lr, "base_lr": lr, "t": t, "T": 100.0, "loss": 1.0}
            env: dict[str, Any] = {name: np.float64(value) for name, value in numbers.items()}
            env |= {**states, "w": w, "g": [rounded(x * factor) for x in g]}
            new_w, *new = _evaluated(made, env, rounded)
            shaped = zip(program.state_names, new, strict=True)
            states = {name: _spread(value, states[name]) for name, value in shaped}
            updates.append(_spread(new_w, w))
    return updates


def _spread(value: Any, like: Any) -> Any:
    """A value in the shape of a state; numbers stay numbers."""
    if not isinstance(like, list):
        return value
    parts = value if isinstance(value, list) else [value] * len(like)
    return [np.broadcast_to(np.asarray(x, dtype=y.dtype), y.shape) for x, y in zip(parts, like, strict=True)]


def _evaluated(made: Values, env: dict[str, Any], rounded: Rounded) -> Iterator[Any]:
    """The outputs of a step, each value rounded to the dtype."""
    found: list[Any] = []
    for value in made.all:
        found.append(_value(value, found, env, rounded))
    return (found[i] for i in made.outputs)


def _value(value: Value, found: list[Any], env: dict[str, Any], rounded: Rounded) -> Any:
    op, args, name, kind, _ = value
    if op == "input":
        return env[str(name)]
    if op == "number":
        return np.float64(name)
    p = PRIMITIVES[op]
    if p.form == "role":
        return [np.full((1, 1), facts(2, "hidden")[op])] * len(env["w"])
    given = [found[a] for a in args]
    if not kind.single:  # numbers are rounded where they meet tensors
        given = [x if isinstance(x, list) else np.float64(rounded(np.float64(x))) for x in given]
    if p.form == "matrix":  # NumPy decomposes no float16
        given = [[_wide(part) for part in x] if isinstance(x, list) else x for x in given]
    x = FORMS[p.form](p, given)
    return x if kind == NUMBER else [part if kind.single else rounded(part) for part in x]


def _wide(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float16 else x


@dataclass(frozen=True, slots=True)
class Rounded:
    """Rounds arrays to a dtype; bfloat16 is float32 with the last 16 bits rounded away."""

    dtype: str

    def __call__(self, x: Any) -> Array:
        if self.dtype != "bfloat16":
            return np.asarray(x, dtype=self.dtype)
        y = np.ascontiguousarray(x, dtype=np.float32)
        bits = y.view(np.uint32)
        up = bits + np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
        kept = (up & np.uint32(0xFFFF0000)).view(np.float32)
        return np.where(np.isfinite(y), kept, y).reshape(np.shape(x))
