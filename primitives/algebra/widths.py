"""How wide a value is: laws may leave a row of a tensor that repeats it, and a sum over it is then another number."""

from __future__ import annotations

from collections.abc import Iterator

from primitives.interpreter import expansion
from primitives.kinds import TENSOR, Kind
from primitives.program import Call, Program, calls, expressions
from primitives.table import PRIMITIVES

Expr = str | float | Call

BLIND = frozenset({"mean", "rms", "row_mean", "column_mean", "transpose"})
"""What says the same of a value as of one that repeats it, where neither is a number."""

_COLUMNS: dict[str, Expr] = {  # a column as long as each dimension
    "m": Call("column_mean", ("w",)),
    "n": Call("transpose", (Call("row_mean", ("w",)),)),
    "mn": Call("flatten", ("w",)),
}


def wide(kind: Kind) -> Expr:
    """Something of a kind, but no number, made of the weights."""
    if kind == TENSOR:
        return "w"
    if kind.columns == "1":
        return _COLUMNS[kind.rows]
    row = Call("transpose", (_COLUMNS[kind.columns],))
    return row if kind.rows == "1" else Call("matmul", (_COLUMNS[kind.rows], row))


def widened(expr: Expr, kind: Kind) -> Expr:
    """An expression plus zero times something of a kind."""
    return expr if kind.single else Call("add", (expr, Call("multiply", (0.0, wide(kind)))))


def narrowed(left: Kind, written: Kind, op: str) -> bool:
    """Whether an argument that was of the one kind and is now of another gives `op` something else to see."""
    if written.single or (left.rows, left.columns) == (written.rows, written.columns):
        return False
    return op not in BLIND or left.single


def sees_widths(program: Program) -> bool:
    """Whether anything in the program says another thing of a row than of the tensor that repeats it."""
    ops = {op for expr in expressions(program) for op in _ops(expr)}
    return any(PRIMITIVES[op].form not in ("pointwise", "role") and op not in BLIND for op in ops)


def _ops(expr: Expr) -> Iterator[str]:
    """The primitives of an expression, and those of which its composites are made."""
    for call in calls(expr):
        if PRIMITIVES[call.op].form == "composite":
            yield from _ops(expansion(call.op))
        else:
            yield call.op
