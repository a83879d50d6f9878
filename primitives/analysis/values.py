"""The values of one step, each once and written out in primitives, with the statement that computes it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import Call, Program, State
from primitives.show import show_expr
from primitives.specialise import alive
from primitives.table import PRIMITIVES

Expr = str | float | Call


class Value(NamedTuple):
    """An input (`value` is its name), a number (`value`), or a primitive that is no composite of earlier values."""

    op: str  # "input", "number" or a primitive
    args: tuple[int, ...]
    value: str | float
    kind: Kind
    statement: int  # which of the program's expressions asks for it first


@dataclass(frozen=True)
class Values:
    """Every value after its arguments; hyperparameters are inputs, and states without influence on w are left out."""

    program: Program
    all: tuple[Value, ...]
    outputs: tuple[int, ...]  # the new w, then the new states
    names: dict[int, str]  # the first variable that a value was assigned to

    @property
    def new(self) -> dict[str, int]:
        """The new value of each state."""
        return dict(zip(self.program.state_names, self.outputs[1:], strict=True))

    @property
    def states(self) -> tuple[State, ...]:
        return self.program.states

    def is_input(self, i: int, name: str) -> bool:
        return self.all[i].op == "input" and self.all[i].value == name

    def text(self, i: int) -> str:
        """A value as the program writes it: variables by name, all else written out."""
        return show_expr(self._expr(i, top=True))

    def statement(self, i: int) -> str:
        """The statement that asks for a value, as the text has it."""
        k, body = self.all[i].statement, self.program.body
        if k < len(body):
            return f"{body[k].name} = {show_expr(body[k].value)}"
        return f"return {', '.join(map(show_expr, self.program.returns))}"

    def _expr(self, i: int, top: bool = False) -> Expr:
        op, args, value, *_ = self.all[i]
        if i in self.names and not top:
            return self.names[i]
        return value if op in ("input", "number") else Call(op, tuple(self._expr(a) for a in args))


def values(program: Program) -> Values:
    """The values of a valid program."""
    program = alive(program)
    kinds = {"w": TENSOR, "g": TENSOR, **state_kinds(program)}
    found: list[Value] = []
    index: dict[object, int] = {}
    names: dict[int, str] = {}
    at = 0

    def add(op: str, args: tuple[int, ...], value: str | float) -> int:
        key = (op, args, repr(value))  # 0.0 and -0.0 are not the same number
        if key not in index:
            kind = PRIMITIVES[op].kind(*(found[a].kind for a in args)) if op in PRIMITIVES else _kind(value, kinds)
            index[key] = len(found)
            found.append(Value(op, args, value, kind, at))
        return index[key]

    def build(expr: Expr, env: dict[str, int]) -> int:
        if isinstance(expr, str):
            return env[expr] if expr in env else add("input", (), expr)
        if not isinstance(expr, Call):
            return add("number", (), float(expr))
        args = tuple([build(arg, env) for arg in expr.args])
        p = PRIMITIVES[expr.op]
        if p.form == "composite":
            return build(expansion(p.name), dict(zip(p.args, args, strict=True)))
        return add(expr.op, args, "")

    env: dict[str, int] = {}
    for at, assign in enumerate(program.body):  # noqa: B007
        env[assign.name] = build(assign.value, env)
        if found[env[assign.name]].args:
            names.setdefault(env[assign.name], assign.name)
    at = len(program.body)
    outputs = tuple(build(value, env) for value in program.returns)
    return Values(program, tuple(found), outputs, names)


def _kind(value: str | float, kinds: dict[str, Kind]) -> Kind:
    return kinds.get(value, NUMBER) if isinstance(value, str) else NUMBER


def shown(number: float) -> str:
    """A number to three digits."""
    return "inf" if number == math.inf else "-inf" if number == -math.inf else f"{number:.3g}"
