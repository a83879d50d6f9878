"""What an exported file says of itself, in its docstring: method, formula, program, memory, settings, origin."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from primitives.analysis.formula import formula
from primitives.facts import Facts, facts
from primitives.graph import graph
from primitives.interpreter import expansion
from primitives.program import Program, ProgramError, calls
from primitives.recommended import RECOMMENDED
from primitives.reference import names, reference
from primitives.rest import stays_at_rest
from primitives.show import show, show_number
from primitives.specialise import variants
from primitives.table import PRIMITIVES

WIDTH = 116
LONGEST = 20  # lines of a formula; a longer one is no help beside the program
YEAR_OR_NUMBER = re.compile(r"arXiv:|doi:|\b(1[6-9]|20)\d\d\b")
ALIKE = "Processes that train one model together must return the same loss."
CLOSURES = {
    "no": "",
    "yes": "step(closure) needs a closure that computes the loss and its gradients, and returns the loss. " + ALIKE,
    "with graph": "step(closure) needs a closure that returns the loss and does not call backward. " + ALIKE,
}
SHARDED = "Each weight moves by its own history alone, so parameters may be sharded (DTensor, fully_shard)."
WHOLE = "It needs whole tensors, the whole model or the loss: parameters may not be sharded (DTensor, fully_shard)."
RESTLESS = (
    "lr = 0 with zero gradients may move weights, so no step can serve to make the states alone, as "
    "torch.distributed.checkpoint takes one."
)


def head(program: Program, notes: Sequence[str] = (), *, torch: bool = True) -> str:
    """The docstring of a file with this valid program, with its quotes; `notes` are sentences on where it was found.

    Closures, sharding and checkpoints are spoken of where the file is for `torch`.
    """
    found = facts(program)
    text = "\n".join(map(_indented, show(replace(program, doc="")).rstrip().split("\n")))
    sections = [
        _wrapped(program.doc or f"The optimizer {program.name}."),
        _equations(program),
        f"As a program:\n\n{text}",
        "\n".join(map(_wrapped, [*notes, *_settings(program, notes), _memory(found)])),
        "\n".join(_properties(program, found)) if torch else "",
        "\n".join(map(_wrapped, _origin(program))),
    ]
    inside = _escaped("\n\n".join(filter(None, sections)))
    return f'"""{inside}\n"""'


def elementwise(program: Program) -> bool:
    """Whether the new value of each weight and state depends on nothing of other places than numbers such as lr."""
    ops = {node.op for variant in variants(program) for node in graph(variant).nodes}
    return all(_pointwise(op) for op in ops if op in PRIMITIVES)


@cache
def _pointwise(op: str) -> bool:
    """Whether a primitive, or all that it stands for, works element by element."""
    if PRIMITIVES[op].form == "composite":
        return all(_pointwise(call.op) for call in calls(expansion(op)))
    return PRIMITIVES[op].form == "pointwise"


def _equations(program: Program) -> str:
    """The formula of a step as a terminal shows it; nothing where it is too long to help."""
    try:
        lines = formula(program).lines()
    except ProgramError:
        return ""
    text = "\n".join(f"    {line}".rstrip() for line in lines).replace("−", "-")
    return f"One step:\n\n{text}" if len(lines) <= LONGEST else ""


def _settings(program: Program, notes: Sequence[str]) -> list[str]:
    """What is recommended for a reference program; the default rate is no more than a start, but where it is 1."""
    lr = program.defaults.get("lr", 1.0)
    found = [f'Recommended for {item.use}: "{item.quote}"' for item in RECOMMENDED.values()
             if _is_reference(program) and re.search(rf"\b{program.name}\b", item.expression)]  # fmt: skip
    return found if notes or lr == 1 else [f"lr = {show_number(lr)} is the default; tune it for your task.", *found]


def _is_reference(program: Program) -> bool:
    """Whether it is the reference program of its name, perhaps with other defaults."""
    return program.name in names() and replace(program, hyper=reference(program.name).hyper) == reference(program.name)


def _properties(program: Program, found: Facts) -> list[str]:
    """Closure, sharding, and that it moves at rest, where it does."""
    sentences = [
        CLOSURES[found.closure],
        SHARDED if elementwise(program) else WHOLE,
        "" if stays_at_rest(program) else RESTLESS,
    ]
    return [_wrapped(sentence) for sentence in sentences if sentence]


def _memory(found: Facts) -> str:
    """How many floats it remembers, and in which states."""
    states = ", ".join(name for name, kind in found.states if "number" not in kind)
    if not states:
        return "It remembers nothing of a parameter from step to step."
    each = "parameter" if not re.search("rows|columns|size", found.memory) else "tensor of rows x columns"
    like = ", as AdamW" if found.memory == "2" else ""
    return f"Floats remembered for each {each}: {found.memory} ({states}){like}."


def _origin(program: Program) -> list[str]:
    """Where the file comes from, and how to cite it."""
    digest = hashlib.sha256(show(program).encode()).hexdigest()[:16]
    maker = f"evosearch {_version()}".rstrip()
    work = "the work named at the top, and " if YEAR_OR_NUMBER.search(program.doc) else ""
    return [
        f"Exported by {maker} from this program, whose text has sha256 {digest}.",
        f"To cite it: {work}{maker}.",
    ]


@cache
def _version() -> str:
    """The version of the installed package; empty where it is not installed."""
    try:
        return version("evosearch")
    except PackageNotFoundError:
        return ""


def _indented(line: str) -> str:
    """A line of program text, four columns in; a long one is broken for the eye."""
    indent = " " * (4 + len(line) - len(line.lstrip()))
    return textwrap.fill(line.strip(), WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ")


def _wrapped(text: str) -> str:
    lines = [textwrap.fill(line, WIDTH, break_long_words=False) for line in text.strip().split("\n")]
    return "\n".join(line.rstrip() for line in lines)


def _escaped(text: str) -> str:
    """The text as it must stand between triple double quotes."""
    text = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    text = f" {text}" if text.startswith('"') else text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
