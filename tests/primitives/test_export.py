"""An exported program does what the interpreter does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings

from primitives.namespaces import NUMPY
from primitives.program import Program
from primitives.specialise import constants_read
from tests.primitives.exporting import (
    PROGRAMS,
    assert_same,
    by_interpreter,
    by_torch,
)
from tests.primitives.strategies import DRAWN, program_using, programs


@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_the_interpreter(name: str) -> None:
    program = PROGRAMS[name]
    for ours, theirs in zip(by_torch(program, 8), by_interpreter(program, 8), strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_in_float32(name: str) -> None:
    ours, truth = by_torch(PROGRAMS[name], 3, torch.float32)[-1], by_interpreter(PROGRAMS[name], 3)[-1]
    assert all(x.dtype == np.float32 for x in ours)
    for a, b in zip(ours, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


ROUNDED = (
    "cos sin tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 exp10 expm1 log log2 log10 "
    "log1p sqrt cbrt power total mean_over"
).split()


@contextmanager
def other_rounding(nudge: float) -> Iterator[None]:
    """The interpreter with functions that are a little off, and with torch's sign, which is 0 for nan."""

    def off(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args) * (1 + nudge)

    with pytest.MonkeyPatch.context() as patch:
        for name in ROUNDED:
            patch.setattr(NUMPY, name, off(getattr(NUMPY, name)))
        patch.setattr(NUMPY, "sign", lambda x: np.where(np.isnan(x), 0.0, np.sign(x)))
        yield


def agrees_where_stable(program: Program, roles: tuple[str, ...] | None = None) -> None:
    """Equal to the interpreter, unless rounding errors alone would already make a difference."""
    with other_rounding(0.0):
        truth = by_interpreter(program, 2, roles=roles)[-1]
    for nudge in (1e-14, -1e-14):
        with other_rounding(nudge):
            other = by_interpreter(program, 2, nudge, roles)[-1]
        assume(all(np.allclose(a, b, rtol=1e-11, atol=0, equal_nan=True) for a, b in zip(truth, other, strict=True)))
    assert_same(by_torch(program, 2, roles=roles)[-1], truth, 1e-8)


PHASES = (Phase.explicit, Phase.generate)  # to shrink such programs takes minutes
quick = settings(
    max_examples=8, deadline=None, derandomize=True, phases=PHASES, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("op", DRAWN)
def test_every_primitive_agrees_with_the_interpreter(op: str) -> None:
    quick(given(program_using(op))(lambda program: agrees_where_stable(program)))()


@settings(quick, max_examples=60)
@given(programs())
def test_random_programs_agree_with_the_interpreter(program: Program) -> None:
    agrees_where_stable(program)


def reads_constants(program: Program) -> bool:
    return bool(constants_read(program))


@pytest.mark.parametrize("roles", [("hidden", "vector", "head"), ("embedding", "hidden", "vector")], ids=str)
@settings(quick, max_examples=60)
@given(programs().filter(reads_constants))
def test_random_programs_agree_with_the_interpreter_for_tensors_of_all_sorts(
    roles: tuple[str, ...], program: Program
) -> None:
    agrees_where_stable(program, roles)
