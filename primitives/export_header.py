"""The docstring of an exported file: what the program says of itself, its text, and where it comes from."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from primitives.program import Program
from primitives.text import show


def header(program: Program, notes: Sequence[str]) -> str:
    """The program's doc, its text, the hash of that text and the notes, as a docstring with its quotes."""
    digest = hashlib.sha256(show(program).encode()).hexdigest()[:16]
    lines = show(replace(program, doc="")).rstrip().split("\n")
    origin = f"Exported by evosearch from this program, whose text has sha256 {digest}."
    parts = [
        _wrapped(program.doc or f"The optimizer {program.name}."),
        "\n".join(map(_indented, lines)),
        "\n".join(map(_wrapped, (origin, *notes))),
    ]
    inside = _escaped("\n\n".join(parts))
    return f'"""{inside}\n"""'


def _indented(line: str) -> str:
    """A line of program text, four columns in; a long one is broken for the eye."""
    indent = " " * (4 + len(line) - len(line.lstrip()))
    return textwrap.fill(line.strip(), 116, initial_indent=indent, subsequent_indent=f"{indent}    ")


def _wrapped(text: str) -> str:
    lines = [textwrap.fill(line, 110, break_long_words=False) for line in text.strip().split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def _escaped(text: str) -> str:
    """The text as it must stand between triple double quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    text = f" {text}" if text.startswith('"') else text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
