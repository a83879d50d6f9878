"""What the sentences of analyses are made of: values of a graph as text, lists of words, powers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from primitives.graph import Graph
from primitives.program import Call
from primitives.show import show_expr

DIGITS = 10  # of numbers: those after them are what arithmetic left
LONGEST = 50  # characters of a value
DOTS = "..."


def shown(g: Graph, i: int, longest: int = LONGEST) -> str:
    """The text of a value, at the greatest depth at which it is short enough; what is deeper is cut to dots."""
    for depth in (6, 5, 4, 3, 2):
        text = show_expr(_expr(g, i, depth))
        if len(text) <= longest:
            return text
    return show_expr(_expr(g, i, 1))


def _expr(g: Graph, i: int, depth: int) -> str | float | Call:
    node = g.nodes[i]
    if node.op == "number":
        return float(f"{float(node.value):.{DIGITS}g}")
    if node.op == "input":
        return node.value
    if depth == 0:
        return DOTS
    return Call(node.op, tuple(_expr(g, a, depth - 1) for a in node.args))


def listed(words: Sequence[str], last: str = "and") -> str:
    """One, two and three."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def power(base: str, exponent: Fraction) -> str:
    """A power that is not the zeroth: w^2, 1/w, w^(1/2)."""
    size = abs(exponent)
    text = base if size == 1 else f"{base}^{size}" if size.denominator == 1 else f"{base}^({size})"
    return text if exponent > 0 else f"1/{text}"
