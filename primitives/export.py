"""A program as one stand-alone Python file: a torch optimizer that needs nothing but torch."""

from __future__ import annotations

import builtins
import keyword
import re
import textwrap
from collections.abc import Sequence

from primitives.export_class import Optimizer
from primitives.export_head import elementwise, head
from primitives.export_live import live_calls
from primitives.export_parts import names_of_parts, parts_for
from primitives.export_update import Update
from primitives.export_variants import export_variants
from primitives.program import Program, ProgramError
from primitives.table import PRIMITIVES
from primitives.torch_names import safe_names

TWICE = frozenset("hvp hessian_solve cg_solve".split())  # oracles that need second derivatives
TAKEN = {
    *dir(builtins),
    *"torch math Tensor Any Callable Generator Mapping Sequence ParamsT chain array IN_C".split(),
    *"ctypes functools os shutil subprocess tempfile warnings".split(),
    *"self params group state w g closure loss bucket buckets updates update new term oracle role".split(),
    *names_of_parts(),
}


def source(program: Program, class_name: str | None = None, *, notes: Sequence[str] = ()) -> str:
    """The text of a Python file with the program as a `torch.optim.Optimizer`; it needs only torch."""
    name = _class_name(program.name) if class_name is None else class_name
    if not name.isidentifier() or keyword.iskeyword(name) or name in {*TAKEN, *PRIMITIVES}:
        raise ProgramError(f"'{name}' cannot be the name of a class; choose another.")
    rules, rest = _code(program, name)
    code = "\n\n\n".join([*rules, *rest])
    common = "\n\n\n".join(parts_for(code))
    text = "\n\n\n".join([head(program, notes), _imports(f"{code}\n{common}"), *rules, common, *rest])
    return text.replace("\n\n\n", "\n\n", 1) + "\n"


def _code(program: Program, class_name: str) -> tuple[list[str], list[str]]:
    """The rules of single tensors; then helpers, functions of lists and the class."""
    variants, keep = export_variants(program)
    names = safe_names(program)
    for variant in variants:
        names = safe_names(variant.program) | names
    asked = {call.op for v in variants for call in live_calls(v.program, keep)}
    oracles = {op for op in asked if PRIMITIVES[op].form == "oracle"}
    loss = ("SmoothLoss" if oracles & TWICE else "Loss") if oracles else ""
    taken = {*TAKEN, *PRIMITIVES, class_name, *(f"new_{names[name]}" for name in program.state_names)}
    updates = []
    for variant in variants:
        name = "_".join(filter(None, (program.name, variant.label)))
        while {name, f"{name}_rule"} & taken:
            name += "_"
        taken |= {name, f"{name}_rule"}
        updates.append(Update(variant, name, names, keep, loss))
    optimizer = Optimizer(program, class_name, updates, names, loss, elementwise(program))
    helpers = {name: text for update in updates for name, text in update.body.helpers}
    rules = [text for update in updates for text in update.rules()]
    in_c = {rule: text for update in updates for rule, text in update.in_c().items()}
    rules += [_table_in_c(in_c)] if in_c else []
    listed = [text for update in updates for text in update.listed_functions()]
    return rules, [*helpers.values(), *listed, optimizer.text().rstrip("\n")]


def _table_in_c(in_c: dict[str, str]) -> str:
    """The rules that have a text in C, by which a kernel is made on a CPU."""
    parts = []
    for rule, text in in_c.items():
        lines = [
            textwrap.fill(line, 116, subsequent_indent="    ", break_long_words=False) for line in text.split("\n")
        ]
        parts += [f'    {rule}: """', *lines, '""",']
    return "\n".join(["IN_C = {  # the same for one element, of which a kernel is made on a CPU", *parts, "}"])


def _imports(code: str) -> str:
    """The imports that the code needs."""
    collections = [word for word in ("Callable", "Generator", "Mapping", "Sequence") if re.search(rf"\b{word}\[", code)]
    modules = [
        word
        for word in ("ctypes", "functools", "math", "os", "shutil", "subprocess", "tempfile", "warnings")
        if re.search(rf"\b{word}\.", code)
    ]
    return "\n".join(
        [
            "from __future__ import annotations\n",
            *(f"import {word}" for word in modules),
            *(["from array import array"] if "array(" in code else []),
            f"from collections.abc import {', '.join(collections)}",
            "from itertools import chain",
            "from typing import Any\n",
            "import torch",
            "from torch import Tensor",
            "from torch.optim.optimizer import ParamsT, _global_optimizer_post_hooks, _global_optimizer_pre_hooks",
        ]
    )


def _class_name(name: str) -> str:
    """The name of a program in CamelCase."""
    camel = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    free = camel.isidentifier() and not keyword.iskeyword(camel) and camel not in TAKEN
    return camel if free else f"{camel if camel.isidentifier() else f'Program{camel}'}Optimizer"
