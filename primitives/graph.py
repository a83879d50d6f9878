"""A program as a graph of values (SSA): equal values are one node, constants are folded, dead code is gone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.namespaces import NUMPY
from primitives.program import READABLE, Assign, Call, Program, State
from primitives.table import PRIMITIVES


@dataclass(frozen=True, slots=True)
class Node:
    """A value: an input (`value` is its name), a number (`value`), or a primitive applied to earlier nodes."""

    op: str  # "input", "number" or a primitive
    args: tuple[int, ...]
    value: str | float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes, each after its arguments and needed by some output; outputs are the new w, then the new states."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    states: tuple[State, ...]
    kinds: tuple[Kind, ...]  # of the states


class _Builder:
    """Adds nodes, merging equal ones and folding what depends on numbers alone."""

    def __init__(self, expand: bool) -> None:
        self.expand = expand
        self.nodes: list[Node] = []
        self.keys: list[int] = []  # a structural hash of each node, the same in every process
        self.index: dict[Any, int] = {}

    def leaf(self, op: str, value: str | float, kind: Kind) -> int:
        return self._node(op, (), value, kind)

    def apply(self, op: str, args: tuple[int, ...]) -> int:
        p = PRIMITIVES[op]
        if self.expand and p.form == "composite":
            return self.expr(expansion(op), dict(zip(p.args, args, strict=True)))
        if p.form == "pointwise" and all(self.nodes[a].op == "number" for a in args):
            value = self._fold(op, args)
            if math.isfinite(value):
                return self.leaf("number", value, NUMBER)
        if p.commutative and self.keys[args[0]] > self.keys[args[1]]:
            args = (args[1], args[0])
        return self._node(op, args, "", p.kind(*(self.nodes[a].kind for a in args)))

    def expr(self, expr: str | float | Call, env: Mapping[str, int]) -> int:
        if isinstance(expr, str):
            return env[expr]
        if isinstance(expr, Call):
            return self.apply(expr.op, tuple(self.expr(arg, env) for arg in expr.args))
        return self.leaf("number", float(expr), NUMBER)

    def _fold(self, op: str, args: tuple[int, ...]) -> float:
        with np.errstate(all="ignore"):
            meaning = PRIMITIVES[op].meaning
            assert meaning is not None
            return float(meaning(NUMPY, *(np.float64(self.nodes[a].value) for a in args)))

    def _node(self, op: str, args: tuple[int, ...], value: str | float, kind: Kind) -> int:
        # 0.0 and -0.0 are equal as keys and not the same number
        key = (op, args, value, math.copysign(1, value) if value == 0 else 1)
        found = self.index.get(key)
        if found is None:
            found = self.index[key] = len(self.nodes)
            self.nodes.append(Node(op, args, value, kind))
            self.keys.append(zlib.crc32(repr((op, value, [self.keys[a] for a in args])).encode()))
        return found


def graph(program: Program, *, expand: bool = False, hyper: Mapping[str, float] | None = None) -> Graph:
    """The graph of a valid program. `expand` writes composites out; hyperparameters but lr become numbers.

    States that have no influence on w are left out.
    """
    builder = _Builder(expand)
    kinds = state_kinds(program)
    env = {name: builder.leaf("input", name, NUMBER) for name in (*READABLE, "lr")}
    for name, default in program.hyper:
        if name != "lr":
            env[name] = builder.leaf("number", float((hyper or {}).get(name, default)), NUMBER)
    env["w"], env["g"] = builder.leaf("input", "w", TENSOR), builder.leaf("input", "g", TENSOR)
    for name, kind in kinds.items():
        env[name] = builder.leaf("input", name, kind)
    for assign in program.body:
        env[assign.name] = builder.expr(assign.value, env)
    outputs = [builder.expr(value, env) for value in program.returns]
    return _prune(builder.nodes, outputs, program.states, kinds, {**program.defaults, **(hyper or {})})


def _prune(
    nodes: list[Node],
    outputs: list[int],
    states: tuple[State, ...],
    kinds: Mapping[str, Kind],
    hyper: Mapping[str, float],
) -> Graph:
    """Only live states, and only the nodes that the outputs need, in the order in which they are first needed."""
    new = {state.name: output for state, output in zip(states, outputs[1:], strict=True)}
    order: dict[int, int] = {}
    live: set[str] = set()
    pending = [outputs[0]]
    while pending:
        _visit(nodes, pending.pop(0), order)
        for i in list(order):
            name = nodes[i].value
            if nodes[i].op == "input" and name in new and name not in live:
                live.add(str(name))
                pending.append(new[str(name)])
    kept = tuple(Node(n.op, tuple(order[a] for a in n.args), n.value, n.kind) for n in (nodes[i] for i in order))
    alive = tuple(s for s in states if s.name in live)
    starts = tuple(
        State(s.name, hyper[s.start] if isinstance(s.start, str) and s.start not in ("w", "lr") else s.start)
        for s in alive
    )
    ends = (order[outputs[0]], *(order[new[s.name]] for s in alive))
    return Graph(kept, ends, starts, tuple(kinds[s.name] for s in alive))


def _visit(nodes: list[Node], root: int, order: dict[int, int]) -> None:
    """Number the nodes below root that have no number yet, arguments first."""
    stack = [(root, False)]
    while stack:
        i, ready = stack.pop()
        if i in order:
            continue
        if ready:
            order[i] = len(order)
        else:
            stack.append((i, True))
            stack.extend((a, False) for a in reversed(nodes[i].args))


def canonical(program: Program, hyper: Mapping[str, float] | None = None) -> Program:
    """The program in normal form: one primitive a statement, no dead code, numbers folded, order and names fixed."""
    g = graph(program, hyper=hyper)
    taken = {"w", "g", "lr", *READABLE, *(s.name for s in g.states)}
    names: list[str | float] = []
    body = []
    fresh = (f"x{i}" for i in range(1, len(g.nodes) + len(taken) + 1) if f"x{i}" not in taken)
    final = _last_step(g)
    for i, node in enumerate(g.nodes):
        if node.op in ("input", "number"):
            names.append(node.value)
        elif i in final:
            names.append("")
        else:
            name = next(fresh)
            body.append(Assign(name, Call(node.op, tuple(names[a] for a in node.args))))
            names.append(name)
    lr = (("lr", program.defaults.get("lr", 0.001)),)
    returns: list[str | float | Call] = [names[i] for i in g.outputs]
    if final:
        update = next(a for a in g.nodes[final[1]].args if g.nodes[a].value != "lr" or g.nodes[a].op != "input")
        returns[0] = Call("subtract", ("w", Call("multiply", ("lr", names[update]))))
    return Program(program.name, g.states, lr, tuple(body), tuple(returns), program.doc)


def _last_step(g: Graph) -> tuple[int, ...]:
    """The nodes of `w - lr * update` where the new w is that and nothing else uses them; else nothing."""
    end = g.nodes[g.outputs[0]]
    if end.op != "subtract" or g.nodes[end.args[0]].value != "w" or g.nodes[end.args[0]].op != "input":
        return ()
    product = end.args[1]
    factors = g.nodes[product].args
    is_lr = [g.nodes[a].op == "input" and g.nodes[a].value == "lr" for a in factors]
    if g.nodes[product].op != "multiply" or sum(is_lr) != 1:
        return ()
    uses = sum(node.args.count(product) for node in g.nodes) + g.outputs.count(product)
    own = g.outputs.count(g.outputs[0]) + sum(node.args.count(g.outputs[0]) for node in g.nodes)
    return (g.outputs[0], product) if uses == 1 and own == 1 else ()
