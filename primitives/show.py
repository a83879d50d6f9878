"""The text of a program from its record; the inverse of `parse`."""

from __future__ import annotations

import inspect
import math

from primitives.program import INPUTS, Call, Program
from primitives.table import PRIMITIVES

Expr = str | float | Call
PRECEDENCE = {"<": 1, "<=": 1, ">": 1, ">=": 1, "==": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3, "neg": 4, "**": 5}


def show(program: Program) -> str:
    """The text of a program; `parse(show(p)) == p`, and showing a parsed text again changes nothing."""
    starts = [state.start for state in program.states]
    first = next((i for i, start in enumerate(starts) if start != 0), len(starts))
    states = [
        state.name if i < first else f"{state.name}={show_expr(state.start)}" for i, state in enumerate(program.states)
    ]
    hyper = [f"{name}={show_expr(value)}" for name, value in program.hyper]
    signature = ", ".join([*INPUTS, *states, *(["*", *hyper] if hyper else [])])
    lines = [f"def {program.name}({signature}):"]
    lines += _doc_lines(program.doc)
    lines += [f"    {assign.name} = {show_expr(assign.value)}" for assign in program.body]
    lines.append(f"    return {', '.join(show_expr(value) for value in program.returns)}")
    return "\n".join(lines) + "\n"


def show_expr(expr: Expr, outer: int = 0) -> str:
    """The text of an expression, with the parentheses that it needs inside an operator of precedence `outer`."""
    if isinstance(expr, str):
        return expr
    if not isinstance(expr, Call):
        text = show_number(expr)
        return f"({text})" if text.startswith("-") and outer > PRECEDENCE["neg"] else text
    if expr.op == "negative" and len(expr.args) == 1 and not _is_number(expr.args[0]):
        inner, level = "-" + show_expr(expr.args[0], PRECEDENCE["neg"]), PRECEDENCE["neg"]
    elif infix := PRIMITIVES[expr.op].infix if expr.op in PRIMITIVES and len(expr.args) == 2 else "":
        level = PRECEDENCE[infix]
        # Comparisons do not chain and power binds to the right: only the looser side keeps its own level.
        left = level + (infix == "**" or level == 1)
        right = PRECEDENCE["neg"] if infix == "**" else level + 1
        inner = f"{show_expr(expr.args[0], left)}{infix if infix == '**' else f' {infix} '}"
        inner += show_expr(expr.args[1], right)
    else:
        return f"{expr.op}({', '.join(show_expr(arg) for arg in expr.args)})"
    return f"({inner})" if level < outer else inner


def show_number(value: float) -> str:
    """The shortest text that reads back as the same float, whole numbers without a point."""
    if math.isinf(value):
        return "1e999" if value > 0 else "-1e999"  # reads back as infinite, which is a fault
    if (
        not math.isnan(value)
        and value == int(value)
        and abs(value) < 1e16
        and not (value == 0 and math.copysign(1, value) < 0)
    ):
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _is_number(expr: Expr) -> bool:
    return isinstance(expr, float | int)


def _doc_lines(doc: str) -> list[str]:
    if not doc:
        return []
    first, *rest = doc.split("\n")
    inside = "\n".join([first, *(f"    {line}" if line else "" for line in rest)])
    odd = any(not c.isprintable() and c != "\n" for c in doc) or "\\" in doc or '"""' in doc
    if odd or doc.endswith('"') or inspect.cleandoc(inside) != doc:
        return [f"    {doc!r}"]
    return f'    """{inside}"""'.split("\n")
