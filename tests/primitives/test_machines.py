"""Every machine against the reference interpreter, and a replica's result against its own in other company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pytest

from primitives.machines.numba_machine import NumbaMachine
from primitives.machines.torch_machine import TorchMachine
from primitives.namespaces import NUMPY
from primitives.primitive import Primitive
from primitives.program import Call, Program, State
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse, show
from tests.primitives.batches import Array, Batch, Problem, interpret, rounding_noise, run
from tests.primitives.random_programs import random_program

MACHINES = pytest.mark.parametrize("machine", [NumbaMachine, TorchMachine])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STEPS = 3


def check_agreement(machine: type, programs: Sequence[Program], problem: Problem, lr: Sequence[float]) -> None:
    """Equal up to a few times what noise of rounding does, and a few units in the last place."""
    found = run(machine, programs, problem, lr)
    for row, program in enumerate(programs):
        truth = interpret(program, problem, row, lr[row])
        noisy = []
        for seed in range(8):
            with rounding_noise(seed, problem.dtype):
                noisy.append(interpret(program, problem, row, lr[row]))
        for t in range(problem.steps):
            for k in range(len(problem.shapes)):
                others = np.stack([run[t][k] for run in noisy])
                fault = disagreement(found[t][row][k], truth[t][k], others)
                assert not fault, f"step {t + 1}, tensor {k}, lr {lr[row]}: {fault}\n{show(program)}"


def disagreement(found: Array, truth: Array, noisy: Array) -> str:
    """What is wrong with an array, in words; noise that moves values in or out of the finite allows anything."""
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        spread = np.abs(noisy - truth).max(axis=0)
        spread = (
            np.maximum(spread, np.median(spread[np.isfinite(spread)])) if np.isfinite(spread).any() else spread
        )  # the few runs may miss one element of many
        tolerance = 8 * spread + 8 * info.eps * np.abs(truth) + info.smallest_normal
        error = np.abs(found.astype(np.float64) - truth)
        same = (found == truth) | (np.isnan(found) & np.isnan(truth)) | (error <= tolerance)
    stable = (np.isfinite(noisy) == np.isfinite(truth)).all(axis=0) & ~(
        (noisy != truth).any(axis=0) & ~np.isfinite(truth) & ~np.isnan(truth)
    )
    bad = stable & ~same
    if not bad.any():
        return ""
    i = np.argwhere(bad)[0]
    return f"{bad.sum()} differ, first at {i}: {found[tuple(i)]} for {truth[tuple(i)]} +- {tolerance[tuple(i)]}"


@MACHINES
@DTYPES
@pytest.mark.parametrize("seed", range(0, 120, 6))
def test_random_programs_agree_with_the_interpreter(machine, dtype, seed):
    programs = [random_program(i) for i in range(seed, seed + 6) for _ in range(2)]
    problem = Problem(len(programs), STEPS, dtype, seed=seed)
    check_agreement(machine, programs, problem, [0.01, 0.5] * 6)


POINTWISE = [p for p in PRIMITIVES.values() if p.form == "pointwise"]
CONSTANTS = (0.75, -2.0, 3.0, 1e-8)


def domain(dtype: type, dense: bool) -> Array:
    """Magnitudes of the whole range in both signs, the neighbourhoods of 0 and 1, halves, and what is no number."""
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp - 10, info.maxexp, 0.37 if dense else 23.1)
    near = np.concatenate([1 + np.arange(-9, 10) * info.eps, np.linspace(0, 4, 200 if dense else 9), 1 / np.arange(1, 7)])
    positive = np.concatenate([np.exp2(exponents), near, [info.max, info.tiny, 88.7, 103.0, 709.5, np.inf]])
    return np.concatenate([positive, -positive, [np.nan]]).astype(dtype)


def applied(machine: type, op: str, args: Sequence[Array | float]) -> Array:
    """A primitive on a machine: arrays come as one gradient a step and wait in states, numbers are constants."""
    arrays = [x for x in args if isinstance(x, np.ndarray)]
    slots = iter([*(f"s{i}" for i in range(1, len(arrays))), "g"])
    call = Call(op, tuple(next(slots) if isinstance(x, np.ndarray) else x for x in args))
    states = tuple(State(f"s{i}") for i in range(1, len(arrays)))
    shifted = [*(state.name for state in states[1:]), "g"][: len(states)]
    program = parse(show(Program("f", states, (), (), (call, *shifted))))
    problem = Problem(1, len(arrays), arrays[0].dtype.type, [arrays[0].shape])
    problem.grads = [[[x]] for x in arrays]
    return run(machine, [program], problem, [0.1])[-1][0][0]


def combinations(p: Primitive, dtype: type) -> Iterator[list[Array | float]]:
    """Arguments for a primitive: arrays over the domain, and numbers in every place but all."""
    if p.arity == 1:
        yield [domain(dtype, dense=True)]
        return
    grid = [x.ravel() for x in np.meshgrid(*[domain(dtype, dense=False)] * 2)]
    rng = np.random.default_rng(0)
    arrays = [*grid, *(rng.permutation(grid[0]) for _ in range(p.arity - 2))]
    for letters in product("TS", repeat=p.arity):
        if "T" in letters:
            yield [x if letter == "T" else c for letter, x, c in zip(letters, arrays, CONSTANTS, strict=False)]


def ulps_off(found: Array, truth: Array) -> Array:
    """Distance in units in the last place of found's dtype; zero among denormals, infinite where the kind differs."""
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        rounded = truth.astype(found.dtype)
        error = np.abs(found.astype(np.float64) - truth)
        off = error / np.maximum(np.spacing(np.abs(rounded)), info.smallest_normal)
        same = (found == rounded) | (np.isnan(found) & np.isnan(truth)) | (error <= 2 * info.smallest_normal)
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


@DTYPES
@MACHINES
@pytest.mark.parametrize("p", [p for p in POINTWISE if p.arity], ids=lambda p: p.name)
def test_primitive_is_as_accurate_as_its_record_says(machine, p, dtype):
    for args in combinations(p, dtype):
        found = applied(machine, p.name, args)
        # What is exact has NumPy's bits; what is not is compared with a wider truth where there is one.
        wide = np.float64 if p.ulps else dtype
        with np.errstate(all="ignore"):
            truth = np.asarray(p.meaning(NUMPY, *(np.asarray(np.asarray(x, dtype), wide) for x in args)))
        allowed = p.ulps * (2 if dtype == np.float64 else 1) + (machine is TorchMachine)
        off = ulps_off(found, np.broadcast_to(truth, found.shape))
        if p.name == "mod" and machine is TorchMachine:  # torch makes NaN where the quotient overflows
            off[np.isnan(found) & np.isinf(np.divide(*args))] = 0
        worst = int(np.argmax(off))
        inputs = [x[worst] if isinstance(x, np.ndarray) else x for x in args]
        assert off[worst] <= allowed, f"{off[worst]} ulps at {inputs}: {found[worst]} for {truth[worst]}"
