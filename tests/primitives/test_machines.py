"""Every machine against the reference interpreter, and a replica's result against its own in other company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from primitives.machines.numba_machine import NumbaMachine
from primitives.machines.torch_machine import TorchMachine
from primitives.program import Program
from primitives.reference import names, reference
from primitives.text import show
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
