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
from primitives.oracles import Oracle, OracleError
from primitives.primitive import Primitive
from primitives.roles import facts, role_of
from primitives.table import PRIMITIVES

File = dict[int, Tensor]  # the registers, or the numbers, of one tensor
Array = np.ndarray[Any, Any]


class TorchMachine:
    """Programs bound to the memory of R replicas, with the same arguments and methods as `NumbaMachine`.

    Weights and gradients are flat tensors on one device; segment k is [R, n_k] from offsets[k]. It takes every program;
    those that ask the loss need `attach`.
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
    ) -> None:
        self.programs, self.shapes, self.total_steps = programs, shapes, total_steps
        named = [role_of(len(shape)) for shape in shapes] if roles is None else roles
        self.matrices = [as_matrix(np.empty(shape, np.int8)).shape for shape in shapes]
        self.facts = [
            {"rows": m, "columns": n, "size": m * n} | facts(len(shape), role)
            for shape, (m, n), role in zip(shapes, self.matrices, named, strict=True)
        ]
        self.oracle: Oracle | None = None
        self._bind(weights, grads, offsets, np.asarray(program_of), np.asarray(base_lr, np.float64))
        self.states = [self._start(p) for p in range(len(programs))]

    def attach(self, oracle: Oracle) -> None:
        """Who answers what programs ask of the loss: about points [R, m, n] of all replicas at once."""
        self.oracle = oracle

    def step(self, t: int, lr: Array, loss: Array | Tensor | None = None) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        outside: dict[str, Any] = {"lr": lr, "t": t, "base_lr": self.base_lr, "T": self.total_steps}
        outside["loss"] = math.nan if loss is None else loss
        columns = {name: self._column(value) for name, value in outside.items()}
        with torch.no_grad():
            for p, rows in enumerate(self.rows):
                if len(rows):
                    self._step(p, rows, {name: column[rows] for name, column in columns.items()})

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
        self.weights, self.grads = (
            [
                flat[int(o) :][: len(program_of) * m * n].view(-1, m, n)
                for o, (m, n) in zip(offsets, self.matrices, strict=True)
            ]
            for flat in (weights, grads)
        )
        self.fixed = [self._fixed(program, len(rows)) for program, rows in zip(self.programs, self.rows, strict=True)]

    def _column(self, values: Any) -> Tensor:
        """Numbers of replicas as float64 [R, 1, 1]."""
        column = torch.as_tensor(values, dtype=torch.float64, device=self.device)
        return column.expand(len(self.program_of))[:, None, None]

    def _fixed(self, program: Bytecode, replicas: int) -> list[File]:
        """For each tensor the numbers that no step changes."""

        def number(value: float) -> Tensor:
            return torch.full((replicas, 1, 1), value, dtype=torch.float64, device=self.device)

        constants = {slot: number(value) for slot, value in program.constants}
        return [constants | {SHAPE_SLOTS[name]: number(value) for name, value in about.items()} for about in self.facts]

    def _start(self, p: int) -> list[list[Tensor]]:
        """For each state and tensor [R, rows, columns], or [R, 1, 1] in float64 where the state is a number."""
        program, rows = self.programs[p], self.rows[p]
        states = []
        for state, kind, home in zip(program.states, program.kinds, program.vector_states, strict=True):
            if state.start == "w":
                states.append([w[rows].clone() for w in self.weights])
                continue
            value = self._column(self.base_lr if state.start == "lr" else float(state.start))[rows]
            dtypes = [torch.float64 if home < 0 else w.dtype for w in self.weights]
            shapes = [kind.shape(*matrix) for matrix in self.matrices]
            states.append(
                [value.to(dtype).expand(-1, *shape).clone() for dtype, shape in zip(dtypes, shapes, strict=True)]
            )
        return states

    def _step(self, p: int, rows: Tensor, outside: dict[str, Tensor]) -> None:
        program, states = self.programs[p], self.states[p]
        registers: list[File] = [{W: w[rows], G: g[rows]} for w, g in zip(self.weights, self.grads, strict=True)]
        numbers = self._numbers(p, outside)
        for i, home in enumerate(program.vector_states):
            for k, file in enumerate(registers):
                if home >= 0:
                    file[2 + home] = states[i][k]
        for state, load, _ in program.number_states:
            for k, file in enumerate(numbers):
                file[load] = states[state][k]
        for instruction in program.instructions[len(program.hoisted) :]:
            self._run(instruction, rows, registers, numbers)
        for i, home in enumerate(program.vector_states):
            if home >= 0:
                states[i] = [file[2 + home] for file in registers]
        for state, _, save in program.number_states:
            states[state] = [file[save] for file in numbers]
        for w, file in zip(self.weights, registers, strict=True):
            w[rows] = file[W]

    def _numbers(self, p: int, outside: dict[str, Tensor]) -> list[File]:
        """The numbers of each tensor before the first stretch."""
        file = self.fixed[p][0] | {slot: outside[name] for name, slot in INPUT_SLOTS.items()}
        for i in self.programs[p].hoisted:
            file[i.out] = _apply(i, [file[a] for a in i.args], outside["lr"])
        return [file | fixed for fixed in self.fixed[p]]

    def _run(self, i: Instruction, rows: Tensor, registers: list[File], numbers: list[File]) -> None:
        """One instruction over all tensors of the model."""
        args = [
            [r[a] if letter == "T" else s[a] for letter, a in zip(i.pattern, i.args, strict=True)]
            for r, s in zip(registers, numbers, strict=True)
        ]
        p = PRIMITIVES.get(i.op)
        if p is None:
            found = [self._spread(x, i, k) for k, (x,) in enumerate(args)]
        elif p.form == "oracle":
            found = self._ask(p, i, rows, args)
        elif p.form in ("reduction", "model"):
            found = _reduce(p, args)
        else:
            found = [_apply(i, values, numbers[0][INPUT_SLOTS["lr"]]) for values in args]
        for file, value in zip(numbers if i.kind.single else registers, found, strict=True):
            file[i.out] = value

    def _spread(self, x: Tensor, i: Instruction, k: int) -> Tensor:
        """A value of tensor k over all that the instruction's kind covers, in the tensors' dtype."""
        return x.to(self.weights[k].dtype).expand(x.shape[0], *i.kind.shape(*self.matrices[k]))

    def _ask(self, p: Primitive, i: Instruction, rows: Tensor, args: list[list[Tensor]]) -> list[Tensor]:
        """What the oracle says about points, which have a value for each element."""
        if self.oracle is None:
            raise OracleError(f"{p.name} asks for more than the gradient at w; give an oracle, or a closure.")
        assert p.meaning is not None
        values: list[Any] = [
            [
                x.to(w.dtype).expand(len(rows), *w.shape[1:])
                for w, x in zip(self.weights, [a[j] for a in args], strict=True)
            ]
            if letter == "T"
            else args[0][j].to(self.weights[0].dtype)
            for j, letter in enumerate(i.pattern)
        ]
        some = _Some(self.oracle, rows, self.weights) if len(rows) < len(self.program_of) else self.oracle
        answer = p.meaning(torch_namespace(), some, *values)
        if isinstance(answer, list):
            return [x.to(w.dtype) for x, w in zip(answer, self.weights, strict=True)]
        return [answer.to(torch.float64).reshape(-1, 1, 1)] * len(args)


class _Some:
    """An oracle for some of the replicas; the others are asked about where they are."""

    def __init__(self, oracle: Oracle, rows: Tensor, weights: list[Tensor]) -> None:
        self.oracle, self.rows, self.weights = oracle, rows, weights

    def _all(self, point: list[Tensor]) -> list[Tensor]:
        return [w.index_copy(0, self.rows, x.to(w.dtype)) for w, x in zip(self.weights, point, strict=True)]

    def gradient(self, point: list[Tensor]) -> list[Tensor]:
        return [x[self.rows] for x in self.oracle.gradient(self._all(point))]

    def loss(self, point: list[Tensor]) -> Any:
        return self.oracle.loss(self._all(point))[self.rows]

    def product(self, vector: list[Tensor]) -> list[Tensor]:
        return [x[self.rows] for x in self.oracle.product(self._all(vector))]


def _apply(i: Instruction, values: Sequence[Tensor], like: Tensor) -> Tensor:
    """A pointwise or matrix primitive of one tensor; numbers are rounded to the dtype of the tensors they meet."""
    p = PRIMITIVES[i.op]
    assert p.meaning is not None
    if not values:
        return torch.full_like(like, p.meaning(None))
    dtype = next((x.dtype for x in values if x.dtype != torch.float64), torch.float64)
    values = [x.to(dtype) for x in values]
    result = _one_by_one(p, values) if p.form == "matrix" else p.meaning(torch_namespace(), *values)
    return result.to(torch.float64 if i.kind.single else dtype)


def _one_by_one(p: Primitive, values: list[Tensor]) -> Tensor:
    """A matrix primitive replica by replica on a CPU, where libraries round by the size of the batch and alignment."""
    assert p.meaning is not None
    if values[0].device.type != "cpu":
        return p.meaning(torch_namespace(), *values)  # type: ignore[no-any-return]
    replicas = ([x[r : r + 1].clone() for x in values] for r in range(len(values[0])))
    return torch.cat([p.meaning(torch_namespace(), *one) for one in replicas])


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
