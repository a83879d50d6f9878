"""Two programs as one: the first for the tensors where a condition holds, the second for the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from primitives.program import Assign, Call, Program, ProgramError
from primitives.rewriting import Names, local_weights, reads, renamed, rewritten, written_out
from primitives.table import PRIMITIVES

Expr = str | float | Call
Choose = Callable[[Expr, Expr], Call]  # (value in this branch, value elsewhere)

# What an oracle is asked for the other branch's tensors: they stay where they are, or play no part.
ELSEWHERE: dict[str, Expr] = {"grad_at": "w", "loss_at": "w", "hvp": 0.0}


def branched(condition: Expr, chosen: Program, rest: Program, lr_ratio: float = 1.0) -> Program:
    """`chosen` where the condition is not 0, `rest` elsewhere; lr is one, the second reads it times `lr_ratio`.

    A sum over the model inside a branch is over the tensors of that branch: the others count as zero.
    """
    names = Names(chosen, rest)
    rest = _with_other_lr(_apart(rest, chosen, names), lr_ratio, names)
    first = _within(chosen, names, lambda here, other: Call("where", (condition, here, other)))
    second = _within(rest, names, lambda here, other: Call("where", (condition, other, here)))
    new_w = Call("where", (condition, first.returns[0], second.returns[0]))
    return Program(
        chosen.name,
        first.states + second.states,
        first.hyper + tuple(pair for pair in second.hyper if pair[0] not in first.defaults),
        first.body + second.body,
        (new_w, *first.returns[1:], *second.returns[1:]),
    )


def _apart(program: Program, other: Program, names: Names) -> Program:
    """The program with new names where the other has the same ones; lr stays, they share it."""
    own = Names(program).taken & (Names(other).taken - Names().taken - {"lr"})
    return renamed(program, {name: names.fresh(name) for name in sorted(own)})


def _with_other_lr(program: Program, ratio: float, names: Names) -> Program:
    """The program with lr and base_lr multiplied by a number."""
    rates = [name for name in ("lr", "base_lr") if reads(program, name)]
    if ratio == 1:
        return program
    if any(state.start == "lr" for state in program.states):
        raise ProgramError(f"{program.name} starts a state at lr and can have no lr_ratio but 1.")
    factor, own = names.fresh("lr_ratio"), {name: names.fresh(f"{name}_rest") for name in rates}
    body = tuple(Assign(own[name], Call("multiply", (name, factor))) for name in rates)
    inner = renamed(replace(program, hyper=()), own)
    return replace(inner, hyper=(*program.hyper, (factor, ratio)), body=body + inner.body)


def _within(program: Program, names: Names, choose: Choose) -> Program:
    """The program as it is inside a branch: what looks at the whole model sees this branch's tensors only."""
    program = written_out(local_weights(program, names), ("model", "oracle"), names)

    def masked(call: Call, body: list[Assign]) -> Expr:
        p = PRIMITIVES[call.op]
        if p.form == "model":
            return Call(call.op, tuple([choose(arg, 0.0) for arg in call.args]))
        if call.op not in ELSEWHERE:
            raise ProgramError(
                f"{call.op} of {program.name} solves for all tensors of the model at once and has no place in a branch."
            )
        return Call(call.op, (choose(call.args[0], ELSEWHERE[call.op]), *call.args[1:]))

    return rewritten(program, lambda op: op in PRIMITIVES and PRIMITIVES[op].form in ("model", "oracle"), masked)
