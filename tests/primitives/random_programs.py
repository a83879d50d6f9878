"""Random programs for the machines: most statements alive, every primitive but the matrix ones, states of all sorts."""

from __future__ import annotations

from random import Random

from primitives import kinds
from primitives.kinds import NUMBER, PER_TENSOR, TENSOR, Kind, KindError
from primitives.primitive import Primitive
from primitives.program import Assign, Call, Program, State
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show

NUMBERS = (-2.0, -0.5, 0.0, 1e-8, 0.1, 0.5, 0.9, 1.0, 2.0, 3.0, 100.0)
STARTS: tuple[str | float, ...] = (0.0, 0.0, 0.5, -1.0, "lr", "a", "w")
GROUPS = tuple(
    tuple(p for p in PRIMITIVES.values() if chosen(p))
    for chosen in (
        lambda p: p.form == "pointwise" and p.arity != 1,
        lambda p: p.form == "pointwise" and p.arity == 1,
        lambda p: p.form in ("reduction", "model", "shape"),
        lambda p: p.form == "composite" and p.kind not in (kinds.square, kinds.matrix),
    )
)
FIXED = ("g", "lr", "a", "t")
Arg = str | float | Call


def random_program(seed: int) -> Program:
    """A valid program: states start anywhere and come back unchanged, swapped or as any value of their kind."""
    rng = Random(seed)
    while True:
        program = _attempt(rng)
        if not problems(program):
            return parse(show(program))


def _attempt(rng: Random) -> Program:
    states = [State(f"s{i}", rng.choice(STARTS)) for i in range(rng.randrange(4))]
    known: dict[str, Kind] = {"lr": NUMBER, "a": NUMBER, "t": NUMBER, "w": TENSOR, "g": TENSOR}
    for state in states:
        known[state.name] = TENSOR if state.start == "w" else rng.choice((TENSOR, TENSOR, PER_TENSOR, NUMBER))
    wanted = [known[state.name] for state in states]
    body = []
    for i in range(rng.randint(1, 9)):
        value, kind = _call(rng, known)
        again = [name for name, k in known.items() if k == kind and name not in FIXED]
        name = rng.choice(again) if again and rng.random() < 0.3 else f"x{i}"
        known.pop(name, None)
        known[name] = kind  # last, where `_recent` looks first
        body.append(Assign(name, value))
    update, *returns = (_recent(rng, [n for n, k in known.items() if k == kind]) for kind in (TENSOR, *wanted))
    new_w: Arg = Call("multiply", (update, _recent(rng, list(known))))
    if rng.random() < 0.8:
        new_w = Call("subtract", ("w", Call("multiply", ("lr", Call("add", (new_w, _recent(rng, list(known))))))))
    return Program("f", tuple(states), (("lr", 0.01), ("a", 0.9)), tuple(body), (new_w, *returns))


def _recent(rng: Random, names: list[str]) -> str:
    return names[-1 - min(int(rng.expovariate(0.5)), len(names) - 1)]


def _call(rng: Random, known: dict[str, Kind]) -> tuple[Call, Kind]:
    """A call that the kinds allow."""
    while True:
        p = rng.choice(rng.choices(GROUPS, (4, 3, 2, 2))[0])
        args = _arguments(rng, p, known)
        try:
            return Call(p.name, args), p.kind(*(known[a] if isinstance(a, str) else NUMBER for a in args))
        except KindError:
            continue


def _arguments(rng: Random, p: Primitive, known: dict[str, Kind]) -> tuple[Arg, ...]:
    if p.name == "bias_correct":
        return _recent(rng, list(known)), rng.choice(("a", 0.5, 0.999)), "t"
    return tuple(rng.choice(NUMBERS) if rng.random() < 0.15 else _recent(rng, list(known)) for _ in p.args)
