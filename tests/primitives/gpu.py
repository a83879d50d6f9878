"""The GPU machine for tests that hold arrays of NumPy: by the emulator on this CPU, and on a GPU where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from primitives.machines.gpu_driver import problem
from primitives.machines.gpu_emulator import THREADS, Emulator, compiler
from primitives.machines.gpu_machine import GpuMachine

Array = np.ndarray[Any, Any]


class Emulated:
    """The kernel as C++, over the very arrays; threads run first to last."""

    threads, backwards = THREADS, False

    def __init__(
        self,
        codes: Sequence[Any],
        program_of: Array,
        shapes: Sequence[tuple[int, ...]],
        weights: Array,
        grads: Array,
        *more: Any,
        **options: Any,
    ) -> None:
        self.launcher = Emulator(str(weights.dtype), self.threads, self.backwards)
        memory = self._there(weights, grads)
        self.machine = GpuMachine(codes, program_of, shapes, *memory, *more, launcher=self._launcher(), **options)

    def _launcher(self) -> Any:
        return self.launcher

    def _there(self, weights: Array, grads: Array) -> list[torch.Tensor]:
        return [torch.from_numpy(x) for x in (weights, grads)]

    def step(self, t: int, lr: Array, loss: Array | None = None) -> None:
        self.machine.step(t, lr, loss)

    def keep(self, alive: Array, weights: Array, grads: Array, offsets: Array) -> None:
        self.machine.keep(alive, *self._there(weights, grads), offsets)


class Backwards(Emulated):
    """The same with the threads of a block last to first."""

    backwards = True


class Wide(Emulated):
    """The same with as many threads as on a GPU."""

    threads = 128


class OnGpu(Emulated):
    """The kernel on a GPU, over copies of the arrays."""

    def __init__(self, codes: Any, program_of: Any, shapes: Any, weights: Array, grads: Array, *more: Any) -> None:
        self.machine = GpuMachine(codes, program_of, shapes, *self._there(weights, grads), *more)

    def _there(self, weights: Array, grads: Array) -> list[torch.Tensor]:
        self.here = [torch.from_numpy(x) for x in (weights, grads)]
        self.there = [x.cuda() for x in self.here]
        return self.there

    def step(self, t: int, lr: Array, loss: Array | None = None) -> None:
        for here, there in zip(self.here, self.there, strict=True):
            there.copy_(here)
        self.machine.step(t, lr, loss)
        self.here[0].copy_(self.there[0])


NEEDS_COMPILER = pytest.mark.skipif(not compiler(), reason="the emulated kernel needs a C++ compiler, such as g++")
NEEDS_GPU = [pytest.mark.gpu, pytest.mark.skipif(bool(problem("cuda")), reason=problem("cuda") or "there is a GPU")]
EMULATED = pytest.param(Emulated, marks=NEEDS_COMPILER, id="emulated")
ON_GPU = pytest.param(OnGpu, marks=NEEDS_GPU, id="on a GPU")
