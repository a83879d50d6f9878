"""One bytecode for all machines: stretches of instructions over registers and numbers, state updated in place.

A *number* lives in a numbered float64 slot of each (replica, tensor); a *register* holds any other kind of value, most
often one element for each element of a tensor: 0 is w, 1 is g, then one for each state, then temporaries. Reductions
cut a program into *stretches*: within one, a machine may run all instructions block by block. A reduction over a tensor
ends a stretch, one over the model ends a *phase*, between which every tensor of the model must have come so far.
Temporaries that live across a cut are *wide* (they keep a whole tensor); all others keep one block. An instruction that
takes a *whole* matrix runs at the beginning of a stretch: what it reads has come to its end, what it makes may be read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from primitives.graph import Graph, graph
from primitives.kinds import TENSOR, Kind
from primitives.program import Program, State
from primitives.registers import IN_PLACE, Registers, allocate
from primitives.schedule import INPUT_SLOTS, SHAPE_SLOTS, G, Schedule, W, form, schedule, takes_whole
from primitives.table import PRIMITIVES

FIXED_SLOTS = len(INPUT_SLOTS) + len(SHAPE_SLOTS)
# The primitives of matrices that the machine for CPUs has.
PRODUCTS = ("transpose", "row_mean", "column_mean", "flatten", "unflatten", "matmul", "orthogonalize")
COUNTED = 5.0  # steps, of which the table's cost of a primitive that counts some is
TAKEN_ON_CPUS = ("", "products")  # of `Bytecode.needs`, by the machine for CPUs, which is that of a search


class UnsupportedError(ValueError):
    """A program that a machine does not take; the message says why."""


class Instruction(NamedTuple):
    """`pattern` has a letter for each argument: T a register, S a number. A copy or a fill spreads over its `kind`."""

    op: str  # a primitive, or "copy" (T) or "fill" (S)
    pattern: str
    out: int
    args: tuple[int, ...]
    kind: Kind  # of the result: a number in a slot where it is single, else in a register


@dataclass(frozen=True, slots=True)
class Stretch:
    """Numbers and whole matrices first, then block by block the body, reductions of it, and moves of states home."""

    phase: int
    numbers: tuple[Instruction, ...]
    whole: tuple[Instruction, ...]
    body: tuple[Instruction, ...]
    reductions: tuple[Instruction, ...]  # out is a number slot
    moves: tuple[Instruction, ...]  # copies, after the reductions have read the old states


@dataclass(frozen=True, slots=True)
class Bytecode:
    """A compiled program."""

    constants: tuple[tuple[int, float], ...]  # number slot, value
    hoisted: tuple[Instruction, ...]  # numbers that depend on constants, lr and t alone: once a step
    stretches: tuple[Stretch, ...]
    states: tuple[State, ...]
    kinds: tuple[Kind, ...]  # of the states
    vector_states: tuple[int, ...]  # index of each state among the registers after g, -1 where it is a number
    number_states: tuple[tuple[int, int, int], ...]  # state, slot to load it into, slot to save it from
    numbers: int  # how many number slots
    wide: int  # how many wide temporaries; they come after the states
    local: int  # how many block temporaries; they come after the wide ones
    reads_loss: bool
    needs: str  # "oracle" if it asks the loss, "matrix" where matrices are more than PRODUCTS, "products", or ""

    @property
    def registers(self) -> int:
        """How many registers, w and g included."""
        return 2 + sum(i >= 0 for i in self.vector_states) + self.wide + self.local

    @property
    def instructions(self) -> list[Instruction]:
        """All instructions in an order in which a machine may run them."""
        code = list(self.hoisted)
        for stretch in self.stretches:
            code += [*stretch.numbers, *stretch.whole, *stretch.body, *stretch.reductions, *stretch.moves]
        return code

    @property
    def reads_roles(self) -> bool:
        """Whether what it does to a tensor depends on what that is for."""
        slots = {slot for name, slot in SHAPE_SLOTS.items() if form(name) == "role"}
        numbers = {a for i in self.instructions for a, p in zip(i.args, i.pattern, strict=True) if p == "S"}
        return not slots.isdisjoint(numbers | {load[2] for load in self.number_states})

    @property
    def cost(self) -> float:
        """Cost of a step for each element, in additions."""
        numbers = dict(self.constants)
        work = (i for s in self.stretches for i in (*s.whole, *s.body, *s.reductions, *s.moves))
        return sum(_cost(i, numbers) for i in work)


def compile_program(program: Program, hyper: Mapping[str, float] | None = None) -> Bytecode:
    """The bytecode of a valid program, with its hyperparameters (but lr) as constants."""
    g = graph(program, expand=True, hyper=hyper)
    vector_states = _vector_states(g)
    s = schedule(g, vector_states)
    slots = _number_slots(s)
    registers = allocate(s, 2 + sum([i >= 0 for i in vector_states]))
    write = _Writer(s, slots, registers)
    return Bytecode(
        tuple([(slots[i], float(n.value)) for i, n in enumerate(s.nodes) if n.op == "number"]),
        write.code(s.hoisted),
        write.stretches(),
        g.states,
        g.kinds,
        vector_states,
        _number_states(s, slots, vector_states, g),
        FIXED_SLOTS + len(slots),
        registers.wide,
        registers.local,
        any(node.op == "input" and node.value == "loss" for node in g.nodes),
        _needs(s),
    )


def _cost(i: Instruction, numbers: Mapping[int, float]) -> float:
    """Of an instruction for each element; what counts steps costs as many times a fifth of what the table says."""
    if i.op not in PRIMITIVES:
        return 0.5
    p = PRIMITIVES[i.op]
    counts = [numbers.get(a, COUNTED) for a, role in zip(i.args, p.roles, strict=True) if role == "count"]
    return p.cost * math.prod(counts) / COUNTED ** len(counts)


def _needs(s: Schedule) -> str:
    if any(form(node.op) == "oracle" for node in s.nodes):
        return "oracle"
    whole = [node for node in s.nodes if takes_whole(s.nodes, node)]
    if any(node.kind.single or (form(node.op) == "matrix" and node.op not in PRODUCTS) for node in whole):
        return "matrix"
    kinds = {node.kind for node in s.nodes if not node.kind.single} - {TENSOR}
    if any("mn" in (kind.rows, kind.columns) and "1" not in (kind.rows, kind.columns) for kind in kinds):
        return "matrix"
    return "products" if whole or kinds else ""


def _vector_states(g: Graph) -> tuple[int, ...]:
    """Each state's place among those that are tensors, or -1."""
    vector = [not kind.single for kind in g.kinds]
    return tuple([sum(vector[:i]) if is_vector else -1 for i, is_vector in enumerate(vector)])


def _number_slots(s: Schedule) -> dict[int, int]:
    slots: dict[int, int] = {}
    for i, node in enumerate(s.nodes):
        if not s.vector[i]:
            fixed = SHAPE_SLOTS.get(node.op, INPUT_SLOTS.get(str(node.value)) if node.op == "input" else None)
            slots[i] = FIXED_SLOTS + len(slots) if fixed is None else fixed
    return slots


def _number_states(
    s: Schedule, slots: Mapping[int, int], vector_states: tuple[int, ...], g: Graph
) -> tuple[tuple[int, int, int], ...]:
    loads = {n.value: slots[i] for i, n in enumerate(s.nodes) if n.op == "input" and i in slots}
    return tuple(
        (i, loads[state.name], slots[s.outputs[1 + i]]) for i, state in enumerate(g.states) if vector_states[i] < 0
    )


class _Writer:
    """Writes nodes as instructions over places."""

    def __init__(self, s: Schedule, slots: Mapping[int, int], registers: Registers) -> None:
        self.s, self.registers = s, registers
        self.place = {**slots, **registers.place}

    def code(self, nodes: list[int]) -> tuple[Instruction, ...]:
        return tuple([self._instruction(i) for i in nodes])

    def _instruction(self, i: int) -> Instruction:
        node, vector, place = self.s.nodes[i], self.s.vector, self.place
        pattern = "".join(["T" if vector[a] else "S" for a in node.args])
        return Instruction(node.op, pattern, place[i], tuple([place[a] for a in node.args]), node.kind)

    def stretches(self) -> tuple[Stretch, ...]:
        last = next(reversed(self.s.stages))
        moves = tuple(
            [
                Instruction("copy", "T", home, (source,), self.s.nodes[self.s.homes[home]].kind)
                for home, source in self.registers.moves
            ]
        )
        return tuple(
            [
                Stretch(
                    stage[0],
                    self.code(work.numbers),
                    self.code(work.whole),
                    self.code(work.body),
                    self.code(work.reductions),
                    moves if stage == last else (),
                )
                for stage, work in self.s.stages.items()
            ]
        )


__all__ = [
    "INPUT_SLOTS",
    "IN_PLACE",
    "SHAPE_SLOTS",
    "Bytecode",
    "G",
    "Instruction",
    "Stretch",
    "UnsupportedError",
    "W",
    "compile_program",
]
