"""A value of a graph in the language, for sentences: what is deep or long is cut to dots."""

from __future__ import annotations

from primitives.graph import Graph
from primitives.program import Call
from primitives.show import show_expr

LONGEST = 50  # characters
DOTS = "..."


def shown(g: Graph, i: int, longest: int = LONGEST) -> str:
    """The text of a value, at the greatest depth at which it is short enough."""
    for depth in (6, 5, 4, 3, 2):
        text = show_expr(_expr(g, i, depth))
        if len(text) <= longest:
            return text
    return show_expr(_expr(g, i, 1))


def _expr(g: Graph, i: int, depth: int) -> str | float | Call:
    node = g.nodes[i]
    if node.op in ("input", "number"):
        return node.value
    if depth == 0:
        return DOTS
    return Call(node.op, tuple(_expr(g, a, depth - 1) for a in node.args))
