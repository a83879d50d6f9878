"""Mutations: functions (program, rng, material) -> program over flat programs, in one table with their weights.

A flat program has one primitive a statement and ends in `w - lr * update`; that last statement never changes.
What comes out may be wrong in kind; `mutate` tries again until the canonical form is valid.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count

from evosearch.config import Language, Mutations
from evosearch.flat import (
    MOST_STEPS,
    Leaf,
    MutationError,
    args_of,
    at,
    constant_sites,
    leaves_of,
    op_of,
    put,
    rebuilt,
    role_of,
    rounded,
    scaled_at,
    sites,
    tidied,
)
from evosearch.vocabulary import vocabulary
from primitives.graph import canonical
from primitives.kinds import KindError
from primitives.program import Assign, Call, Program, State
from primitives.table import PRIMITIVES

ATTEMPTS = 20
STATE_NAMES = ("m", "v", "s", "q", "r", "p", "n", "k")


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
            child = tidied(canonical(child))
        except KindError:
            continue
        if done and len(child.body) <= language.max_length and len(child.states) <= language.max_states:
            return child, "+".join(done)
    raise MutationError("no valid child was found.")


def _variable(program: Program, rng: random.Random, before: int, material: Material) -> tuple[Program, str]:
    """A variable that statement `before` may read; rarely a fresh state, which comes with it."""
    known = ["w", "g", *program.state_names, *(assign.name for assign in program.body[:before])]
    room = material.language.max_states - len(program.states)
    choice = rng.randrange(len(known) + (1 if room > 0 else 0))
    if choice < len(known):
        return program, known[choice]
    used = {*program.state_names, *(assign.name for assign in program.body)}
    name = next(name for name in chain(STATE_NAMES, map("s{}".format, count(1))) if name not in used)
    source = rng.choice(["w", "g", *(assign.name for assign in program.body)])
    states = (*program.states, State(name))
    return rebuilt(program, list(program.body), [*leaves_of(program), source], states), name


def constant(rng: random.Random, role: str = "any") -> float:
    """A fresh constant, log-uniform in size; of a weight, near either end of [0, 1]; a whole number of steps."""
    if role == "count":
        return float(rng.randint(1, MOST_STEPS))
    if role == "weight":
        small = rounded(10.0 ** rng.uniform(-3, -0.3))
        return small if rng.random() < 0.5 else rounded(1 - small)
    value = rounded(10.0 ** rng.uniform(-4, 1))
    return value if role == "positive" or rng.random() < 0.8 else -value


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
    site = rng.choice(sites(program, lambda role: role == "any"))
    places = [k for k, role in enumerate(p.roles) if role == "any"]
    keep = rng.choice(places) if places and rng.random() < 0.75 else -1
    args: list[Leaf] = []
    for k, role in enumerate(p.roles):
        if k == keep:
            args.append(at(program, site))
        else:
            program, leaf = _operand(program, rng, role, site.j, material)
            args.append(leaf)
    # A fresh state may have come to the return, after the places that were counted: the site still stands.
    name = _fresh(program)
    program = put(program, site, name)
    body = list(program.body)
    body.insert(site.j, Assign(name, Call(p.name, tuple(args))))
    return rebuilt(program, body, leaves_of(program))


def _fresh(program: Program) -> str:
    used = {assign.name for assign in program.body}
    return next(f"y{i}" for i in range(1, len(used) + 2) if f"y{i}" not in used)


def delete(program: Program, rng: random.Random, material: Material) -> Program:
    """A statement goes; one of its arguments takes its place."""
    gone = rng.choice(program.body)
    leaves: list[Leaf] = [
        arg
        for arg, role in zip(args_of(gone), op_of(gone).roles, strict=True)
        if role == "any" and isinstance(arg, str)
    ]
    heir = rng.choice(leaves or [1.0])

    def renamed(leaf: Leaf) -> Leaf:
        return heir if leaf == gone.name else leaf

    body = [
        Assign(a.name, Call(op_of(a).name, tuple(renamed(x) for x in args_of(a))))
        for a in program.body
        if a is not gone
    ]
    return rebuilt(program, body, [renamed(leaf) for leaf in leaves_of(program)])


def change(program: Program, rng: random.Random, material: Material) -> Program:
    """Another variable or number in one place."""
    site = rng.choice(sites(program, lambda role: role == "any"))
    program, leaf = _operand(program, rng, "any", site.j, material)
    return put(program, site, leaf)


def resample(program: Program, rng: random.Random, material: Material) -> Program:
    """A constant, anew."""
    site = rng.choice(constant_sites(program))
    return put(program, site, constant(rng, role_of(program, site)))


def scale(program: Program, rng: random.Random, material: Material) -> Program:
    """A constant times 2^a, a ~ N(0, 1); a weight near 1 by its distance from 1."""
    return scaled_at(program, rng.choice(constant_sites(program)), 2.0 ** rng.gauss(0.0, 1.0))


def graft(program: Program, rng: random.Random, material: Material) -> Program:
    """A block of a donor, one of its values with all that this is made of, takes the place of a value used somewhere.

    States of the block come with it, whatever the child may keep; those that are left over are gone in canonical form.
    """
    donor = rng.choice(material.donors)
    value = rng.choice(donor.body).name
    site = rng.choice(sites(program, lambda role: role == "any"))
    names = _block_names(program, donor, value)
    block = [
        Assign(
            names[a.name], Call(op_of(a).name, tuple(names.get(x, x) if isinstance(x, str) else x for x in args_of(a)))
        )
        for a in donor.body
        if a.name in names
    ]
    states = [
        (state, new) for state, new in zip(donor.states, leaves_of(donor)[1:], strict=True) if state.name in names
    ]
    program = put(program, site, names[value])
    grown = (*program.states, *(dataclasses.replace(state, name=names[state.name]) for state, _ in states))
    leaves = [*leaves_of(program), *(names.get(new, new) if isinstance(new, str) else new for _, new in states)]
    return rebuilt(program, [*block, *program.body], leaves, grown)


def _block_names(program: Program, donor: Program, value: str) -> dict[str, str]:
    """New names for a donor's value and for the statements and states that it is made of."""
    made = {a.name: args_of(a) for a in donor.body}
    made |= {state.name: (new,) for state, new in zip(donor.states, leaves_of(donor)[1:], strict=True)}
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
