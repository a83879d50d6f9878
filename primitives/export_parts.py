"""The common parts of exported files, taken from the text of the files below (not imported: they need torch or JAX)."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

TORCH = ("torch_runners.py", "torch_c.py", "torch_fused.py", "torch_base.py", "torch_parts.py")
JAX = ("jax_parts.py",)


@cache
def _parts(files: tuple[str, ...]) -> dict[str, tuple[str, frozenset[str]]]:
    """The text of each function, class and named value, and the names that it uses."""
    parts = {}
    for file in files:
        text = Path(__file__).with_name(file).read_text(encoding="utf-8")
        lines = text.split("\n")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                parts[node.name] = ("\n".join(lines[first - 1 : node.end_lineno]), _names(node))
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                parts[ast.unparse(target)] = ("\n".join(lines[node.lineno - 1 : node.end_lineno]), _names(node))
    return parts


def _names(node: ast.AST) -> frozenset[str]:
    return frozenset(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def names_of_parts(files: tuple[str, ...] = TORCH) -> set[str]:
    """The names that parts may take in a file."""
    return set(_parts(files))


def parts_for(code: str, files: tuple[str, ...] = TORCH) -> list[str]:
    """The text of the parts that code uses, and of all that they use, in an order in which Python can run them."""
    parts = _parts(files)
    wanted: set[str] = set()
    more = {*_names(ast.parse(code))} & set(parts)
    while more:
        wanted |= more
        more = {used for name in more for used in parts[name][1] if used in parts} - wanted
    return [text for name, (text, _) in parts.items() if name in wanted]
