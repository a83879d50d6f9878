"""What of a program its exported file needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from primitives.program import Assign, Call, Program, calls

Expr = str | float | Call
NOTHING = Call("where", (0.0, "w", 0.0))  # what a sum over the model has of tensors that do not count


def live(program: Program, keep: Collection[str] = ()) -> tuple[list[Assign], set[str]]:
    """The statements on which what is returned depends, or what is kept, and all names that are read."""
    needed = {name for expr in program.returns for name in _variables(expr)}
    read = set(needed)
    statements = []
    for assign in reversed(program.body):
        if assign.name in needed or assign.name in keep:
            needed.discard(assign.name)
            needed |= _variables(assign.value)
            read |= _variables(assign.value)
            statements.append(assign)
    return statements[::-1], read


def live_calls(program: Program, keep: Collection[str] = ()) -> Iterator[Call]:
    """Every call in those statements and in what is returned."""
    for expr in (*(assign.value for assign in live(program, keep)[0]), *program.returns):
        yield from calls(expr)


def reads_gradient(program: Program, keep: Collection[str] = ()) -> bool:
    """Whether what is returned or kept depends on g."""
    return "g" in live(program, keep)[1]


def _variables(expr: Expr) -> set[str]:
    leaves = [expr, *(arg for call in calls(expr) for arg in call.args if call != NOTHING)]
    return {leaf for leaf in leaves if isinstance(leaf, str)}
