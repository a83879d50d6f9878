"""The torch machine: the same bytecode on any device, one program at a time over its replicas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from primitives.bytecode import INPUT_SLOTS, SHAPE_SLOTS, Bytecode, G, Instruction, W
from primitives.interpreter import as_matrix, finish
from primitives.namespaces import torch_namespace
from primitives.primitive import Primitive
from primitives.table import PRIMITIVES

Array = np.ndarray[Any, Any]


class TorchMachine:
    """Programs bound to the memory of R replicas, with the same arguments and methods as `NumbaMachine`.

    Weights and gradients are flat tensors on one device; segment k is [R, n_k] from offsets[k].
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
    ) -> None:
        self.programs, self.shapes, self.total_steps = programs, shapes, total_steps
        self._bind(weights, grads, offsets, np.asarray(program_of), np.asarray(base_lr, np.float64))
        self.states = [self._start(p) for p in range(len(programs))]

    def step(self, t: int, lr: Array, loss: Array | None = None) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        outside: dict[str, Any] = {"lr": lr, "t": t, "base_lr": self.base_lr, "T": self.total_steps}
        outside["loss"] = math.nan if loss is None else loss
        columns = {name: np.broadcast_to(value, self.program_of.shape) for name, value in outside.items()}
        with torch.no_grad():
            for p, rows in enumerate(self.rows):
                if len(rows):
                    mine = {name: self._column(column[rows.cpu().numpy()]) for name, column in columns.items()}
                    self._step(p, rows, mine)

    def keep(self, alive: Array, weights: Tensor, grads: Tensor, offsets: Array) -> None:
        """Go on with the replicas where `alive` [R] is true, whose weights are now in the given buffers."""
        for states, rows in zip(self.states, self.rows, strict=True):
            stay = torch.from_numpy(np.flatnonzero(alive[rows.cpu().numpy()])).to(weights.device)
            states[:] = [[x[stay] for x in state] for state in states]
        self._bind(weights, grads, offsets, self.program_of[alive], self.base_lr[alive])

    def _bind(self, weights: Tensor, grads: Tensor, offsets: Array, program_of: Array, base_lr: Array) -> None:
        self.device, self.program_of, self.base_lr = weights.device, program_of, base_lr
        indices = (np.flatnonzero(program_of == p) for p in range(len(self.programs)))
        self.rows = [torch.from_numpy(i).to(self.device) for i in indices]
        self.matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in self.shapes]
        self.weights, self.grads = (
            [
                flat[int(o) :][: len(program_of) * m * n].view(-1, m, n)
                for o, (m, n) in zip(offsets, self.matrices, strict=True)
            ]
            for flat in (weights, grads)
        )

    def _column(self, values: Array) -> Tensor:
        """Numbers of replicas as float64 [R, 1, 1]."""
        return torch.from_numpy(np.array(values, np.float64)).to(self.device)[:, None, None]

    def _start(self, p: int) -> list[list[Tensor]]:
        """For each state and tensor [R, m, n], or [R, 1, 1] in float64 where the state is a number."""
        program, rows = self.programs[p], self.rows[p]
        base = self._column(self.base_lr[rows.cpu().numpy()])

        def full(start: str | float, home: int, w: Tensor) -> Tensor:
            if start == "w":
                return w[rows].clone()
            value = base if start == "lr" else torch.full_like(base, float(start))
            return value.clone() if home < 0 else value.to(w.dtype).expand(w[rows].shape).clone()

        pairs = zip(program.states, program.vector_states, strict=True)
        return [[full(state.start, home, w) for w in self.weights] for state, home in pairs]

    def _step(self, p: int, rows: Tensor, outside: dict[str, Tensor]) -> None:
        program, states = self.programs[p], self.states[p]
        registers: list[dict[int, Tensor]] = [
            {W: w[rows], G: g[rows]} for w, g in zip(self.weights, self.grads, strict=True)
        ]
        numbers = [self._numbers(program, outside, k) for k in range(len(self.shapes))]
        for i, home in enumerate(program.vector_states):
            for k, file in enumerate(registers):
                if home >= 0:
                    file[2 + home] = states[i][k]
        for state, load, _ in program.number_states:
            for k, file in enumerate(numbers):
                file[load] = states[state][k]
        for instruction in _in_order(program):
            self._run(instruction, registers, numbers)
        for i, home in enumerate(program.vector_states):
            if home >= 0:
                states[i] = [file[2 + home] for file in registers]
        for state, _, save in program.number_states:
            states[state] = [file[save] for file in numbers]
        for w, file in zip(self.weights, registers, strict=True):
            w[rows] = file[W]

    def _numbers(self, program: Bytecode, outside: dict[str, Tensor], k: int) -> dict[int, Tensor]:
        like = outside["lr"]
        m, n = self.matrices[k]
        file = {slot: outside[name] for name, slot in INPUT_SLOTS.items()}
        file |= {slot: torch.full_like(like, value) for slot, value in program.constants}
        sizes = {"rows": m, "columns": n, "size": m * n}
        return file | {slot: torch.full_like(like, sizes[name]) for name, slot in SHAPE_SLOTS.items()}

    def _run(self, i: Instruction, registers: list[dict[int, Tensor]], numbers: list[dict[int, Tensor]]) -> None:
        """One instruction over all tensors of the model."""
        args = [
            [r[a] if letter == "T" else s[a] for letter, a in zip(i.pattern, i.args, strict=True)]
            for r, s in zip(registers, numbers, strict=True)
        ]
        if i.op in ("copy", "fill"):
            for file, like, (x,) in zip(registers, self.weights, args, strict=True):
                file[i.out] = x.to(like.dtype).expand(x.shape[0], *like.shape[1:])
            return
        p = PRIMITIVES[i.op]
        if p.form in ("reduction", "model"):
            for file, total in zip(numbers, _reduce(p, args), strict=True):
                file[i.out] = total
            return
        for file, s, values in zip(registers, numbers, args, strict=True):
            (file if "T" in i.pattern else s)[i.out] = _pointwise(p, values, numbers[0][INPUT_SLOTS["lr"]])


def _in_order(program: Bytecode) -> list[Instruction]:
    code = list(program.hoisted)
    for stretch in program.stretches:
        code += [*stretch.numbers, *stretch.body, *stretch.reductions, *stretch.moves]
    return code


def _pointwise(p: Primitive, values: Sequence[Tensor], like: Tensor) -> Tensor:
    """Numbers are rounded to the dtype of the tensors they meet."""
    assert p.meaning is not None
    if not values:
        return torch.full_like(like, p.meaning(None))
    dtype = next((x.dtype for x in values if x.dtype != torch.float64), torch.float64)
    result: Tensor = p.meaning(torch_namespace(), *(x.to(dtype) for x in values))
    return result.to(dtype)


def _reduce(p: Primitive, args: list[list[Tensor]]) -> list[Tensor]:
    assert p.meaning is not None
    f = torch_namespace()
    terms = [p.meaning(f, *(x.to(torch.float64) for x in values)) for values in args]
    totals = [f.total(x) for x in terms]
    counts = [math.prod(x.shape[-2:]) for x in terms]
    if p.form == "reduction":
        return [finish(p, f, total, n) for total, n in zip(totals, counts, strict=True)]
    whole = finish(p, f, torch.stack(totals).sum(dim=0), sum(counts))
    return [whole] * len(args)
