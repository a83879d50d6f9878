"""A program that takes its only gradient ahead of the weights, told in the weights at which it takes it."""

from __future__ import annotations

from primitives.algebra.arena import Arena
from primitives.algebra.laws import PROTECTED
from primitives.algebra.reading import inputs_of, opened, read, start_value
from primitives.algebra.writing import Writer
from primitives.graph import canonical
from primitives.program import Assign, Call, Program, calls, expressions, substitute
from primitives.rewriting import reads

Expr = str | float | Call


def at_gradient(program: Program, until: float = float("inf")) -> Program | None:
    """The same method with u = w + a x + b y ... in the place of w, where u is where its only gradient is taken.

    x, y ... are its states. None where it reads g at w too, asks for more, or the gap is not a number of its states;
    the gap must be 0 at the start. With lr in it, the result is the same method for constant lr only.
    """
    flat = canonical(program, symbolic=True)
    asked = {call for expr in expressions(flat) for call in calls(expr) if call.op == "grad_at"}
    if len(asked) != 1 or reads(flat, "g"):
        return None
    [ask] = asked
    names = {f"{name}": f"{name}_" for name in (a.name for a in flat.body)}
    point = next(i for i, a in enumerate(flat.body) if a.value == ask)
    arena = opened(flat, PROTECTED, {}, until)
    before = Program("gap", flat.states, flat.hyper, flat.body[:point], (ask.args[0], *flat.state_names))
    ahead = read(before, arena).w
    gap = arena.add(ahead, arena.negative(arena.input("w")))
    constants = {name for name, _ in flat.hyper} | {"lr"}
    if not inputs_of(arena, gap) <= constants | set(flat.state_names):
        return None
    starts = {s.name: start_value(arena, s.start) for s in flat.states}
    body = _written(Writer(arena), gap, "before_", {})
    if _at_start(arena, flat, gap, starts) != arena.zero:
        return None
    rest = [Assign(names[a.name], _renamed("g" if a.value == ask else a.value, names)) for a in flat.body]
    new = [_renamed(value, names) for value in flat.returns]
    after = _written(Writer(arena), gap, "after_", {s: f"{s}_new" for s in flat.state_names})
    news = [Assign(f"{s.name}_new", value) for s, value in zip(flat.states, new[1:], strict=True)]
    moved = Assign("w_", Call("subtract", ("w", body[-1].name)))
    w = Call("add", (new[0], after[-1].name))
    return Program(
        program.name, flat.states, flat.hyper, (*body, moved, *rest, *news, *after), (w, *(a.name for a in news))
    )


def _renamed(expr: Expr, names: dict[str, str]) -> Expr:
    return substitute(expr, lambda name: "w_" if name == "w" else names.get(name, name))


def _written(writer: Writer, i: int, prefix: str, states: dict[str, str]) -> list[Assign]:
    """Statements for a value, the last of which holds it; `states` are other names for states."""
    last = writer.write(i)

    def named(leaf: str) -> str:
        return f"{prefix}{leaf}" if leaf.startswith("_") else states.get(leaf, leaf)

    body = [Assign(f"{prefix}{a.name}", substitute(a.value, named)) for a in writer.body]
    return [*body, Assign(f"{prefix}gap", substitute(last, named))]


def _at_start(arena: Arena, program: Program, gap: int, starts: dict[str, int]) -> int:
    """The gap before the first step."""
    body = _written(Writer(arena), gap, "start_", {})
    begun = Program("start", (), program.hyper, tuple(body), (body[-1].name,))
    return read(begun, arena, starts).w
