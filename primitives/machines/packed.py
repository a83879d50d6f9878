"""Bytecode as padded integer arrays: what the CPU machine's compiled code reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from primitives.bytecode import Bytecode, G, Instruction, Stretch, W
from primitives.kinds import TENSOR, Kind
from primitives.machines import kernels, whole
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]
FINISH = {"total": 0, "total / n": 1, "sqrt(total)": 2, "sqrt(total / n)": 3}
SPARE = 4  # block registers for numbers that an instruction wants as registers


class Packed:
    """The bytecode of several programs as padded integer arrays.

    code [P, L, 6]: opcode, out, up to four arguments (of a reduction: arguments, how it ends, 1 if over the model);
    whole [P, M, 11]: opcode, out, two registers, the sides of these three, four numbers (whole.py);
    stretches [P, S, 9]: phase, first number, first body, first reduction, first move, end, first whole, its end, the
    sides of what runs in blocks; counts [P, 6]: registers before the wide ones, wide, number slots, block registers,
    constants, stretches; moves [P, Q, 2]: slots of number states.
    """

    def __init__(self, programs: Sequence[Bytecode]) -> None:
        codes = [_Encoder(p) for p in programs]
        self.hoisted = np.array([len(p.hoisted) for p in programs], np.int64)
        self.code = _pad([code.rows for code in codes], 6, np.int32)
        self.whole = _pad([code.whole for code in codes], 11, np.int64)
        self.stretches = _pad([code.stretches for code in codes], 9, np.int64)
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
                    len(code.stretches),
                )
                for p, code in zip(programs, codes, strict=True)
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


class _Encoder:
    """Rows of code in the order hoisted, then each stretch; and where each stretch's parts begin and end.

    What a stretch runs in blocks has a row in `stretches` for each kind: as many elements as values of that kind have.
    """

    def __init__(self, program: Bytecode) -> None:
        self.spare = program.registers
        self.kinds = {W: TENSOR, G: TENSOR}  # of what is in the registers
        states = zip(program.vector_states, program.kinds, strict=True)
        self.kinds |= {2 + home: kind for home, kind in states if home >= 0}
        self.rows = [_number_row(i) for i in program.hoisted]
        self.whole: list[tuple[int, ...]] = []
        self.stretches: list[tuple[int, ...]] = []
        for stretch in program.stretches:
            self._add(stretch)

    def _add(self, stretch: Stretch) -> None:
        begin, first = len(self.rows), len(self.whole)
        self.rows += [_number_row(i) for i in stretch.numbers]
        self.whole += [self._whole_row(i) for i in stretch.whole]
        self.kinds.update({i.out: i.kind for i in stretch.body})
        parts: dict[Kind, list[list[Instruction]]] = {}
        for k, some in enumerate((stretch.body, stretch.reductions, stretch.moves)):
            for i in some:
                kind = self._kind(i) if k == 1 else i.kind
                parts.setdefault(kind, [[], [], []])[k].append(i)
        for kind, (body, reductions, moves) in (parts or {TENSOR: [[], [], []]}).items():
            at = len(self.rows)
            self.rows += [row for i in body for row in _body_rows(i, self.spare)]
            reduced = len(self.rows)
            self.rows += [_reduction_row(i) for i in reductions]
            moved = len(self.rows)
            self.rows += [_row(kernels.OPCODES["copy", "T", False], i.out, i.args) for i in moves]
            end = len(self.rows), first, len(self.whole), whole.sides(kind)
            self.stretches.append((stretch.phase, begin, at, reduced, moved, *end))
            begin, first = len(self.rows), len(self.whole)  # numbers and whole matrices come once

    def _kind(self, i: Instruction) -> Kind:
        """The kind of an instruction's first register."""
        return self.kinds[i.args[i.pattern.index("T")]]

    def _whole_row(self, i: Instruction) -> tuple[int, ...]:
        registers = [a for a, letter in zip(i.args, i.pattern, strict=True) if letter == "T"]
        numbers = [a for a, letter in zip(i.args, i.pattern, strict=True) if letter == "S"]
        x, y = registers[0], registers[-1]
        shapes = [whole.sides(kind) for kind in (i.kind, self.kinds[x], self.kinds[y])]
        self.kinds[i.out] = i.kind
        return whole.OPCODES[i.op], i.out, x, y, *shapes, *(*numbers, 0, 0, 0, 0)[:4]


def _reduction_row(i: Instruction) -> tuple[int, ...]:
    p = PRIMITIVES[i.op]
    args = (*i.args, 0)[:2]
    return kernels.OPCODES[i.op, i.pattern, False], i.out, *args, FINISH[p.finish], p.form == "model"


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
