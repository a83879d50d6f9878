"""In which interval each hyperparameter of a program makes sense: by its use, and by its name as a last resort."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from primitives.options import Domain
from primitives.program import Call, Program
from primitives.schedules import SCHEDULES
from primitives.table import PRIMITIVES
from primitives.wrappers import WRAPPERS

__all__ = ["Domain", "domains"]

Expr = str | float | Call
ANY = Domain()
NOT_NEGATIVE, POSITIVE = Domain(0), Domain(0, low_open=True)
WEIGHT, DECAY = Domain(0, 1), Domain(0, 1, high_open=True)  # a decay of 1 would divide by 1 - 1
BY_ROLE = {"weight": WEIGHT, "positive": POSITIVE, "count": NOT_NEGATIVE}  # of an argument in the table
BY_PLACE = {("bias_correct", 1): DECAY, ("every", 1): POSITIVE, ("mod", 1): POSITIVE}
NAMES = {
    r"eps\w*|epsilon|damping|weight_decay|\w+_decay|initial|final_lr": NOT_NEGATIVE,
    r"beta\d*|rho|gamma|momentum|decay": WEIGHT,
    r"eta_minus": Domain(0, 1, low_open=True, high_open=True),
    r"eta_plus": Domain(1, low_open=True),
}
"""What torch.optim and the papers' codes ask of numbers whose use says nothing: decays of sums, say."""
THROUGH = {"sqrt", "sqrt_abs", "abs", "negative", "square", "cube", "cbrt", "divide", "power"}
"""Functions that vanish where their first argument does."""
Zero = tuple[str, float]  # a hyperparameter, and its value at which something vanishes


def domains(program: Program) -> dict[str, Domain]:
    """The domain of each hyperparameter of a valid program; a default always lies in its own.

    lr is at least 0. Weights of averages lie in [0, 1], without 1 where 1 - beta or a power of it divides; what else is
    used as the table says (a count, a period, a threshold of clipping) has the sign of that. For the rest the name
    counts, as `eps` or an option of a wrapper; without a known one any finite number will do.
    """
    uses = _Uses(program)
    found = {}
    for name, default in program.hyper:
        used = uses.domains.get(name)
        domain = _without(used or _by_name(name), uses.divides.get(name, set()))
        domain = NOT_NEGATIVE if name == "lr" else domain
        found[name] = domain if domain.contains(default) else ANY
    return found


def _without(domain: Domain, poles: set[float]) -> Domain:
    """The domain without ends at which something would be divided by zero."""
    low_open = domain.low_open or domain.low in poles
    return Domain(domain.low, domain.high, low_open, domain.high_open or domain.high in poles)


def _common(x: Domain, y: Domain) -> Domain:
    """What lies in both."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    low_open = any(d.low_open for d in (x, y) if d.low == low)
    return Domain(low, high, low_open, any(d.high_open for d in (x, y) if d.high == high))


def _by_name(name: str) -> Domain:
    """What a name alone says; `_2` at its end tells it from another of the same name."""
    name = re.sub(r"_\d+$", "", name)
    for pattern, domain in NAMES.items():
        if re.fullmatch(pattern, name):
            return domain
    return _options().get(name, ANY)


@cache
def _options() -> dict[str, Domain]:
    """The domains of all options of wrappers and schedules, by name; a single letter as a name says nothing."""
    found: dict[str, Domain] = {}
    options = [option for wrapper in WRAPPERS.values() for option in wrapper.options]
    for option in (*options, *(option for schedule in SCHEDULES.values() for option in schedule.options)):
        if len(option.name) > 1:
            found[option.name] = _either(found.get(option.name, option.domain), option.domain)
    return found


def _either(x: Domain, y: Domain) -> Domain:
    """The interval around both."""
    low, high = min(x.low, y.low), max(x.high, y.high)
    low_open = all(d.low_open for d in (x, y) if d.low == low)
    return Domain(low, high, low_open, all(d.high_open for d in (x, y) if d.high == high))


@dataclass
class _Value:
    """What is known of a value: the hyperparameters that it may be, and those that make it vanish."""

    names: set[str] = field(default_factory=set)
    zeros: set[Zero] = field(default_factory=set)


class _Uses:
    """How a program uses its hyperparameters, statement by statement."""

    def __init__(self, program: Program) -> None:
        self.domains: dict[str, Domain] = {}
        self.divides: dict[str, set[float]] = {}  # the values at which something is divided by zero
        self.known = {name: _Value({name}, {(name, 0.0)}) for name in program.defaults}
        for assign in program.body:
            self.known[assign.name] = self._value(assign.value)
        for value in program.returns:
            self._value(value)

    def _value(self, expr: Expr) -> _Value:
        if isinstance(expr, str):
            return self.known.get(expr, _Value())
        if not isinstance(expr, Call):
            return _Value()
        args = [self._value(arg) for arg in expr.args]
        for position, arg in enumerate(args):
            self._note(arg.names, _asked(expr.op, position))
        if expr.op in ("divide", "reciprocal"):
            for name, zero in args[-1].zeros:
                self.divides.setdefault(name, set()).add(zero)
        if expr.op == "subtract" and expr.args[0] == 1:
            bases = set(self._bases(expr.args[1]))
            self._note(bases, WEIGHT)
            return _Value(zeros={(name, 1.0) for name in bases})
        return _combined(expr.op, args)

    def _bases(self, expr: Expr) -> Iterator[str]:
        """The hyperparameters of which an expression may be a power."""
        if isinstance(expr, str):
            yield from self.known.get(expr, _Value()).names
        elif isinstance(expr, Call) and expr.op == "power":
            yield from self._bases(expr.args[0])

    def _note(self, names: set[str], domain: Domain | None) -> None:
        for name in names if domain is not None else ():
            self.domains[name] = _common(self.domains.get(name, ANY), domain or ANY)


def _asked(op: str, position: int) -> Domain | None:
    """What a primitive asks of a number at this place."""
    return BY_PLACE.get((op, position)) or BY_ROLE.get(PRIMITIVES[op].roles[position])


def _combined(op: str, args: list[_Value]) -> _Value:
    """What is known of a primitive's value, from its arguments."""
    if op == "where":
        return _Value(args[1].names | args[2].names, args[1].zeros | args[2].zeros)
    if op == "multiply":
        return _Value(zeros=args[0].zeros | args[1].zeros)
    return _Value(zeros=args[0].zeros if op in THROUGH else set())
