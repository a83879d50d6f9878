"""The bytecode of several programs as the arrays that the GPU's kernel reads (gpu_kernel.cu has their types).

A row is an instruction: opcode, out, four places, and of a reduction which partial sum it adds to and how it ends. A
place is a register, or ~slot of a number. Rows of a stretch over elements begin by loading what they read of the
weights, gradients, states and wide registers, and end by storing what they changed: memory moves once a stretch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from primitives.bytecode import Bytecode, Instruction, Stretch
from primitives.machines.gpu_source import OPCODES
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
Row = tuple[int, ...]
ROW = 8  # integers
FINISH = {"total": 0, "total / n": 1, "sqrt(total)": 2, "sqrt(total / n)": 3}
OVER_MODEL = 4  # added to how a reduction ends
STATES, WIDE = 2, 3  # spaces of memory; 0 has the weights, 1 the gradients


class Packed:
    """Padded arrays over programs, and the room that the largest of them needs.

    rows int32 [P, L, 8]; stretches int64 [P, S, 5]: first number, first row over elements, first reduction, first move,
    end; counts int64 [P, 4]: hoisted rows, stretches, constants, number slots; constants float64 [P, C, 2]: slot,
    value; moves int32 [P, Q, 2]: slots to load and to save each number state, -1 behind the last.
    """

    def __init__(self, programs: Sequence[Bytecode]) -> None:
        encoded = [encode(program) for program in programs]
        self.rows = padded([rows for rows, _ in encoded], ROW, np.int32)
        self.stretches = padded([stretches for _, stretches in encoded], 5, np.int64)
        self.counts = np.array(
            [(len(p.hoisted), len(p.stretches), len(p.constants), p.numbers) for p in programs], np.int64
        )
        self.constants = padded([p.constants for p in programs], 2, np.float64)
        self.moves = padded([[move[1:] for move in p.number_states] for p in programs], 2, np.int32, -1)
        self.registers = max(p.registers for p in programs)
        self.wide = max(p.wide for p in programs)
        self.states = max(sum(i >= 0 for i in p.vector_states) for p in programs)
        self.numbers = max(p.numbers for p in programs)
        self.partials = max(len(s.reductions) for p in programs for s in p.stretches)


def padded(rows: Sequence[Sequence[Any]], width: int, dtype: Any, fill: int = 0) -> Array:
    """Ragged rows as one array [len(rows), longest, width]; at least one long, so that there is an address."""
    array = np.full((len(rows), max(1, *map(len, rows)), width), fill, dtype)
    for i, row in enumerate(rows):
        if row:
            array[i, : len(row)] = row
    return array


def encode(program: Bytecode) -> tuple[list[Row], list[Row]]:
    """The rows of a program: hoisted numbers, then each stretch; and where the parts of each stretch begin and end."""
    rows = [_number(i) for i in program.hoisted]
    ends: list[Row] = []
    for stretch in program.stretches:
        first, loads, stores = len(rows), *_traffic(program, stretch)
        rows += [_number(i) for i in stretch.numbers]
        body = len(rows)
        rows += [*loads, *map(_over_elements, stretch.body)]
        reductions = len(rows)
        rows += [_reduction(i, k) for k, i in enumerate(stretch.reductions)]
        moves = len(rows)
        rows += [*map(_over_elements, stretch.moves), *stores]
        ends.append((first, body, reductions, moves, len(rows)))
    return rows, ends


def _row(op: str, out: int, places: Sequence[int], partial: int = 0, how: int = 0) -> Row:
    return (OPCODES["copy" if op == "fill" else op], out, *[*places, 0, 0, 0, 0][:4], partial, how)


def _number(i: Instruction) -> Row:
    return _row(i.op, i.out, i.args)


def _over_elements(i: Instruction) -> Row:
    return _row(i.op, i.out, _places(i))


def _reduction(i: Instruction, partial: int) -> Row:
    p = PRIMITIVES[i.op]
    return _row(i.op, i.out, _places(i), partial, FINISH[p.finish] + OVER_MODEL * (p.form == "model"))


def _places(i: Instruction) -> list[int]:
    return [a if letter == "T" else ~a for letter, a in zip(i.pattern, i.args, strict=True)]


def _traffic(program: Bytecode, stretch: Stretch) -> tuple[list[Row], list[Row]]:
    """Loads of what a stretch reads before it has written it, and stores of what it writes, but for block registers."""
    kept = program.registers - program.local
    loaded: dict[int, None] = {}
    written: dict[int, None] = {}
    for i in (*stretch.body, *stretch.reductions, *stretch.moves):
        for letter, a in zip(i.pattern, i.args, strict=True):
            if letter == "T" and a < kept and a not in written:
                loaded[a] = None
        if not i.kind.single and i.out < kept:
            written[i.out] = None
    first_wide = kept - program.wide

    def home(register: int) -> tuple[int, int]:
        if register < STATES:
            return register, 0
        return (STATES, register - STATES) if register < first_wide else (WIDE, register - first_wide)

    return [_row("load", r, home(r)) for r in loaded], [_row("store", r, home(r)) for r in written]
