"""Opens the machines for a batch of programs: one for each class of tensors where programs tell them apart.

A branch that cannot be taken then costs no time and no state. Programs that look beyond the tensor at hand, at the
whole model or at the loss, stay in one machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from primitives.bytecode import TAKEN_ON_CPUS, Bytecode, UnsupportedError, compile_program
from primitives.machines.gpu_machine import GpuMachine
from primitives.machines.numba_machine import NumbaMachine, most_elements
from primitives.machines.torch_machine import TorchMachine
from primitives.oracles import Oracle
from primitives.program import Program
from primitives.roles import facts, role_of
from primitives.schedule import form
from primitives.specialise import constants_read, specialise

Array = np.ndarray[Any, Any]
Known = tuple[tuple[str, float], ...]  # constants of tensors, by name

RECENT = 1024  # programs kept compiled: those of a batch, at all its stages; a long search would fill any cache


@lru_cache(maxsize=RECENT)
def compiled(program: Program, known: Known = ()) -> Bytecode:
    """The bytecode of a program, for tensors with these constants if given."""
    return compile_program(specialise(program, dict(known)) if known else program)


_read = lru_cache(maxsize=RECENT)(constants_read)


def company(program: Program, device: str = "cpu") -> tuple[object, ...] | None:
    """What programs have in common that may share a batch at no cost to each other; None for one that stays alone."""
    if machine_for(device, [compiled(program)]) is TorchMachine:
        return None
    read = _read(program)
    return (read, _looks_beyond(compiled(program))) if read else ()


def elements(programs: Sequence[Program], shapes: Sequence[tuple[int, ...]]) -> int:
    """How many elements a state of these programs may have over all tensors; more than w where there are squares."""
    return sum(most_elements([compiled(program) for program in programs], shapes))


class Machines:
    """Programs bound to the memory of R replicas, as in the machines, on the cheapest machines that take them."""

    def __init__(
        self,
        programs: Sequence[Program],
        program_of: Array,
        shapes: Sequence[tuple[int, ...]],
        weights: Tensor,
        grads: Tensor,
        offsets: Array,
        base_lr: Array,
        total_steps: float = math.nan,
        roles: Sequence[str] | None = None,
    ) -> None:
        self.parts: list[tuple[NumbaMachine | GpuMachine | TorchMachine, list[int]]] = []
        for known, some in _classes(programs, shapes, roles).items():
            codes = [compiled(program, known) for program in programs]
            make: Any = machine_for(weights.device.type, codes)
            mine = None if roles is None else [roles[k] for k in some]
            more: Any = (offsets[some], base_lr, total_steps, mine)
            bound = (codes, program_of, [shapes[k] for k in some])
            try:
                machine = make(*bound, *_memory(make is NumbaMachine, weights, grads), *more)
            except UnsupportedError:
                if make is not GpuMachine:
                    raise
                machine = TorchMachine(*bound, weights, grads, *more)  # more than a GPU's shared memory holds
            self.parts.append((machine, some))

    def attach(self, oracle: Oracle) -> None:
        """Who answers what programs ask of the loss."""
        for machine, _ in self.parts:
            if isinstance(machine, TorchMachine):
                machine.attach(oracle)

    def step(self, t: int, lr: Any, loss: Any = None) -> None:
        """Update every replica's weights and states in place; lr [R] is this step's rate, t counts from 1."""
        for machine, _ in self.parts:
            machine.step(t, lr, loss)

    @property
    def in_graph(self) -> bool:
        """Whether a CUDA graph may hold `run`."""
        return all(isinstance(machine, GpuMachine) for machine, _ in self.parts)

    def prepare(self, t: int, lr: Any) -> None:
        """The first half of a step of machines for GPUs: which step comes, and each replica's rate [R]."""
        for machine, _ in self.parts:
            assert isinstance(machine, GpuMachine)
            machine.prepare(t, lr)

    def run(self, loss: Any = None) -> None:
        """The second half: the update, the same work at every step."""
        for machine, _ in self.parts:
            assert isinstance(machine, GpuMachine)
            machine.run(loss)

    def keep(self, alive: Array, weights: Tensor, grads: Tensor, offsets: Array) -> None:
        """Go on with the replicas where `alive` [R] is true, whose weights are now in the given buffers."""
        for machine, some in self.parts:
            w, g = _memory(isinstance(machine, NumbaMachine), weights, grads)
            machine.keep(alive, w, g, offsets[some])


def machine_for(device: str, codes: Sequence[Bytecode]) -> type[NumbaMachine | GpuMachine | TorchMachine]:
    """The quickest machine that takes these programs on a type of device."""
    takes = TAKEN_ON_CPUS if device == "cpu" else ("",)
    if any(code.needs not in takes for code in codes):
        return TorchMachine
    return NumbaMachine if device == "cpu" else GpuMachine


def _memory(numba: bool, weights: Tensor, grads: Tensor) -> tuple[Any, Any]:
    return (weights.numpy(), grads.numpy()) if numba else (weights, grads)


def _classes(
    programs: Sequence[Program], shapes: Sequence[tuple[int, ...]], roles: Sequence[str] | None
) -> Mapping[Known, list[int]]:
    """Which tensors go into a machine together, and what is known of them: () for nothing."""
    whole: dict[Known, list[int]] = {(): list(range(len(shapes)))}
    read = {name for program in programs for name in _read(program)}
    if not read:
        return whole
    classes: dict[Known, list[int]] = {}
    for k, about in enumerate(_facts(shapes, roles)):
        classes.setdefault(tuple((name, about[name]) for name in sorted(read)), []).append(k)
    looks_beyond = any(_looks_beyond(compiled(program, known)) for program in programs for known in classes)
    return whole if looks_beyond else classes


def _facts(shapes: Sequence[tuple[int, ...]], roles: Sequence[str] | None) -> list[dict[str, float]]:
    named = [role_of(len(shape)) for shape in shapes] if roles is None else roles
    return [facts(len(shape), role) for shape, role in zip(shapes, named, strict=True)]


def _looks_beyond(code: Bytecode) -> bool:
    """Whether it reads more than one tensor."""
    return any(form(i.op) in ("model", "oracle") for i in code.instructions)
