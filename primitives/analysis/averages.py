"""How large a weighted sum of past values can be beside the root of such a sum of their squares.

By Cauchy and Schwarz |sum a_k x_k| <= sqrt(sum b_k x_k^2) sqrt(sum a_k^2 / b_k). With a_k = (1 - beta1) beta1^k and
b_k = (1 - beta2) beta2^k, Adam's averages, the factor is (1 - beta1) / sqrt((1 - beta2) (1 - beta1^2 / beta2)) where
beta1^2 < beta2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from primitives.analysis.interval_rules import Ends, Interval, hull, interval
from primitives.analysis.values import Values

ONE, ZERO = Interval(1.0, 1.0), Interval(0.0, 0.0)
LONGEST = 8  # terms of a sum that is looked into
Form = dict[int, Interval]  # a sum of values with factors


@dataclass(frozen=True, slots=True)
class Squares:
    """At least now * x^2 + past * (the sum over k >= 0 of gain * decay^k * (x of k + 1 steps ago)^2)."""

    x: int
    now: Ends
    past: Ends
    gain: Ends
    decay: Ends

    def times(self, factor: Ends) -> Squares:
        return Squares(self.x, self.now * factor, self.past * factor, self.gain, self.decay)


class Averages:
    """Values as sums, and the bounds that follow; `found` are the intervals so far, which the caller extends."""

    def __init__(self, values: Values, found: Sequence[Interval], starts: Mapping[str, Interval], time: Interval):
        self.values, self.found, self.starts, self.time = values, found, starts, time
        self.squared = {x for i in range(len(values.all)) if (x := self._root_of(i)) is not None}
        self.squared |= {v.args[0] for v in values.all if v.op in ("abs", "norm", "global_norm")}
        self.forms: list[Form] = []

    def within(self, i: int) -> Interval:
        """Where value i lies as a sum: for weights of one sign that add up to at most one, among what is averaged."""
        form = self._form(i)
        self.forms.append(form)
        if len(form) < 2:
            return Interval(-np.inf, np.inf)
        total, weight = ZERO, np.zeros(())
        for j, factor in form.items():
            total = interval("add", total, interval("multiply", factor, self.found[j]))
            weight = weight + np.where(factor.low >= 0, factor.high, np.inf)
        inside = hull(ZERO, *(self.found[j] for j in form))
        average = weight <= 1 + 1e-14
        return Interval(np.where(average, np.maximum(inside.low, total.low), total.low),
                        np.where(average, np.minimum(inside.high, total.high), total.high))  # fmt: skip

    def ratio(self, i: int) -> Ends:
        """How large value i can be as a sum of past values beside the root of a sum of their squares; inf if not so."""
        op, args, *_ = self.values.all[i]
        bounds: list[Ends] = [np.inf]
        if op == "divide":
            bounds += [self._gain(args[0], squares) / factor for factor, squares in self._roots(args[1])]
        if op == "multiply":
            for a, b in (args, args[::-1]):
                bounds += [self._gain(b, squares) * factor for factor, squares in self._inverse_roots(a)]
        return np.fmin.reduce(np.broadcast_arrays(*bounds)) * (1 + 1e-12)

    def _form(self, i: int) -> Form:
        """Value i as a sum; what is squared somewhere, and what no sum makes, stands for itself."""
        value = self.values.all[i]
        itself = {i: ONE}
        if i in self.squared or value.kind.single:
            return itself
        op, args = value.op, value.args
        if op in ("add", "subtract"):
            form = self._sum((ONE, args[0]), (ONE if op == "add" else Interval(-1.0, -1.0), args[1]))
        elif op == "negative":
            form = self._sum((Interval(-1.0, -1.0), args[0]))
        elif op == "mix":
            a, x, b, y = args
            numbers = self._number(a) and self._number(b)
            form = self._sum((self.found[a], x), (self.found[b], y)) if numbers else itself
        elif op == "multiply" and any(map(self._number, args)):
            a, x = args if self._number(args[0]) else args[::-1]
            form = self._sum((self.found[a], x))
        elif op == "divide" and self._number(args[1]):
            form = self._sum((interval("reciprocal", self.found[args[1]]), args[0]))
        else:
            form = itself
        return form if 0 < len(form) <= LONGEST else itself

    def _sum(self, *terms: tuple[Interval, int]) -> Form:
        total: Form = {}
        for factor, i in terms:
            for j, inner in self.forms[i].items():
                product = interval("multiply", factor, inner)
                total[j] = interval("add", total[j], product) if j in total else product
        return total

    def _number(self, i: int) -> bool:
        """Whether a value is one number for a tensor, of known size."""
        return self.values.all[i].kind.single and self.found[i].bounded

    def _root_of(self, i: int) -> int | None:
        """The x of which value i is the square."""
        op, args, *_ = self.values.all[i]
        two = op == "power" and self.values.all[args[1]].value == 2
        return args[0] if op == "square" or two or (op in ("multiply", "dot") and args[0] == args[1]) else None

    def _squares(self, i: int) -> Iterator[Squares]:
        """The sums of squares of which value i is at least one."""
        op, args, *_ = self.values.all[i]
        if (x := self._root_of(i)) is not None:
            yield Squares(x, 1.0, 0.0, 0.0, 0.0)
        elif op == "max":
            yield from (squares for a in args for squares in self._squares(a))
        elif op == "sum" and np.all(self.found[args[0]].low >= 0):
            yield from self._squares(args[0])
        elif self.forms[i].keys() != {i} and self._not_negative(self.forms[i]):
            yield from self._squares_of(self.forms[i])

    def _squares_of(self, form: Form) -> Iterator[Squares]:
        for j, factor in form.items():
            new = self._update_of(j)
            if new is None:
                for squares in self._squares(j):
                    yield squares.times(factor.low)
            elif np.all(self._start(j).low >= 0) and self._not_negative(new):
                for k, gain in new.items():
                    if (x := self._root_of(k)) is not None and j in new:
                        now = form[k].low if k in form else 0.0
                        yield Squares(x, now, factor.low, np.min(gain.low), np.min(new[j].low))

    def _roots(self, i: int) -> Iterator[tuple[Ends, Squares]]:
        """The roots of sums of squares of which value i is at least a positive multiple, with that factor."""
        op, args, *_ = self.values.all[i]
        if op in ("sqrt", "sqrt_abs") or (op == "power" and self.values.all[args[1]].value == 0.5):
            yield from ((1.0, squares) for squares in self._squares(args[0]))
        elif op in ("abs", "norm", "global_norm"):
            yield 1.0, Squares(args[0], 1.0, 0.0, 0.0, 0.0)
        elif op in ("add", "max"):
            for a, b in (args, args[::-1]):
                if op == "max" or np.all(self.found[b].low >= 0):
                    yield from self._roots(a)
        elif op in ("multiply", "divide"):
            for a, b in (args, args[::-1]) if op == "multiply" else (args,):
                scale = self.found[b] if op == "multiply" else interval("reciprocal", self.found[b])
                if np.all(scale.low > 0):
                    yield from ((factor * scale.low, squares) for factor, squares in self._roots(a))

    def _inverse_roots(self, i: int) -> Iterator[tuple[Ends, Squares]]:
        """The inverse roots of sums of squares of which value i is at most a multiple, with that factor."""
        op, args, *_ = self.values.all[i]
        if op == "power" and self.values.all[args[1]].value == -0.5:
            yield from ((1.0, squares) for squares in self._squares(args[0]))
        elif op in ("divide", "reciprocal"):
            top = self.found[args[0]].size if op == "divide" else 1.0
            if np.all(np.isfinite(top)):
                yield from ((top / factor, squares) for factor, squares in self._roots(args[-1]))
        elif op == "multiply":
            for a, b in (args, args[::-1]):
                if self.found[b].bounded:
                    scale = self.found[b].size
                    yield from ((factor * scale, squares) for factor, squares in self._inverse_roots(a))

    def _gain(self, i: int, squares: Squares) -> Ends:
        """How many times the root of the squares value i can be; inf where that is not known."""
        op, args, *_ = self.values.all[i]
        form = self.forms[i]
        if form.keys() == {i} and i != squares.x and op == "multiply":
            return min((self.found[a].size * self._gain(b, squares) for a, b in (args, args[::-1])
                        if self.found[a].bounded), key=np.max, default=np.inf)  # fmt: skip
        now = form.get(squares.x, ZERO).size
        total: Ends = 0.0
        for j, factor in form.items():
            if j != squares.x:
                total = total + np.sqrt(self._part(now, factor.size, j, squares))
                now = 0.0
        return total + np.sqrt(_quotient(now * now, squares.now))

    def _part(self, now: Ends, past: Ends, state: int, squares: Squares) -> Ends:
        """The square of the factor for now * x + past * state, where the state is a decaying sum of x."""
        new = self._update_of(state)
        if new is None or not new.keys() <= {state, squares.x} or np.any(self._start(state).size != 0):
            return np.inf
        decay, gain = (np.max(new.get(j, ZERO).size) for j in (state, squares.x))
        rest = _quotient((past * gain) ** 2, squares.past * squares.gain)
        return _quotient(now * now, squares.now) + _product(rest, self._ratios(_quotient(decay**2, squares.decay)))

    def _ratios(self, r: Ends) -> Ends:
        """1 + r + r^2 + ..., a term for each step before the last one."""
        steps = self.time.high - 1
        with np.errstate(all="ignore"):
            return np.where(r == 1, steps, np.where((r > 1) & np.isinf(steps), np.inf, (1 - r**steps) / (1 - r)))

    def _update_of(self, i: int) -> Form | None:
        """The new value of the state that value i is, as a sum; None for what is no state, or not yet known."""
        value = self.values.all[i]
        new = self.values.new.get(str(value.value)) if value.op == "input" else None
        return self.forms[new] if new is not None and new < len(self.forms) else None

    def _start(self, i: int) -> Interval:
        return self.starts[str(self.values.all[i].value)]

    def _not_negative(self, form: Form) -> bool:
        return all(np.all(factor.low >= 0) and np.all(self.found[j].low >= 0) for j, factor in form.items())


def _quotient(x: Ends, y: Ends) -> Ends:
    """x / y for numbers that are not negative; nothing divided by nothing is nothing."""
    with np.errstate(all="ignore"):
        return np.where(x == 0, 0.0, np.divide(x, y))


def _product(x: Ends, y: Ends) -> Ends:
    with np.errstate(all="ignore"):
        return np.where((x == 0) | (y == 0), 0.0, x * y)
