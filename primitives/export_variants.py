"""The different programs that an exported file holds, one for each sort of tensor, and when each is meant.

All of them sum over the model and ask the loss equally often and in the same order, so that they can run together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from primitives.export_live import NOTHING
from primitives.inference import kind_faults
from primitives.interpreter import expansion
from primitives.program import Assign, Call, Program, calls, substitute
from primitives.roles import CONSTANTS, ROLES, facts
from primitives.specialise import alive, constants_read, folded
from primitives.table import PRIMITIVES

Expr = str | float | Call
Sort = tuple[int, str]  # 2 dimensions or 1, and the role of a tensor


@dataclass(frozen=True)
class Variant:
    """A program for some sorts of tensors, a word for them, and a Python condition over `w` and `role`."""

    program: Program
    label: str = ""  # none where one program serves all
    condition: str = ""


def export_variants(program: Program) -> tuple[list[Variant], frozenset[str]]:
    """The variants of a program, the largest last, and their statements that sum over the model or ask the loss."""
    read = constants_read(program)
    if not read:
        return [Variant(program)], frozenset()
    plain, asking = _hoisted(program)
    programs = {}
    for sort in product((2, 1), ROLES):
        known = {name: facts(*sort)[name] for name in read}
        programs[sort] = _masked(_direct(folded(plain, known)), asking)
    keep: frozenset[str] = frozenset()
    while True:
        special = {sort: alive(each, keep) for sort, each in programs.items()}
        more = keep.union(a.name for each in special.values() for a in each.body if a.name in asking)
        if more == keep:
            break
        keep = more
    if any(kind_faults(each) for each in special.values()):
        return [Variant(program)], frozenset()
    sorts: dict[Program, list[Sort]] = {}
    for sort, each in special.items():
        sorts.setdefault(each, []).append(sort)
    pairs = sorted(sorts.items(), key=lambda pair: len(pair[1]))
    if len(pairs) == 1:
        return [Variant(pairs[0][0])], keep
    found = [Variant(each, *_described(mine)) for each, mine in pairs]
    if not {"matrix", "vector"} & {found[-1].label}:
        found[-1] = replace(found[-1], label="other")
    return found, keep


def _described(sorts: list[Sort]) -> tuple[str, str]:
    """A word for these sorts of tensors and the condition under which a tensor is one of them."""
    matrices, vectors = ([role for d, role in sorts if d == dimensions] for dimensions in (2, 1))
    if matrices == vectors:
        return "_".join(matrices), _one_of(matrices)
    for mine, others, word, condition in (
        (matrices, vectors, "matrix", "w.dim() > 1"),
        (vectors, matrices, "vector", "w.dim() <= 1"),
    ):
        if not others:
            whole = len(mine) == len(ROLES)
            return (word, condition) if whole else ("_".join([*mine, word]), f"{condition} and {_one_of(mine)}")
    label = "_".join(dict.fromkeys([*matrices, *vectors]))
    if len(matrices) == len(ROLES):
        return f"matrix_or_{'_'.join(vectors)}", f"w.dim() > 1 or {_one_of(vectors)}"
    if len(vectors) == len(ROLES):
        return f"vector_or_{'_'.join(matrices)}", f"w.dim() <= 1 or {_one_of(matrices)}"
    return f"{label}_mixed", f"({_one_of(matrices)}) if w.dim() > 1 else ({_one_of(vectors)})"


def _one_of(roles: list[str]) -> str:
    """The condition that a tensor has one of these roles."""
    if len(roles) == 1:
        return f'role == "{roles[0]}"'
    rest = [role for role in ROLES if role not in roles]
    if len(rest) == 1:
        return f'role != "{rest[0]}"'
    quoted = ", ".join(f'"{role}"' for role in roles)
    return f"role in ({quoted})"


def _hoisted(program: Program) -> tuple[Program, set[str]]:
    """The program with a statement for each sum over the model and question to the loss, and their names."""
    hoist = _Hoist(program)
    for assign in program.body:
        value = hoist.expr(assign.value)
        hoist.body.append(Assign(assign.name, value))
    returns = tuple([hoist.expr(value) for value in program.returns])
    return replace(program, body=tuple(hoist.body), returns=returns), hoist.asking


class _Hoist:
    def __init__(self, program: Program) -> None:
        self.names = {*program.state_names, *program.defaults, *(assign.name for assign in program.body), *CONSTANTS}
        self.body: list[Assign] = []
        self.asking: set[str] = set()

    def expr(self, expr: Expr) -> Expr:
        if not isinstance(expr, Call) or not any(_asks(call) for call in calls(expr)):
            return expr
        args = tuple([self.expr(arg) for arg in expr.args])
        p = PRIMITIVES[expr.op]
        if p.form == "composite" and _asks(expr):
            simple = [self.named(name, arg) for name, arg in zip(p.args, args, strict=True)]
            values = dict(zip(p.args, simple, strict=True))
            return self.expr(substitute(expansion(p.name), values.__getitem__))
        if not _asks(expr):
            return Call(expr.op, args)
        name = self.named(expr.op, Call(expr.op, args))
        self.asking.add(str(name))
        return name

    def named(self, word: str, value: Expr) -> Expr:
        if not isinstance(value, Call):
            return value
        name = next(name for name in _numbered(word) if name not in self.names)
        self.names.add(name)
        self.body.append(Assign(name, value))
        return name


def _numbered(word: str) -> Iterator[str]:
    yield word
    i = 2
    while True:
        yield f"{word}_{i}"
        i += 1


def _asks(call: Call) -> bool:
    """Whether this primitive itself sums over the model or asks the loss."""
    p = PRIMITIVES[call.op]
    if p.form == "composite":
        return any(_asks(inner) for inner in calls(expansion(p.name)))
    return p.form in ("model", "oracle")


def _direct(program: Program) -> Program:
    """The program in which what is only another name for a value, as decided conditions leave it, is not there."""
    times = Counter(assign.name for assign in program.body)
    fixed = {name for name in times if times[name] == 1 and name not in (*program.state_names, "w")} | {"g"}
    other: dict[str, str] = {}

    def leaf(name: str) -> str:
        return other.get(name, name)

    body = []
    for assign in program.body:
        value = substitute(assign.value, leaf)
        if isinstance(value, str) and value in fixed and assign.name in fixed:
            other[assign.name] = value
        else:
            body.append(Assign(assign.name, value))
    return replace(program, body=tuple(body), returns=tuple(substitute(value, leaf) for value in program.returns))


def _masked(program: Program, asking: set[str]) -> Program:
    """The program in which a sum over the model of zeros does not read what is masked out."""
    zeros: set[str] = set()
    body = []
    for assign in program.body:
        value = assign.value
        summed = assign.name in asking and isinstance(value, Call) and PRIMITIVES[value.op].form == "model"
        if isinstance(value, Call) and summed and all(_zero(arg, zeros) for arg in value.args):
            value = Call(value.op, (NOTHING,) * len(value.args))
        zeros = (zeros | {assign.name}) if _zero(value, zeros) else (zeros - {assign.name})
        body.append(Assign(assign.name, value))
    return replace(program, body=tuple(body))


def _zero(expr: Expr, zeros: set[str]) -> bool:
    """Whether a tensor is masked out altogether."""
    if isinstance(expr, str):
        return expr in zeros
    if not isinstance(expr, Call) or expr.op != "where" or not isinstance(expr.args[0], float):
        return False
    return expr.args[1 if expr.args[0] != 0 else 2] == 0.0
