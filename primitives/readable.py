"""A flat program as a person would write it: values used once stand where they are used, states keep their names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from primitives.graph import canonical
from primitives.inference import kinds_of
from primitives.program import Assign, Call, Program, calls, expressions, substitute
from primitives.show import show_expr

Expr = str | float | Call
LONGEST = 60  # characters of an expression that is still written into another


def readable(program: Program, *, symbolic: bool = False) -> Program:
    """An equal program with fewer, longer statements; its canonical form is the same.

    Hyperparameters but lr become numbers, unless `symbolic`.
    """
    flat = canonical(program, symbolic=symbolic)
    uses = Counter(name for expr in expressions(flat) for name in _names(expr))
    new_states = [value for value in flat.returns[1:] if isinstance(value, str)]
    inlined: dict[str, Expr] = {}
    body: list[Assign] = []
    for assign in flat.body:
        value = substitute(assign.value, lambda name: inlined.get(name, name))
        short = len(show_expr(value)) <= LONGEST
        if uses[assign.name] == 1 and assign.name not in new_states and short:
            inlined[assign.name] = value
        else:
            body.append(Assign(assign.name, value))
    returns = [substitute(value, lambda name: inlined.get(name, name)) for value in flat.returns]
    return _named(replace(flat, body=tuple(body), returns=tuple(returns)))


def without_zeros(program: Program) -> Program:
    """The flat program without terms that are a product with zero: the same, but where another factor is not finite.

    A term stays where it spreads the sum over more elements, and all stay where a state would go with them.
    """
    flat = canonical(program)
    kinds, zeros, kept = kinds_of(flat), set[Expr]((0.0,)), dict[str, Expr]()
    body = []
    for assign in flat.body:
        value = substitute(assign.value, lambda name: kept.get(name, name))
        assert isinstance(value, Call)
        terms = [x for x in value.args if x not in zeros]
        if value.op == "multiply" and len(terms) < 2:
            zeros.add(assign.name)
        elif len(terms) == 1 and (value.op == "add" or (value.op == "subtract" and terms[0] is value.args[0])):
            [rest] = terms
            if isinstance(rest, str) and kinds[rest] == kinds[assign.name]:
                kept[assign.name] = rest
        body.append(Assign(assign.name, value))
    returns = tuple(substitute(value, lambda name: kept.get(name, name)) for value in flat.returns)
    found = canonical(replace(flat, body=tuple(body), returns=returns))
    return found if found.state_names == flat.state_names else flat


def _named(program: Program) -> Program:
    """New states under the state's own name where the old value is not read afterwards, else with `_next`."""
    names: dict[str, str] = {}
    for state, value in zip(program.states, program.returns[1:], strict=True):
        position = next((i for i, a in enumerate(program.body) if a.name == value), None)
        if position is None or value in names:
            continue
        later = [a.value for a in program.body[position + 1 :]] + list(program.returns)
        read = any(state.name in _names(expr) for expr in later)
        names[str(value)] = f"{state.name}_next" if read else state.name
    rest = (f"x{i}" for i in range(1, len(program.body) + 1))
    for assign in program.body:
        if assign.name not in names:
            names[assign.name] = next(rest)
    body = [Assign(names[a.name], substitute(a.value, lambda n: names.get(n, n))) for a in program.body]
    returns = [substitute(value, lambda n: names.get(n, n)) for value in program.returns]
    return replace(program, body=tuple(body), returns=tuple(returns))


def _names(expr: Expr) -> list[str]:
    if isinstance(expr, str):
        return [expr]
    return [arg for call in calls(expr) for arg in call.args if isinstance(arg, str)]
