"""Which reference programs a program is: hyperparameters, rate and states for which their normal forms are one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from primitives.algebra.arena import Arena
from primitives.algebra.laws import PROTECTED
from primitives.algebra.matching import Equations, Matcher
from primitives.algebra.numbers import exact
from primitives.algebra.reading import Normal, assumed, read, start_value
from primitives.algebra.same import with_numbers
from primitives.algebra.states import normal
from primitives.program import Program
from primitives.reference import names, reference

NEUTRAL = {
    "weight_decay": 0.0, "eta": 1.0, "eps": 0.0, "lr_decay": 0.0, "t0": 0.0, "damping": 0.0, "momentum_decay": 0.0,
    "beta": 0.0, "beta1": 0.0, "beta2": 0.0, "rho": 0.0,
}  # fmt: skip
"""Hyperparameters that a program may do without, and their values where it does."""

KNOWN_BEST = ("sgd", "momentum", "adam", "adamw", "rmsprop", "adagrad", "lion", "muon", "adadelta", "amsgrad", "nadam")
MOST_NEUTRAL = 2
MOST_NODES = 40  # partial solutions that are looked at for one reference
MOST_WAYS = 12  # ways to match a pair of values that are looked at


@dataclass(frozen=True)
class Pattern:
    """A reference program with some hyperparameters at neutral values; `marks` say what w and states are made of."""

    name: str
    fixed: tuple[tuple[str, float], ...]
    states: tuple[str, ...]  # those that have an influence on w
    marks: tuple[frozenset[str], ...]

    @property
    def program(self) -> Program:
        """The reference program."""
        return reference(self.name)

    @property
    def made_of(self) -> frozenset[str]:
        """The inputs and functions of all values, states left out."""
        return frozenset(mark for marks in self.marks for mark in marks if " " not in mark)


@dataclass(frozen=True)
class Fit:
    """A reference for which a program's normal form is found: its hyperparameters and its rate as constants."""

    pattern: Pattern
    hyper: Mapping[str, int]
    rate: int
    states: Mapping[str, str]  # of the reference: of the program


@cache
def settings() -> tuple[tuple[str, tuple[tuple[str, float], ...]], ...]:
    """Reference programs and which of their hyperparameters are neutral: fewest first, then the plainest."""
    found = []
    for name in names():
        optional = [(h, NEUTRAL[h]) for h, _ in reference(name).hyper if h in NEUTRAL]
        for size in range(MOST_NEUTRAL + 1):
            found += [(name, fixed) for fixed in itertools.combinations(optional, size)]
    return tuple(sorted(found, key=lambda s: (len(s[1]), *plainness(s[0]))))


def plainness(name: str) -> tuple[int, int, str]:
    """How plain a reference program is, for sorting: few hyperparameters, then well known."""
    known = KNOWN_BEST.index(name) if name in KNOWN_BEST else len(KNOWN_BEST)
    return len(reference(name).hyper), known, name


@cache
def pattern(name: str, fixed: tuple[tuple[str, float], ...]) -> Pattern:
    """The pattern of a reference program with those values."""
    program = with_numbers(reference(name), dict(fixed))
    n = normal(program, PROTECTED, float("inf"))
    live = [s for s in program.state_names if s in n.reachable()]
    matcher = Matcher(n.arena, program.defaults.keys() - {"lr"})
    return Pattern(name, fixed, tuple(live), _marks(matcher, n, n.w, live))


def _marks(matcher: Matcher, n: Normal, w: int, order: Sequence[str]) -> tuple[frozenset[str], ...]:
    """What w and the states, in this order, are made of; a state by its place in the order."""
    places = {name: f"state {i}" for i, name in enumerate(order)}
    values = (w, *(n.states[s] for s in order))
    return tuple(frozenset(places.get(mark, mark) for mark in matcher.marked(value)) for value in values)


class Subject:
    """A program in normal form, to be found among the references; `w` may leave out terms of the new weights."""

    def __init__(self, program: Program, until: float) -> None:
        n = normal(program, PROTECTED, until)
        self.program, self.at_least = program, dict(n.arena.at_least)
        self.arena = Arena(PROTECTED, n.arena.inputs, self.at_least, until)
        self.normal = read(program, self.arena)
        self.matcher = Matcher(self.arena, program.defaults.keys() - {"lr"})

    def terms(self) -> list[int]:
        """The terms of the new weights but w itself, constants collected, in an order of their own."""
        terms = self.matcher.collected(self.normal.w)
        w = self.arena.input("w")
        order = self.arena.order(terms)
        return [self.arena.multiply(terms[rest], rest) for rest in order if rest != w]

    def parts(self, w: int) -> tuple[int, frozenset[str]]:
        """How many states have an influence on this w, and the inputs and functions it and they are made of."""
        live = self._live(w)
        marks = self.matcher.marked(w).union(*(self.matcher.marked(self.normal.states[name]) for name in live))
        return len(live), marks - live

    def _live(self, w: int) -> set[str]:
        return Normal(self.arena, w, self.normal.states, self.normal.starts).reachable()

    def fits(self, candidate: Pattern, w: int) -> Fit | None:
        """The reference with numbers for which it is this program (with this w), where one is found."""
        live = self._live(w)
        if len(live) != len(candidate.states):
            return None
        orders = [
            order
            for order in itertools.permutations(sorted(live))
            if candidate.marks == _marks(self.matcher, self.normal, w, order)
        ]
        self.at_least.update({f"?{candidate.name}.{h}": known for h, known in assumed(candidate.program).items()})
        for order in orders:
            states = dict(zip(candidate.states, order, strict=True))
            search = Search(self, candidate, w, states, False)
            found = search.found()
            if found is None and search.states_differ():
                found = Search(self, candidate, w, states, True).found()
            if found is not None:
                return found
        return None


@dataclass
class Search:
    """Hyperparameters of one reference whose states have been given those of the program."""

    subject: Subject
    candidate: Pattern
    w: int
    states: dict[str, str]
    scaled: bool  # whether the reference's states may be multiples of the program's
    nodes: int = 0
    unknown: dict[str, float] = field(default_factory=dict)  # what is looked for, and a guess

    def __post_init__(self) -> None:
        fixed = dict(self.candidate.fixed)
        for name, value in self.candidate.program.hyper:
            if name != "lr" and name not in fixed:
                self.unknown[self._key(name)] = value
        if self.scaled:
            self.unknown |= {self._key(f".{s}"): 1.0 for s in self.states}
        self.unknown[self._key(".rate")] = 1.0
        self.subject.at_least |= {key: "positive" for key in self.unknown if ".." in key}

    def found(self) -> Fit | None:
        """The first solution for which the two are one."""
        known = self._search({})
        if known is None:
            return None
        arena = self.subject.arena
        known = {key: known.get(key, arena.number(exact(guess))) for key, guess in self.unknown.items()}
        rate = known[self._key(".rate")]
        number = arena.as_number(rate)
        if number is not None and number <= 0:
            return None
        hyper = {name: known[key] for name, _ in self.candidate.program.hyper if (key := self._key(name)) in known}
        return Fit(self.candidate, hyper, rate, self.states)

    def states_differ(self) -> bool:
        """Whether no hyperparameters make one of the states that of the program."""
        *pairs, _ = self._pairs({})
        ways = [self._ways(r, p) for r, p in pairs if r != p]
        return any(all(self.subject.matcher.solved(e, {}) is None for e in equations) for equations in ways)

    def _key(self, name: str) -> str:
        return f"?{self.candidate.name}.{name}"

    def _start(self, state: str) -> str | float:
        return next(s.start for s in self.candidate.program.states if s.name == state)

    def _search(self, known: dict[str, int]) -> dict[str, int] | None:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            return None
        matcher = self.subject.matcher
        pairs = [(r, p) for r, p in self._pairs(known) if r != p]
        ways = {pair: self._ways(*pair) for pair in pairs}
        if all(any(self._hold(equations) for equations in ways[pair]) for pair in pairs):
            return known
        for pair in pairs:
            if not ways[pair] and pair[1] != self.w:
                return None
            more = [found for equations in ways[pair] if (found := matcher.solved(equations, known)) is not None]
            if more and min(map(len, more)) > len(known):  # one of them has to be it
                return next((found for further in more if (found := self._search(further)) is not None), None)
            if ways[pair] and not more:
                return None
        return self._guessed(known, pairs)

    def _ways(self, r: int, p: int) -> list[Equations]:
        """Ways to make a value of the reference one of the program."""
        matcher = self.subject.matcher
        found = list(itertools.islice(matcher.unify(r, p), MOST_WAYS))
        if not found and "max()" in matcher.marked(p):
            r, p = matcher.unclipped(r), matcher.unclipped(p)
            found = list(itertools.islice(matcher.unify(r, p), MOST_WAYS))
        return found

    def _guessed(self, known: dict[str, int], pairs: list[tuple[int, int]]) -> dict[str, int] | None:
        """As `_search`, with an unknown that nothing determines at its default."""
        seen = {name for pair in pairs for i in pair for name in self.subject.matcher.reads(i)}
        left = [key for key in self.unknown if key not in known and key in seen]
        for key in dict.fromkeys((*left[-1:], *left[:1])):  # the rate is last
            found = self._search({**known, key: self.subject.arena.number(exact(self.unknown[key]))})
            if found is not None:
                return found
        return None

    def _hold(self, equations: Equations) -> bool:
        matcher = self.subject.matcher
        return all(not matcher.unknowns(a) and matcher.equal(a, b) for a, b in equations)

    def _pairs(self, known: Mapping[str, int]) -> Iterator[tuple[int, int]]:
        """What has to become equal: starts, new states, new weights; of the reference, of the program."""
        arena, n, program = self.subject.arena, self.subject.normal, self.candidate.program

        def value(name: str) -> int:
            key = self._key(name)
            return known[key] if key in known else arena.input(key)

        rate = value(".rate")
        env = {name: value(name) for name, _ in program.hyper if self._key(name) in self.unknown}
        env |= {name: arena.number(exact(x)) for name, x in self.candidate.fixed}
        env |= {name: arena.multiply(rate, arena.input(name)) for name in ("lr", "base_lr")}
        starts = {"lr": env["base_lr"], **{name: env[name] for name in env if name != "lr"}}
        scales = {s: value(f".{s}") if self._key(f".{s}") in self.unknown else arena.one for s in self.states}
        for mine in program.state_names:
            env[mine] = arena.input(f"?dead.{mine}")
        for mine, other in self.states.items():
            env[mine] = arena.multiply(scales[mine], arena.input(other))
            start, theirs = self._start(mine), n.starts[other]
            first = starts[start] if isinstance(start, str) and start in starts else start_value(arena, start)
            other_first = arena.input("base_lr") if theirs == "lr" else start_value(arena, theirs)
            yield first, arena.multiply(scales[mine], other_first)
        found = read(program, arena, env)
        for mine, other in self.states.items():
            yield found.states[mine], arena.multiply(scales[mine], n.states[other])
        yield found.w, self.w
