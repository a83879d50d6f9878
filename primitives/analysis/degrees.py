"""Degrees: the power of c by which each value of a program is multiplied when its inputs are multiplied by powers of c.

A value is kept as `anchor` times the weights at the start, plus a rest: so w - w_prev, whose anchors cancel, is known
to scale as steps do. Anchors are numbers modulo a prime, where random numbers stand for unknowns: equal means equal.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from primitives.graph import Graph, Node
from primitives.program import Program
from primitives.table import PRIMITIVES

PRIME = (1 << 61) - 1
COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal")
ALIKE = ("add", "subtract", "max", "min", "mod", *COMPARISONS)
LINEAR = ("add", "subtract", "mix", "negative", "where")  # keep what is a multiple of the weights apart
ANY = "any"  # of zero, which is every power; and of what is infinite
END = -1

Degree = Fraction | str | None  # None: no power of c


class Value(NamedTuple):
    """anchor * (weights at the start) + a rest of this degree."""

    anchor: int
    degree: Degree


@dataclass(frozen=True)
class Case:
    """By which powers of c the inputs and the loss's answers are multiplied; answers are taken as given, as g is."""

    w: int
    g: int
    gradient: int = 0  # what grad_at answers
    hessian: int = 0
    loss: int = 0


def update_degree(g: Graph, program: Program, case: Case, aside: Collection[int | str] = ()) -> Degree:
    """The degree of the change of w on every step, from an expanded symbolic graph.

    `aside` holds what is taken as zero: names of hyperparameters, everywhere; nodes, where they are added to something
    of another degree; END, the multiple of w by which the new w differs from w.
    """
    return _Degrees(g, program, case, aside).update()


class _Degrees:
    """A fixed point over the degrees of the states, and of the move of the weights so far."""

    def __init__(self, g: Graph, program: Program, case: Case, aside: Collection[int | str]) -> None:
        self.g, self.case, self.aside, self.defaults = g, case, aside, program.defaults
        self.tags = _tags(g)

    def update(self) -> Degree:
        start = Value(1, ANY)
        known = {"w": start, **{s.name: start if s.start == "w" else self._constant(s.start) for s in self.g.states}}
        while True:
            values = self._values(known)
            new = [values[i] for i in self.g.outputs]
            if END in self.aside and new[0].anchor:
                new[0] = Value(1, new[0].degree)
            wider = {name: self._join(known[name], v) for name, v in zip(known, new, strict=True)}
            if wider == known:
                break
            known = wider
        if self.tags[self.g.outputs[0]] == _tag("w"):
            return ANY
        return self._whole(Value((new[0].anchor - 1) % PRIME, _alike(new[0].degree, known["w"].degree)))

    def _values(self, known: Mapping[str, Value]) -> list[Value]:
        values: list[Value] = []
        for i, node in enumerate(self.g.nodes):
            if node.op == "number" or node.op == "input":
                values.append(known.get(str(node.value)) or self._constant(node.value))
            elif self.tags[i] == 0:
                values.append(Value(0, ANY))
            else:
                values.append(self._value(node, [values[a] for a in node.args], i))
        return values

    def _constant(self, value: str | float) -> Value:
        """A number, or an input that is no state."""
        powers = {"g": self.case.g, "loss": self.case.loss}
        return Value(0, ANY if value == 0 or value in self.aside else Fraction(powers.get(str(value), 0)))

    def _whole(self, value: Value) -> Degree:
        """The degree of anchor and rest together."""
        return value.degree if value.anchor == 0 else _alike(Fraction(self.case.w), value.degree)

    def _join(self, x: Value, y: Value) -> Value:
        """What covers both."""
        if x.anchor == y.anchor:
            return Value(x.anchor, _alike(x.degree, y.degree))
        return Value(0, _alike(self._whole(x), self._whole(y)))

    def _value(self, node: Node, args: list[Value], i: int) -> Value:
        if node.op in LINEAR:
            return self._linear(node, args, i)
        if node.op in ("multiply", "divide"):
            return self._product(node.op, node.args, args)
        degrees = [self._whole(value) for value in args]
        if PRIMITIVES[node.op].form == "shape":
            return Value(0, Fraction(0))
        if node.op in ALIKE:
            left = self._left_out(node, args, i)
            together = _alike(*(d for k, d in enumerate(degrees) if k not in left))
            return Value(0, together if node.op not in COMPARISONS or together is None else Fraction(0))
        if node.op in ORACLES or node.op in ("power", "inv_root", "orthogonalize", "unflatten"):
            return Value(0, self._own(node, degrees))
        return Value(0, _of_table(node.op, degrees))

    def _linear(self, node: Node, args: list[Value], i: int) -> Value:
        """Sums, differences and choices: of the anchors, and of the rests."""
        if node.op == "where":
            return self._join(args[1], args[2]) if self._whole(args[0]) is not None else Value(0, None)
        if node.op == "mix":
            parts = [self._product("multiply", node.args[k : k + 2], args[k : k + 2]) for k in (0, 2)]
        else:
            left = self._left_out(node, args, i)
            parts = [Value(0, ANY) if k in left else value for k, value in enumerate(args)]
        last = -parts[-1].anchor if node.op in ("subtract", "negative") else parts[-1].anchor
        anchor = (last + (parts[0].anchor if len(parts) > 1 else 0)) % PRIME
        return Value(anchor, _alike(*(part.degree for part in parts)))

    def _product(self, op: str, nodes: tuple[int, ...], args: list[Value]) -> Value:
        """A multiple of the weights stays one where the other factor has no part of them and does not scale."""
        (x, y), (a, b) = args, nodes
        for value, other, tag in ((x, y, self.tags[b]), (y, x, self.tags[a])):
            if value.anchor and not other.anchor and other.degree == 0 and (op == "multiply" or value is x):
                factor = tag if op == "multiply" else pow(tag, -1, PRIME)
                return Value(value.anchor * factor % PRIME, value.degree)
        first, second = self._whole(x), self._whole(y)
        if ANY in (first, second):
            return Value(0, ANY)
        return Value(0, _of_table(op, [first, second]))

    def _left_out(self, node: Node, args: list[Value], i: int) -> list[int]:
        """The places of arguments that are to be set aside and stand beside something of another degree."""
        if i == self.g.outputs[0] or len(args) != 2:  # what is a multiple of w in the new w is told by END
            return []
        whole = [self._whole(value) for value in args]
        return [k for k in (0, 1) if node.args[k] in self.aside and whole[1 - k] not in (ANY, whole[k])]

    def _own(self, node: Node, degrees: list[Degree]) -> Degree:
        """The degree of what needs to know more than the degrees of its arguments."""
        if node.op == "grad_at":
            return Fraction(self.case.gradient)
        if node.op == "loss_at":
            return Fraction(self.case.loss)
        x, numbers = degrees[0], degrees[1:]
        if node.op == "unflatten":
            return x
        if x is None or any(d not in (0, ANY) for d in numbers):
            return None
        if node.op == "orthogonalize":
            return ANY if x == ANY else Fraction(0)
        if node.op == "power":
            return self._power(x, node.args[1])
        if node.op == "inv_root":
            root = self._number(node.args[1])
            alone = numbers[1] == ANY or node.args[2] in self.aside
            return _times(x, -1 / root) if root and (alone or x == 0) else None
        if node.op == "hvp":
            return _plus(x, self.case.hessian)
        if self.case.hessian and (node.op == "cg_solve" or numbers[0] != ANY):
            return None
        return _plus(x, -self.case.hessian)

    def _power(self, x: Degree, exponent: int) -> Degree:
        power = self._number(exponent)
        if x == ANY:
            return ANY if power else Fraction(0)
        return _times(x, power) if power is not None else x if x == 0 else None

    def _number(self, i: int) -> Fraction | None:
        """The value of a literal or hyperparameter, with its default."""
        node = self.g.nodes[i]
        value = node.value if node.op == "number" else self.defaults.get(str(node.value))
        return None if value is None else Fraction(float(value)).limit_denominator(10**6)


ORACLES = ("grad_at", "loss_at", "hvp", "hessian_solve", "cg_solve")


def _alike(*degrees: Degree) -> Degree:
    """The degree of a sum or a choice."""
    some = set(degrees) - {ANY}
    return ANY if not some else some.pop() if len(some) == 1 else None


def _times(x: Degree, factor: Fraction) -> Degree:
    return x * factor if isinstance(x, Fraction) else x


def _plus(x: Degree, more: int) -> Degree:
    return x + more if isinstance(x, Fraction) else x


def _of_table(op: str, degrees: list[Degree]) -> Degree:
    """The degree by the primitive's own rule. What is zero gives zero where a power of it, or a sum, does."""
    if None in degrees:
        return None
    zero = ANY in degrees
    known = [Fraction(0) if d == ANY else d for d in degrees]
    degree = PRIMITIVES[op].degree(*known)
    if degree is None:
        return None
    found = Fraction(degree).limit_denominator(1000)
    moves = zero and PRIMITIVES[op].degree(*[d + 1 for d in known if isinstance(d, Fraction)]) not in (None, degree)
    return ANY if moves else found


def _tags(g: Graph) -> list[int]:
    """Each value at random inputs modulo a prime: two that are equal by the rules of fractions have one tag."""
    tags: list[int] = []
    for i, node in enumerate(g.nodes):
        args = [tags[a] for a in node.args]
        if node.op == "input":
            tags.append(_tag(str(node.value)))
        elif node.op == "number":
            value = Fraction(repr(float(node.value)))
            tags.append(value.numerator * pow(value.denominator, -1, PRIME) % PRIME)
        else:
            known = _fraction(node.op, args)
            tags.append(_tag(f"value {i}") if known is None else known % PRIME)
    return tags


def _fraction(op: str, args: list[int]) -> int | None:
    """A rational function of its arguments; None for what is none, and where it would divide by zero."""
    if op == "mix":
        return args[0] * args[1] + args[2] * args[3]
    if op in ("divide", "reciprocal"):
        return None if args[-1] == 0 else (args[0] if op == "divide" else 1) * pow(args[-1], -1, PRIME)
    if op == "where" and args[1] == args[2]:
        return args[1]
    x, y = (args + [0, 0])[:2]
    sums = {"add": x + y, "subtract": x - y, "multiply": x * y, "negative": -x, "square": x * x, "cube": x * x * x}
    return sums.get(op)


def _tag(name: str) -> int:
    """A number that looks random, the same in every process."""
    return (zlib.crc32(name.encode()) << 29 ^ zlib.crc32(f"{name} again".encode())) * 0x9E3779B97F4A7C15 % PRIME
