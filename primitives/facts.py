"""What can be read off a program without running it: its states and memory, what a step asks for, what it works on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from primitives.graph import Graph, graph
from primitives.kinds import FULL, TENSOR, Kind
from primitives.program import Program
from primitives.specialise import constants_read, variants
from primitives.table import PRIMITIVES

SECOND_ORDER = {"hvp": "Hessian product", "cg_solve": "run of Hessian products", "hessian_solve": "Hessian"}
SIZES = {"1": "", "m": "rows", "n": "columns", "mn": "size"}


@dataclass(frozen=True)
class Facts:
    """Facts of a program, as its text says them; each a phrase for a table."""

    states: tuple[tuple[str, str], ...]  # name and kind
    memory: str  # extra floats for each parameter, in weights: "2", or by kind and by class of tensors
    gradients: str  # what a step computes of the loss: "1", "2", "1 + 1 Hessian product"
    closure: str  # "no", "yes", or "with graph": a closure that returns the loss and does not call backward
    shapes: str  # "any", "as matrices", "by shape", "by role", "small models"


def facts(program: Program) -> Facts:
    """The facts of a valid program."""
    g = graph(program)
    return Facts(
        tuple((state.name, str(kind)) for state, kind in zip(g.states, g.kinds, strict=True)),
        _memory(program),
        _gradients(g),
        _closure(g),
        _shapes(program, g),
    )


def _memory(program: Program) -> str:
    """States beside weights and gradients; for each class of tensors where they differ."""
    found: dict[str, str] = {}
    for variant, classes in variants(program).items():
        text = _floats(graph(variant).kinds)
        found.setdefault(text, " and ".join(name for name, holds in classes[0].items() if holds) or "others")
    if len(found) == 1:
        return next(iter(found))
    named = {text: where.replace("is_", "") for text, where in found.items()}
    return ", ".join(f"{text} ({where})" for text, where in named.items())


def _floats(kinds: Iterable[Kind]) -> str:
    """How much the states of one tensor are: tensors as a number of times the weights, others by their sizes."""
    counts = Counter(kind for kind in kinds if not kind.single)
    tensors = counts.pop(TENSOR, 0)
    rest = [f"{n if n > 1 else ''}{_size(kind)}" for kind, n in counts.items()]
    return " + ".join([*([str(tensors)] if tensors or not rest else []), *rest])


def _size(kind: Kind) -> str:
    sizes = [word for word in (SIZES[kind.rows], SIZES[kind.columns]) if word]
    return f"{sizes[0]}^2" if len(sizes) == 2 and sizes[0] == sizes[1] else " x ".join(sizes)


def _gradients(g: Graph) -> str:
    """Gradients of a step, then what is asked of second derivatives and of the loss."""
    ops = Counter(node.op for node in g.nodes)
    reads = any(node.op == "input" and node.value == "g" for node in g.nodes)
    parts = [str(reads + ops["grad_at"])]
    named = {**SECOND_ORDER, "loss_at": "loss"}
    parts += [f"{ops[op]} {what}{'s' * (ops[op] > 1)}" for op, what in named.items() if ops[op]]
    return " + ".join(parts)


def _closure(g: Graph) -> str:
    ops = {node.op for node in g.nodes}
    if ops & set(SECOND_ORDER):
        return "with graph"
    asks = any(op in PRIMITIVES and PRIMITIVES[op].form == "oracle" for op in ops)
    return "yes" if asks or any(node.op == "input" and node.value == "loss" for node in g.nodes) else "no"


def _shapes(program: Program, g: Graph) -> str:
    read = constants_read(program)
    if read:
        return "by shape" if read == ("is_matrix",) else "by role"
    ops = {node.op for node in g.nodes}
    if "hessian_solve" in ops or FULL in g.kinds:
        return "small models"
    matrix = any(op in PRIMITIVES and PRIMITIVES[op].form in ("matrix", "shape") for op in ops - {"size"})
    return "as matrices" if matrix else "any"
