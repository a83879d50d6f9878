"""When each value of a graph is computed: once a step, or in which of the stretches between reductions.

Stages are pairs (phase, stretch within the phase): a reduction over a tensor ends a stretch, one over the model ends
a phase.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from primitives.graph import Graph, Node
from primitives.kinds import NUMBER, TENSOR
from primitives.table import PRIMITIVES

W, G = 0, 1  # the registers of w and g; then comes one for each state that is a tensor
INPUT_SLOTS = {"lr": 0, "t": 1, "base_lr": 2, "T": 3, "loss": 4}  # number slots of what comes from outside
SHAPE_SLOTS = {"rows": 5, "columns": 6, "size": 7}  # and of what the tensor's shape gives
REDUCTIONS = ("reduction", "model")
Stage = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Work:
    """The nodes that run in one stage: numbers, the values of tensors, then the reductions of those."""

    numbers: list[int] = field(default_factory=list)
    body: list[int] = field(default_factory=list)
    reductions: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Schedule:
    """The values of a program in the order in which they are computed, each after its arguments."""

    nodes: list[Node]
    outputs: list[int]
    homes: dict[int, int]  # register of w or a state -> the node that must end up there; a node has one home
    inputs: dict[int, int]  # node -> the register in which it is when a step begins
    vector: list[bool]  # which nodes have a value for each element
    hoisted: list[int]  # numbers that are computed once a step
    runs: list[Stage]  # when each node runs
    stages: dict[Stage, Work]  # in order, without the hoisted ones


def form(op: str) -> str:
    """The form of a primitive; "" for inputs, numbers, copies and fills."""
    return PRIMITIVES[op].form if op in PRIMITIVES else ""


def schedule(g: Graph, vector_states: tuple[int, ...]) -> Schedule:
    """The schedule of a graph; `vector_states` has each state's place among those that are tensors, or -1."""
    nodes, outputs = _with_fills(g)
    places = {"w": W, "g": G} | {s.name: 2 + i for s, i in zip(g.states, vector_states, strict=True) if i >= 0}
    inputs = {i: places[str(n.value)] for i, n in enumerate(nodes) if n.op == "input" and n.value in places}
    ends = {W: outputs[0]} | {2 + home: i for home, i in zip(vector_states, outputs[1:], strict=True) if home >= 0}
    homes = _homes(nodes, ends, inputs)
    hoisted = _hoisted(nodes)
    work = Schedule(nodes, outputs, homes, inputs, [not n.kind.single for n in nodes], [], [], {(0, 0): Work()})
    ready: list[Stage] = []
    for i, node in enumerate(nodes):
        stage = max([ready[a] for a in node.args], default=(0, 0))
        kind = form(node.op)
        work.runs.append(stage)
        ready.append(
            (stage[0], stage[1] + 1) if kind == "reduction" else (stage[0] + 1, 0) if kind == "model" else stage
        )
        if node.op == "input" or node.op == "number" or kind == "shape":
            continue
        if hoisted[i]:
            work.hoisted.append(i)
            continue
        if stage not in work.stages:
            work.stages[stage] = Work()
        here = work.stages[stage]
        (here.body if work.vector[i] else here.reductions if kind in REDUCTIONS else here.numbers).append(i)
    if len(work.stages) > 1:
        ordered = sorted(work.stages.items())
        work.stages.clear()
        work.stages.update(ordered)
    return work


def _with_fills(g: Graph) -> tuple[list[Node], list[int]]:
    """The nodes and outputs with numbers among a reduction's arguments spread over the tensor first."""
    if not any(form(node.op) in REDUCTIONS and len(node.args) > 1 for node in g.nodes):
        return list(g.nodes), list(g.outputs)
    nodes: list[Node] = []
    place: list[int] = []
    for node in g.nodes:
        args = [place[a] for a in node.args]
        if form(node.op) in REDUCTIONS:
            for k, a in enumerate(args):
                if nodes[a].kind.single:
                    nodes.append(Node("fill", (a,), "", TENSOR))
                    args[k] = len(nodes) - 1
        place.append(len(nodes))
        nodes.append(node._replace(args=tuple(args)))
    return nodes, [place[i] for i in g.outputs]


def _homes(nodes: list[Node], ends: dict[int, int], inputs: dict[int, int]) -> dict[int, int]:
    """Gives each home a node of its own: a fill of a number, a copy of an old value or of what another home takes."""
    homes: dict[int, int] = {}
    for home, i in ends.items():
        if nodes[i].kind.single or i in homes.values() or inputs.get(i, home) != home:
            nodes.append(Node("fill" if nodes[i].kind.single else "copy", (i,), "", TENSOR))
            homes[home] = len(nodes) - 1
        else:
            homes[home] = i
    return homes


def _hoisted(nodes: list[Node]) -> list[bool]:
    """Which numbers depend on constants and on what comes from outside alone."""
    hoisted: list[bool] = []
    for node in nodes:
        if node.op == "number":
            hoisted.append(True)
        elif node.op == "input":
            hoisted.append(node.value in INPUT_SLOTS)
        else:
            hoisted.append(node.kind == NUMBER and form(node.op) == "pointwise" and all(hoisted[a] for a in node.args))
    return hoisted
