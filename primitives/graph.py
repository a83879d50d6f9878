"""A program as a graph of values (SSA): equal values are one node, constants are folded, dead code is gone."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind, KindError, join
from primitives.namespaces import NUMPY
from primitives.program import READABLE, Assign, Call, Program, State
from primitives.table import PRIMITIVES


class Node(NamedTuple):
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
    """Adds values, merging equal ones and folding what depends on numbers alone; kinds come later."""

    def __init__(self, expand: bool) -> None:
        self.expand = expand
        self.ops: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.values: list[Any] = []
        self.keys: list[int] = []  # a structural hash of each value, the same in every process
        self.index: dict[Any, int] = {}
        self.wide: list[bool] = []  # of the first values, as far as that was asked

    def leaf(self, op: str, value: str | float) -> int:
        # 0.0 and -0.0 are equal as keys and not the same number
        key = value or ("zero", math.copysign(1, float(value)))
        return self._value(key, op, (), value)

    def expr(self, expr: str | float | Call, env: dict[str, int]) -> int:
        """The value of an expression; a name that has none yet is an input."""
        if isinstance(expr, Call):
            return self.apply(expr.op, tuple([self.expr(arg, env) for arg in expr.args]))
        if not isinstance(expr, str):
            return self.leaf("number", float(expr))
        if expr not in env:
            env[expr] = self.leaf("input", expr)
        return env[expr]

    def apply(self, op: str, args: tuple[int, ...]) -> int:
        p = PRIMITIVES[op]
        numbers = all(self.ops[a] == "number" for a in args)
        if p.form == "composite" and (self.expand or numbers):
            return self._expanded(op, args)
        if numbers and p.form == "pointwise":
            value = self._fold(op, args)
            if math.isfinite(value):
                return self.leaf("number", value)
        if op == "where" and self.ops[args[0]] == "number":
            chosen, other = args[1:] if self.values[args[0]] != 0 else args[:0:-1]
            if self.ops[other] == "number" != self.ops[chosen] or self._wide(chosen):
                return chosen  # else it may be narrower than where, which a reduction would tell
        if p.commutative and self.keys[args[0]] > self.keys[args[1]]:
            args = (args[1], args[0])
        return self._value((op, args), op, args, "")

    def _wide(self, i: int) -> bool:
        """Whether a value has the kind of w for certain, whatever the states turn out to be."""
        for j in range(len(self.wide), i + 1):
            wide = self.values[j] in ("w", "g")
            if self.ops[j] in PRIMITIVES:
                with contextlib.suppress(KindError):
                    kinds = [TENSOR if self.wide[a] else NUMBER for a in self.args[j]]
                    wide = PRIMITIVES[self.ops[j]].kind(*kinds) == TENSOR
            self.wide.append(wide)
        return self.wide[i]

    def _expanded(self, op: str, args: tuple[int, ...]) -> int:
        values = list(args)
        for step in _recipe(op):
            if isinstance(step, float):
                values.append(self.leaf("number", step))
            else:
                values.append(self.apply(step[0], tuple([values[i] for i in step[1]])))
        return values[-1]

    def _fold(self, op: str, args: tuple[int, ...]) -> float:
        with np.errstate(all="ignore"):
            meaning = PRIMITIVES[op].meaning
            assert meaning is not None
            return float(meaning(NUMPY, *(np.float64(self.values[a]) for a in args)))

    def _value(self, key: object, op: str, args: tuple[int, ...], value: str | float) -> int:
        found = self.index.get(key)
        if found is None:
            found = self.index[key] = len(self.ops)
            self.ops.append(op)
            self.args.append(args)
            self.values.append(value)
            # What is expanded is not shown as text: there any order will do.
            self.keys.append(found if self.expand else _key(op, value, [self.keys[a] for a in args]))
        return found


def _key(op: str, value: str | float, keys: list[int]) -> int:
    """Orders the arguments of what is commutative: numbers, inputs, then the rest by structure, not by their place."""
    if not keys:
        return zlib.crc32(f"{op} {value!r}".encode()) + (op != "number") * (1 << 48)
    key = _salt(op)
    for k in keys:
        key = (key * 0x5DEECE66D + k) & 0xFFFFFFFFFFFF
        key ^= key >> 21
    return key | 1 << 49


@cache
def _salt(op: str) -> int:
    return zlib.crc32(op.encode())


@cache
def _recipe(op: str) -> tuple[float | tuple[str, tuple[int, ...]], ...]:
    """The expansion of a composite as steps: a number, or a primitive of arguments and earlier steps by position."""
    names = {name: i for i, name in enumerate(PRIMITIVES[op].args)}
    steps: list[float | tuple[str, tuple[int, ...]]] = []

    def place(expr: str | float | Call) -> int:
        if isinstance(expr, str):
            return names[expr]
        steps.append((expr.op, tuple(map(place, expr.args))) if isinstance(expr, Call) else float(expr))
        return len(names) + len(steps) - 1

    place(expansion(op))
    return tuple(steps)


def graph(
    program: Program, *, expand: bool = False, hyper: Mapping[str, float] | None = None, symbolic: bool = False
) -> Graph:
    """The graph of a valid program. `expand` writes composites out; hyperparameters but lr become numbers.

    `symbolic` leaves the hyperparameters as inputs, and states that start at one under its name. States that have no
    influence on w are left out.
    """
    builder = _Builder(expand)
    numbers = {} if symbolic else {**program.defaults, **(hyper or {})}
    env = {name: builder.leaf("number", float(number)) for name, number in numbers.items() if name != "lr"}
    for assign in program.body:
        env[assign.name] = builder.expr(assign.value, env)
    new_w, *new = (builder.expr(value, env) for value in program.returns)
    order, live = _needed(builder, new_w, dict(zip(program.state_names, new, strict=True)))
    states = tuple(
        State(s.name, numbers.get(s.start, s.start) if isinstance(s.start, str) and s.start != "lr" else s.start)
        for s in program.states
        if s.name in live
    )
    outputs = (order[new_w], *(order[live[s.name]] for s in states))
    ops, values = [builder.ops[i] for i in order], [builder.values[i] for i in order]
    args = [tuple([order[a] for a in builder.args[i]]) for i in order]
    kinds, state_kinds = _kinds(ops, args, values, outputs, states)
    return Graph(tuple(map(Node, ops, args, values, kinds)), outputs, states, state_kinds)


def _needed(builder: _Builder, new_w: int, new: Mapping[str, int]) -> tuple[dict[int, int], dict[str, int]]:
    """What w needs: values in the order in which they are first needed, arguments first; and live states."""
    order: dict[int, int] = {}
    live: dict[str, int] = {}
    pending = [new_w]
    for root in pending:  # grows
        stack = [root]
        while stack:
            i = stack[-1]
            waiting = [a for a in builder.args[i] if a not in order]
            if waiting:
                stack += reversed(waiting)
                continue
            stack.pop()
            order.setdefault(i, len(order))
            name = builder.values[i]
            if builder.ops[i] == "input" and name in new and name not in live:
                live[name] = new[name]
                pending.append(new[name])
    return order, live


def _kinds(
    ops: list[str],
    args: list[tuple[int, ...]],
    values: list[Any],
    outputs: tuple[int, ...],
    states: tuple[State, ...],
) -> tuple[list[Kind], tuple[Kind, ...]]:
    """The kinds of all values and of the states: the smallest that fit. KindError where none do (see inference.py)."""
    inputs = {"w": TENSOR, "g": TENSOR, **{s.name: TENSOR if s.start == "w" else NUMBER for s in states}}
    while True:
        kinds: list[Kind] = []
        fault: KindError | None = None
        for op, positions, value in zip(ops, args, values, strict=True):
            try:
                given = [kinds[a] for a in positions]
                kind = PRIMITIVES[op].kind(*given) if op in PRIMITIVES else inputs.get(value, NUMBER)
            except KindError as error:  # perhaps of a state that will turn out wider: for now as narrow as can be
                kind, fault = NUMBER, error
            kinds.append(kind)
        wider = {s.name: join(inputs[s.name], kinds[i]) for s, i in zip(states, outputs[1:], strict=True)}
        if all(inputs[name] == kind for name, kind in wider.items()):
            if fault is not None:
                raise fault
            return kinds, tuple(wider.values())
        inputs |= wider


def canonical(program: Program, hyper: Mapping[str, float] | None = None, *, symbolic: bool = False) -> Program:
    """The program in normal form: one primitive a statement, no dead code, numbers folded, order and names fixed.

    Hyperparameters but lr become numbers, unless `symbolic`: then those that matter stay.
    """
    g = graph(program, hyper=hyper, symbolic=symbolic)
    read = {node.value for node in g.nodes if node.op == "input"} | {s.start for s in g.states}
    kept = tuple((name, value) for name, value in program.hyper if symbolic and name != "lr" and name in read)
    taken = {"w", "g", "lr", *READABLE, *(s.name for s in g.states), *(name for name, _ in kept)}
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
    hyper_left = (("lr", program.defaults.get("lr", 0.001)), *kept)
    returns: list[str | float | Call] = [names[i] for i in g.outputs]
    if final:
        update = next(a for a in g.nodes[final[1]].args if g.nodes[a].value != "lr" or g.nodes[a].op != "input")
        returns[0] = Call("subtract", ("w", Call("multiply", ("lr", names[update]))))
    return Program(program.name, g.states, hyper_left, tuple(body), tuple(returns), program.doc)


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
    reads = [*g.outputs, *(a for node in g.nodes for a in node.args)]
    return (g.outputs[0], product) if reads.count(product) == reads.count(g.outputs[0]) == 1 else ()
