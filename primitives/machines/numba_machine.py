"""The CPU machine: steps all programs of a batch in one compiled call, block by block in cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from primitives.bytecode import INPUT_SLOTS, TAKEN_ON_CPUS, Bytecode, UnsupportedError
from primitives.interpreter import as_matrix
from primitives.kinds import TENSOR
from primitives.machines import kernels
from primitives.machines.packed import SPARE, Packed
from primitives.roles import facts, role_of

Array = np.ndarray[Any, Any]
BLOCK = 1024  # elements: a handful of registers of this size stay in the first cache
LINE = 64  # bytes: where a tensor's states begin


def most_elements(programs: Sequence[Bytecode], shapes: Sequence[tuple[int, ...]]) -> list[int]:
    """For each tensor the most elements that a value of any kind has in these programs."""
    kinds = {TENSOR}.union(*({i.kind for i in p.instructions} | {*p.kinds} for p in programs if p.needs))
    matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in shapes]
    return [max(math.prod(kind.shape(*matrix)) for kind in kinds) for matrix in matrices]


class NumbaMachine:
    """Programs bound to the memory of R replicas; segment k of a flat buffer is [R, n_k] from offsets[k].

    `program_of` [R] says which program moves each replica, `base_lr` [R] its constant learning rate. The weights
    are changed in place; the gradients are read. Results of a replica do not depend on which others there are.
    `roles` says what each tensor is for (roles.py; by its shape unless given). The tensors may be some of those in the
    buffers: no others are touched or cost anything.
    """

    def __init__(
        self,
        programs: Sequence[Bytecode],
        program_of: Array,
        shapes: Sequence[tuple[int, ...]],
        weights: Array,
        grads: Array,
        offsets: Array,
        base_lr: Array,
        total_steps: float = math.nan,
        roles: Sequence[str] | None = None,
    ) -> None:
        for program in programs:
            if program.needs not in TAKEN_ON_CPUS:
                raise UnsupportedError(
                    f"NumbaMachine has tensors, numbers and products of matrices, no {program.needs}; TorchMachine has."
                )
        self.programs, self.shapes, self.total_steps = programs, shapes, total_steps
        named = [role_of(len(shape)) for shape in shapes] if roles is None else roles
        self.facts = [facts(len(shape), role).values() for shape, role in zip(shapes, named, strict=True)]
        self.reads_loss = any(program.reads_loss for program in programs)
        self.packed = Packed(programs)
        self.kernels = kernels.load(str(weights.dtype))
        self.slots = max(sum(i >= 0 for i in p.vector_states) for p in programs)
        self._bind(weights, grads, offsets, np.asarray(program_of, np.int64), np.asarray(base_lr, np.float64))
        self.number_states = np.zeros((len(program_of), len(shapes), self.packed.moves.shape[1]))
        self._start()

    def step(self, t: int, lr: Array, loss: Array | None = None) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        self.outside[:, INPUT_SLOTS["lr"]] = lr
        self.outside[:, INPUT_SLOTS["t"]] = t
        if self.reads_loss and loss is not None:
            self.outside[:, INPUT_SLOTS["loss"]] = loss
        p = self.packed
        self.kernels.step(
            p.code, p.whole, p.hoisted, p.stretches, p.counts, p.constants, p.moves, self.program_of, self.outside,
            self.tensors, self.memory, self.number_states, self.numbers, self.base,
        )  # fmt: skip

    def keep(self, alive: Array, weights: Array, grads: Array, offsets: Array) -> None:
        """Go on with the replicas where `alive` [R] is true, whose weights are now in the given buffers."""
        kept = [self.state(i)[alive] if n else self.state(i) for i, n in self._segments()]
        self.number_states = self.number_states[alive]
        self._bind(weights, grads, offsets, self.program_of[alive], self.outside[alive, INPUT_SLOTS["base_lr"]])
        for (i, _), values in zip(self._segments(), kept, strict=True):
            self.state(i)[...] = values

    def state(self, index: tuple[int, int]) -> Array:
        """State register `index[0]` of tensor `index[1]`, for all replicas: a view [R, n_k or more]."""
        slot, k = index
        start, span = int(self.tensors[k, 3]), int(self.tensors[k, -1])
        return self.states[slot, start : start + len(self.program_of) * span].reshape(-1, span)

    def _segments(self) -> list[tuple[tuple[int, int], int]]:
        return [((slot, k), math.prod(s)) for slot in range(self.slots) for k, s in enumerate(self.shapes)]

    def _bind(self, weights: Array, grads: Array, offsets: Array, program_of: Array, base_lr: Array) -> None:
        matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in self.shapes]
        sizes = [m * n for m, n in matrices]
        spans = most_elements(self.programs, self.shapes)
        item, starts = weights.itemsize, np.cumsum([0, *spans])
        room = [-(-len(program_of) * span * item // LINE) * LINE // item for span in spans]
        homes = np.cumsum([0, *room])
        rows = zip(offsets, sizes, starts, homes, matrices, self.facts, spans, strict=False)
        self.tensors = np.array(
            [(o, s, at, home, *mn, s, *about, span) for o, s, at, home, mn, about, span in rows], np.int64
        )
        self.program_of = program_of
        self.outside = np.full((len(program_of), len(INPUT_SLOTS)), math.nan)
        self.outside[:, INPUT_SLOTS["base_lr"]] = base_lr
        self.outside[:, INPUT_SLOTS["T"]] = self.total_steps
        self.states = np.zeros((self.slots, homes[-1]), weights.dtype)
        self.buffers = (weights, grads)  # kept alive: the compiled code holds their addresses
        full = int(starts[-1])  # elements of a wide register
        local = max(p.local for p in self.programs) + SPARE
        self.wide = np.empty((max(1, *(p.wide for p in self.programs), 0), full), weights.dtype)
        self.local = np.empty((local, BLOCK + 16), weights.dtype)
        fixed = [weights.ctypes.data, grads.ctypes.data]
        fixed += [self.states.ctypes.data + i * int(homes[-1]) * item for i in range(self.slots)]
        self.memory = np.array(
            [
                sum(sizes),
                item,
                BLOCK,
                self.wide.ctypes.data,
                full * item,
                self.local.ctypes.data,
                (BLOCK + 16) * item,
                *fixed,
            ],
            np.int64,
        )
        self.numbers = np.zeros((len(self.shapes), max(p.numbers for p in self.programs)))
        # Compiled code looks up an address for every field of an instruction, number slots included.
        places = max(max(p.registers + SPARE, p.numbers) for p in self.programs)
        self.base = np.full(places, weights.ctypes.data, np.int64)

    def _start(self) -> None:
        weights = self.buffers[0]
        base_lr = self.outside[:, INPUT_SLOTS["base_lr"]]
        for p, program in enumerate(self.programs):
            mine = self.program_of == p
            for i, state in enumerate(program.states):
                if state.start == 0:
                    continue
                slot = program.vector_states[i]
                value = base_lr[mine] if state.start == "lr" else state.start
                for k, shape in enumerate(self.shapes):
                    at, size = int(self.tensors[k, 0]), math.prod(shape)
                    if slot < 0:
                        q = next(q for q, move in enumerate(program.number_states) if move[0] == i)
                        self.number_states[mine, k, q] = value
                    elif state.start == "w":
                        w = weights[at : at + len(mine) * size].reshape(-1, size)
                        self.state((slot, k))[mine, :size] = w[mine]
                    else:
                        self.state((slot, k))[mine] = np.reshape(value, (-1, 1))
