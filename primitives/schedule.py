"""When each value of a graph is computed: once a step, or in which of the stretches between reductions.

Stages are pairs (phase, stretch within the phase): a reduction over a tensor ends a stretch, one over the model ends
a phase. What takes a matrix as a whole ends none, but waits for the end of the stretches that make its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from primitives.graph import Graph, Node
from primitives.kinds import NUMBER, PER_TENSOR, TENSOR, Kind, pointwise
from primitives.roles import CONSTANTS
from primitives.table import PRIMITIVES

W, G = 0, 1  # the registers of w and g; then comes one for each state that is a tensor
INPUT_SLOTS = {"lr": 0, "t": 1, "base_lr": 2, "T": 3, "loss": 4}  # number slots of what comes from outside
SHAPES = {"m": "rows", "n": "columns", "mn": "size"}  # what says how long a dimension of a kind is
SHAPE_SLOTS = {name: 5 + i for i, name in enumerate((*SHAPES.values(), *CONSTANTS))}  # and of what each tensor gives
REDUCTIONS = ("reduction", "model")
Stage = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Work:
    """The nodes that run in one stage: numbers, whole matrices, the values of tensors, the reductions of those."""

    numbers: list[int] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
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
    nodes, outputs = _simplified(g)
    places = {"w": W, "g": G} | {s.name: 2 + i for s, i in zip(g.states, vector_states, strict=True) if i >= 0}
    inputs = {i: places[str(n.value)] for i, n in enumerate(nodes) if n.op == "input" and n.value in places}
    ends = {W: outputs[0]} | {2 + home: i for home, i in zip(vector_states, outputs[1:], strict=True) if home >= 0}
    kinds = {W: TENSOR} | {2 + home: k for home, k in zip(vector_states, g.kinds, strict=True) if home >= 0}
    homes = _homes(nodes, ends, kinds, inputs)
    hoisted = _hoisted(nodes)
    work = Schedule(nodes, outputs, homes, inputs, [not n.kind.single for n in nodes], [], [], {(0, 0): Work()})
    ready: list[Stage] = []
    for i, node in enumerate(nodes):
        whole = takes_whole(nodes, node)
        reduces = node.kind.single and any(work.vector[a] for a in node.args)
        stage = max([_complete(work, ready, a) if whole else ready[a] for a in node.args], default=(0, 0))
        work.runs.append(stage)
        ready.append(_after(stage, node) if reduces else stage)
        if node.op in ("input", "number", *SHAPE_SLOTS):
            continue
        if hoisted[i]:
            work.hoisted.append(i)
            continue
        if stage not in work.stages:
            work.stages[stage] = Work()
        here = work.stages[stage]
        among = here.whole if whole else here.body
        (among if work.vector[i] else here.reductions if reduces else here.numbers).append(i)
    if not any(form(node.op) == "oracle" for node in nodes):
        _by_kind(work)
    if len(work.stages) > 1:
        ordered = sorted(work.stages.items())
        work.stages.clear()
        work.stages.update(ordered)
    return work


def takes_whole(nodes: list[Node], node: Node) -> bool:
    """Whether it makes a value from all elements of another at once: matrices, and copies that spread over more."""
    if node.op == "copy":
        return nodes[node.args[0]].kind != node.kind
    return form(node.op) == "matrix"


def _complete(work: Schedule, ready: list[Stage], i: int) -> Stage:
    """The first stage in which all elements of a value are there."""
    node = work.nodes[i]
    in_blocks = work.vector[i] and node.op != "input" and not takes_whole(work.nodes, node)
    return (ready[i][0], ready[i][1] + 1) if in_blocks else ready[i]


def _by_kind(s: Schedule) -> None:
    """Order what runs in blocks by its kind: values of one kind have as many elements, and depend on no other's."""
    for work in s.stages.values() if any(work.whole for work in s.stages.values()) else ():
        for some, kind in (
            (work.body, lambda i: s.nodes[i].kind),
            (work.reductions, lambda i: pointwise(*(s.nodes[a].kind for a in s.nodes[i].args))),
        ):
            kinds = list(dict.fromkeys(map(kind, some)))
            some.sort(key=lambda i, kinds=kinds, kind=kind: kinds.index(kind(i)))  # type: ignore[misc]


def _after(stage: Stage, node: Node) -> Stage:
    """The first stage that can read a number made of tensors."""
    return (stage[0] + 1, 0) if form(node.op) in ("model", "oracle") else (stage[0], stage[1] + 1)


def _simplified(g: Graph) -> tuple[list[Node], list[int]]:
    """The nodes and outputs with shapes of any value as those of the tensor, and no value spread on the way.

    What is narrower than others among arguments, of reductions numbers too, is spread over as much as they have first.
    """
    mixed = any(not (node.kind.single or node.kind == TENSOR) for node in g.nodes)
    if not mixed and not any(
        form(node.op) == "shape" or (form(node.op) in REDUCTIONS and len(node.args) > 1) for node in g.nodes
    ):
        return list(g.nodes), list(g.outputs)
    nodes: list[Node] = []
    place: list[int] = []
    spread: dict[tuple[int, Kind], int] = {}
    for node in g.nodes:
        args = [place[a] for a in node.args]
        if form(node.op) in (*REDUCTIONS, "pointwise"):
            kind = pointwise(*(nodes[a].kind for a in args))
            for k, a in enumerate(args):
                single = nodes[a].kind.single
                if (form(node.op) in REDUCTIONS) if single else nodes[a].kind != kind:
                    if (a, kind) not in spread:
                        spread[a, kind] = _append(nodes, Node("fill" if single else "copy", (a,), "", kind))
                    args[k] = spread[a, kind]
        node = node._replace(args=tuple(args))
        place.append(_shape(nodes, node) if form(node.op) == "shape" else _append(nodes, node))
    return nodes, [place[i] for i in g.outputs]


def _shape(nodes: list[Node], node: Node) -> int:
    """The rows, columns or size of a value of any kind, over those of the tensor."""
    kind = nodes[node.args[0]].kind
    if kind == TENSOR:
        return _append(nodes, node._replace(args=()))
    sides = {"rows": [kind.rows], "columns": [kind.columns], "size": [kind.rows, kind.columns]}[node.op]
    parts = [
        _append(nodes, Node("number", (), 1.0, NUMBER) if d == "1" else Node(SHAPES[d], (), "", PER_TENSOR))
        for d in sides
    ]
    return parts[0] if len(parts) == 1 else _append(nodes, Node("multiply", tuple(parts), "", PER_TENSOR))


def _append(nodes: list[Node], node: Node) -> int:
    nodes.append(node)
    return len(nodes) - 1


def _homes(nodes: list[Node], ends: dict[int, int], kinds: dict[int, Kind], inputs: dict[int, int]) -> dict[int, int]:
    """Gives each home a node of its own: a fill of a number, a copy of an old value or of what another home takes.

    What is narrower than its home is spread over it by either.
    """
    homes: dict[int, int] = {}
    for home, i in ends.items():
        if nodes[i].op in ("add", "multiply") and inputs.get(nodes[i].args[1]) == home:
            nodes[i] = nodes[i]._replace(args=nodes[i].args[::-1])  # the old value first: it may be overwritten there
        if nodes[i].kind != kinds[home] or i in homes.values() or inputs.get(i, home) != home:
            nodes.append(Node("fill" if nodes[i].kind.single else "copy", (i,), "", kinds[home]))
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
