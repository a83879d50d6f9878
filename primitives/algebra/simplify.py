"""The shortest program that does the same, with the laws that were used: the exact and the protected tier."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from primitives.algebra.arena import Arena, OutOfTimeError, Use
from primitives.algebra.laws import EXACT, LAWS, PROTECTED, STRUCTURE
from primitives.algebra.numbers import as_float
from primitives.algebra.reading import Normal, as_state
from primitives.algebra.states import (
    constant_states,
    equal_states,
    multiple_states,
    normal,
    rescaled,
    scales,
    without,
)
from primitives.algebra.widths import sees_widths, widened
from primitives.algebra.writing import Writer
from primitives.graph import canonical, graph
from primitives.inference import kind_faults, kind_of, kinds_of, state_kinds
from primitives.kinds import KindError
from primitives.program import Assign, Call, Program, calls, expressions, substitute
from primitives.readable import readable
from primitives.show import show_expr

SECONDS = 5.0
LONGEST = 100  # characters of an expression in the trail
Expr = str | float | Call


@dataclass(frozen=True)
class Step:
    """One use of a law: what was there and what stands there now; `exception` is where it does not hold."""

    law: str
    tier: str
    before: str
    after: str
    exception: str = ""


@dataclass(frozen=True)
class Simplified:
    """The simplified program and its proof trail; `finished` is False where the time was not enough for everything."""

    program: Program
    steps: tuple[Step, ...]
    length: tuple[int, int]  # statements in canonical form, before and after
    states: tuple[int, int]
    seconds: float
    finished: bool = True


def simplify(program: Program, tier: str = PROTECTED, seconds: float = SECONDS) -> Simplified:
    """The shortest program found that does the same, by the laws up to a tier ("exact", "protected").

    It ends within about `seconds`; where that is too short the result is right, and less simple than it could be.
    """
    began = time.monotonic()
    until = began + seconds
    steps: dict[Step, None] = dict.fromkeys(_structure(program))
    best = readable(program, symbolic=True)
    finished = True
    try:
        for some in (EXACT, PROTECTED)[: 1 + (tier != EXACT)]:
            best, used = _by_tier(best, some, until)
            steps |= dict.fromkeys(used)
    except (OutOfTimeError, RecursionError):
        finished = False
    lengths = statements(program), statements(best)
    return Simplified(
        best, tuple(steps), lengths, (len(program.states), len(best.states)), time.monotonic() - began, finished
    )


def statements(program: Program) -> int:
    """How long a program is: statements in canonical form, hyperparameters as they are."""
    return len(canonical(program, symbolic=True).body)


def normalised(program: Program, tier: str = PROTECTED, seconds: float = SECONDS) -> Program:
    """The program written out from its normal form, equal for programs that the laws show to be equal."""
    until = time.monotonic() + seconds
    reduced, n, _ = _reduced(program, tier, until)
    return _written(reduced, n)


def _by_tier(program: Program, tier: str, until: float) -> tuple[Program, list[Step]]:
    """The program by all laws of a tier, or as it was where that is no shorter."""
    reduced, n, steps = _reduced(program, tier, until)
    written = _written(reduced, n)
    if kind_faults(written) or not _finite(written) or _size(written) > _size(program):
        kept = readable(reduced, symbolic=True) if len(reduced.states) < len(program.states) else program
        shorter, found = _without_zeros(kept)
        return shorter, [*steps, *found]
    return written, [*steps, *_trail(n.arena)]


def _without_zeros(program: Program) -> tuple[Program, list[Step]]:
    """The program without terms that are zero times a weight or a gradient, all else as it is written."""
    steps: list[Step] = []
    kinds, before = kinds_of(program), state_kinds(program)
    seen = sees_widths(program)
    if seen and any(kinds[name] != kind for name, kind in before.items()):  # the name of two things of different kinds
        return program, []
    defined = {"w", "g"} - {a.name for a in program.body}  # what is computed may be undefined, and then is kept

    def cut(expr: Expr) -> Expr:
        if not isinstance(expr, Call):
            return expr
        args = tuple(map(cut, expr.args))
        for i in {"add": (0, 1), "subtract": (1,)}.get(expr.op, ()):
            zero = args[i]
            if (
                isinstance(zero, Call)
                and zero.op == "multiply"
                and any(zero.args == (0.0, x) or zero.args == (x, 0.0) for x in defined)
                and not (seen and kind_of(args[1 - i], kinds) != kind_of(expr, kinds))
            ):
                steps.append(Step("collect terms", EXACT, show_expr(Call(expr.op, args)), show_expr(args[1 - i])))
                return args[1 - i]
        return replace(expr, args=args)

    body = tuple(replace(a, value=cut(a.value)) for a in program.body)
    found = replace(program, body=body, returns=tuple(map(cut, program.returns)))
    if not steps or kind_faults(found) or not _has_kinds(found):
        return program, []
    return readable(found, symbolic=True), steps


def _finite(program: Program) -> bool:
    """Whether its numbers are floats: those of the algebra may be of any size."""
    numbers = [arg for expr in expressions(program) for call in calls(expr) for arg in call.args]
    return all(math.isfinite(number) for number in numbers if isinstance(number, float))


def _size(program: Program) -> tuple[int, int]:
    return len(program.states), statements(program)


def reduced(program: Program, tier: str, until: float) -> Program:
    """The program without the states that it could do without; OutOfTimeError where the time is over."""
    return _reduced(program, tier, until, rescale=False)[0]


def _reduced(program: Program, tier: str, until: float, rescale: bool = True) -> tuple[Program, Normal, list[Step]]:
    """The program without the states that it could do without."""
    steps: list[Step] = []
    while True:
        n = normal(program, tier, until)
        found = _removed(program, n, until, rescale)
        if found is None or not _has_kinds(found[0]):
            return program, n, steps
        program, step = found
        steps.append(step)


def _has_kinds(program: Program) -> bool:
    """Whether every value has a kind: not so where a state that went was what made a tensor of one."""
    try:
        graph(program, symbolic=True)
    except KindError:
        return False
    return True


def _removed(program: Program, n: Normal, until: float, rescale: bool) -> tuple[Program, Step] | None:
    """The program without one or more states that it can do without, and the law; None where there are none."""
    dead = [name for name in n.states if name not in n.reachable()]
    if dead:
        for name in dead:  # its start is a value for which all that was known of its sign holds
            program = without(program, name, "base_lr" if n.starts[name] == "lr" else n.starts[name])
        return program, _law("dead state", ", ".join(dead), "")
    if constant := constant_states(n):
        for name, value in constant.items():
            program = without(program, name, value)
        return program, _law("constant state", ", ".join(constant), ", ".join(map(show_expr, constant.values())))
    if equal := equal_states(program, n, until):
        for name, other in equal.items():
            program = without(program, name, other)
        return program, _law("equal states", ", ".join(equal), ", ".join(equal.values()))
    ways = [_as_multiple(program, n, *found) for found in multiple_states(program, n)]
    if ways:
        return min(ways, key=lambda way: statements(way[0]))
    length = statements(_written(program, n))
    for name, c in scales(n) if rescale else ():
        scaled = rescaled(program, name, as_float(c))
        if statements(_written(scaled, normal(scaled, n.arena.tier, until))) < length:
            return scaled, _law("scaled state", name, f"{as_float(c):g} * {name}", n.arena.tier)
    return None


def _as_multiple(program: Program, n: Normal, one: str, other: str, factor: int) -> tuple[Program, Step]:
    """The program with one state computed from the other."""
    writer = Writer(n.arena)
    value: Expr = writer.write(n.arena.multiply(factor, n.arena.input(other)))
    body = tuple(Assign(f"{one}{a.name}", substitute(a.value, _prefixed(one))) for a in writer.body)
    shorter = without(program, one, substitute(value, _prefixed(one)))
    step = _law("dependent state", one, _text(writer, value), n.arena.tier)
    return replace(shorter, body=(*body, *shorter.body)), step


def _prefixed(prefix: str) -> Callable[[str], str]:
    return lambda name: f"{prefix}{name}" if name.startswith("_") else name


def _law(name: str, before: str, after: str, tier: str = EXACT) -> Step:
    """A step by a law of whole programs."""
    assert name in STRUCTURE, name
    return Step(name, tier, before, after)


def _written(program: Program, n: Normal) -> Program:
    """The program from its values, readable."""
    writer = Writer(n.arena)
    live = [name for name in program.state_names if name in n.reachable()]
    new = [writer.write(n.states[name]) for name in live]
    new_w = _last_step(n, writer)
    states = tuple(as_state(name, n.starts[name]) for name in live)
    flat = Program(program.name, states, program.hyper, tuple(writer.body), (new_w, *new), program.doc)
    try:
        flat = _as_wide(flat, n.arena)
        return readable(flat, symbolic=True)
    except KindError:  # a law made a number of what a primitive takes as a tensor: all stays as it was
        return readable(program, symbolic=True)


def _as_wide(program: Program, arena: Arena) -> Program:
    """The program with states as wide as they were, where something in it sees how wide they are."""
    if not sees_widths(program):
        return program
    were = [arena.inputs[name] for name in program.state_names]
    new = zip(program.returns[1:], state_kinds(program).values(), were, strict=True)
    returns = (value if now == before else widened(value, before) for value, now, before in new)
    return replace(program, returns=(program.returns[0], *returns))


def _last_step(n: Normal, writer: Writer) -> Expr:
    """The new w as w - lr * update where every other term has lr, else as w minus the rest."""
    arena = n.arena
    terms = arena.terms(n.w)
    w = arena.input("w")
    if terms.get(w) != 1:
        return writer.write(n.w)
    rest = {p: -c for p, c in terms.items() if p != w}
    lr = arena.input("lr")
    factors = {p: arena.factors(p) for p in rest}
    if rest and all(f.get(lr) == 1 for f in factors.values()):
        update = {arena.from_factors({a: e for a, e in factors[p].items() if a != lr}): c for p, c in rest.items()}
        return Call("subtract", ("w", Call("multiply", ("lr", writer.write(arena.from_terms(update))))))
    return Call("subtract", ("w", writer.write(arena.from_terms(rest)))) if rest else "w"


def _structure(program: Program) -> list[Step]:
    """What goes before any algebra: dead statements and states."""
    g = graph(program, symbolic=True)
    kept = {s.name for s in g.states}
    steps = [_law("dead state", s.name, "") for s in program.states if s.name not in kept]
    flat = canonical(program, symbolic=True)
    written = sum(sum(1 for _ in calls(e)) for e in (*(a.value for a in program.body), *program.returns))
    if written > len(flat.body) + 2:
        steps.append(_law("dead code", f"{written} calls", f"{len(flat.body)} calls"))
    return steps


def _trail(arena: Arena) -> list[Step]:
    """The laws that were used, in order, with what was there before and after."""
    steps: dict[Step, None] = {}
    for use in list(arena.trail):
        law = LAWS[use.law]
        before, after = _shown(arena, use)
        if before != after:
            exception = f"{law.except_}: {law.why}" if law.except_ else ""
            steps[Step(use.law, law.tier, before, after, exception)] = None
    return list(steps)


def _shown(arena: Arena, use: Use) -> tuple[str, str]:
    writer = Writer(arena)
    args: list[Expr] = [writer.write(a) for a in use.args]
    if use.op in ("plus", "times"):
        name: Expr = args[0]
        for other in args[1:]:
            name = Call("add" if use.op == "plus" else "multiply", (name, other))
    else:
        name = Call(use.op, tuple(args))
    return _text(writer, name), _text(writer, writer.write(use.result))


def _text(writer: Writer, expr: Expr) -> str:
    values: dict[str, Expr] = {}
    for assign in writer.body:
        values[assign.name] = substitute(assign.value, lambda name: values.get(name, name))
        if sum(1 for _ in calls(values[assign.name])) > 40:
            values[assign.name] = "..."
    text = show_expr(substitute(expr, lambda name: values.get(name, name)))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
