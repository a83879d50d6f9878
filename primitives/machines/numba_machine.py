"""The CPU machine: steps all programs of a batch in one compiled call, block by block in cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from primitives.bytecode import INPUT_SLOTS, Bytecode, Instruction, UnsupportedError
from primitives.interpreter import as_matrix
from primitives.machines import kernels
from primitives.roles import facts, role_of
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
BLOCK = 1024  # elements: a handful of registers of this size stay in the first cache
FINISH = {"total": 0, "total / n": 1, "sqrt(total)": 2, "sqrt(total / n)": 3}
LINE = 64  # bytes: where a tensor's states begin
SPARE = 4  # block registers for numbers that an instruction wants as registers


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
            if program.needs:
                raise UnsupportedError(
                    f"NumbaMachine has tensors and numbers only, no {program.needs}; TorchMachine has."
                )
        self.programs, self.shapes, self.total_steps = programs, shapes, total_steps
        named = [role_of(len(shape)) for shape in shapes] if roles is None else roles
        self.facts = [facts(len(shape), role).values() for shape, role in zip(shapes, named, strict=True)]
        self.reads_loss = any(program.reads_loss for program in programs)
        self.packed = _Packed(programs)
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
            p.code, p.hoisted, p.stretches, p.counts, p.constants, p.moves, self.program_of, self.outside,
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
        """State register `index[0]` of tensor `index[1]`, for all replicas: a view [R, n_k]."""
        slot, k = index
        start, size = int(self.tensors[k, 3]), int(self.tensors[k, 1])
        return self.states[slot, start : start + len(self.program_of) * size].reshape(-1, size)

    def _segments(self) -> list[tuple[tuple[int, int], int]]:
        return [((slot, k), math.prod(s)) for slot in range(self.slots) for k, s in enumerate(self.shapes)]

    def _bind(self, weights: Array, grads: Array, offsets: Array, program_of: Array, base_lr: Array) -> None:
        matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in self.shapes]
        sizes = [m * n for m, n in matrices]
        item, starts = weights.itemsize, np.cumsum([0, *sizes])
        room = [-(-len(program_of) * size * item // LINE) * LINE // item for size in sizes]
        homes = np.cumsum([0, *room])
        rows = zip(offsets, sizes, starts, homes, matrices, self.facts, strict=False)
        self.tensors = np.array([(o, s, at, home, *mn, s, *about) for o, s, at, home, mn, about in rows], np.int64)
        self.program_of = program_of
        self.outside = np.full((len(program_of), len(INPUT_SLOTS)), math.nan)
        self.outside[:, INPUT_SLOTS["base_lr"]] = base_lr
        self.outside[:, INPUT_SLOTS["T"]] = self.total_steps
        self.states = np.zeros((self.slots, homes[-1]), weights.dtype)
        self.buffers = (weights, grads)  # kept alive: the compiled code holds their addresses
        full = int(starts[-1])
        local = max(p.local for p in self.programs) + SPARE
        self.wide = np.empty((max(1, *(p.wide for p in self.programs), 0), full), weights.dtype)
        self.local = np.empty((local, BLOCK + 16), weights.dtype)
        fixed = [weights.ctypes.data, grads.ctypes.data]
        fixed += [self.states.ctypes.data + i * int(homes[-1]) * item for i in range(self.slots)]
        self.memory = np.array(
            [
                full,
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
                        self.state((slot, k))[mine] = w[mine]
                    else:
                        self.state((slot, k))[mine] = np.reshape(value, (-1, 1))


class _Packed:
    """The bytecode of several programs as padded integer arrays.

    code [P, L, 6]: opcode, out, up to four arguments (of a reduction: arguments, how it ends, 1 if over the model);
    stretches [P, S, 6]: phase, first number, first body, first reduction, first move, end; counts [P, 6]: registers
    before the wide ones, wide, number slots, block registers, constants, stretches; moves [P, Q, 2]: slots of
    number states.
    """

    def __init__(self, programs: Sequence[Bytecode]) -> None:
        codes = [_encode(p) for p in programs]
        self.hoisted = np.array([len(p.hoisted) for p in programs], np.int64)
        self.code = _pad([rows for rows, _ in codes], 6, np.int32)
        self.stretches = _pad([ends for _, ends in codes], 6, np.int64)
        self.constants = _pad([p.constants for p in programs], 2, np.float64)
        self.moves = _pad([[move[1:] for move in p.number_states] for p in programs], 2, np.int64, -1)
        self.counts = np.array(
            [
                (
                    p.registers - p.wide - p.local,
                    p.wide,
                    p.numbers,
                    p.local + SPARE,
                    len(p.constants),
                    len(p.stretches),
                )
                for p in programs
            ],
            np.int64,
        )


def _pad(rows: Sequence[Sequence[Any]], width: int, dtype: Any, fill: int = 0) -> Array:
    """Ragged rows as one array [len(rows), longest, width]."""
    padded = np.full((len(rows), max(map(len, rows)), width), fill, dtype)
    for i, row in enumerate(rows):
        if row:
            padded[i, : len(row)] = row
    return padded


def _encode(program: Bytecode) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Rows of code in the order hoisted, then each stretch; and where each stretch's parts begin and end."""
    rows = [_number_row(i) for i in program.hoisted]
    ends: list[tuple[int, ...]] = []
    for stretch in program.stretches:
        begin = len(rows)
        rows += [_number_row(i) for i in stretch.numbers]
        body = len(rows)
        for instruction in stretch.body:
            rows += _body_rows(instruction, program.registers)
        reductions = len(rows)
        for i in stretch.reductions:
            p = PRIMITIVES[i.op]
            args = (*i.args, 0)[:2]
            rows.append((kernels.OPCODES[i.op, i.pattern, False], i.out, *args, FINISH[p.finish], p.form == "model"))
        moves = len(rows)
        rows += [_row(kernels.OPCODES["copy", "T", False], i.out, i.args) for i in stretch.moves]
        ends.append((stretch.phase, begin, body, reductions, moves, len(rows)))
    return rows, ends


def _row(opcode: int, out: int, args: Sequence[int]) -> tuple[int, ...]:
    return (opcode, out, *args, 0, 0, 0, 0)[:6]


def _number_row(i: Instruction) -> tuple[int, ...]:
    return _row(kernels.NUMBER_OPCODES[i.op], i.out, i.args)


def _body_rows(i: Instruction, spare: int) -> list[tuple[int, ...]]:
    """An instruction, after fills of spare registers where it has no loop for numbers in those places."""
    first = i.pattern.find("T")
    in_place = first >= 0 and i.out == i.args[first]
    key = (i.op, i.pattern, in_place)
    if key in kernels.OPCODES:
        return [_row(kernels.OPCODES[key], i.out, i.args)]
    rows, args = [], list(i.args)
    for k, letter in enumerate(i.pattern):
        if letter == "S":
            rows.append(_row(kernels.OPCODES["fill", "S", False], spare + k, (i.args[k],)))
            args[k] = spare + k
    # Filled registers come first only when the first argument was a number, which is then no longer in place.
    whole = (i.op, "T" * len(args), in_place and first == 0)
    if in_place and first > 0:
        temporary = spare + first
        rows.append(_row(kernels.OPCODES["copy", "T", False], temporary, (args[first],)))
        args[first] = temporary
    return [*rows, _row(kernels.OPCODES[whole], i.out, args)]
