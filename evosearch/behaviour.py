"""What a program does, by its likeness to known ones: the cosine of its updates with theirs on the same gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from primitives.bytecode import TAKEN_ON_CPUS, Bytecode, compile_program
from primitives.machines.numba_machine import NumbaMachine
from primitives.program import Program
from primitives.text import parse

Array = np.ndarray[Any, Any]

SHAPE, STEPS, COMPARED = (16, 24), 60, 20  # of the one tensor; how many steps, and how many of the last are compared
RATE = 1e-6  # so small that the weights stay where they are
MEMORIES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99)  # decays of the means of gradients that a family is made of
LIKE = 0.9  # a cosine from which on a program counts as of a family; those of different families have less

MIXED = (0.0, 0.05, 0.1, 0.3)  # how much of the present gradient is mixed in once more, as Lion and Nesterov do

# Updates of x, a mean of gradients with a decay and a mixture from above, and of v, a mean of their squares.
FAMILIES: Mapping[str, str] = {
    "linear": "x",
    "sign": "sign(x)",
    "adaptive": "x / (sqrt(v) + 1e-8)",
    "orthogonal": "newton_schulz(x)",
}


def likeness(programs: Sequence[Program], memory: float = 0.0) -> list[dict[str, float]]:
    """For each program and family the largest cosine with one of the family, a mean over the last steps.

    Of a family only members with at least this decay count: 0.8 leaves those with momentum. NaN where an update is not
    finite or zero, and for programs that need what the machine of a search has not.
    """
    members = [i for i, (_, beta, _) in enumerate(_known()) if beta >= memory]
    names = [_known()[i][0] for i in members]
    own = {name: [i for i, n in zip(members, names, strict=True) if n == name] for name in FAMILIES}
    return [
        {name: float(row[some].max()) if some else math.nan for name, some in own.items()} for row in _cosines(programs)
    ]


def nearest(programs: Sequence[Program]) -> list[tuple[str, float, float]]:
    """For each program the family and the decay of the member with the largest cosine, and this; ("", 0, 0) for NaN."""
    found = []
    for row in _cosines(programs):
        name, beta, _ = _known()[int(np.argmax(row))]
        found.append((name, beta, float(row.max())) if np.isfinite(row).all() else ("", 0.0, 0.0))
    return found


def _cosines(programs: Sequence[Program]) -> list[Array]:
    """For each program its cosines with all known directions."""
    table = np.stack([direction for *_, direction in _known()])  # [known, steps, elements]
    codes = [compile_program(program) for program in programs]
    taken = [code for code in codes if code.needs in TAKEN_ON_CPUS]
    moves = iter(_directions(taken) if taken else ())
    own = [next(moves) if code.needs in TAKEN_ON_CPUS else np.full_like(table[0], np.nan) for code in codes]
    return [np.einsum("kse,se->k", table, x) / COMPARED for x in own]


def family(program: Program) -> str:
    """The family that a program is of, by the largest of its cosines; "" where it is like none."""
    [cosines] = likeness([program])
    name = max(cosines, key=lambda name: np.nan_to_num(cosines[name], nan=-1.0))
    return name if cosines[name] >= LIKE else ""


@dataclass(frozen=True)
class Evenness:
    """How alike in size a program's updates are, from 0 to 1: their entries (1: a sign), and their singular values."""

    entries: float
    singular: float


def evenness(program: Program) -> Evenness:
    """(sum |x|)^2 / (n sum x^2) over the entries and over the singular values, a mean over the last steps."""
    code = compile_program(program)
    if code.needs not in TAKEN_ON_CPUS:
        return Evenness(math.nan, math.nan)
    [moves] = _directions([code])
    if not np.isfinite(moves).all():
        return Evenness(math.nan, math.nan)
    singular = np.linalg.svd(moves.reshape(-1, *SHAPE), compute_uv=False)
    return Evenness(*(float(np.mean(np.abs(x).sum(1) ** 2 / (x.shape[1] * (x * x).sum(1)))) for x in (moves, singular)))


@cache
def _known() -> tuple[tuple[str, float, Array], ...]:
    """Family, decay and directions of each member of each family."""
    names, betas, programs = [], [], []
    for name, update in FAMILIES.items():
        for beta, a, rho in product(MEMORIES, MIXED, (0.9, 0.99, 0.999) if "v" in update else (0.0,)):
            text = f"m = ema(m, g, {beta}); x = interp(m, g, {a}); v = ema(v, square(g), {rho})"
            body = f"    {text}\n    return w - lr * ({update}), m, v\n".replace("; ", "\n    ")
            programs.append(compile_program(parse(f"def f(w, g, m, v, *, lr=1):\n{body}")))
            names.append(name)
            betas.append(beta)
    return tuple(zip(names, betas, _directions(programs), strict=True))


def _directions(programs: Sequence[Bytecode]) -> list[Array]:
    """Each program's updates at the steps compared, of unit length: [steps, elements]."""
    count, size = len(programs), SHAPE[0] * SHAPE[1]
    start, slopes = _gradients()
    weights, grads = np.tile(start, count), np.zeros(count * size)
    rates = np.full(count, RATE)
    machine = NumbaMachine(programs, np.arange(count), [SHAPE], weights, grads, np.zeros(1, np.int64), rates)
    moves = []
    with np.errstate(all="ignore"):
        for t in range(1, STEPS + 1):
            before = weights.copy()
            grads[:] = np.tile(slopes[t - 1], count)
            machine.step(t, rates)
            if t > STEPS - COMPARED:
                move = (before - weights).reshape(count, size) / RATE
                moves.append(move / np.linalg.norm(move, axis=1, keepdims=True))
    return list(np.stack(moves, axis=1))


@cache
def _gradients() -> tuple[Array, Array]:
    """Weights near zero, and gradients [steps, elements] that tell the families apart.

    A direction that stays, of low rank, and noise; entries differ in scale by decades, and noise with them.
    """
    rng = np.random.default_rng(0)
    scale = np.exp(1.5 * rng.standard_normal(SHAPE))
    steady = rng.standard_normal((SHAPE[0], 2)) @ rng.standard_normal((2, SHAPE[1]))
    noise = rng.standard_normal((STEPS, *SHAPE)) * np.exp(rng.standard_normal(SHAPE))
    slopes = scale * (0.3 * steady + noise)
    return 1e-3 * rng.standard_normal(SHAPE).ravel(), slopes.reshape(STEPS, -1)
