"""The update of each state as factor * state + rest, in each branch that it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from primitives.graph import Graph, graph
from primitives.interpreter import evaluate
from primitives.kinds import Kind
from primitives.program import Call, Program
from primitives.show import show_expr

Expr = str | float | Call
Terms = list[tuple[Expr, Expr]]  # factor and rest of each branch
LONGEST = 56  # characters of an expression that is shown whole
SCALARS = ("t", "T", "lr", "base_lr")
MOST_BRANCHES = 8
MOST_CALLS = 60  # of an expression; shared values count wherever they stand


@dataclass(frozen=True)
class Branch:
    """factor * state + rest; `of` is the rest without constant factors, where the factors make an average of it."""

    factor: str
    of: str
    whole: str
    decay: float | None  # the factor with default hyperparameters; None if it depends on more than those
    averages: bool  # factor and weight of the rest sum to one
    by_numbers: bool  # the rest is a number, and so is the factor: no tensor is remembered
    adds_nothing: bool
    forgets: bool  # the state does not enter as it was
    holds: bool  # it stays as it was
    feeds_back: bool  # it forgets, and yet the state enters the rest in another way than by a factor


@dataclass(frozen=True)
class Update:
    """How one state is updated. No branches where it is not of the form factor * state + rest."""

    state: str
    kind: Kind
    branches: tuple[Branch, ...]
    whole: str
    extreme: str  # "maximum" or "minimum" of itself and what the only branch is of
    bounded: bool
    of_weights: bool  # it starts at w


def updates(program: Program) -> tuple[Update, ...]:
    """The update of each state of a valid program that has an influence on w."""
    g = graph(program, symbolic=True)
    reading = _Reading(g, program.defaults)
    return tuple(reading.update(k) for k in range(len(g.states)))


class _Reading:
    """Expressions and splits of the values of one graph."""

    def __init__(self, g: Graph, defaults: Mapping[str, float]) -> None:
        self.nodes = g.nodes
        self.g = g
        self.known = {name: value for name, value in defaults.items() if name != "lr"}
        self.varied = {name: value * 0.9 + 0.01 for name, value in self.known.items()}
        self.bounded = False
        self.names = {i: s.name for i, s in zip(g.outputs[1:], g.states, strict=True) if g.nodes[i].args}

    def update(self, k: int) -> Update:
        """The update of the k-th state."""
        state, new = self.g.states[k], self.g.outputs[1 + k]
        self.name, self.own, self.bounded = state.name, new, False
        self.expressions: list[Expr] = []
        self.leaves: list[frozenset[str]] = []  # inputs of a value; what only decides conditions is left out
        for i, node in enumerate(self.nodes):
            args = node.args[1:] if node.op == "where" else node.args
            below = frozenset().union(*(self.leaves[a] for a in args))
            self.leaves.append(frozenset([str(node.value)]) if node.op == "input" else below)
            named = self.names.get(i, "") if i != new else ""
            plain = named or (Call(node.op, tuple(self.expressions[a] for a in node.args)) if node.args else "")
            self.expressions.append(plain or (node.value if node.op in ("input", "number") else Call(node.op, ())))
        node = self.nodes[new]
        extreme = {"max": "maximum", "min": "minimum"}.get(node.op, "")
        others = [a for a in node.args if self.nodes[a].value != self.name or self.nodes[a].op != "input"]
        if extreme and len(others) == 1 and len(node.args) == 2 and self.name not in self.leaves[others[0]]:
            branches: tuple[Branch, ...] = (self._branch(1.0, self.expressions[others[0]]),)
        else:
            extreme = ""
            branches = tuple(self._branch(factor, rest) for factor, rest in self._split(new) or ())
        whole = self._text(self.expressions[new])
        return Update(self.name, self.g.kinds[k], branches, whole, extreme, self.bounded, state.start == "w")

    def _split(self, i: int) -> Terms | None:
        """Factor and rest of a value in each branch; None where it is not linear in the state."""
        node, terms = self.nodes[i], None
        if node.op == "input" and node.value == self.name:
            return [(1.0, 0.0)]
        if self.name not in self.leaves[i]:
            return [(0.0, self.expressions[i])]
        a = node.args
        if node.op in ("add", "subtract"):
            terms = _sum(self._additive(a[0]), self._additive(a[1], -1.0 if node.op == "subtract" else 1.0))
        elif node.op == "negative":
            terms = self._times(a[0], -1.0)
        elif node.op == "multiply":
            free = [x for x in a if self.name not in self.leaves[x]]
            terms = self._times(next(x for x in a if x != free[0]), self.expressions[free[0]]) if free else None
        elif node.op == "divide" and self.name not in self.leaves[a[1]]:
            terms = self._times(a[0], _reciprocal(self.expressions[a[1]]))
        elif node.op == "ema":
            beta = self.expressions[a[2]]
            terms = self._mixed(a[0], beta, a[1], _difference(1.0, beta), a[2])
        elif node.op == "interp":
            weight = self.expressions[a[2]]
            terms = self._mixed(a[0], _difference(1.0, weight), a[1], weight, a[2])
        elif node.op == "mix":
            terms = self._mixed(a[1], self.expressions[a[0]], a[3], self.expressions[a[2]], a[0], a[2])
        elif node.op == "where":
            first, second = self._split(a[1]), self._split(a[2])
            terms = first + second if first is not None and second is not None else None
        elif node.op == "clip" and not any(self.name in self.leaves[x] for x in a[1:]):
            self.bounded = True
            terms = self._split(a[0])
        return terms if terms is not None and len(terms) <= MOST_BRANCHES else None

    def _additive(self, i: int, sign: float = 1.0) -> Terms:
        """A summand; one that is not linear in the state is rest."""
        terms = self._split(i) or [(0.0, self.expressions[i])]
        return [(_product(sign, factor), _product(sign, rest)) for factor, rest in terms]

    def _times(self, i: int, factor: Expr) -> Terms | None:
        terms = self._split(i)
        return None if terms is None else [(_product(factor, f), _product(factor, rest)) for f, rest in terms]

    def _mixed(self, x: int, a: Expr, y: int, b: Expr, *weights: int) -> Terms | None:
        if any(self.name in self.leaves[weight] for weight in weights):
            return None
        first = [(_product(a, f), _product(a, rest)) for f, rest in self._additive(x)]
        return _sum(first, [(_product(b, f), _product(b, rest)) for f, rest in self._additive(y)])

    def _branch(self, factor: Expr, rest: Expr) -> Branch:
        decay = _value(factor, self.known)
        weight, inner = _constant_factor(rest, self.known)
        total = [_sum_of(factor, weight, at) for at in (self.known, self.varied)]
        averages = decay is not None and all(x is not None and abs(x - 1) < 1e-9 for x in total) and decay != 1
        numbers = not (_names(rest) | _names(factor)) - {*SCALARS, *self.known}
        adds_nothing = rest == 0
        whole = _total(_product(factor, self.name), rest)
        return Branch(
            factor=self._text(factor),
            of=self._text(inner if averages else rest),
            whole=self._text(whole),
            decay=decay,
            averages=averages,
            by_numbers=numbers,
            adds_nothing=adds_nothing,
            forgets=factor == 0,
            holds=factor == 1 and adds_nothing,
            feeds_back=factor == 0 and self.name in self.leaves[self.own],
        )

    def _text(self, expr: Expr) -> str:
        """The expression, or what it is made of where it is long."""
        text = show_expr(expr) if _calls(expr) <= MOST_CALLS else ""
        if text and len(text) <= LONGEST:
            return text
        names = sorted(_names(expr) - {*self.known, *SCALARS})
        return "what " + " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) + " give"


def _sum(x: Terms, y: Terms) -> Terms:
    return [(_total(a, c), _total(b, d)) for a, b in x for c, d in y]


def _total(x: Expr, y: Expr) -> Expr:
    if x == 0 or y == 0:
        return y if x == 0 else x
    if isinstance(y, Call) and y.op == "negative":
        return Call("subtract", (x, y.args[0]))
    return Call("add", (x, y))


def _difference(x: Expr, y: Expr) -> Expr:
    return x - y if isinstance(x, float) and isinstance(y, float) else Call("subtract", (x, y))


def _product(x: Expr, y: Expr) -> Expr:
    if isinstance(x, float) and isinstance(y, float):
        return x * y
    for a, b in ((x, y), (y, x)):
        if a == 0 or a == 1:
            return 0.0 if a == 0 else b
        if a == -1:
            return b.args[0] if isinstance(b, Call) and b.op == "negative" else Call("negative", (b,))
    return Call("multiply", (x, y))


def _reciprocal(x: Expr) -> Expr:
    return Call("divide", (1.0, x))


def _constant_factor(expr: Expr, known: Mapping[str, float]) -> tuple[Expr, Expr]:
    """The factors of an expression that are numbers or hyperparameters, and what is left."""
    weight: Expr = 1.0
    while isinstance(expr, Call) and expr.op in ("multiply", "negative"):
        if expr.op == "negative":
            weight, expr = _product(-1.0, weight), expr.args[0]
            continue
        constant = [k for k in (0, 1) if _value(expr.args[k], known) is not None]
        if not constant:
            break
        weight, expr = _product(weight, expr.args[constant[0]]), expr.args[1 - constant[0]]
    return weight, expr


def _sum_of(x: Expr, y: Expr, known: Mapping[str, float]) -> float | None:
    first, second = _value(x, known), _value(y, known)
    return None if first is None or second is None else first + second


def _value(expr: Expr, known: Mapping[str, float]) -> float | None:
    """The value of what depends on hyperparameters alone."""
    if _calls(expr) > MOST_CALLS or _names(expr) - set(known) or _asks_tensors(expr):
        return None
    with np.errstate(all="ignore"):
        return float(evaluate(expr, {name: np.float64(value) for name, value in known.items()}))


def _asks_tensors(expr: Expr) -> bool:
    return isinstance(expr, Call) and (expr.op.startswith("is_") or any(_asks_tensors(arg) for arg in expr.args))


def _names(expr: Expr, seen: set[int] | None = None) -> set[str]:
    """The variables of an expression, whose shared parts are seen once."""
    seen = set() if seen is None else seen
    if isinstance(expr, str):
        return {expr}
    if not isinstance(expr, Call) or id(expr) in seen:
        return set()
    seen.add(id(expr))
    return set().union(*(_names(arg, seen) for arg in expr.args))


def _calls(expr: Expr, most: int = MOST_CALLS + 1) -> int:
    """The number of calls of an expression, counted no further than `most`."""
    if not isinstance(expr, Call) or most <= 0:
        return 0
    count = 1
    for arg in expr.args:
        count += _calls(arg, most - count)
    return count
