"""What a program does in a few fixed steps, in float64: its identity for the cache, and what it may not do."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from primitives.bytecode import Bytecode
from primitives.interpreter import as_matrix
from primitives.machines.numba_machine import NumbaMachine

Array = np.ndarray[Any, Any]
Shapes = tuple[tuple[int, ...], ...]

SHAPES = ((12, 8), (24,))
ROLES = ("hidden", "vector")
OF_ROLES = (  # for programs that tell tensors apart by role: of each a tall matrix and a broad one
    (*SHAPES, (5, 9), (6, 4), (3, 7), (7, 2), (4, 6)),
    (*ROLES, "hidden", "head", "head", "embedding", "embedding"),
)
TIMES = (1, 2, 3, 10, 11, 100, 1000, 1001)  # jumps show what depends on t
RATES = (1e-3, 0.05, 1e-3, 1e-3, 1e-3)  # of the replicas below
SIGNS = (1.0, 1.0, -1.0, 1.0, 1.0)  # replica 2 sees -w and -g
SCALES = (1.0, 1.0, 1.0, 1e2, 1e-2)  # replicas 3 and 4 see gradients of another scale
LEVELS = 4096  # steps of the quantisation: rounding errors stay far below one, differences above


@dataclass(frozen=True)
class Fingerprint:
    """`key` is equal for programs that do the same; `size` is the root mean square of w's change over lr.

    `responses` are the sizes at gradients 100 times larger and smaller, over `size`; `status` is "ok" or "nan".
    """

    key: str
    size: float
    responses: tuple[float, float]
    odd: bool
    status: str


NOT_FINITE = Fingerprint("", 0.0, (0.0, 0.0), False, "nan")


def fingerprints(programs: Sequence[Bytecode]) -> list[Fingerprint]:
    """The fingerprints of programs, together in one machine; each is the same as alone."""
    apart = [program.reads_roles for program in programs]
    found = {
        split: iter(_taken([p for p, s in zip(programs, apart, strict=True) if s == split], *model))
        for split, model in ((False, (SHAPES, ROLES)), (True, OF_ROLES))
    }
    return [next(found[split]) for split in apart]


def _taken(programs: Sequence[Bytecode], shapes: Shapes, roles: tuple[str, ...]) -> list[Fingerprint]:
    """The fingerprints of programs on a model of these shapes."""
    if not programs:
        return []
    replicas = len(RATES)
    program_of = np.repeat(np.arange(len(programs)), replicas)
    layout = np.cumsum([0] + [len(program_of) * math.prod(shape) for shape in shapes])
    weights = np.zeros(layout[-1])
    grads = np.zeros_like(weights)
    w, g = ([_segment(flat, layout, k, len(program_of)) for k in range(len(shapes))] for flat in (weights, grads))
    start, slopes = _inputs(shapes)
    signs, scales = np.tile(SIGNS, len(programs))[:, None], np.tile(SCALES, len(programs))[:, None]
    for k in range(len(shapes)):
        w[k][:] = start[k] * signs
    lr = np.tile(RATES, len(programs))
    machine = NumbaMachine(programs, program_of, shapes, weights, grads, layout[:-1], lr, roles=roles)
    moves = []
    for step, t in enumerate(TIMES):
        before = np.concatenate(w, axis=1)
        for k in range(len(shapes)):
            g[k][:] = slopes[step][k] * signs * scales
        machine.step(t, lr)
        with np.errstate(all="ignore"):
            moves.append((before - np.concatenate(w, axis=1)) / lr[:, None])
    updates = np.stack(moves, axis=1).reshape(len(programs), replicas, len(TIMES), -1)
    states = [_states(machine, p, i * replicas, shapes) for i, p in enumerate(programs)]
    return [_fingerprint(u, s) for u, s in zip(updates, states, strict=True)]


def _fingerprint(updates: Array, states: list[Array]) -> Fingerprint:
    """updates [replicas, steps, elements]; each state by itself, they differ in scale."""
    if not np.isfinite(updates[:3]).all():
        return NOT_FINITE
    with np.errstate(all="ignore"):
        sizes = np.sqrt(np.mean(np.square(updates), axis=(1, 2)))
        large, small = sizes[3:] / sizes[0]
    if not math.isfinite(sizes[0]):
        return NOT_FINITE
    digest = hashlib.blake2b(digest_size=8)
    for row in (*updates[0], *updates[1], *states):
        digest.update(_quantised(row))
    largest = np.max(np.abs(updates[0]), axis=1, keepdims=True)
    odd = bool(np.all(np.abs(updates[0] + updates[2]) <= 1e-6 * largest))
    return Fingerprint(digest.hexdigest(), float(sizes[0]), (float(large), float(small)), odd, "ok")


def _quantised(row: Array) -> bytes:
    """A row over its largest entry, in whole steps, and that entry with a dozen bits of its mantissa."""
    largest = float(np.max(np.abs(row), initial=0.0))
    if not 0 < largest < math.inf:
        return repr(largest).encode()
    mantissa, exponent = math.frexp(largest)
    steps = np.rint(row * (LEVELS / largest)).astype(np.int16)
    return b"%d %d" % (round(mantissa * LEVELS), exponent) + steps.tobytes()


def _states(machine: NumbaMachine, program: Bytecode, replica: int, shapes: Shapes) -> list[Array]:
    """Each state of a program after the last step, in the replica given."""
    rows = []
    for home, kind in zip(program.vector_states, program.kinds, strict=True):
        if home >= 0:
            sizes = [math.prod(kind.shape(*as_matrix(np.empty(shape, np.int8)).shape)) for shape in shapes]
            rows.append(np.concatenate([machine.state((home, k))[replica, :size] for k, size in enumerate(sizes)]))
    return [*rows, *machine.number_states[replica, :, : len(program.number_states)].T]


@cache
def _inputs(shapes: Shapes) -> tuple[list[Array], list[list[Array]]]:
    """Weights [1, n] for each shape, and gradients for each step, of changing scale."""
    rng = np.random.default_rng(20231)
    sizes = [math.prod(shape) for shape in shapes]
    start = [rng.standard_normal((1, n)) for n in sizes]
    scales = (1.0, 0.5, 0.01, 1.0, 3.0, 0.1, 1.0, 0.3)
    return start, [[scale * rng.standard_normal((1, n)) for n in sizes] for scale in scales]


def _segment(flat: Array, layout: Array, k: int, replicas: int) -> Array:
    return flat[layout[k] : layout[k + 1]].reshape(replicas, -1)
