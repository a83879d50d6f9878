"""Whether a program is adaptive, and whether it has momentum: read off the ways by which memory reaches the step.

What is odd (parity.py) gives the step its direction; what is even scales it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from primitives.analysis.memory import classes_of
from primitives.analysis.parity import EVEN, NONE, ODD, RULE, UNKNOWN, parities, rule_of
from primitives.graph import Graph, Node, graph
from primitives.program import Program

COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal")
ORACLES = ("grad_at", "hvp", "hessian_solve", "cg_solve", "loss_at")
NEVER_NEGATIVE = ("abs", "square", "sqrt", "sqrt_abs", "exp", "norm", "rms", "global_norm", "cosh")


@dataclass(frozen=True)
class Nature:
    """Adaptive: each coordinate's step is scaled by what a state knows of its own past gradients.

    Momentum: past gradients give the step part of its direction, through a state. None is "not shown". Of a program
    that tells classes of tensors apart, whether it is so for any; `classes` has each.
    """

    adaptive: bool | None
    momentum: bool | None
    why: tuple[str, ...]
    classes: tuple[tuple[str, bool | None, bool | None], ...]  # class of tensors, adaptive, momentum

    def lines(self) -> list[str]:
        """Both answers, then why."""
        answers = [f"adaptive: {_word(self.adaptive)}, momentum: {_word(self.momentum)}"]
        answers += [f"{where}: adaptive {_word(a)}, momentum {_word(m)}" for where, a, m in self.classes if where]
        return [line for text in (*answers, *self.why) for line in wrap(text, 100, subsequent_indent="    ")]


def nature(program: Program) -> Nature:
    """The nature of a valid program with its default hyperparameters, by analysis of its graph.

    Memory of past weights that pulls back to them, as Lookahead's slow weights do, is no momentum.
    """
    found = {where: _nature(graph(variant, expand=True)) for where, variant in classes_of(program)}
    why = [f"{where}: {text}" if where else text for where, (_, _, reasons) in found.items() for text in reasons]
    return Nature(
        _any([adaptive for adaptive, _, _ in found.values()]),
        _any([momentum for _, momentum, _ in found.values()]),
        tuple(dict.fromkeys(why)),
        tuple((where, adaptive, momentum) for where, (adaptive, momentum, _) in found.items()),
    )


def _word(answer: bool | None) -> str:
    return {True: "yes", False: "no", None: "not shown"}[answer]


def _any(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


def _nature(g: Graph) -> tuple[bool | None, bool | None, tuple[str, ...]]:
    """Follows the direction of the step back from the new w, through states into their updates."""
    way = _Way(g)
    way.follow(g.outputs[0], clean=True)
    answers = [_any([clean or None for clean in found.values()]) for found in (way.scales, way.memories)]
    why = [f"each coordinate is scaled by {name}, which knows its past gradients" for name in _certain(way.scales)]
    why += [f"past gradients reach the direction through {name}" for name in _certain(way.memories)]
    why += [f"{name} pulls back to past weights: no momentum" for name in way.anchors]
    doubts = {name for found in (way.scales, way.memories) for name in set(found) - set(_certain(found))}
    why += [f"what {name} does to the step is not shown" for name in sorted(doubts)]
    return answers[0], answers[1], tuple(why or ["no memory of past gradients reaches the step"])


def _certain(found: dict[str, bool]) -> list[str]:
    return [name for name, clean in found.items() if clean]


class _Way:
    """The odd values between the states and the new w, and the even ones that scale them."""

    def __init__(self, g: Graph) -> None:
        self.g = g
        self.parities = parities(g)
        self.updated = {s.name: i for s, i in zip(g.states, g.outputs[1:], strict=True)}
        self.starts = {s.name: s.start for s in g.states}
        self.coordinates = {s.name for s, kind in zip(g.states, g.kinds, strict=True) if not kind.single}
        self.learning, self.informed = _learning(g)
        self.memories: dict[str, bool] = {}  # a state on the way, and whether its part is certain
        self.scales: dict[str, bool] = {}
        self.anchors: list[str] = []
        self.seen: dict[int, bool] = {}

    def follow(self, i: int, clean: bool) -> None:
        """Everything from which a value has its direction; `clean` if that is certain so far."""
        if self.seen.get(i, False) or (i in self.seen and not clean):
            return
        self.seen[i] = clean
        node = self.g.nodes[i]
        if node.op == "input" and node.value in self.updated:
            if self.parities[i] != NONE:
                self._reached(str(node.value), clean and self.parities[i] == ODD)
            return
        for a, certain in self._carriers(node):
            self._scaled(node, a, clean and certain)
            self.follow(a, clean and certain)

    def _reached(self, name: str, clean: bool) -> None:
        """A state is on the way. One of past weights is momentum if the step moves on from them."""
        of_gradients = name in self.learning and self.starts[name] != "w"
        slope = -1 if of_gradients else self._slope(self.g.outputs[0], name)
        if slope is not None and slope > 0:
            self.anchors += [name] * (name not in self.anchors)
        elif slope != 0:
            self.memories[name] = self.memories.get(name, False) or (clean and slope is not None)
        self.follow(self.updated[name], clean)

    def _carriers(self, node: Node) -> Iterator[tuple[int, bool]]:
        """The arguments from which a value has its direction, and whether that is certain."""
        rule = rule_of(node.op)
        parity = {a: self.parities[a] for a in node.args}
        if rule in ("steady", "even"):
            return
        if node.op == "mix":
            for factor, x in (node.args[:2], node.args[2:]):
                yield from self._of_product((factor, x))
        elif rule == "product":
            yield from self._of_product(node.args)
        elif rule in ("sum", "choice"):
            branches = node.args[1:] if node.op == "where" else node.args
            yield from ((a, True) for a in branches if parity[a] in (ODD, UNKNOWN))
        elif rule == "linear":
            yield from ((a, True) for a in node.args[:1] if parity[a] in (ODD, UNKNOWN))
        else:
            odd = rule in ("odd", "power")
            yield from ((a, odd and parity[a] == ODD) for a in node.args if parity[a] in (ODD, UNKNOWN))

    def _of_product(self, args: tuple[int, ...]) -> Iterator[tuple[int, bool]]:
        x, y = args
        for a, other in ((x, y), (y, x)):
            if self.parities[a] in (ODD, UNKNOWN) and self.parities[other] in (EVEN, UNKNOWN):
                yield a, self.parities[other] == EVEN

    def _scaled(self, node: Node, a: int, clean: bool) -> None:
        """Notes what scales an argument, coordinate by coordinate."""
        if RULE.get(node.op) != "product" and node.op != "mix":
            return
        place = node.args.index(a)
        factor = node.args[place ^ 1] if len(node.args) > 1 else a
        if self.g.nodes[factor].kind.single or not self.informed[a]:  # weight decay alone is not the step
            return
        for name in sorted(self._states_of(factor) & self.coordinates & self.learning):
            self.scales[name] = self.scales.get(name, False) or clean

    def _states_of(self, i: int) -> set[str]:
        """The states of which a value is made; not those that only decide conditions, or where a gradient is taken."""
        found, pending, seen = set(), [i], {i}
        for k in pending:  # grows
            node = self.g.nodes[k]
            if node.op == "input" and node.value in self.updated:
                found.add(str(node.value))
            if node.op not in (*COMPARISONS, *ORACLES):
                more = [a for a in (node.args[1:] if node.op == "where" else node.args) if a not in seen]
                seen.update(more)
                pending += more
        return found

    def _slope(self, i: int, name: str) -> int | None:
        """The sign of the derivative of a value by a state, 1, -1 or 0; None where it is not known."""
        slopes: list[int | None] = []
        for node in self.g.nodes[: i + 1]:
            slopes.append(int(node.value == name) if node.op == "input" else self._rising(node, slopes))
        return slopes[i]

    def _rising(self, node: Node, slopes: list[int | None]) -> int | None:
        inner = [slopes[a] for a in node.args]
        if not any(s is None or s for s in inner):
            return 0
        if node.op in ("add", "max", "min"):
            return _joined(inner)
        if node.op == "subtract":
            return _joined([inner[0], _times(-1, inner[1])])
        if node.op == "negative":
            return _times(-1, inner[0])
        if node.op == "where":
            return _joined(inner[1:]) if inner[0] == 0 else None
        pairs = {"multiply": ((0, 1),), "mix": ((0, 1), (2, 3))}.get(node.op)
        if pairs:
            return _joined([self._by(node.args[x], inner[x], node.args[y], inner[y]) for x, y in pairs])
        return _times(self._sign(node.args[1]), inner[0]) if node.op == "divide" and inner[1] == 0 else None

    def _by(self, x: int, x_slope: int | None, y: int, y_slope: int | None) -> int | None:
        """The slope of a product."""
        return _joined([0 if s == 0 else _times(self._sign(f), s) for f, s in ((x, y_slope), (y, x_slope))])

    def _sign(self, i: int) -> int | None:
        node = self.g.nodes[i]
        if node.op == "number":
            return (float(node.value) > 0) - (float(node.value) < 0)
        if node.op in ("multiply", "divide"):
            return _times(self._sign(node.args[0]), self._sign(node.args[1]))
        return 1 if node.op in NEVER_NEGATIVE or node.value in ("lr", "t", "T", "base_lr") else None


def _times(x: int | None, y: int | None) -> int | None:
    return None if x is None or y is None else x * y


def _joined(slopes: list[int | None]) -> int | None:
    signs = set(slopes) - {0}
    return 0 if not signs else signs.pop() if len(signs) == 1 else None


def _learning(g: Graph) -> tuple[set[str], list[bool]]:
    """The states that depend on gradients, or on past weights which do; and of each value whether it does."""
    found = {s.name for s in g.states if s.start == "w"}
    while True:
        informed: list[bool] = []
        for node in g.nodes:
            source = node.op in ORACLES or (node.op == "input" and (node.value == "g" or node.value in found))
            informed.append(source or any(informed[a] for a in node.args))
        more = {s.name for s, i in zip(g.states, g.outputs[1:], strict=True) if informed[i]}
        if more <= found:
            return found, informed
        found |= more
