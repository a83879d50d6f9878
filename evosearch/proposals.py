"""What a program might do without: smaller programs beside it, as pure functions. Trainings judge (prune.py)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from evosearch.flat import update_of
from primitives.graph import canonical
from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind, KindError
from primitives.program import READABLE, Assign, Call, Program, calls, expressions, substitute
from primitives.table import PRIMITIVES
from primitives.text import problems, show, show_expr, show_number

Expr = str | float | Call
LONGEST = 200  # characters of an expression in a description


def proposals(program: Program) -> list[tuple[str, Program]]:
    """What could be left out or rounded: (description, program), each valid and smaller, those that save most first.

    A call gives way to one of its arguments of the same kind; a value to 0 or 1 where that removes a state; a constant
    to one of fewer digits (a weight near 1 by its distance from 1). States count before calls, calls before digits.
    Weight decay stays, and so does its size beside the rest of the update: short trainings say little about it.
    """
    flat = canonical(replace(program, doc=""), symbolic=True)
    found: list[tuple[str, Program]] = []
    seen = {show(flat)}
    for law, changed in (*_without_calls(flat), *_without_states(flat), *_with_fewer_digits(flat)):
        try:
            child = canonical(changed, symbolic=True)
        except KindError:
            continue
        text = show(child)
        if size(child) < size(flat) and text not in seen and not problems(child):
            seen.add(text)
            found.append((law, child))
    return sorted(found, key=lambda pair: size(pair[1]))


def size(program: Program) -> tuple[int, int, int]:
    """States, calls, and significant digits of all constants."""
    numbers = [value for _, value in program.hyper]
    count = 0
    for expr in expressions(program):
        numbers += [expr] if isinstance(expr, float) else []
        for call in calls(expr):
            count += 1
            numbers += [arg for arg in call.args if isinstance(arg, float)]
    return len(program.states), count, sum(map(_digits, numbers))


def _digits(value: float) -> int:
    return len(show_number(abs(value)).partition("e")[0].replace(".", "").strip("0"))


def _without_calls(flat: Program) -> Iterator[tuple[str, Program]]:
    """Each call replaced by one of its arguments."""
    known, written = _kinds(flat), _Written(flat)
    decay = _decay(flat)
    beside = {update_of(flat), *(arg for call in _additions(flat) if decay & set(call.args) for arg in call.args)}
    for assign in flat.body:
        call = assign.value
        assert isinstance(call, Call)
        heirs = [
            arg
            for arg, role in zip(call.args, _roles(call), strict=True)
            if role == "any" and isinstance(arg, str) and known[arg] == known[assign.name]
        ]
        for heir in dict.fromkeys(heirs):
            value: Expr = heir
            if call.op == "subtract" and heir == call.args[1]:
                value = Call("negative", (heir,))
            elif call.op == "divide" and heir == call.args[1]:
                continue  # the call without x would be 1 / y, which is no smaller
            elif call.op in ("add", "subtract") and decay & (set(call.args) - {heir}):
                continue  # weight decay
            elif assign.name in beside and call.op in ("multiply", "divide") and _constant(flat, call, heir):
                continue  # a factor of the whole update only says in which unit learning rates are
            yield _law(call, heir, heirs, written), _mapped(flat, {assign.name: value})


def _decay(flat: Program) -> set[Expr]:
    """The values that are a constant times w."""
    found: set[Expr] = {"w"}
    for assign in flat.body:
        call = assign.value
        if isinstance(call, Call) and call.op in ("multiply", "negative", "divide"):
            others = [arg for arg in call.args if arg not in found]
            if len(others) < len(call.args) and all(isinstance(a, float) or a in flat.defaults for a in others):
                found.add(assign.name)
    return found


def _additions(flat: Program) -> list[Call]:
    return [a.value for a in flat.body if isinstance(a.value, Call) and a.value.op in ("add", "subtract")]


def _constant(flat: Program, call: Call, heir: str) -> bool:
    """Whether the other argument of a call is a number or a hyperparameter."""
    return all(arg == heir or not isinstance(arg, str) or arg in flat.defaults for arg in call.args)


def _law(call: Call, heir: str, heirs: Sequence[str], written: _Written) -> str:
    """What became of a call that gave way to `heir`."""
    words = {"add": "term", "subtract": "term", "multiply": "factor", "divide": "divisor"}
    if call.op in words:
        other = call.args[1] if heir == call.args[0] else call.args[0]
        return f"dropped the {words[call.op]} {written(other)}"
    return f"dropped {call.op} of {written(heir)}" if len(heirs) == 1 else f"{written(call)} became {written(heir)}"


def _without_states(flat: Program) -> Iterator[tuple[str, Program]]:
    """Each state, and each value on which one hangs, replaced by 0 or 1 where a state goes with it."""
    written = _Written(flat)
    for name in (*flat.state_names, *(assign.name for assign in flat.body)):
        for number in (0.0, 1.0):
            changed = _mapped(flat, {name: number})
            try:
                fewer = len(canonical(changed, symbolic=True).states) < len(flat.states)
            except KindError:
                continue
            if fewer:
                yield f"{written(name)} became {number:g}", changed


def _with_fewer_digits(flat: Program) -> Iterator[tuple[str, Program]]:
    """Each constant, and each default but that of lr, rounded to 1, 2 and 3 digits."""
    sites = [(a, r) for e in expressions(flat) for c in calls(e) for a, r in zip(c.args, _roles(c), strict=True)]
    weights = {arg for arg, role in sites if role == "weight"}
    for old in sorted({arg for arg, role in sites if isinstance(arg, float) and role != "count"}):
        for new in _rounded(old, old in weights):
            changed = _mapped(flat, {old: new})
            yield f"{show_number(old)} rounded to {show_number(new)}", changed
    for name, value in flat.hyper:
        for rounded in _rounded(value, name in weights) if name != "lr" else ():
            hyper = tuple((n, rounded if n == name else v) for n, v in flat.hyper)
            yield f"{name}={show_number(value)} rounded to {show_number(rounded)}", replace(flat, hyper=hyper)


def _rounded(value: float, weight: bool) -> list[float]:
    """The value with 1, 2 and 3 digits where it has more."""
    if not math.isfinite(value):
        return []
    near_one = weight and 0.5 < value < 1
    some = [1 - float(f"{1 - value:.{d}g}") if near_one else float(f"{value:.{d}g}") for d in (1, 2, 3)]
    return [x for x in dict.fromkeys(float(f"{x:.12g}") for x in some) if _digits(x) < _digits(value)]


class _Written:
    """Values written out over the inputs, as far as that fits."""

    def __init__(self, flat: Program) -> None:
        self.values: dict[str, Expr] = {}
        for assign in flat.body:
            value = substitute(assign.value, lambda name: self.values.get(name, name))
            if len(show_expr(value)) <= LONGEST:
                self.values[assign.name] = value

    def __call__(self, expr: Expr) -> str:
        return show_expr(substitute(expr, lambda name: self.values.get(name, name)))


def _mapped(flat: Program, values: Mapping[str | float, Expr]) -> Program:
    """The program with other values for some variables and numbers, wherever they are read."""

    def walk(expr: Expr) -> Expr:
        return Call(expr.op, tuple(map(walk, expr.args))) if isinstance(expr, Call) else values.get(expr, expr)

    body = tuple(Assign(assign.name, walk(assign.value)) for assign in flat.body)
    return replace(flat, body=body, returns=tuple(map(walk, flat.returns)))


def _roles(call: Call) -> tuple[str, ...]:
    return PRIMITIVES[call.op].roles


def _kinds(flat: Program) -> dict[str, Kind]:
    """The kind of each variable."""
    known = dict.fromkeys((*READABLE, *flat.defaults), NUMBER) | state_kinds(flat) | {"w": TENSOR, "g": TENSOR}
    for assign in flat.body:
        assert isinstance(assign.value, Call)
        given = [known.get(arg, NUMBER) if isinstance(arg, str) else NUMBER for arg in assign.value.args]
        known[assign.name] = PRIMITIVES[assign.value.op].kind(*given)
    return known
