"""A program as one stand-alone Python file: a gradient transformation that needs nothing but JAX and optax."""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Sequence

from primitives.export_head import head
from primitives.export_live import live_calls
from primitives.export_parts import JAX, names_of_parts, parts_for
from primitives.export_variants import export_variants
from primitives.optax_factory import Factory, class_name
from primitives.optax_step import Step
from primitives.program import READABLE, Program, ProgramError
from primitives.roles import CONSTANTS
from primitives.table import PRIMITIVES

MODULE = frozenset(
    "annotations math Any Generator NamedTuple Sequence jax jnp optax Array ArrayLike Number float".split()
)
FACTORY = frozenset(
    "learning_rate base_lr base total_steps roles output_last init start update moved params updates state value "
    "extra count index tree rows columns changes states new_w role lr t w g "
    "zip callable str tuple bool int ValueError TypeError".split()
)


def optax_source(program: Program, name: str | None = None, *, notes: Sequence[str] = ()) -> str:
    """The text of a Python file with the program as a function that gives an `optax.GradientTransformation`.

    ProgramError where the program asks the loss itself, which a gradient transformation cannot.
    """
    function = _free(program.name) if name is None else name
    if function != _free(function):
        raise ProgramError(f"'{function}' cannot be the name of the function; choose another.")
    variants, keep = export_variants(program)
    asked = sorted({c.op for v in variants for c in live_calls(v.program, keep) if PRIMITIVES[c.op].form == "oracle"})
    if asked:
        raise ProgramError(
            f"{program.name} asks the loss itself ({', '.join(asked)}), which a gradient transformation of optax "
            "cannot: export it with --target torch."
        )
    labels = ["_".join(filter(None, (function, variant.label, "step"))) for variant in variants]
    names = _names([program, *(variant.program for variant in variants)], {function, class_name(function), *labels})
    steps = [Step(variant, label, names, keep) for variant, label in zip(variants, labels, strict=True)]
    factory = Factory(program, function, steps, names)
    code = [*(step.function() for step in steps), factory.state(), factory.function()]
    parts = parts_for("\n\n".join(code), JAX)
    blocks = [f"{head(program, notes, torch=False)}\n\n{_imports([*code, *parts])}", *code, *parts]
    return "\n\n\n".join(block.strip("\n") for block in blocks) + "\n"


def _imports(blocks: list[str]) -> str:
    """The imports that the code needs."""
    tree = ast.parse("\n".join(blocks))
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    abstract = [word for word in ("Generator", "Sequence") if word in read]
    return "\n".join(
        [
            "from __future__ import annotations\n",
            *(["import math"] if "math" in read else []),
            *([f"from collections.abc import {', '.join(abstract)}"] if abstract else []),
            "from typing import Any, NamedTuple\n",
            "import jax",
            "import jax.numpy as jnp",
            "import optax",
            "from jax import Array",
            "from jax.typing import ArrayLike\n",
            "Number = float | Array  # an array without dimensions, where it is traced",
        ]
    )


def _free(word: str) -> str:
    """A name for a function of the file: the word, unless that means something already."""
    word = word if word.isidentifier() else f"program_{word}"
    return (
        f"{word}_"
        if keyword.iskeyword(word) or word in {*MODULE, *FACTORY, *names_of_parts(JAX), *dir(builtins)}
        else word
    )


def _names(programs: Sequence[Program], functions: set[str]) -> dict[str, str]:
    """For each variable, the name that it has in Python: its own unless that is taken; fields have no underscore."""
    outside = MODULE.union(names_of_parts(JAX), CONSTANTS, ("l", "O", "I"), functions)
    crossing = {name for program in programs for name in (*program.state_names, *program.defaults)} - {"lr"}
    local = {assign.name for program in programs for assign in program.body} - crossing - {"w"}
    inside = FACTORY.union(*({f"new_{word}", f"new_{word}_"} for word in crossing))
    given = {"w", "g", "lr", *READABLE}
    names = {word: word for word in sorted(given)}
    for word in (*sorted(crossing), *sorted(local)):
        name = word.lstrip("_") or "state" if word in crossing else word
        taken = outside | inside if word in crossing else outside
        while keyword.iskeyword(name) or name in taken or name in names.values() or (name != word and name in crossing):
            name += "_"
        names[word] = name
    return names
