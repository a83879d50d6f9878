"""What the contract is checked on: a class with what a check must know of it, and all of the exported ones."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import torch

from primitives.domains import domains
from primitives.expressions import program_of
from primitives.facts import facts
from primitives.optimizer import to_torch
from primitives.program import Program, calls, expressions
from primitives.reference import known
from primitives.table import PRIMITIVES
from primitives.text import parse, show

Optimizer = torch.optim.Optimizer

POLYAK = """def polyak(w, g, m, *, lr=0.1, beta=0.9):
    m = ema(m, g, beta)
    return w - lr * min(1, loss) * m, m
"""
WRAPPED = (
    "lookahead(adam, k=3)",
    "clip_norm(adamw, max_norm=1)",
    "by_role(muon_everywhere, adamw, lr_ratio=0.015)",
    "sam(adamw)",
    "scheduled(momentum(beta=0.95), warmup_cosine(warmup=0.2))",
)
COUPLING = frozenset("global_norm global_dot clip_by_global_norm loss_at hessian_solve cg_solve".split())
WHOLE = frozenset(
    "cosine_sim inv_sqrt newton_schulz clip_by_global_norm".split()
)  # composites that need more than one element
WHOLE_NUMBERS = frozenset("k ns_steps cg_steps restart".split())


@dataclass
class Specimen:
    """An optimizer class and what the checks must know of it."""

    name: str
    build: Callable[[], Any]  # makes the class
    lr: float
    others: Mapping[str, Any]  # for every hyperparameter another value, which is allowed
    wrong: tuple[tuple[str, Any], ...]  # values that are refused
    closure: str = "no"  # "no", "yes": the usual one, "with graph": one that does not call backward
    reads_loss: bool = False  # needs the usual closure, for the loss alone
    coupled: bool = False  # what happens to one parameter depends on the others
    elementwise: bool = False  # the update of an element depends on nothing but this element
    roles: bool = False  # whether a group may say what its tensors are for
    smooth: bool = True  # whether autograd knows the derivative of all that it does
    options: Mapping[str, Any] = field(default_factory=dict)  # what the constructor is always given

    @cached_property
    def optimizer(self) -> Any:
        """The class."""
        return self.build()

    def make(self, params: Any, **options: Any) -> Optimizer:
        """An optimizer; its options are the defaults, but for those given."""
        made: Optimizer = self.optimizer(params, **{**self.options, **options})
        return made

    @property
    def oracle(self) -> bool:
        """Whether it asks for the loss or its derivatives anywhere but at the present weights."""
        return self.closure != "no" and not self.reads_loss

    @property
    def restless(self) -> bool:
        """Whether the docstrings of the class or its file say that it may move at lr = 0 and zero gradients."""
        return restless(self.optimizer)


def restless(optimizer: Any) -> bool:
    """Whether the docstrings of a class or its file say that it may move at lr = 0 and zero gradients."""
    text = f"{sys.modules[optimizer.__module__].__doc__} {optimizer.__doc__}"
    return "lr = 0 with zero gradients may move" in " ".join(text.split())


def texts() -> tuple[str, ...]:
    """The names of what is tested: all reference programs, some wrapped ones, one that reads the loss."""
    return (*known(), *WRAPPED, "polyak")


def program(name: str) -> Program:
    """The program of a name in `texts`."""
    return parse(POLYAK) if name == "polyak" else program_of(name)


@cache
def exported(name: str) -> Specimen:
    """The specimen of a name in `texts`."""
    return specimen(name, program(name))


def specimen(name: str, program: Program) -> Specimen:
    """What the text of a program says of its class."""
    ops = {call.op for expr in expressions(program) for call in calls(expr)}
    hyper = dict(program.hyper)
    planned, reads_loss = (re.search(rf"\b{word}\b", show(replace(program, doc=""))) for word in ("T", "loss"))
    return Specimen(
        name,
        lambda: to_torch(program),
        lr=hyper["lr"],
        others={key: other(key, value) for key, value in hyper.items()},
        wrong=tuple(wrong(program)),
        closure=facts(program).closure,
        reads_loss=bool(reads_loss),
        coupled=bool(ops & COUPLING) or bool(reads_loss),
        elementwise=all(PRIMITIVES[op].form in ("pointwise", "composite") and op not in WHOLE for op in ops),
        roles=any(PRIMITIVES[op].form == "role" and op != "is_matrix" for op in ops),
        smooth=not ops & {"inv_root", "inv_sqrt"},
        options={"total_steps": 20} if planned else {},
    )


def other(name: str, value: float) -> float:
    """Another value of a hyperparameter that means as much."""
    if name in WHOLE_NUMBERS or value > 2:
        return int(value - 1)
    if 0 < value < 1e-4 and name != "lr":
        return 1e-3
    if value == 0:
        return 0.1
    if 0.5 < value < 1:
        return 1 - 2 * (1 - value)
    return 1 + (value - 1) / 2 if value > 1 else value / 2 if value == 1 else value * 1.5


def wrong(program: Program) -> list[tuple[str, Any]]:
    """Values that are refused: what is no number, decays outside [0, 1], what lies outside of the name's domain."""
    hyper = dict(program.hyper)
    decays = [name for name in hyper if name.startswith("beta") or name == "rho"]
    found: list[tuple[str, Any]] = [("lr", -1.0), ("lr", torch.tensor([0.1, 0.1]))]
    found += [(name, value) for name in hyper for value in (float("nan"), "0.1")]
    found += [(name, value) for name in decays for value in (-0.1, 1.1)]
    ends = [(name, end) for name, domain in domains(program).items() for end in (domain.low - 1, domain.high + 1)]
    return found + [(name, end) for name, end in ends if math.isfinite(end)]


Check = Callable[[Specimen], None]


def always(_: Specimen) -> bool:
    """For checks of every class."""
    return True


def without_closure(s: Specimen) -> bool:
    """For checks of classes that take gradients as they come."""
    return s.closure == "no"


@dataclass(frozen=True)
class Item:
    """A check of the contract and the classes that it is for."""

    check: Check
    applies: Callable[[Specimen], bool] = always
