"""Random valid programs over every primitive of the table, for Hypothesis."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import strategies as st

from primitives.inference import kind_faults
from primitives.kinds import COLUMN, LEFT, NUMBER, PER_TENSOR, ROW, TENSOR, Kind, KindError, fits
from primitives.program import Assign, Call, Program, State
from primitives.table import PRIMITIVES

Expr = str | float | Call
Draw = Any  # Hypothesis' function that draws from a strategy

HYPER = ("lr", "beta1", "decay", "eps")
STATES = ("m", "v", "s", "prev")
LOCALS = ("x", "y", "update", "e")
READABLE = ("t", "T", "loss", "base_lr")
CANONICAL: dict[Kind, Expr] = {
    TENSOR: "g",
    NUMBER: "t",
    PER_TENSOR: Call("norm", ("g",)),
    ROW: Call("row_mean", ("g",)),
    COLUMN: Call("column_mean", ("g",)),
    LEFT: Call("matmul", ("g", Call("transpose", ("g",)))),
}
ARGUMENTS: tuple[tuple[Expr, Kind], ...] = (  # what a primitive takes that takes nothing random
    ("g", TENSOR),
    (Call("transpose", ("g",)), TENSOR.transposed),
    (CANONICAL[LEFT], LEFT),
    (Call("flatten", ("g",)), Kind("mn", "1")),
    (1.0, NUMBER),
)
DRAWN = sorted(name for name, p in PRIMITIVES.items() if p.form != "oracle")  # an oracle must be there to answer

# The project flushes denormals, and Hypothesis minds.
numbers = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.5, 0.9, 1e-8, 100.0, -0.0]),
    st.floats(-4, 4, allow_subnormal=False),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False),
)
weights = st.one_of(st.sampled_from([0.0, 0.5, 0.9, 0.999, 1.0]), st.floats(0, 1, allow_subnormal=False))


def _leaf(draw: Draw, env: dict[str, Kind]) -> tuple[Expr, Kind]:
    if draw(st.integers(0, 3)) == 0:
        return draw(numbers), NUMBER
    name = draw(st.sampled_from(sorted(env)))
    return name, env[name]


def _argument(draw: Draw, env: dict[str, Kind], role: str, depth: int) -> tuple[Expr, Kind]:
    if role == "step":
        return "t", NUMBER
    if role == "weight":
        return draw(weights), NUMBER
    if role == "count":
        return float(draw(st.integers(0, 3))), NUMBER
    return _expression(draw, env, depth)


def _call(draw: Draw, env: dict[str, Kind], op: str, depth: int) -> tuple[Expr, Kind]:
    """The primitive applied to random arguments, or to g and its like where those do not go together."""
    p = PRIMITIVES[op]
    drawn = [_argument(draw, env, role, depth - 1) for role in p.roles]
    simple = [ARGUMENTS if role == "any" else [arg] for role, arg in zip(p.roles, drawn, strict=True)]
    for args in (drawn, *product(*simple)):
        try:
            return Call(op, tuple(expr for expr, _ in args)), p.kind(*(kind for _, kind in args))
        except KindError:
            continue
    raise AssertionError(f"{op} takes neither random arguments nor g")


def _expression(draw: Draw, env: dict[str, Kind], depth: int) -> tuple[Expr, Kind]:
    if depth <= 0 or draw(st.booleans()):
        return _leaf(draw, env)
    return _call(draw, env, draw(st.sampled_from(DRAWN)), depth)


def _of_kind(draw: Draw, env: dict[str, Kind], name: str, kind: Kind) -> Expr:
    """A random expression for a state if it has the kind, else an average of something that has."""
    expr, found = _expression(draw, env, 2)
    return expr if found == kind else Call("ema", (name, CANONICAL[kind], 0.5))


def _states(draw: Draw, hyper: tuple[tuple[str, float], ...]) -> list[tuple[State, Kind]]:
    names = draw(st.lists(st.sampled_from(STATES), unique=True, max_size=3))
    states = []
    for name in names:
        start: str | float = draw(st.one_of(st.just(0.0), numbers, st.sampled_from(["w", *(key for key, _ in hyper)])))
        kind = TENSOR if start == "w" else draw(st.sampled_from(list(CANONICAL)))
        states.append((State(name, start), kind))
    return states


@st.composite
def _program(draw: Draw, op: str | None, readable: tuple[str, ...]) -> Program:
    names = ["lr", *draw(st.lists(st.sampled_from(HYPER[1:]), unique=True))]
    hyper = tuple((name, draw(st.floats(0, 1, allow_subnormal=False))) for name in names)
    states = _states(draw, hyper)
    env: dict[str, Kind] = {"w": TENSOR, "g": TENSOR, **dict.fromkeys((*readable, *names), NUMBER)}
    env.update((state.name, kind) for state, kind in states)
    body = []
    for i in range(draw(st.integers(0 if op is None else 1, 5))):
        name = draw(st.sampled_from([*LOCALS, *(s.name for s, _ in states)]))
        value, kind = _call(draw, env, op, 2) if op and i == 0 else _expression(draw, env, 3)
        if name in STATES and kind != env[name]:
            name = "z"
        body.append(Assign(name, value))
        env[name] = kind
    first, kind = _expression(draw, env, 2)
    update: Expr = first if fits(kind, TENSOR) else "g"
    used = body[0].name if op else ""
    if used and fits(env[used], TENSOR):
        update = Call("add", (update, used))
    new_w = Call("subtract", ("w", Call("multiply", ("lr", update))))
    returns = (new_w, *(_of_kind(draw, env, s.name, k) for s, k in states))
    name = draw(st.sampled_from(["found", "program_7", "a"]))
    return Program(name, tuple(s for s, _ in states), hyper, tuple(body), returns)


def programs(readable: tuple[str, ...] = READABLE) -> st.SearchStrategy[Program]:
    """Valid programs: nested and flat statements, reassignments, states of every kind and start, hyperparameters."""
    return _program(None, readable).filter(lambda program: not kind_faults(program))


def program_using(op: str, readable: tuple[str, ...] = READABLE) -> st.SearchStrategy[Program]:
    """Valid programs whose first statement applies this primitive."""
    return _program(op, readable).filter(lambda program: not kind_faults(program))
