"""Tools that make a program of a program: names without clashes, and another gradient for the one it consumes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from primitives.interpreter import expansion
from primitives.program import INPUTS, READABLE, Assign, Call, Program, State, calls, expressions, substitute
from primitives.table import PRIMITIVES

Expr = str | float | Call


class Names:
    """Gives names that a program does not use yet: `slow`, else `slow_2`, else `slow_3`."""

    def __init__(self, *programs: Program) -> None:
        self.taken = {*INPUTS, *READABLE, *(name for name, p in PRIMITIVES.items() if p.args)}
        for program in programs:
            self.taken |= {*program.state_names, *program.defaults, *(assign.name for assign in program.body)}

    def fresh(self, name: str) -> str:
        """The name, or the first of its numbered forms that is free; it is taken from now on."""
        found, number = name, 1
        while found in self.taken:
            number += 1
            found = f"{name}_{number}"
        self.taken.add(found)
        return found

    def hyper(self, values: Mapping[str, float]) -> tuple[dict[str, str], tuple[tuple[str, float], ...]]:
        """A free name for each hyperparameter, and these with their numbers."""
        names = {name: self.fresh(name) for name in values}
        return names, tuple((names[name], value) for name, value in values.items())


def renamed(program: Program, names: Mapping[str, str]) -> Program:
    """The program with other names for its states, hyperparameters and variables."""

    def swap(name: str) -> str:
        return names.get(name, name)

    return Program(
        program.name,
        tuple(State(swap(s.name), swap(s.start) if isinstance(s.start, str) else s.start) for s in program.states),
        tuple((swap(name), value) for name, value in program.hyper),
        tuple(Assign(swap(assign.name), substitute(assign.value, swap)) for assign in program.body),
        tuple(substitute(value, swap) for value in program.returns),
        program.doc,
    )


def local_weights(program: Program, names: Names) -> Program:
    """The program with `w` never assigned: what assigns it works on a copy."""
    if all(assign.name != "w" for assign in program.body):
        return program
    copy = names.fresh("moved")
    body = renamed(replace(program, states=()), {"w": copy})
    states = program.states  # one that starts at w still does
    return replace(body, states=states, body=(Assign(copy, "w"), *body.body))


def reads(program: Program, name: str) -> bool:
    """Whether a step reads the variable."""
    leaves = [leaf for expr in expressions(program) for leaf in (expr, *(a for c in calls(expr) for a in c.args))]
    return name in leaves


Rewrite = Callable[[Call, list[Assign]], Expr]


def rewritten(program: Program, matches: Callable[[str], bool], rewrite: Rewrite) -> Program:
    """Each call of a primitive that matches is rewritten, arguments first; `rewrite` may add statements before it."""
    body: list[Assign] = []

    def visit(expr: Expr) -> Expr:
        if not isinstance(expr, Call):
            return expr
        call = Call(expr.op, tuple([visit(arg) for arg in expr.args]))
        return rewrite(call, body) if matches(call.op) else call

    for assign in program.body:
        value = visit(assign.value)
        body.append(Assign(assign.name, value))
    returns = tuple([visit(value) for value in program.returns])
    return replace(program, body=tuple(body), returns=returns)


def written_out(program: Program, forms: Iterable[str], names: Names) -> Program:
    """The program with each composite replaced by its definition that applies a primitive of one of the forms."""
    hidden = {name for name in PRIMITIVES if PRIMITIVES[name].form == "composite" and _applies(name, set(forms))}

    def define(call: Call, body: list[Assign]) -> Expr:
        values: dict[str, Expr] = {}
        for name, arg in zip(PRIMITIVES[call.op].args, call.args, strict=True):
            if isinstance(arg, Call):
                values[name] = names.fresh(name)
                body.append(Assign(str(values[name]), arg))
            else:
                values[name] = arg
        return substitute(expansion(call.op), lambda name: values[name])

    while any(call.op in hidden for expr in expressions(program) for call in calls(expr)):
        program = rewritten(program, hidden.__contains__, define)
    return program


def _applies(composite: str, forms: set[str]) -> bool:
    inner = [PRIMITIVES[call.op] for call in calls(expansion(composite))]
    return any(p.form in forms or (p.form == "composite" and _applies(p.name, forms)) for p in inner)
