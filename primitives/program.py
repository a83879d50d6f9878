"""The record of a program: names, numbers and tuples, which compare, hash, pickle and print with no effort."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Position = tuple[int, int]  # line and column in the text, both from 1; (0, 0) for what was never text
Expr = "str | float | Call"

INPUTS = ("w", "g")  # the weights and their gradient come first in every signature
READABLE = ("t", "T", "loss", "base_lr")  # what a program may read without declaring it


class ProgramError(ValueError):
    """A program that cannot be used; `faults` holds one sentence for each reason."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Call:
    """A primitive applied to variables, numbers and other calls."""

    op: str
    args: tuple[str | float | Call, ...]
    at: Position = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Assign:
    """One statement: a variable gets a value."""

    name: str
    value: str | float | Call
    at: Position = field(default=(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered from step to step; starts at a number, a hyperparameter or a parameter."""

    name: str
    start: str | float = 0.0


@dataclass(frozen=True, slots=True)
class Program:
    """An optimizer: (w, g, states; hyperparameters) -> (new w, new states)."""

    name: str
    states: tuple[State, ...]
    hyper: tuple[tuple[str, float], ...]
    body: tuple[Assign, ...]
    returns: tuple[str | float | Call, ...]  # the new w, then the new states in the order of `states`
    doc: str = ""

    @property
    def defaults(self) -> dict[str, float]:
        """The hyperparameters and their default values."""
        return dict(self.hyper)

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the states, in the signature's order."""
        return tuple(state.name for state in self.states)

    def __str__(self) -> str:
        """Its text."""
        from primitives.show import show

        return show(self)

    def plot(self) -> Figure:
        """Its updates under four sequences of gradients, as a matplotlib figure; ImportError says what is missing."""
        from primitives.picture import figure

        return figure(self)

    def _repr_latex_(self) -> str | None:
        """Its formula, as a notebook shows it; None where it is too large for one."""
        from primitives.analysis.formula import formula

        try:
            return formula(self).latex()
        except ProgramError:
            return None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Its text, as a prompt of IPython shows it."""
        printer.text(str(self))


def calls(expr: str | float | Call) -> Iterator[Call]:
    """Every call in an expression, arguments before the call that uses them."""
    if isinstance(expr, Call):
        for arg in expr.args:
            yield from calls(arg)
        yield expr


def expressions(program: Program) -> Iterator[str | float | Call]:
    """Every expression of the program: the assigned ones, then the returned ones."""
    yield from (assign.value for assign in program.body)
    yield from program.returns


def substitute(expr: str | float | Call, leaf: Callable[[str], str | float | Call]) -> str | float | Call:
    """The expression with each variable replaced by `leaf(variable)`."""
    if isinstance(expr, str):
        return leaf(expr)
    if isinstance(expr, Call):
        return Call(expr.op, tuple(substitute(arg, leaf) for arg in expr.args), expr.at)
    return expr
