"""A program as values in normal form: the new weights and the new states over what a step reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from primitives.algebra.arena import Arena
from primitives.algebra.functions import apply
from primitives.algebra.numbers import as_float, exact
from primitives.algebra.widths import narrowed, wide
from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import Call, Program, State
from primitives.table import PRIMITIVES

Expr = str | float | Call


@dataclass(frozen=True)
class Normal:
    """A program in normal form in an arena: `w` and `states` are the new values, in the order of the states' names."""

    arena: Arena
    w: int
    states: dict[str, int]
    starts: dict[str, str | float]

    def reachable(self) -> set[str]:
        """The states that have an influence on w."""
        live: set[str] = set()
        pending = [self.w]
        while pending:
            names = inputs_of(self.arena, pending.pop()) & self.states.keys()
            pending += [self.states[name] for name in names - live]
            live |= names
        return live


def inputs_of(arena: Arena, i: int) -> set[str]:
    """The names of the inputs that a value depends on."""
    found: set[str] = set()
    seen, stack = {i}, [i]
    while stack:
        value = arena.values[stack.pop()]
        if value.op == "input":
            found.add(str(value.data))
        fresh = [a for a in value.args if a not in seen]
        seen.update(fresh)
        stack += fresh
    return found


def opened(program: Program, tier: str, known: Mapping[str, str], until: float) -> Arena:
    """An arena for a program; `known` says which states are not negative."""
    kinds: dict[str, Kind] = {"w": TENSOR, "g": TENSOR, **state_kinds(program)}
    return Arena(tier, kinds, {**assumed(program), **known}, until)


def assumed(program: Program) -> dict[str, str]:
    """What is taken as known of numbers: t counts from 1, rates are positive, hyperparameters are as their defaults.

    One that is positive stays so, one that is zero does not become negative, one below 1 stays there.
    """
    found = {"t": "positive", "T": "positive", "lr": "positive", "base_lr": "positive"}
    for name, value in program.hyper:
        if name != "lr" and value >= 0:
            found[name] = " ".join([*(["positive"] if value else []), *(["unit"] if value < 1 else [])])
    return found


def read(program: Program, arena: Arena, env: Mapping[str, int] | None = None) -> Normal:
    """The program's outputs as values; `env` has values for names that are not inputs here."""
    kinds = {**state_kinds(program), "w": TENSOR, "g": TENSOR}
    values = {name: (i, kinds.get(name, arena.kind(i))) for name, i in (env or {}).items()}
    values |= {name: (arena.input(name), kind) for name, kind in kinds.items() if name not in values}
    for assign in program.body:
        values[assign.name] = _valued(assign.value, arena, values)
    new_w, *new = (_valued(expr, arena, values)[0] for expr in program.returns)
    starts = {s.name: s.start for s in program.states}
    return Normal(arena, new_w, dict(zip(program.state_names, new, strict=True)), starts)


def value_of(expr: Expr, arena: Arena) -> int:
    """The value of an expression over inputs."""
    return _valued(expr, arena, {})[0]


def _valued(expr: Expr, arena: Arena, env: dict[str, tuple[int, Kind]]) -> tuple[int, Kind]:
    """The value of an expression, and its kind as it is written; a name that has none yet is an input."""
    if isinstance(expr, str):
        if expr not in env:
            i = arena.input(expr)
            env[expr] = i, arena.kind(i)
        return env[expr]
    if not isinstance(expr, Call):
        return arena.number(exact(expr)), NUMBER
    args = [_valued(arg, arena, env) for arg in expr.args]
    kind = PRIMITIVES[expr.op].kind(*(k for _, k in args))
    if PRIMITIVES[expr.op].form == "composite" and expr.op not in ATOMIC:
        names = dict(zip(PRIMITIVES[expr.op].args, args, strict=True))
        return _valued(expansion(expr.op), arena, names)[0], kind
    if PRIMITIVES[expr.op].form == "pointwise":
        return apply(arena, expr.op, tuple(i for i, _ in args)), kind
    return apply(arena, expr.op, tuple(_as_wide(arena, i, k, expr.op) for i, k in args)), kind


def _as_wide(arena: Arena, i: int, kind: Kind, op: str) -> int:
    """The value as wide as it was written, for a primitive that would say another thing of what a law has left."""
    if not narrowed(arena.kind(i), kind, op):
        return i
    return arena.add(i, arena.value("multiply", (arena.zero, value_of(wide(kind), arena))))


ATOMIC = frozenset({"every"})
"""Composites that say more as they are."""


def start_value(arena: Arena, start: str | float) -> int:
    """A state's start as a value; one that starts at w has the input `w` itself."""
    return arena.input(start) if isinstance(start, str) else arena.number(exact(start))


def as_state(name: str, start: str | float) -> State:
    """The record of a state."""
    return State(name, start if isinstance(start, str) else as_float(exact(start)))
