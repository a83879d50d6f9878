"""Lines of Python: statements that name values, each short enough to read, and which of them a result needs."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from primitives.python_text import exploded, largest_part, number, simple, swap, text

__all__ = ["Lines", "number"]
WIDTH = 116  # of a statement, without its indent


class Lines:
    """Statements in order; `taken` are names that nothing may get, `known` variables whose type Python knows."""

    def __init__(self, taken: set[str], known: Iterable[str], value: str = "") -> None:
        self.taken, self.typed, self.value = taken, {*known}, value
        self.lines: list[str] = []
        self.result: list[str] = []  # the return
        self.done: dict[str, str] = {}  # variable -> what it is

    def free(self, word: str) -> str:
        """A name that is not taken, and is from now on."""
        name, i = word, 1
        while name in self.taken:
            i += 1
            name = f"{word}_{i}"
        self.taken.add(name)
        return name

    def named(self, word: str, node: ast.expr, again: bool = False) -> ast.Name:
        """A new variable with this value, or an old one if it may be had `again`."""
        if again:
            for name, done in self.done.items():
                if done == text(node):
                    return ast.Name(name)
        name = self.free(word)
        self.write(name, node)
        return ast.Name(name)

    def write(self, name: str, node: ast.expr) -> None:
        """One statement, and before it one for each part that makes it too long for a line."""
        self.done[name] = text(node)
        while len(f"{name} = {text(node)}") > WIDTH:
            part = largest_part(node, WIDTH - len(name) - 20)
            if part is None:
                break
            node = swap(node, part, self.named("part", part))
        hint = "" if name in self.typed else self.hint(text(node))
        self.lines.append(f"{name}{hint} = {text(node)}")
        self.typed.add(name)

    def hint(self, value: str) -> str:
        """The type of a value for a type checker that does not know it."""
        if self.value and value.startswith(f"yield ({self.value},"):
            return ": float"
        return ": Tensor" if value.startswith(("yield (", "torch.linalg.")) else ""

    def give_back(self, values: list[ast.expr]) -> None:
        """The return of a tuple."""
        while len(_returned(values)) > WIDTH and any(not simple(node) for node in values):
            longest = max(range(len(values)), key=lambda i: 0 if simple(values[i]) else len(text(values[i])))
            values[longest] = self.named("new", values[longest])
        line = _returned(values)
        self.result = [line] if len(line) <= WIDTH else exploded("return (", [*map(text, values)], ")")

    def all(self) -> list[str]:
        """The statements on which the return depends, and the return; what is asked by a `yield` stays."""
        asked = {name for line in self.lines if "yield" in line for name in [target(line), *names_in(line)]}
        return [*needed(self.lines, names_in("\n    ".join(self.result)) | asked), *self.result]


def target(line: str) -> str:
    """The variable that a statement gives a value to."""
    return line.partition(" = ")[0].partition(":")[0]


def _returned(values: list[ast.expr]) -> str:
    return f"return {', '.join(map(text, values))}" if len(values) > 1 else f"return ({text(values[0])},)"


def needed(lines: list[str], wanted: set[str]) -> list[str]:
    """The statements on which these variables depend."""
    kept = []
    for line in reversed(lines):
        if target(line) in wanted or " = " not in line:
            wanted = (wanted - {target(line)}) | names_in(line.partition(" = ")[2] or line)
            kept.append(line)
    return kept[::-1]


def names_in(line: str) -> set[str]:
    """The variables that a line reads."""
    tree = ast.parse(f"def f():\n    {line}")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
