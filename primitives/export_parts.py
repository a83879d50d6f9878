"""The common parts of exported files, taken from the text of torch_parts.py (which is not imported: it needs torch)."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("torch_parts.py")


@cache
def _parts() -> dict[str, tuple[str, frozenset[str]]]:
    """The text of each function and class, and the names that it uses."""
    text = FILE.read_text(encoding="utf-8")
    parts = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            used = frozenset(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
            parts[node.name] = (ast.get_source_segment(text, node) or "", used)
    return parts


def names_of_parts() -> set[str]:
    """The names that parts may take in a file."""
    return set(_parts())


def parts_for(names: Iterable[str]) -> list[str]:
    """The text of these parts and of all that they use."""
    parts = _parts()
    wanted: set[str] = set()
    more = set(names)
    while more:
        wanted |= more
        more = {used for name in more for used in parts[name][1] if used in parts} - wanted
    return [text for name, (text, _) in parts.items() if name in wanted]
