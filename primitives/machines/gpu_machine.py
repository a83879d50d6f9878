"""The GPU machine: one launch a step updates all programs of a batch, by a kernel that interprets their bytecode.

A block of threads runs one replica from its first instruction to its last, tensor after tensor, with the registers of
its present elements and the numbers of all tensors in shared memory. So reductions over a tensor and over the model
end within the block, and a program of many stretches takes one launch as any other. Blocks run in any order and share
nothing: a replica's result depends on no neighbour. Thousands of small models fill a GPU so; of models with millions
of elements there would have to be hundreds.

CUDA C and not Triton, because an interpreter needs registers that an instruction can name. Triton has no memory that is
indexed at run time but the GPU's main memory, whose traffic is what bounds a step. And this kernel's text is also C++:
gpu_emulator.py runs it on a CPU, where every test of a machine is passed by the very code that a GPU runs.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from primitives.bytecode import INPUT_SLOTS, Bytecode, UnsupportedError
from primitives.interpreter import as_matrix
from primitives.machines.gpu_code import Packed
from primitives.machines.gpu_source import VECTOR_BYTES
from primitives.roles import facts, role_of

Array = np.ndarray[Any, Any]
LINE = 64  # bytes: where a tensor's states begin
POINTERS = (
    "code stretches counts constants moves program_of outside tensors weights grads states wide number_states"
).split()
SIZES = ("rows most_stretches most_constants most_moves tensor_count registers numbers wides state_stride full").split()


class Arguments(ctypes.Structure):
    """What the kernel gets: addresses, then sizes (gpu_kernel.cu says which)."""

    _fields_ = [(name, ctypes.c_int64) for name in (*POINTERS, *SIZES)]


class Launcher(Protocol):
    """Who runs the kernel: gpu_driver.Kernel on a GPU, gpu_emulator.Emulator on a CPU."""

    threads: int
    limit: int  # bytes of shared memory that a block may have

    def launch(self, blocks: int, shared: int, arguments: ctypes.Structure) -> None: ...


class GpuMachine:
    """Programs bound to the memory of R replicas, with the same arguments and methods as `NumbaMachine`.

    Weights and gradients are flat tensors on one device. A step is `prepare` and `run`; a CUDA graph may hold `run`,
    whose memory stays where it is until `keep`. `launcher` is made for the device unless it is given.
    """

    def __init__(
        self,
        programs: Sequence[Bytecode],
        program_of: Array,
        shapes: Sequence[tuple[int, ...]],
        weights: Tensor,
        grads: Tensor,
        offsets: Array,
        base_lr: Array,
        total_steps: float = math.nan,
        roles: Sequence[str] | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        for program in programs:
            if program.needs:
                raise UnsupportedError(
                    f"GpuMachine has tensors and numbers only, no {program.needs}; TorchMachine has."
                )
        self.programs, self.shapes, self.total_steps = programs, shapes, total_steps
        self.device, self.reads_loss = weights.device, any(program.reads_loss for program in programs)
        self.matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in shapes]
        named = [role_of(len(shape)) for shape in shapes] if roles is None else roles
        self.facts = [facts(len(shape), role).values() for shape, role in zip(shapes, named, strict=True)]
        self.launcher = launcher or launcher_for(str(weights.dtype).removeprefix("torch."), weights.device)
        self.packed = Packed(programs)
        self.shared = self._shared()
        self.code = [
            self._there(x)
            for x in (
                self.packed.rows, self.packed.stretches, self.packed.counts, self.packed.constants, self.packed.moves
            )
        ]  # fmt: skip
        self._bind(weights, grads, offsets, np.asarray(program_of, np.int32), np.asarray(base_lr, np.float64))
        self._start()

    def step(self, t: int, lr: Array | Tensor, loss: Array | Tensor | None = None) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        self.prepare(t, lr)
        self.run(loss)

    def prepare(self, t: int, lr: Array | Tensor) -> None:
        """Say which step comes, and each replica's rate [R]."""
        self.outside[:, INPUT_SLOTS["t"]] = float(t)
        self.outside[:, INPUT_SLOTS["lr"]] = torch.as_tensor(lr, dtype=torch.float64, device=self.device)

    def run(self, loss: Array | Tensor | None = None) -> None:
        """Update, by what `prepare` said; `loss` [R] at the present weights."""
        if self.reads_loss and loss is not None:
            self.outside[:, INPUT_SLOTS["loss"]] = torch.as_tensor(loss, device=self.device)
        if len(self.program_of):
            self.launcher.launch(len(self.program_of), self.shared, self.arguments)

    def keep(self, alive: Array, weights: Tensor, grads: Tensor, offsets: Array) -> None:
        """Go on with the replicas where `alive` [R] is true, whose weights are now in the given buffers."""
        rows = torch.from_numpy(np.flatnonzero(alive)).to(self.device)
        places = [(slot, k) for slot in range(self.packed.states) for k in range(len(self.shapes))]
        kept = [self.state(place).index_select(0, rows) for place in places]
        numbers = self.number_states.index_select(0, rows)
        self._bind(weights, grads, offsets, self.program_of[alive], self.base_lr[alive])
        self.number_states.copy_(numbers)
        for place, values in zip(places, kept, strict=True):
            self.state(place).copy_(values)

    def state(self, place: tuple[int, int]) -> Tensor:
        """State register `place[0]` of tensor `place[1]`, for all replicas: a view [R, n_k]."""
        slot, k = place
        size = math.prod(self.shapes[k])
        return self.states[slot, self.homes[k] : self.homes[k] + len(self.program_of) * size].view(-1, size)

    def _there(self, array: Array) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def _shared(self) -> int:
        """Bytes of shared memory for a block; UnsupportedError where that is more than there is."""
        p, threads = self.packed, self.launcher.threads
        bytes_ = p.registers * threads * VECTOR_BYTES + 8 * (len(self.shapes) * p.numbers + p.partials * threads)
        if bytes_ > self.launcher.limit:
            raise UnsupportedError(
                f"A program of {p.registers} registers and {p.numbers} numbers on {len(self.shapes)} tensors needs "
                f"{bytes_} bytes of shared memory, and there are {self.launcher.limit}; TorchMachine takes it."
            )
        return bytes_

    def _bind(self, weights: Tensor, grads: Tensor, offsets: Array, program_of: Array, base_lr: Array) -> None:
        replicas, item, p = len(program_of), weights.element_size(), self.packed
        sizes = [m * n for m, n in self.matrices]
        starts = np.cumsum([0, *sizes])
        self.homes = np.cumsum([0, *[-(-replicas * size * item // LINE) * LINE // item for size in sizes]]).tolist()
        table = [
            (o, s, at, home, *mn, s, *map(int, about))
            for o, s, at, home, mn, about in zip(
                offsets, sizes, starts, self.homes, self.matrices, self.facts, strict=False
            )
        ]
        outside = np.full((replicas, len(INPUT_SLOTS)), math.nan)
        outside[:, INPUT_SLOTS["base_lr"]], outside[:, INPUT_SLOTS["T"]] = base_lr, self.total_steps
        self.program_of, self.base_lr, self.outside = program_of, base_lr, self._there(outside)
        self.states = torch.zeros(p.states, self.homes[-1], dtype=weights.dtype, device=self.device)
        self.number_states = torch.zeros(
            replicas, len(self.shapes), p.moves.shape[1], dtype=torch.float64, device=self.device
        )
        full = int(starts[-1])
        wide = torch.empty(replicas * p.wide * full, dtype=weights.dtype, device=self.device)
        # The kernel holds their addresses.
        self.memory = [
            *self.code, self._there(program_of), self.outside, self._there(np.array(table, np.int64)), weights, grads,
            self.states, wide, self.number_states,
        ]  # fmt: skip
        lengths = [x.shape[1] for x in (p.rows, p.stretches, p.constants, p.moves)]
        counts = (len(self.shapes), p.registers, p.numbers, p.wide, self.homes[-1], full)
        self.arguments = Arguments(*[x.data_ptr() for x in self.memory], *lengths, *counts)

    def _start(self) -> None:
        """Set states to what they start at, all programs at once."""
        starts = _Starts(self.programs, self.packed.states, self.packed.moves.shape[1])
        number = np.where(starts.number_at_lr[self.program_of], self.base_lr[:, None], starts.number[self.program_of])
        self.number_states.copy_(self._there(number)[:, None, :].expand_as(self.number_states))
        tensor = np.where(starts.tensor_at_lr[self.program_of], self.base_lr[:, None], starts.tensor[self.program_of])
        values, at_w = self._there(tensor), self._there(starts.tensor_at_w[self.program_of])
        for slot in range(self.packed.states):
            for k, shape in enumerate(self.shapes):
                state, column = self.state((slot, k)), values[:, slot, None].to(self.states.dtype)
                state.copy_(column.expand_as(state))
                if starts.tensor_at_w[:, slot].any():
                    offset, size = int(self.memory[7][k, 0]), math.prod(shape)
                    w = self.memory[8][offset : offset + len(state) * size].view(-1, size)
                    state.copy_(torch.where(at_w[:, slot, None], w, state))


class _Starts:
    """Where each program's states start: values [P, slots], and whether that is the rate or w instead."""

    def __init__(self, programs: Sequence[Bytecode], tensors: int, numbers: int) -> None:
        shape, count = (len(programs), tensors), (len(programs), numbers)
        self.tensor, self.tensor_at_lr, self.tensor_at_w = np.zeros(shape), np.zeros(shape, bool), np.zeros(shape, bool)
        self.number, self.number_at_lr = np.zeros(count), np.zeros(count, bool)
        for p, program in enumerate(programs):
            order = [move[0] for move in program.number_states]
            for i, (state, slot) in enumerate(zip(program.states, program.vector_states, strict=True)):
                single = slot < 0
                value, at_lr = (self.number, self.number_at_lr) if single else (self.tensor, self.tensor_at_lr)
                place = p, order.index(i) if single else slot
                if state.start == "w":
                    self.tensor_at_w[place] = True
                elif state.start == "lr":
                    at_lr[place] = True
                else:
                    value[place] = float(state.start)


def launcher_for(dtype: str, device: torch.device) -> Launcher:
    """Who runs the kernel on a device."""
    if device.type == "cpu":
        from primitives.machines.gpu_emulator import Emulator

        return Emulator(dtype)
    from primitives.machines.gpu_driver import kernel

    return kernel(dtype, torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index))
