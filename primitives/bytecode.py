"""One bytecode for all machines: stretches of instructions over registers and numbers, state updated in place.

A *number* lives in a numbered float64 slot of each (replica, tensor); a *register* is one element for each element of
a tensor: 0 is w, 1 is g, then one for each state, then temporaries. Reductions cut a program into *stretches*: within
one, a machine may run all instructions block by block. A reduction over a tensor ends a stretch, one over the model
ends a *phase*, between which every tensor of the model must have come so far. Temporaries that live across a cut
are *wide* (they keep a whole tensor); all others keep one block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from primitives.graph import Graph, Node, graph
from primitives.kinds import NUMBER, TENSOR
from primitives.program import Program, State
from primitives.table import PRIMITIVES

W, G = 0, 1
INPUT_SLOTS = {"lr": 0, "t": 1, "base_lr": 2, "T": 3, "loss": 4}  # number slots of what comes from outside
SHAPE_SLOTS = {"rows": 5, "columns": 6, "size": 7}  # and of what the tensor's shape gives
FIXED_SLOTS = len(INPUT_SLOTS) + len(SHAPE_SLOTS)


class UnsupportedError(ValueError):
    """A program that the bytecode cannot express; the message says why. The interpreter still runs it."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """`pattern` has a letter for each argument: T a register, S a number. A result is a register where any is T."""

    op: str  # a primitive, or "copy" (T) or "fill" (S)
    pattern: str
    out: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Numbers first (once a tensor), then block by block the body, reductions of it, and moves of states home."""

    phase: int
    numbers: tuple[Instruction, ...]
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
    vector_states: tuple[int, ...]  # index of each state among the registers after g, -1 where it is a number
    number_states: tuple[tuple[int, int, int], ...]  # state, slot to load it into, slot to save it from
    numbers: int  # how many number slots
    wide: int  # how many wide temporaries; they come after the states
    local: int  # how many block temporaries; they come after the wide ones

    @property
    def registers(self) -> int:
        """How many registers, w and g included."""
        return 2 + sum(i >= 0 for i in self.vector_states) + self.wide + self.local

    @property
    def cost(self) -> float:
        """Cost of a step for each element, in additions."""
        work = (i for s in self.stretches for i in (*s.body, *s.reductions, *s.moves))
        return sum(PRIMITIVES[i.op].cost if i.op in PRIMITIVES else 0.5 for i in work)


def compile_program(program: Program, hyper: Mapping[str, float] | None = None) -> Bytecode:
    """The bytecode of a valid program, with its hyperparameters (but lr) as constants."""
    return _Compiler(graph(program, expand=True, hyper=hyper)).bytecode()


class _Compiler:
    """Schedules a graph into stretches and gives every value a place."""

    def __init__(self, g: Graph) -> None:
        self.graph = g
        self.nodes, self.outputs = _with_fills(g)
        self._check()
        tensors = [kind == TENSOR for kind in g.kinds]
        self.vector_states = tuple(sum(tensors[:i]) if is_tensor else -1 for i, is_tensor in enumerate(tensors))
        self.homes = {W: self.outputs[0]} | {
            2 + home: self.outputs[1 + i] for i, home in enumerate(self.vector_states) if home >= 0
        }
        self._separate_homes()
        self.vector = [not node.kind.single for node in self.nodes]
        self.hoisted = self._find_hoisted()
        self.stage = self._find_stages()
        self.slots = self._number_slots()

    def _check(self) -> None:
        for node in self.nodes:
            if node.op in PRIMITIVES and PRIMITIVES[node.op].form == "axis":
                raise UnsupportedError(f"{node.op} works on a matrix and has no bytecode yet.")
            if not (node.kind.single or node.kind == TENSOR):
                raise UnsupportedError(f"a {node.kind} has no register yet.")

    def _separate_homes(self) -> None:
        """Give each home a node of its own: a copy of an old value or of what another home takes, a fill."""
        taken: set[int] = set()
        inputs = self._input_registers()
        for home, i in self.homes.items():
            if self.nodes[i].kind.single:
                self.homes[home] = self._append(Node("fill", (i,), "", TENSOR))
            elif i in taken or (i in inputs and inputs[i] != home):
                self.homes[home] = self._append(Node("copy", (i,), "", TENSOR))
            taken.add(self.homes[home])

    def _append(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _input_registers(self) -> dict[int, int]:
        """Node -> register, of the values that are in registers when a step begins."""
        places = {"w": W, "g": G}
        for state, home in zip(self.graph.states, self.vector_states, strict=True):
            if home >= 0:
                places[state.name] = 2 + home
        return {i: places[str(n.value)] for i, n in enumerate(self.nodes) if n.op == "input" and n.value in places}

    def _find_hoisted(self) -> list[bool]:
        hoisted: list[bool] = []
        for node in self.nodes:
            outside = node.op == "number" or (node.op == "input" and node.value in INPUT_SLOTS)
            inner = bool(node.args) or (node.op in PRIMITIVES and PRIMITIVES[node.op].arity == 0)
            pure = node.kind == NUMBER and inner and PRIMITIVES[node.op].form == "pointwise"
            hoisted.append(outside or (pure and all(hoisted[a] for a in node.args)))
        return hoisted

    def _find_stages(self) -> list[tuple[int, int]]:
        """For each node the (phase, stretch within it) from which on its value can be read."""
        stages: list[tuple[int, int]] = []
        for node in self.nodes:
            phase, stretch = max((stages[a] for a in node.args), default=(0, 0))
            form = PRIMITIVES[node.op].form if node.op in PRIMITIVES else ""
            if form == "reduction":
                stretch += 1
            elif form == "model":
                phase, stretch = phase + 1, 0
            stages.append((phase, stretch))
        return stages

    def _runs(self, i: int) -> tuple[int, int]:
        """The stage in which a node runs: for a reduction the one before its value can be read."""
        if self.nodes[i].op in PRIMITIVES and PRIMITIVES[self.nodes[i].op].form in ("reduction", "model"):
            return max(self.stage[a] for a in self.nodes[i].args)
        return self.stage[i]

    def _number_slots(self) -> dict[int, int]:
        slots: dict[int, int] = {}
        for i, node in enumerate(self.nodes):
            if node.kind.single:
                fixed = SHAPE_SLOTS.get(node.op, INPUT_SLOTS.get(str(node.value)) if node.op == "input" else None)
                slots[i] = FIXED_SLOTS + len(slots) if fixed is None else fixed
        return slots

    def _instruction(self, i: int, place: Mapping[int, int]) -> Instruction:
        node = self.nodes[i]
        pattern = "".join("T" if self.vector[a] else "S" for a in node.args)
        args = tuple(place[a] if self.vector[a] else self.slots[a] for a in node.args)
        return Instruction(node.op, pattern, place[i] if self.vector[i] else self.slots[i], args)

    def bytecode(self) -> Bytecode:
        work = [i for i, n in enumerate(self.nodes) if n.op not in SILENT and not self.hoisted[i]]
        stages = sorted({self._runs(i) for i in work} | {(0, 0)})
        schedule = {
            stage: (
                [i for i in work if self._runs(i) == stage and not self.vector[i] and not self._reduces(i)],
                [i for i in work if self._runs(i) == stage and self.vector[i]],
                [i for i in work if self._runs(i) == stage and self._reduces(i)],
            )
            for stage in stages
        }
        place, tail, wide, local = self._allocate(schedule)
        stretches = []
        for stage, (numbers, body, reductions) in schedule.items():
            stretches.append(
                Stretch(
                    stage[0],
                    tuple(self._instruction(i, place) for i in numbers),
                    tuple(self._instruction(i, place) for i in body),
                    tuple(self._instruction(i, place) for i in reductions),
                    tuple(Instruction("copy", "T", home, (source,)) for home, source in tail.get(stage, ())),
                )
            )
        hoisted = [i for i, n in enumerate(self.nodes) if self.hoisted[i] and n.op not in ("input", "number")]
        return Bytecode(
            tuple((self.slots[i], float(n.value)) for i, n in enumerate(self.nodes) if n.op == "number"),
            tuple(self._instruction(i, place) for i in hoisted),
            tuple(stretches),
            self.graph.states,
            self.vector_states,
            self._number_states(),
            FIXED_SLOTS + len(self.slots),
            wide,
            local,
        )

    def _reduces(self, i: int) -> bool:
        return self._runs(i) != self.stage[i]

    def _number_states(self) -> tuple[tuple[int, int, int], ...]:
        loads = {n.value: self.slots[i] for i, n in enumerate(self.nodes) if n.op == "input" and i in self.slots}
        return tuple(
            (i, loads[state.name], self.slots[self.outputs[1 + i]])
            for i, state in enumerate(self.graph.states)
            if self.vector_states[i] < 0
        )

    def _allocate(
        self, schedule: Mapping[tuple[int, int], tuple[list[int], list[int], list[int]]]
    ) -> tuple[dict[int, int], dict[tuple[int, int], list[tuple[int, int]]], int, int]:
        """A register for every vector value; copies home at the end of a stage; how many wide and local ones."""
        order = [i for _, body, reductions in schedule.values() for i in (*body, *reductions)]
        position = {i: k for k, i in enumerate(order)}
        last_stage = max(schedule)
        last_use: dict[int, int] = {}
        crossing: set[int] = set()
        for i in order:
            for a in self.nodes[i].args:
                if self.vector[a]:
                    last_use[a] = position[i]
                    if a in position and self._runs(a) != self._runs(i):
                        crossing.add(a)
        inputs = self._input_registers()
        place = dict(inputs)
        olds = {register: i for i, register in inputs.items()}
        home_of = {i: home for home, i in self.homes.items()}
        tail: dict[tuple[int, int], list[tuple[int, int]]] = {}
        base = 2 + sum(home >= 0 for home in self.vector_states)
        free: dict[bool, list[int]] = {True: [], False: []}
        count = {True: 0, False: 0}
        temporary: dict[int, tuple[bool, int]] = {}
        for i in order:
            if not self.vector[i]:
                continue
            home = home_of.get(i)
            old = olds.get(home) if home is not None else None
            if home is not None and (
                old is None
                or last_use.get(old, -1) < position[i]
                or self._in_place(i, old, last_use[old] == position[i])
            ):
                place[i] = home
            else:
                is_wide = i in crossing or (home is not None and self._runs(i) != last_stage)
                if not free[is_wide]:
                    free[is_wide].append(count[is_wide])
                    count[is_wide] += 1
                temporary[i] = (is_wide, free[is_wide].pop())
                if home is not None:
                    tail.setdefault(last_stage, []).append((home, i))
            for a in set(self.nodes[i].args):
                if a in temporary and last_use[a] == position[i] and a not in home_of:
                    is_wide, register = temporary[a]
                    free[is_wide].append(register)
        for i, (is_wide, register) in temporary.items():
            place[i] = base + register + (0 if is_wide else count[True])
        copies = {stage: [(home, place[i]) for home, i in moves] for stage, moves in tail.items()}
        return place, copies, count[True], count[False]

    def _in_place(self, i: int, old: int, is_last: bool) -> bool:
        """Whether node i may overwrite its own argument `old`, element by element, in every machine."""
        node = self.nodes[i]
        vectors = [a for a in node.args if self.vector[a]]
        return is_last and vectors[0] == old and vectors.count(old) == 1 and node.op in IN_PLACE


def _with_fills(g: Graph) -> tuple[list[Node], list[int]]:
    """The nodes and outputs with numbers among a reduction's arguments spread over the tensor first."""
    nodes: list[Node] = []
    place: list[int] = []
    for node in g.nodes:
        args = [place[a] for a in node.args]
        if _form(node) in ("reduction", "model"):
            for k, a in enumerate(args):
                if nodes[a].kind.single:
                    nodes.append(Node("fill", (a,), "", TENSOR))
                    args[k] = len(nodes) - 1
        place.append(len(nodes))
        nodes.append(Node(node.op, tuple(args), node.value, node.kind))
    return nodes, [place[i] for i in g.outputs]


def _form(node: Node) -> str:
    return PRIMITIVES[node.op].form if node.op in PRIMITIVES else ""


SILENT = ("input", "number", *SHAPE_SLOTS)  # what is there without an instruction
IN_PLACE = ("add", "subtract", "multiply", "divide", "mix", "max", "min")
