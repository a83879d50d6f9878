"""Python expressions built from syntax trees, and their text as ruff formats it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any


def exploded(start: str, items: Sequence[str], end: str) -> list[str]:
    """A bracket on one line if it fits, else with one item a line, of which lists and dictionaries may need more."""
    line = f"{start}{', '.join(items)}{end}"
    if len(line) <= 120 or not items:
        return [line]
    indent = start[: len(start) - len(start.lstrip())] + "    "
    inside = [
        exploded(f"{indent}{item[0]}", item[1:-1].split(", "), f"{item[-1]},")
        if item[0] in "[{"
        else [f"{indent}{item},"]
        for item in items
    ]
    return [start, *(line for lines in inside for line in lines), f"{indent[4:]}{end}"]


class _Replace(ast.NodeTransformer):
    """Puts `new(node)` in the place of each node for which that is not None."""

    def __init__(self, new: Callable[[ast.AST], ast.expr | None]) -> None:
        self.new = new

    def visit(self, node: ast.AST) -> Any:
        new = self.new(node)
        return super().generic_visit(node) if new is None else new


def fill(template: str, **nodes: ast.expr) -> ast.expr:
    """The expression with nodes in the place of names."""
    tree = ast.parse(template, mode="eval").body
    filled: ast.expr = _Replace(lambda node: nodes.get(node.id) if isinstance(node, ast.Name) else None).visit(tree)
    return filled


def swap(node: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    """The expression with one node in the place of another."""
    swapped: ast.expr = _Replace(lambda n: new if n is old else None).visit(node)
    return swapped


def largest_part(node: ast.expr, room: int) -> ast.expr | None:
    """The longest proper subexpression that fits and saves something; none with a `yield` inside."""
    parts = [n for n in ast.walk(node) if isinstance(n, ast.BinOp | ast.Call | ast.IfExp) and n is not node]
    sized = [(len(text(n)), n) for n in parts if not any(isinstance(x, ast.Yield) for x in ast.walk(n))]
    return max(((size, n) for size, n in sized if 12 < size <= room), key=lambda pair: pair[0], default=(0, None))[1]


def simple(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Name | ast.Constant)


def number(value: float) -> ast.expr:
    whole = value == int(value) and abs(value) < 1e6 and str(value) != "-0.0"
    constant = ast.Constant(int(abs(value)) if whole else abs(value))
    return ast.UnaryOp(ast.USub(), constant) if str(value).startswith("-") else constant


def text(node: ast.expr) -> str:
    """Python text as ruff formats it: no spaces around the power of simple operands."""
    if isinstance(node, ast.Yield) and node.value is not None:
        return f"yield {text(node.value)}"
    line = re.sub(r"(?<![\w.])([\w.]+) \*\* (-?[\w.]+)(?![\w.(]| \*\*)", r"\1**\2", ast.unparse(node))
    return re.sub(r"(?<=\de)-0(?=\d)", "-", line)  # 1e-8, not 1e-08
