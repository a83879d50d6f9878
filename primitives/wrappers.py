"""Wrappers: functions from programs to a program, which prints, parses, compiles and exports as any other.

`f(g(P))` transforms the program `g(P)`, so a gradient meets the outermost wrapper first: `sam(clip_norm(P))` takes the
gradient at the sharper point and P clips that one; in `clip_norm(sam(P))` both gradients that SAM consumes are clipped.
Every gradient that a program consumes is meant: `g`, and each `grad_at(x)` too, so that clipping inside Nesterov's
method clips the gradient at the looked-ahead point. Hessian products and losses are left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from primitives.branches import branched
from primitives.options import Option, values
from primitives.program import Assign, Call, Program, ProgramError, State, calls, expressions
from primitives.rewriting import Names, reads, renamed, rewritten
from primitives.schedules import Schedule
from primitives.text import parse_expr

Expr = str | float | Call
TINY = 1e-12  # added to the norm by which SAM divides, as pytorch_optimizer does: a zero gradient stays zero


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One wrapper: what it takes ("program" or "schedule"), its options, and how the program is built."""

    name: str
    takes: tuple[str, ...]
    options: tuple[Option, ...]
    build: Callable[..., Program]
    doc: str

    @property
    def defaults(self) -> dict[str, float]:
        """The options and their default values."""
        return {option.name: option.default for option in self.options}

    def __call__(self, *operands: Program | Schedule, **given: float) -> Program:
        """The wrapped program; ProgramError with a sentence for each fault."""
        kinds = tuple("schedule" if isinstance(operand, Schedule) else "program" for operand in operands)
        if kinds != self.takes:
            wanted, got = (" and ".join(f"a {kind}" for kind in some) or "nothing" for some in (self.takes, kinds))
            raise ProgramError(f"{self.name} takes {wanted} and was given {got}.")
        found = values(self.name, self.options, given)
        program = self.build(*operands, found)
        name = "_".join([self.name, *(operand.name for operand in operands)])
        docs = [self.doc, *(operand.doc.split("\n\n")[0] for operand in operands)]
        lines = [line for doc in docs for line in doc.split("\n")]
        return replace(program, name=name, doc="\n".join(dict.fromkeys(filter(None, lines))))


def _lookahead(program: Program, options: dict[str, float]) -> Program:
    names = Names(program)
    slow, fast, synced = names.fresh("slow"), names.fresh("fast"), names.fresh("synced")
    own, hyper = names.hyper(options)
    body = (
        Assign(fast, program.returns[0]),
        Assign(synced, Call("every", ("t", own["k"]))),
        Assign(slow, Call("where", (synced, Call("interp", (slow, fast, own["alpha"])), slow))),
    )
    returns = (Call("where", (synced, slow, fast)), *program.returns[1:], slow)
    states = (*program.states, State(slow, "w"))
    return replace(program, states=states, hyper=program.hyper + hyper, body=program.body + body, returns=returns)


def _sam(program: Program, options: dict[str, float]) -> Program:
    names = Names(program)
    own, hyper = names.hyper(options)

    def sharper(point: str, gradient: str) -> Expr:
        length = Call("add", (Call("global_norm", (gradient,)), TINY))
        away = Call("multiply", (gradient, Call("divide", (own["rho_sam"], length))))
        return Call("grad_at", (Call("add", (point, away)),))

    return _with_gradients("sam", replace(program, hyper=program.hyper + hyper), names, sharper, "sharper")


def _clip_norm(program: Program, options: dict[str, float]) -> Program:
    names = Names(program)
    own, hyper = names.hyper({key: value for key, value in options.items() if key == "max_norm" or value})

    def clipped(point: str, gradient: str) -> Expr:
        if "margin" not in own:
            return Call("clip_by_global_norm", (gradient, own["max_norm"]))
        length = Call("add", (Call("global_norm", (gradient,)), own["margin"]))
        return Call("multiply", (gradient, Call("min", (1.0, Call("divide", (own["max_norm"], length))))))

    return _with_gradients("clip_norm", replace(program, hyper=program.hyper + hyper), names, clipped, "clipped")


Change = Callable[[str, str], Expr]


def _with_gradients(wrapper: str, program: Program, names: Names, change: Change, result: str) -> Program:
    """The program in which each gradient is `change(its point, the gradient)`, under the name `result`."""
    first: list[Assign] = []
    uses_g = reads(program, "g")
    if not uses_g and all(c.op != "grad_at" for expr in expressions(program) for c in calls(expr)):
        raise ProgramError(f"{wrapper} has no place in {program.name}, which reads no gradient.")

    def elsewhere(call: Call, body: list[Assign]) -> Expr:
        (at,) = call.args
        point = at if isinstance(at, str) else names.fresh("point")
        gradient, new = names.fresh("gradient"), names.fresh(result)
        body += [Assign(point, at)] if point != at else []
        body += [Assign(gradient, Call("grad_at", (point,))), Assign(new, change(point, gradient))]
        return new

    program = rewritten(program, lambda op: op == "grad_at", elsewhere)
    if uses_g:
        new = names.fresh(result)
        first.append(Assign(new, change("w", "g")))
        program = renamed(program, {"g": new})
    return replace(program, body=(*first, *program.body))


def _scheduled(program: Program, schedule: Schedule, options: dict[str, float]) -> Program:
    if not reads(program, "lr"):
        raise ProgramError(f"scheduled has no place in {program.name}, which does not read lr in a step.")
    names = Names(program)
    own, hyper = names.hyper(schedule.defaults)
    body, factor = schedule.parsed()
    own |= {assign.name: names.fresh(assign.name) for assign in body}
    new = names.fresh("lr_now")
    rates = Program(schedule.name, (), (), body, (Call("multiply", ("lr", factor)),))
    rates = renamed(rates, own)
    inner = renamed(replace(program, states=(), hyper=()), {"lr": new})
    return replace(
        program,
        hyper=program.hyper + hyper,
        body=(*rates.body, Assign(new, rates.returns[0]), *inner.body),
        returns=inner.returns,
    )


def _by(condition: str) -> Callable[..., Program]:
    def build(chosen: Program, rest: Program, options: dict[str, float]) -> Program:
        """P where the condition holds, Q elsewhere; they share lr, of which Q may take a multiple."""
        ratio = options["lr_ratio"]
        return branched(parse_expr(f"{condition}()", ()), chosen, rest, ratio)

    return build


_POSITIVE: dict[str, Any] = {"low": 0, "high": math.inf, "open_low": True}
_RATIO = Option("lr_ratio", 1, doc="the lr of the second program, as a multiple of the first one's", **_POSITIVE)

_ALL = (
    Wrapper(
        "lookahead",
        ("program",),
        (
            Option("k", 5, 1, math.inf, "steps between two moves of the slow weights", whole=True),
            Option("alpha", 0.5, 0, 1, "part of the way that the slow weights go", open_low=True),
        ),
        _lookahead,
        "Lookahead: every k steps slow weights go part of the way, and w restarts there. Zhang et al. 2019, "
        "arXiv:1907.08610.",
    ),
    Wrapper(
        "sam",
        ("program",),
        (Option("rho_sam", 0.05, 0, math.inf, "how far up the gradient it is taken again"),),
        _sam,
        "SAM: gradients are taken rho_sam up the gradient, of one norm over all tensors. Foret et al. 2020, "
        "arXiv:2010.01412.",
    ),
    Wrapper(
        "clip_norm",
        ("program",),
        (
            Option("max_norm", 1, doc="the longest gradient, over all tensors", **_POSITIVE),
            Option("margin", 0, 0, math.inf, "added to the norm; torch's clip_grad_norm_ has 1e-6"),
        ),
        _clip_norm,
        "Clipping: gradients longer than max_norm, over all tensors, are shortened to it. Pascanu et al. 2012, "
        "arXiv:1211.5063.",
    ),
    Wrapper(
        "scheduled",
        ("program", "schedule"),
        (),
        _scheduled,
        "Scheduled: lr is multiplied by a factor of the step; the schedule outside is then constant.",
    ),
    Wrapper(
        "by_shape",
        ("program", "program"),
        (_RATIO,),
        _by("is_matrix"),
        "By shape: the first program for tensors of two or more dimensions, the second for the rest.",
    ),
    Wrapper(
        "by_role",
        ("program", "program"),
        (_RATIO,),
        _by("is_hidden"),
        "By role: the first program for hidden matrices, the second for embeddings, heads and vectors.",
    ),
)

WRAPPERS: dict[str, Wrapper] = {wrapper.name: wrapper for wrapper in _ALL}
lookahead, sam, clip_norm, scheduled, by_shape, by_role = _ALL
