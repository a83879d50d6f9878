"""Mutations: functions (program, rng, material) -> program over flat programs, in one table with their weights.

A flat program has one primitive a statement and ends in `w - lr * update`; that last statement never changes.
What comes out may be wrong in kind; `mutate` tries again until the canonical form is valid.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from evosearch.config import Language, Mutations
from primitives import own
from primitives.bytecode import PRODUCTS
from primitives.graph import canonical
from primitives.interpreter import expansion
from primitives.kinds import KindError
from primitives.program import Assign, Call, Program, State, calls, expressions
from primitives.table import PRIMITIVES, Primitive

Leaf = str | float
ATTEMPTS = 20
STATE_NAMES = ("m", "v", "s", "q", "r", "p", "n", "k")


class MutationError(ValueError):
    """No valid child was found, or a program has not the form that a search needs."""


@dataclass(frozen=True)
class Site:
    """Where a variable is used: argument `k` of statement `j`, or of the return (k = 0 the update, then states)."""

    j: int
    k: int


@dataclass(frozen=True)
class Material:
    """What mutations build with: a language, and flat programs of which blocks may be taken."""

    language: Language
    donors: tuple[Program, ...] = ()


def mutate(
    program: Program, rng: random.Random, mutations: Mutations, language: Language, donors: tuple[Program, ...] = ()
) -> tuple[Program, str]:
    """A valid child in canonical form, and the names of its mutations; MutationError if none was found."""
    names, material = list(MUTATIONS), Material(language, donors)
    weights = [getattr(mutations, name) for name in names]
    for _ in range(ATTEMPTS):
        child, done = program, list[str]()
        while not done or rng.random() < mutations.again:
            [name] = rng.choices(names, weights)
            try:
                child = MUTATIONS[name](child, rng, material)
            except IndexError:  # nothing there to choose from: no constants, no statements, no donors
                break
            done.append(name)
        try:
            child = canonical(child)
        except KindError:
            continue
        if done and len(child.body) <= language.max_length and len(child.states) <= language.max_states:
            return child, "+".join(done)
    raise MutationError("no valid child was found.")


def searchable(program: Program) -> Program:
    """The program as a search can change it; MutationError in one sentence if it has not the form."""
    flat = canonical(program)
    if update_of(flat) is None:
        raise MutationError(
            f"'{program.name}' does not end in `w - lr * update` with update free of lr; a search cannot start there."
        )
    foreign = sorted({call.op for expr in expressions(flat) for call in calls(expr) if not runs_in_search(call.op)})
    if foreign:
        raise MutationError(f"'{program.name}' uses {foreign[0]}, which the machine of a search has not.")
    read = {arg for assign in flat.body if isinstance(assign.value, Call) for arg in assign.value.args}
    if read & {"lr", "base_lr", "T", "loss"}:
        raise MutationError(f"'{program.name}' reads lr, base_lr, T or loss; a search cannot start there.")
    if any(not _t_stands_right(assign.value) for assign in flat.body if isinstance(assign.value, Call)):
        raise MutationError(f"'{program.name}' reads t outside a bias correction; a search cannot start there.")
    return flat


def _t_stands_right(call: Call) -> bool:
    """Whether t is read only where a step is meant."""
    roles = PRIMITIVES[call.op].roles
    return all(role == "step" for role, arg in zip(roles, call.args, strict=True) if arg == "t")


def update_of(program: Program) -> Leaf | None:
    """The variable `update` of a flat program that ends in `w - lr * update`."""
    match program.returns[0]:
        case Call("subtract", ("w", Call("multiply", ("lr", update)))) if not isinstance(update, Call):
            return update
    return None


def _leaves(program: Program) -> list[Leaf]:
    """What the return gives: the update, then the new states."""
    update = update_of(program)
    assert update is not None
    return [update, *program.returns[1:]]  # type: ignore[list-item]


def _with(program: Program, body: list[Assign], leaves: list[Leaf], states: tuple[State, ...] | None = None) -> Program:
    last = Call("subtract", ("w", Call("multiply", ("lr", leaves[0]))))
    states = program.states if states is None else states
    return dataclasses.replace(program, body=tuple(body), returns=(last, *leaves[1:]), states=states)


def _args(assign: Assign) -> tuple[Leaf, ...]:
    assert isinstance(assign.value, Call)
    return assign.value.args  # type: ignore[return-value]


def _op(assign: Assign) -> Primitive:
    assert isinstance(assign.value, Call)
    return PRIMITIVES[assign.value.op]


def _sites(program: Program, role: Callable[[str], bool]) -> list[Site]:
    """The places of arguments whose role passes; places in the return have the role "any"."""
    sites = [
        Site(j, k)
        for j, assign in enumerate(program.body)
        for k in range(len(_args(assign)))
        if role(_op(assign).roles[k])
    ]
    if role("any"):
        sites += [Site(len(program.body), k) for k in range(len(program.returns))]
    return sites


def _at(program: Program, site: Site) -> Leaf:
    return _leaves(program)[site.k] if site.j == len(program.body) else _args(program.body[site.j])[site.k]


def _put(program: Program, site: Site, leaf: Leaf) -> Program:
    """The program with another argument in one place."""
    body, leaves = list(program.body), _leaves(program)
    if site.j == len(body):
        leaves[site.k] = leaf
    else:
        old = body[site.j]
        args = (*_args(old)[: site.k], leaf, *_args(old)[site.k + 1 :])
        body[site.j] = Assign(old.name, Call(_op(old).name, args))
    return _with(program, body, leaves)


def _variable(program: Program, rng: random.Random, before: int, material: Material) -> tuple[Program, str]:
    """A variable that statement `before` may read; rarely a fresh state, which comes with it."""
    known = ["w", "g", *program.state_names, *(assign.name for assign in program.body[:before])]
    room = material.language.max_states - len(program.states)
    choice = rng.randrange(len(known) + (1 if room > 0 else 0))
    if choice < len(known):
        return program, known[choice]
    used = {*program.state_names, *(assign.name for assign in program.body)}
    name = next(name for name in STATE_NAMES if name not in used)
    source = rng.choice(["w", "g", *(assign.name for assign in program.body)])
    states = (*program.states, State(name))
    return _with(program, list(program.body), [*_leaves(program), source], states), name


def constant(rng: random.Random, role: str = "any") -> float:
    """A fresh constant, log-uniform in size; of a weight, near either end of [0, 1]."""
    if role == "weight":
        small = _rounded(10.0 ** rng.uniform(-3, -0.3))
        return small if rng.random() < 0.5 else _rounded(1 - small)
    value = _rounded(10.0 ** rng.uniform(-4, 1))
    return value if role == "positive" or rng.random() < 0.8 else -value


def _rounded(value: float) -> float:
    """Four digits are all that a constant needs."""
    return float(f"{value:.4g}")


def _operand(program: Program, rng: random.Random, role: str, before: int, material: Material) -> tuple[Program, Leaf]:
    """An argument for a role: t for steps, a number for weights, else a variable or, one time in five, a number."""
    if role == "step":
        return program, "t"
    if role != "any" or rng.random() < 0.2:
        return program, constant(rng, role)
    return _variable(program, rng, before, material)


def insert(program: Program, rng: random.Random, material: Material) -> Program:
    """A new statement takes the place of a variable or number that is used somewhere, mostly as its argument."""
    p = PRIMITIVES[rng.choice(vocabulary(material.language))]
    site = rng.choice(_sites(program, lambda role: role == "any"))
    places = [k for k, role in enumerate(p.roles) if role == "any"]
    keep = rng.choice(places) if places and rng.random() < 0.75 else -1
    args: list[Leaf] = []
    for k, role in enumerate(p.roles):
        if k == keep:
            args.append(_at(program, site))
        else:
            program, leaf = _operand(program, rng, role, site.j, material)
            args.append(leaf)
    # A fresh state may have come to the return, after the places that were counted: the site still stands.
    name = _fresh(program)
    program = _put(program, site, name)
    body = list(program.body)
    body.insert(site.j, Assign(name, Call(p.name, tuple(args))))
    return _with(program, body, _leaves(program))


def _fresh(program: Program) -> str:
    used = {assign.name for assign in program.body}
    return next(f"y{i}" for i in range(1, len(used) + 2) if f"y{i}" not in used)


def delete(program: Program, rng: random.Random, material: Material) -> Program:
    """A statement goes; one of its arguments takes its place."""
    gone = rng.choice(program.body)
    leaves: list[Leaf] = [
        arg for arg, role in zip(_args(gone), _op(gone).roles, strict=True) if role == "any" and isinstance(arg, str)
    ]
    heir = rng.choice(leaves or [1.0])

    def renamed(leaf: Leaf) -> Leaf:
        return heir if leaf == gone.name else leaf

    body = [
        Assign(a.name, Call(_op(a).name, tuple(renamed(x) for x in _args(a)))) for a in program.body if a is not gone
    ]
    return _with(program, body, [renamed(leaf) for leaf in _leaves(program)])


def change(program: Program, rng: random.Random, material: Material) -> Program:
    """Another variable or number in one place."""
    site = rng.choice(_sites(program, lambda role: role == "any"))
    program, leaf = _operand(program, rng, "any", site.j, material)
    return _put(program, site, leaf)


def constant_sites(program: Program) -> list[Site]:
    """Where numbers stand in a flat program that ends in `w - lr * update`."""
    return [s for s in _sites(program, lambda role: True) if not isinstance(_at(program, s), str)]


def _role(program: Program, site: Site) -> str:
    return "any" if site.j == len(program.body) else _op(program.body[site.j]).roles[site.k]


def resample(program: Program, rng: random.Random, material: Material) -> Program:
    """A constant, anew."""
    site = rng.choice(constant_sites(program))
    return _put(program, site, constant(rng, _role(program, site)))


def scale(program: Program, rng: random.Random, material: Material) -> Program:
    """A constant times 2^a, a ~ N(0, 1); a weight near 1 by its distance from 1."""
    return scaled_at(program, rng.choice(constant_sites(program)), 2.0 ** rng.gauss(0.0, 1.0))


def scaled_at(program: Program, site: Site, factor: float) -> Program:
    """The program with the number in one place times `factor`; a weight near 1 by its distance from 1."""
    old = float(_at(program, site))
    if _role(program, site) != "weight":
        return _put(program, site, _rounded(old * factor))
    scaled = 1 - (1 - old) * factor if old > 0.5 else old * factor
    return _put(program, site, min(1.0, max(0.0, _rounded(scaled))))


def graft(program: Program, rng: random.Random, material: Material) -> Program:
    """A block of a donor, one of its values with all that this is made of, takes the place of a value used somewhere.

    States of the block come with it, whatever the child may keep; those that are left over are gone in canonical form.
    """
    donor = rng.choice(material.donors)
    value = rng.choice(donor.body).name
    site = rng.choice(_sites(program, lambda role: role == "any"))
    names = _block_names(program, donor, value)
    block = [
        Assign(names[a.name], Call(_op(a).name, tuple(names.get(x, x) if isinstance(x, str) else x for x in _args(a))))
        for a in donor.body
        if a.name in names
    ]
    leaves = _leaves(program)
    states = [(state, new) for state, new in zip(donor.states, _leaves(donor)[1:], strict=True) if state.name in names]
    program = _put(program, site, names[value])
    grown = (*program.states, *(dataclasses.replace(state, name=names[state.name]) for state, _ in states))
    leaves = [*_leaves(program), *(names.get(new, new) if isinstance(new, str) else new for _, new in states)]
    return _with(program, [*block, *program.body], leaves, grown)


def _block_names(program: Program, donor: Program, value: str) -> dict[str, str]:
    """New names for a donor's value and for the statements and states that it is made of."""
    made = {a.name: _args(a) for a in donor.body}
    made |= {state.name: (new,) for state, new in zip(donor.states, _leaves(donor)[1:], strict=True)}
    needed, ahead = dict[str, str](), [value]
    taken = {*program.state_names, *(assign.name for assign in program.body), *made}
    while ahead:
        name = ahead.pop()
        if name in made and name not in needed:
            needed[name] = next(f"z{i}" for i in range(len(taken) + 1) if f"z{i}" not in taken)
            taken.add(needed[name])
            ahead += [arg for arg in made[name] if isinstance(arg, str)]
    return needed


MUTATIONS: dict[str, Callable[[Program, random.Random, Material], Program]] = {
    "insert": insert,
    "delete": delete,
    "change": change,
    "resample": resample,
    "scale": scale,
    "graft": graft,
}


def runs_in_search(name: str) -> bool:
    """Whether the machine of a search has the primitive, itself or as what it expands to."""
    return not any(
        PRIMITIVES[op].form in ("oracle", "role") or (PRIMITIVES[op].form == "matrix" and op not in PRODUCTS)
        for op in _parts(name)
    )


def _parts(name: str) -> set[str]:
    """The primitives that a machine runs for one."""
    return {call.op for call in calls(expansion(name))} if PRIMITIVES[name].form == "composite" else {name}


def _of_matrices(name: str) -> bool:
    return any(PRIMITIVES[op].form == "matrix" for op in _parts(name))


def known(language: Language) -> tuple[str, ...]:
    """The primitives of a search: the table's, and the user's own that its configuration names."""
    mine = own.use(language.primitives)
    return tuple(name for name in PRIMITIVES if name in mine or name not in own.names())


@cache
def vocabulary(language: Language) -> tuple[str, ...]:
    """The primitives that may be inserted: those named, or all that a search can run, in their protected form.

    Those of matrices come in by name only (`only` or `also`): a product of two random values is rarely of a kind.
    """
    # interp and ema are the forms of mix for search; t is for bias corrections only.
    there = known(language)
    left_out = {PRIMITIVES[name].protects for name in there} | {"mix", "every"} | set(filter(_of_matrices, there))
    names = language.only or tuple(name for name in there if name not in left_out and runs_in_search(name))
    return tuple(dict.fromkeys(name for name in (*names, *language.also) if name not in language.without))
