"""A program taken apart: one call a statement, one name a value, so that anything may be replaced anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.program import READABLE, Assign, Call, Program, State, calls, substitute
from primitives.rewriting import Names
from primitives.table import PRIMITIVES

Atom = str | float
Expr = str | float | Call
Site = tuple[int, int]  # statement and argument; the statement after the last is the return
NEVER = 10**9


@dataclass
class Draft:
    """Statements over atoms; the values' names begin with a per cent sign and are never assigned twice."""

    origin: Program
    states: list[State]
    body: list[Assign]
    returns: list[Atom]
    made: int = 0

    def emit(self, expr: Expr, at: int | None = None) -> Atom:
        """The expression's value, its calls as new statements before the one at that place (at the end by default)."""
        before = len(self.body)
        place = before if at is None else at

        def visit(e: Expr) -> Atom:
            if not isinstance(e, Call):
                return e
            args = tuple(visit(arg) for arg in e.args)
            self.made += 1
            self.body.insert(place + len(self.body) - before, Assign(f"%{self.made}", Call(e.op, args)))
            return f"%{self.made}"

        return visit(expr)

    def sites(self) -> Iterator[Site]:
        """Every place of a value that may be another expression: not the step, not a number of steps."""
        for i, assign in enumerate(self.body):
            for j, role in enumerate(PRIMITIVES[assign.value.op].roles):
                if role not in ("step", "count"):
                    yield i, j
        yield from ((len(self.body), j) for j in range(len(self.returns)))

    def at(self, site: Site) -> Atom:
        """What stands at a site."""
        i, j = site
        return self.body[i].value.args[j] if i < len(self.body) else self.returns[j]

    def put(self, site: Site, atom: Atom) -> None:
        """Replaces what stands at a site."""
        i, j = site
        if i == len(self.body):
            self.returns[j] = atom
            return
        call = self.body[i].value
        args = (*call.args[:j], atom, *call.args[j + 1 :])
        self.body[i] = Assign(self.body[i].name, Call(call.op, args))

    def add_state(self, start: Atom, new: Atom | None = None) -> str:
        """A new state, which returns itself unless told otherwise; its name."""
        self.made += 1
        name = f"%{self.made}"
        self.states.append(State(name, start))
        self.returns.append(name if new is None else new)
        return name

    def definitions(self) -> dict[str, Call]:
        """The call behind each value."""
        return {assign.name: assign.value for assign in self.body}

    def kinds(self) -> dict[str, Kind]:
        """The kind of everything that has a name."""
        program = Program("f", tuple(self.states), self.origin.hyper, tuple(self.body), tuple(self.returns))
        known = {**dict.fromkeys((*READABLE, *self.origin.defaults), NUMBER), "w": TENSOR, "g": TENSOR}
        known |= state_kinds(program)
        for assign in self.body:
            known[assign.name] = kind_of(assign.value, known)
        return known


def kind_of(expr: Expr, known: dict[str, Kind]) -> Kind:
    """The kind of an expression; KindError if it has none."""
    if isinstance(expr, Call):
        return PRIMITIVES[expr.op].kind(*(kind_of(arg, known) for arg in expr.args))
    return known[expr] if isinstance(expr, str) else NUMBER


def taken_apart(program: Program) -> Draft:
    """The draft that means what the program means."""
    draft = Draft(program, list(program.states), [], [])
    values: dict[str, Atom] = {}

    def now(name: str) -> Atom:
        return values.get(name, name)

    for assign in program.body:
        values[assign.name] = draft.emit(substitute(assign.value, now))
    draft.returns = [draft.emit(substitute(value, now)) for value in program.returns]
    return draft


def put_together(draft: Draft, rng: np.random.Generator) -> Program:
    """A program of a draft: in some order, some calls nested, some dead ones left out, with names used again."""
    body = _nested(_ordered(_thinned(draft, rng), rng), draft.returns, rng)
    returns = [draft.returns[0]]
    order = rng.permutation(len(draft.states))
    states = [draft.states[i] for i in order]
    returns += [draft.returns[1 + i] for i in order]
    names = Names(Program("f", (), draft.origin.hyper, (), ()))
    new = {state.name: names.fresh(f"s{i}") for i, state in enumerate(states)}
    statements, final = _named(body, returns, new, names, rng)
    renamed = tuple(State(new[state.name], state.start) for state in states)
    return Program("found", renamed, draft.origin.hyper, tuple(statements), final)


def _thinned(draft: Draft, rng: np.random.Generator) -> list[Assign]:
    """The statements without some of those that nobody reads."""
    read, kept = set(draft.returns), []
    for assign in reversed(draft.body):
        if assign.name in read or rng.random() < 0.4:
            kept.append(assign)
            read |= set(assign.value.args)
    return kept[::-1]


def _ordered(body: list[Assign], rng: np.random.Generator) -> list[Assign]:
    """The statements in a random order in which every value is there before it is read."""
    waiting, ordered = list(body), []
    while waiting:
        missing = {assign.name for assign in waiting}
        ready = [assign for assign in waiting if not missing & set(assign.value.args)]
        ordered.append(ready[rng.integers(len(ready))])
        waiting.remove(ordered[-1])
    return ordered


def _nested(body: list[Assign], returns: list[Atom], rng: np.random.Generator) -> list[Assign]:
    """Some of the calls that are read once, by a statement, written where they are read."""
    reads = [arg for assign in body for arg in assign.value.args]
    share = rng.choice((0, 0.3, 0.8))
    inside: dict[str, Expr] = {}
    left = []
    for assign in body:
        value = substitute(assign.value, lambda name: inside.get(name, name))
        once = reads.count(assign.name) == 1 and assign.name not in returns
        if once and rng.random() < share:
            inside[assign.name] = value
        else:
            left.append(Assign(assign.name, value))
    return left


def _named(
    body: list[Assign], returns: list[Atom], new: dict[str, str], names: Names, rng: np.random.Generator
) -> tuple[list[Assign], tuple[Expr, ...]]:
    """The statements with names for their values, where a name whose value is no longer read may be used again."""
    last = dict.fromkeys(new, -1) | {assign.name: i for i, assign in enumerate(body)}
    for i, assign in enumerate(body):
        last |= {leaf: i for call in calls(assign.value) for leaf in call.args if isinstance(leaf, str)}
    last |= {atom: NEVER for atom in returns if isinstance(atom, str)}
    holds = {name: value for value, name in new.items()}  # which value a name holds now
    written: dict[str, str] = dict(new)

    def swap(name: str) -> str:
        return written.get(name, name)

    statements = []
    for i, assign in enumerate(body):
        value = substitute(assign.value, swap)
        free = [name for name, held in holds.items() if last[held] <= i]
        name = str(rng.choice(free)) if free and rng.random() < 0.5 else names.fresh(f"v{i}")
        holds[name], written[assign.name] = assign.name, name
        statements.append(Assign(name, value))
    return statements, tuple(substitute(value, swap) for value in returns)
