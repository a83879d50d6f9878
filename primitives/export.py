"""A program as one stand-alone Python file: a torch optimizer that needs nothing but torch."""

from __future__ import annotations

import builtins
import hashlib
import keyword
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from primitives.export_class import Optimizer
from primitives.export_live import live_calls
from primitives.export_parts import names_of_parts, parts_for
from primitives.export_update import Update
from primitives.export_variants import export_variants
from primitives.program import Program
from primitives.table import PRIMITIVES
from primitives.text import show
from primitives.torch_text import safe_names

TWICE = frozenset("hvp hessian_solve cg_solve".split())  # oracles that need second derivatives
TAKEN = {
    *dir(builtins),
    *"torch math Tensor Any Callable Generator Sequence ParamsT minimum maximum".split(),
    *"self params group state w g closure loss ready updates update new role oracle".split(),
    *names_of_parts(),
}


def source(program: Program, class_name: str | None = None, *, notes: Sequence[str] = ()) -> str:
    """The text of a Python file with the program as a `torch.optim.Optimizer`; it needs only torch."""
    name = _class_name(program.name) if class_name is None else class_name
    if not name.isidentifier() or keyword.iskeyword(name) or name in {*TAKEN, *PRIMITIVES}:
        raise ValueError(f"'{name}' cannot be the name of a class.")
    code = _code(program, name)
    parts = [_docstring(program, notes), _imports("\n".join(code)), *code]
    return "\n\n\n".join(part.strip("\n") for part in parts).replace("\n\n\n", "\n\n", 1) + "\n"


def _code(program: Program, class_name: str) -> list[str]:
    """The functions and the class of the file."""
    variants, keep = export_variants(program)
    names = safe_names(program)
    for variant in variants:
        names = safe_names(variant.program) | names
    asked = {call.op for v in variants for call in live_calls(v.program, keep)}
    oracles = {op for op in asked if PRIMITIVES[op].form == "oracle"}
    loss = ("SmoothLoss" if oracles & TWICE else "Loss") if oracles else ""
    taken = {*TAKEN, *PRIMITIVES, class_name, "new_w", *(f"new_{names[name]}" for name in program.state_names)}
    updates = []
    for variant in variants:
        name = "_".join(filter(None, (program.name, variant.label)))
        while name in taken:
            name += "_"
        taken.add(name)
        updates.append(Update(variant, name, names, keep, loss))
    optimizer = Optimizer(program, class_name, updates, names, loss)
    helpers = {name: text for update in updates for name, text in update.body.helpers}
    return [*helpers.values(), *parts_for(optimizer.parts()), *(u.function() for u in updates), optimizer.text()]


def _imports(code: str) -> str:
    """The imports that the code needs."""
    collections = [word for word in ("Callable", "Generator", "Sequence") if f"{word}[" in code]
    return "\n".join(
        [
            "from __future__ import annotations\n",
            *(["import math"] if re.search(r"\bmath\.", code) else []),
            f"from collections.abc import {', '.join(collections)}",
            "from typing import Any\n",
            "import torch",
            "from torch import Tensor",
            "from torch.optim.optimizer import ParamsT",
        ]
    )


def _class_name(name: str) -> str:
    """The name of a program in CamelCase."""
    camel = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    free = camel.isidentifier() and not keyword.iskeyword(camel) and camel not in TAKEN
    return camel if free else f"{camel if camel.isidentifier() else f'Program{camel}'}Optimizer"


def _docstring(program: Program, notes: Sequence[str]) -> str:
    """The program's doc, its text, the hash of that text and the notes."""
    digest = hashlib.sha256(show(program).encode()).hexdigest()[:16]
    title = program.doc or f"The optimizer {program.name}."
    lines = show(replace(program, doc="")).rstrip().split("\n")
    text = "\n".join(_indented(line) for line in lines)
    origin = f"Exported by evosearch from this program, whose text has sha256 {digest}."
    parts = [_wrapped(title), text, "\n".join(map(_wrapped, (origin, *notes)))]
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
