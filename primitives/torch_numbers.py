"""Operations on numbers as Python text: plain operators, or helper functions where Python would raise.

A number is a float, or a tensor without dimensions where the step is captured, differentiated or compiled. Where Python
raises and the language gives nan or inf (1 / 0, the root of -1), a helper function is written into the file.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from primitives.interpreter import expansion
from primitives.primitive import Primitive
from primitives.program import Call, substitute
from primitives.python_text import fill, text
from primitives.table import PRIMITIVES

Expr = str | float | Call

COMPARISONS = frozenset("less less_equal greater greater_equal equal".split())
PLAIN = frozenset("add subtract multiply negative mix abs".split())  # never raise on Python numbers
HELPERS = {"max": "maximum", "min": "minimum", "where": "choose"}  # names of helpers that differ

QUOTIENT = '''def divide(x: Number, y: Number) -> Number:
    """x / y of numbers: nan or inf where Python would raise."""
    return x / y if isinstance(y, Tensor) or y else as_given(number(x) / number(y), x, y)'''


def number_text(
    p: Primitive, nodes: list[ast.expr], decays: Collection[str]
) -> tuple[ast.expr, tuple[str, str] | None]:
    """A pointwise primitive of numbers, and name and text of the helper function that it calls, if any.

    `decays` are variables whose powers never raise.
    """
    arguments = dict(zip(p.args, nodes, strict=True))
    if p.name in COMPARISONS:
        return fill(f"1.0 * ({p.torch})", **arguments), None
    if p.name == "where" and isinstance(nodes[0], ast.Constant):
        return nodes[1] if nodes[0].value else nodes[2], None
    if p.name in PLAIN or not p.args or _never_raises(p, nodes, decays):
        return fill(p.torch.replace("torch.", ""), **arguments), None
    name = HELPERS.get(p.name, p.name)
    return ast.Call(ast.Name(name), nodes, []), (name, _helper(name, p))


def word_for(node: ast.expr, word: str) -> str:
    """The name of a number: what it is, where that is short, else the word."""
    match node:
        case ast.BinOp(ast.Constant(1), ast.Sub(), ast.Name(name)):
            return f"one_minus_{name}"
    return word


def comparison_in(expr: Expr) -> Call | None:
    """The comparison that an expression is, or stands for."""
    if not isinstance(expr, Call) or expr.op in COMPARISONS:
        return expr if isinstance(expr, Call) else None
    meant = expansion(expr.op) if PRIMITIVES[expr.op].form == "composite" else None
    if not isinstance(meant, Call) or meant.op not in COMPARISONS:
        return None
    written = substitute(meant, dict(zip(PRIMITIVES[expr.op].args, expr.args, strict=True)).__getitem__)
    return written if isinstance(written, Call) else None


def _never_raises(p: Primitive, nodes: list[ast.expr], decays: Collection[str]) -> bool:
    """Whether Python's operator will do: a number as divisor, or beta**t."""
    if p.name in ("divide", "mod"):
        divisor = nodes[1].operand if isinstance(nodes[1], ast.UnaryOp) else nodes[1]
        return isinstance(divisor, ast.Constant) and divisor.value != 0
    base = nodes[0]
    decaying = isinstance(base, ast.Constant) and 0 <= base.value <= 1  # type: ignore[operator]
    named = isinstance(base, ast.Name) and base.id in decays
    return p.name == "power" and (named or decaying) and isinstance(nodes[1], ast.Name) and nodes[1].id == "t"


def _helper(name: str, p: Primitive) -> str:
    """The text of a function that computes a pointwise primitive of numbers as torch does."""
    if name == "divide":
        return QUOTIENT
    wide = {arg: ast.parse(f"number({arg})", mode="eval").body for arg in p.args}
    signature = ", ".join(f"{arg}: Number" for arg in p.args)
    value = text(fill(p.torch.partition(" | ")[0], **wide))
    what = f"x {p.infix} y" if p.infix else p.name
    title = f'"""{what} of numbers: nan or inf where Python would raise."""'
    return f"def {name}({signature}) -> Number:\n    {title}\n    return as_given({value}, {', '.join(p.args)})"
