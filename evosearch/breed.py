"""Breeding, in a worker: children of parents, their canonical form and their fingerprint. Pure functions."""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

import proxies
from evosearch.config import Config
from evosearch.fingerprint import fingerprints
from evosearch.flat import MutationError, searchable
from evosearch.measure import STEPS_PER_DECADE
from evosearch.mutate import mutate
from primitives import own
from primitives.bytecode import TAKEN_ON_CPUS, compile_program
from primitives.graph import canonical
from primitives.program import Program
from primitives.reference import reference
from primitives.text import parse, show
from proxies.proxy import Proxy

FARTHEST = 40  # exponents: learning rates stay within ten decades of 1


@dataclass(frozen=True)
class Context:
    """What a worker builds once."""

    config: Config
    proxies: tuple[Proxy, ...]


def make_context(config: Config, expected: Mapping[str, str] | None = None) -> Context:
    """The context of a configuration; ValueError where a file of the user's own is not the one that the driver has."""
    own.use(config.language.primitives)
    context = Context(config, tuple(proxies.get(name) for name in config.proxies))
    found = own_files(config) if expected else {}
    for name, digest in (expected or {}).items():
        if found.get(name) != digest:
            raise ValueError(
                f"{name} on {socket.gethostname()} is not the file that the driver began with; put the same file on "
                "every node, leave it as it is, and resume"
            )
    return context


def own_files(config: Config) -> dict[str, str]:
    """The digests of the files that tasks and primitives of the user's own are made from, by their names."""
    marks = {name: proxies.digest(name) for name in config.proxies}
    marks |= {name: own.digest(name) for name in config.language.primitives}
    return {name: mark for name, mark in marks.items() if mark is not None}


@dataclass(frozen=True)
class Bred:
    """A child and what is known without training; `status` is "ok", "nan", "odd", "scale", "invalid" or a failure's."""

    number: int
    text: str = ""
    mutation: str = ""
    fingerprint: str = ""
    size: float = 0.0
    responses: tuple[float, float] = (1.0, 1.0)
    length: int = 0
    states: int = 0
    cost: float = 0.0
    status: str = "ok"
    reason: str = ""


def by_counter(seed: int, purpose: str, number: int) -> random.Random:
    """Randomness by counter: the same for candidate `number` whatever came before."""
    return random.Random(f"{seed} {purpose} {number}")


def by_counters(seed: int, purpose: str, numbers: Iterable[int]) -> Iterator[random.Random]:
    """`by_counter` for one number after the other, in one object: making it takes as long as seeding it."""
    rng = random.Random()
    for number in numbers:
        rng.seed(f"{seed} {purpose} {number}")
        yield rng


@cache
def _donors(names: tuple[str, ...]) -> tuple[Program, ...]:
    """The reference programs of which blocks may be taken, besides those of the population."""
    return tuple(searchable(reference(name)) for name in names)


@lru_cache(maxsize=1024)  # parents: a population or two
def _parsed(text: str) -> Program:
    return parse(text)


class Item(NamedTuple):
    """What a candidate is made of."""

    number: int
    text: str  # the parent's
    again: float = 0.0  # the chance that it is the parent itself, to buy seeds
    mate: str = ""  # a program of which blocks may be taken
    whole: bool = False  # the text is the candidate's own: its constants were tuned


def breed(context: Context, shared: None, items: Sequence[Item]) -> list[Bred]:
    """A child for each candidate, of parent and perhaps mate; or by the chance given the parent itself, once more."""
    config = context.config
    children: list[Bred | tuple[int, Program, str]] = []
    for number, text, again, mate, whole in items:
        if whole:
            children.append((number, canonical(parse(text)), "constants"))
            continue
        if again and by_counter(config.seed, "again", number).random() < again:
            children.append((number, _parsed(text), "again"))
            continue
        rng = random.Random((config.seed << 64) + number)
        try:
            donors = _donors(config.mutations.donors)
            if mate and not (donors and rng.random() < 0.5):
                donors = (_parsed(mate),)
            children.append((number, *mutate(_parsed(text), rng, config.mutations, config.language, donors)))
        except MutationError as error:
            children.append(Bred(number, status="invalid", reason=str(error)))
    valid = [child for child in children if not isinstance(child, Bred)]
    bred = iter(describe([program for _, program, _ in valid], [(n, m) for n, _, m in valid], config))
    return [child if isinstance(child, Bred) else next(bred) for child in children]


def describe(programs: Sequence[Program], labels: Sequence[tuple[int, str]], config: Config) -> list[Bred]:
    """The record of each program, from its fingerprint and its bytecode; labels are (number, mutation)."""
    codes = [compile_program(program) for program in programs]
    marks = iter(fingerprints([code for code in codes if code.needs in TAKEN_ON_CPUS]))
    found = []
    for program, code, (number, mutation) in zip(programs, codes, labels, strict=True):
        if code.needs not in TAKEN_ON_CPUS:
            reason = f"it needs a {code.needs}, which the machine of a search has not"
            found.append(Bred(number, show(program), mutation, status="invalid", reason=reason))
            continue
        mark = next(marks)
        status, reason = mark.status, "the update is not finite" if mark.status == "nan" else ""
        if status == "ok" and config.scoring.oddness and not mark.odd:
            status, reason = "odd", "f(-w, -g) is not -f(w, g)"
        if status == "ok" and config.scoring.gradient_scale and not all(0 < r < math.inf for r in mark.responses):
            status, reason = "scale", "its update is zero or not finite when gradients are scaled"
        if status == "ok" and code.cost > config.language.max_cost:
            status, reason = "invalid", f"its cost of {code.cost:g} is above the limit"
        if status == "ok" and mark.size == 0:
            status, reason = "invalid", "it never moves w"
        shape = len(program.body), len(program.states), code.cost
        found.append(Bred(number, show(program), mutation, mark.key, mark.size, mark.responses, *shape, status, reason))
    return found


def found(context: Context, shared: None, items: Sequence[tuple[int, str]]) -> list[Bred]:
    """Handler: the record of programs that were not bred, (number, text) each; they pass every check."""
    bred = describe([_parsed(text) for _, text in items], [(number, "start") for number, _ in items], context.config)
    return [replace(b, status="ok", reason="") for b in bred]


def centre(exponent: int, parent: Bred, child: Bred) -> int:
    """Where to look for a child's learning rate: around its parent's, shifted as its updates are larger.

    A start's may be of no size, where they are not finite on the gradients of fingerprints: then around its own.
    """
    known = all(0 < one.size < math.inf for one in (parent, child))
    shift = round(STEPS_PER_DECADE * math.log10(parent.size / child.size)) if known else 0
    return min(FARTHEST, max(-FARTHEST, exponent + shift))
