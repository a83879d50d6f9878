"""Flat programs as a search changes them: one primitive a statement, the last step `w - lr * update`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from evosearch.vocabulary import runs_in_search
from primitives.bytecode import TAKEN_ON_CPUS, compile_program
from primitives.graph import canonical
from primitives.program import Assign, Call, Program, State, calls, expressions
from primitives.table import PRIMITIVES, Primitive

Leaf = str | float
MOST_STEPS = 12  # that a mutation gives to what counts some, such as Newton-Schulz steps


class MutationError(ValueError):
    """No valid child was found, or a program has not the form that a search needs."""


@dataclass(frozen=True)
class Site:
    """Where a variable is used: argument `k` of statement `j`, or of the return (k = 0 the update, then states)."""

    j: int
    k: int


def searchable(program: Program) -> Program:
    """The program as a search can change it; MutationError in one sentence if it has not the form."""
    flat = canonical(program)
    if update_of(flat) is None:
        raise MutationError(
            f"'{program.name}' does not end in `w - lr * update` with update free of lr; a search cannot start there."
        )
    foreign = sorted({call.op for expr in expressions(flat) for call in calls(expr) if not runs_in_search(call.op)})
    if foreign:
        raise MutationError(f"'{program.name}' uses {foreign[0]}, which the machine of a search has not.")
    read = {arg for assign in flat.body if isinstance(assign.value, Call) for arg in assign.value.args}
    if read & {"lr", "base_lr", "T", "loss"}:
        raise MutationError(f"'{program.name}' reads lr, base_lr, T or loss; a search cannot start there.")
    if (needs := compile_program(flat).needs) not in TAKEN_ON_CPUS:
        raise MutationError(f"'{program.name}' needs a {needs}, which the machine of a search has not.")
    if any(not _t_stands_right(assign.value) for assign in flat.body if isinstance(assign.value, Call)):
        raise MutationError(
            f"'{program.name}' reads t outside a bias correction; a search can start from it with "
            "bias_correct(x, beta, t) in that place."
        )
    return flat


def _t_stands_right(call: Call) -> bool:
    """Whether t is read only where a step is meant."""
    roles = PRIMITIVES[call.op].roles
    return all(role == "step" for role, arg in zip(roles, call.args, strict=True) if arg == "t")


def update_of(program: Program) -> Leaf | None:
    """The variable `update` of a flat program that ends in `w - lr * update`."""
    match program.returns[0]:
        case Call("subtract", ("w", Call("multiply", ("lr", update)))) if not isinstance(update, Call):
            return update
    return None


def leaves_of(program: Program) -> list[Leaf]:
    """What the return gives: the update, then the new states."""
    update = update_of(program)
    assert update is not None
    return [update, *program.returns[1:]]  # type: ignore[list-item]


def rebuilt(
    program: Program, body: list[Assign], leaves: list[Leaf], states: tuple[State, ...] | None = None
) -> Program:
    """The program with another body, other leaves and perhaps other states."""
    last = Call("subtract", ("w", Call("multiply", ("lr", leaves[0]))))
    states = program.states if states is None else states
    return dataclasses.replace(program, body=tuple(body), returns=(last, *leaves[1:]), states=states)


def args_of(assign: Assign) -> tuple[Leaf, ...]:
    """The arguments of a statement."""
    assert isinstance(assign.value, Call)
    return assign.value.args  # type: ignore[return-value]


def op_of(assign: Assign) -> Primitive:
    """The primitive of a statement."""
    assert isinstance(assign.value, Call)
    return PRIMITIVES[assign.value.op]


def sites(program: Program, role: Callable[[str], bool]) -> list[Site]:
    """The places of arguments whose role passes; places in the return have the role "any"."""
    sites = [
        Site(j, k)
        for j, assign in enumerate(program.body)
        for k in range(len(args_of(assign)))
        if role(op_of(assign).roles[k])
    ]
    if role("any"):
        sites += [Site(len(program.body), k) for k in range(len(program.returns))]
    return sites


def at(program: Program, site: Site) -> Leaf:
    """What stands in a place."""
    return leaves_of(program)[site.k] if site.j == len(program.body) else args_of(program.body[site.j])[site.k]


def put(program: Program, site: Site, leaf: Leaf) -> Program:
    """The program with another argument in one place."""
    body, leaves = list(program.body), leaves_of(program)
    if site.j == len(body):
        leaves[site.k] = leaf
    else:
        old = body[site.j]
        args = (*args_of(old)[: site.k], leaf, *args_of(old)[site.k + 1 :])
        body[site.j] = Assign(old.name, Call(op_of(old).name, args))
    return rebuilt(program, body, leaves)


def constant_sites(program: Program) -> list[Site]:
    """Where numbers stand in a flat program that ends in `w - lr * update`."""
    return [s for s in sites(program, lambda role: True) if not isinstance(at(program, s), str)]


def role_of(program: Program, site: Site) -> str:
    """The role of a place."""
    return "any" if site.j == len(program.body) else op_of(program.body[site.j]).roles[site.k]


def scaled_at(program: Program, site: Site, factor: float) -> Program:
    """The program with the number in one place times `factor`; a weight near 1 by its distance from 1, counts whole."""
    old, role = float(at(program, site)), role_of(program, site)
    if role == "count":
        return put(program, site, float(min(MOST_STEPS, max(1, round(old * factor)))))
    return put(program, site, rounded(scaled_within(old, factor) if role == "weight" else old * factor))


def scaled_within(old: float, factor: float, low: float = 0.0, high: float = 1.0) -> float:
    """A number by its distance from the nearer of two ends, times `factor`; no further than the other end."""
    scaled = high - (high - old) * factor if old > (low + high) / 2 else low + (old - low) * factor
    return min(high, max(low, scaled))


def rounded(value: float) -> float:
    """Four digits are all that a constant needs."""
    return float(f"{value:.4g}")


def tidied(program: Program) -> Program:
    """Without what folding leaves in the last digits of constants: 3.95e-5 for 3.9499999999978355e-5, 1 - 0.9999605."""
    tidy = program
    for site in constant_sites(program):
        value = float(at(program, site))
        if (short := float(f"{value:.10g}")) != value:
            tidy = put(tidy, site, short)
    return program if tidy is program else canonical(tidy)
