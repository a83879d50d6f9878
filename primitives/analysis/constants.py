"""The numbers of a program as named hyperparameters: which is a decay, which an eps, which the weight decay."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

from primitives.program import Assign, Call, Program, State
from primitives.rewriting import Names
from primitives.table import PRIMITIVES

Expr = str | float | Call
Place = tuple[int, ...]  # a statement or a returned value, then the argument to go to at each call
KEPT = (0.0, 1.0, 2.0, -1.0)  # numbers that say what they are
NUMBERED = ("beta", "c")
ROOTS = ("sqrt", "sqrt_abs", "cbrt")
CHOICES = ("where", "max", "min", "clip")  # give back one of what they are given
THROUGH = {  # which arguments become part of the value, so that what the value is for, they are for
    "add": (0, 1), "subtract": (0, 1), "negative": (0,), "where": (1, 2), "max": (0, 1), "min": (0, 1), "clip": (0,),
    "multiply": (0, 1), "divide": (0,),
}  # fmt: skip


def lifted(program: Program) -> Program:
    """The program with its numbers as hyperparameters; it computes the same, and calling it twice changes nothing.

    A weight of an average, a factor of a state in the new state and the base of a power of t are beta1, beta2...; what
    is added in a denominator or under a root is eps; a factor of w in the new w is weight_decay, one of lr is
    rate_scale; a number of steps is named as its argument is, what a state starts at is `initial`; all others are c1,
    c2... Equal numbers for the same purpose are one name. Exponents and 0, 1, 2 and -1 stay, unless they are weights.
    """
    purposes = _purposes(program)
    named = _Named(program)
    body = tuple(
        Assign(assign.name, _replaced(assign.value, (i,), purposes, named), assign.at)
        for i, assign in enumerate(program.body)
    )
    first = len(body)
    returns = tuple(_replaced(value, (first + i,), purposes, named) for i, value in enumerate(program.returns))
    states = tuple(State(s.name, s.start if s.start in KEPT else named("initial", s.start)) for s in program.states)
    return replace(program, states=states, hyper=(*program.hyper, *named.hyper), body=body, returns=returns)


class _Named:
    """The name of a number for a purpose, a new one where there is none yet."""

    def __init__(self, program: Program) -> None:
        self.names = Names(program)
        self.found: dict[tuple[str, str], str] = {}
        self.hyper: list[tuple[str, float]] = []

    def __call__(self, purpose: str, value: str | float) -> str:
        if isinstance(value, str):
            return value
        key = (purpose, repr(value))  # 0.0 and -0.0 are not the same number
        if key not in self.found:
            self.found[key] = self._fresh(purpose)
            self.hyper.append((self.found[key], value))
        return self.found[key]

    def _fresh(self, purpose: str) -> str:
        if purpose not in NUMBERED:
            return self.names.fresh(purpose)
        free = next(name for i in count(1) if (name := f"{purpose}{i}") not in self.names.taken)
        return self.names.fresh(free)


def _replaced(expr: Expr, place: Place, purposes: Mapping[Place, str], named: _Named) -> Expr:
    """The expression with each number that has a purpose replaced by its name."""
    if isinstance(expr, Call):
        args = tuple([_replaced(arg, (*place, i), purposes, named) for i, arg in enumerate(expr.args)])
        return Call(expr.op, args, expr.at)
    return named(purposes[place], expr) if place in purposes else expr


def _purposes(program: Program) -> dict[Place, str]:
    """What each number that is to be lifted is for: read backwards, since later statements say what a value is for."""
    found: dict[Place, str] = {}
    later: defaultdict[str, set[str]] = defaultdict(set)  # what the present value of a variable is used for
    first = len(program.body)
    for i, value in enumerate(program.returns):
        _collect(value, (first + i,), {"state" if i else "new w"}, program, later, found)
    for i, assign in reversed(list(enumerate(program.body))):
        _collect(assign.value, (i,), later.pop(assign.name, set()), program, later, found)
    return found


def _collect(
    expr: Expr, place: Place, uses: set[str], program: Program, later: defaultdict[str, set[str]],
    found: dict[Place, str],
) -> None:  # fmt: skip
    """Notes the purpose of every number in an expression, and what its variables are used for."""
    if isinstance(expr, str):
        later[expr] |= uses
    elif isinstance(expr, Call):
        for i, arg in enumerate(expr.args):
            if PRIMITIVES[expr.op].roles[i] == "count" and isinstance(arg, float):
                found[(*place, i)] = PRIMITIVES[expr.op].args[i]
            else:
                _collect(arg, (*place, i), _uses(expr, i, uses, program), program, later, found)
    elif purpose := _purpose(float(expr), uses):
        found[place] = purpose


def _uses(call: Call, i: int, uses: set[str], program: Program) -> set[str]:
    """What the i-th argument of a call is used for, where the call is used for `uses`."""
    p, op = PRIMITIVES[call.op], call.op
    if p.roles[i] == "weight" or p.args[i] == "eps":
        return {"beta" if p.roles[i] == "weight" else "eps"}
    if (op in ("power", "inv_root") and i == 1) or op in ("exp2", "exp10"):
        return {"exponent"}
    inner = uses & {"new w", "state"} if i in THROUGH.get(op, ()) else set()
    if op in CHOICES and i in THROUGH[op]:
        inner |= uses & {"beta", "eps", "exponent"}
    if op == "power" and "t" in _leaves(call.args[1]):
        inner |= {"decay"}
    if (op == "divide" and i == 1) or op == "reciprocal" or op in ROOTS or _is_root(call):
        inner |= {"guarded"}  # by what is added to it
    if op == "add" and "guarded" in uses:
        inner |= {"guarded", "guard"}
    if op == "multiply":
        inner |= _factor(call.args[1 - i], uses, program)
    return inner


def _factor(other: Expr, uses: set[str], program: Program) -> set[str]:
    """What a factor of something is used for."""
    if other == "lr":
        return {"rate_scale"}
    if other == "w" and "new w" in uses:
        return {"weight_decay"}
    return {"decay"} if other in program.state_names and "state" in uses else set()


def _purpose(value: float, uses: set[str]) -> str:
    """What a number is for, as it is used; "" for one that stays."""
    if "beta" in uses:
        return "beta"
    if value in KEPT or "exponent" in uses:
        return ""
    small = 0 < value < 1
    if "eps" in uses or ("guard" in uses and small):
        return "eps"
    if "decay" in uses and small:
        return "beta"
    return next((purpose for purpose in ("rate_scale", "weight_decay") if purpose in uses), "c")


def _is_root(call: Call) -> bool:
    """Whether a call is a power that is not finite or real for every base: x**0.5, x**-1."""
    exponent = call.args[-1]
    return call.op == "power" and isinstance(exponent, float) and (exponent < 0 or not exponent.is_integer())


def _leaves(expr: Expr) -> Iterator[Expr]:
    """The variables and numbers of an expression."""
    if isinstance(expr, Call):
        for arg in expr.args:
            yield from _leaves(arg)
    else:
        yield expr
