"""Programs made of what was found in normal form: a reference with its numbers, a program without some terms."""

from __future__ import annotations

from dataclasses import replace

from primitives.algebra.arena import Arena
from primitives.algebra.identify import Fit, Subject
from primitives.algebra.writing import Writer
from primitives.program import Assign, Call, Program, State, substitute
from primitives.rewriting import Names, renamed

Expr = str | float | Call


def written(arena: Arena, i: int) -> Expr:
    """A value as one expression."""
    writer = Writer(arena)
    name = writer.write(i)
    values: dict[str, Expr] = {}
    for assign in writer.body:
        values[assign.name] = substitute(assign.value, lambda leaf: values.get(leaf, leaf))
    return substitute(name, lambda leaf: values.get(leaf, leaf))


def without(program: Program, arena: Arena, terms: tuple[int, ...]) -> Program:
    """The program whose new weights lack some terms, which are read at its start."""
    if not terms:
        return program
    names = Names(program)
    writer = Writer(arena)
    rest = writer.write(arena.add(*terms))
    fresh = {assign.name: names.fresh("term") for assign in writer.body}

    def swap(name: str) -> str:
        return fresh.get(name, name)

    body = tuple(Assign(swap(assign.name), substitute(assign.value, swap)) for assign in writer.body)
    last = names.fresh("rest")
    new_w = Call("subtract", (program.returns[0], last))
    body = (*body, Assign(last, substitute(rest, swap)), *program.body)
    return replace(program, body=body, returns=(new_w, *program.returns[1:]))


def bound(subject: Subject, fit: Fit) -> Program | None:
    """The reference as a program over the program's hyperparameters; None where a state cannot start as it should."""
    arena, own, reference = subject.arena, subject.program, fit.pattern.program
    names = Names(own, reference)
    assigned = [assign.name for assign in reference.body]
    local = {*reference.state_names, *reference.defaults, *assigned} - {"w", "lr"}
    fresh = {name: names.fresh(name) for name in sorted(local)}
    other = renamed(reference, fresh)
    values: dict[str, Expr] = {fresh[name]: value for name, value in fit.pattern.fixed}
    values |= {fresh[name]: written(arena, i) for name, i in fit.hyper.items()}
    rate = written(arena, fit.rate)
    if rate != 1:
        values |= {name: Call("multiply", (rate, name)) for name in ("lr", "base_lr")}
    states: list[State] = []
    for state in other.states:
        start = values.get(state.start, state.start) if isinstance(state.start, str) else state.start
        if isinstance(start, Call):
            return None
        states.append(State(state.name, start))

    def put(leaf: str) -> Expr:
        return values.get(leaf, leaf)

    body = tuple(Assign(a.name, substitute(a.value, put)) for a in other.body)
    returns = tuple(substitute(value, put) for value in other.returns)
    return Program(other.name, tuple(states), own.hyper, body, returns)
