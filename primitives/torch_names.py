"""The names of a program's variables in an exported file, and whether it needs matrices."""

from __future__ import annotations

from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import TENSOR
from primitives.program import READABLE, Program, calls, expressions
from primitives.roles import CONSTANTS
from primitives.table import PRIMITIVES

RESERVED = frozenset(
    "torch math float real number choose copied as_given as_float as_matrix maximum minimum l O I self params maximize "
    "total_steps step closure initial_lr role foreach fused capturable differentiable run shape Loss SmoothLoss "
    "hessian_solve cg_solve in_turn together sum_over wide group super".split()
).union(CONSTANTS)


def safe_names(program: Program) -> dict[str, str]:
    """For each variable of a program, the name that it has in Python code: its own unless that is taken."""
    words = [*"wg", *READABLE, *program.state_names, *program.defaults, *(assign.name for assign in program.body)]
    names: dict[str, str] = {}
    for word in words:
        name = word
        while name in RESERVED or (name != word and name in words):
            name += "_"
        names[word] = name
    return names


def needs_matrix(program: Program) -> bool:
    """Whether rows and columns matter, so that tensors must be seen as matrices."""
    ops = {call.op for expr in expressions(program) for call in calls(expr)}
    parts = {call.op for op in ops if PRIMITIVES[op].form == "composite" for call in calls(expansion(op))}
    forms = {PRIMITIVES[op].form for op in (ops | parts) - {"size"}}
    return bool(forms & {"matrix", "shape"}) or any(k != TENSOR and not k.single for k in state_kinds(program).values())
