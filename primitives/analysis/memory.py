"""What a program remembers: which statistic each state is, over how many steps, and what that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from textwrap import wrap

from primitives.analysis.intervals import ranges
from primitives.analysis.updates import Branch, Update, updates
from primitives.facts import facts
from primitives.graph import Graph, graph
from primitives.program import Program
from primitives.show import show_number
from primitives.specialise import variants
from primitives.table import PRIMITIVES

Classes = tuple[tuple[str, Program], ...]
HELD = "held between moves"
STATISTICS = {
    "average": "an average of {of}", "sum": "the sum of {of}", "leaky sum": "a leaky sum of {of}",
    "maximum": "the largest {of} so far", "minimum": "the smallest {of} so far", "last value": "the last {of}",
    "product": "the product of {of}", "count": "a count of steps, by {of}", "gain": "a gain, changed by rule: {of}",
    "slow weights": "slow weights, moved towards {of}", "other": "{of}",
}  # fmt: skip


@dataclass(frozen=True)
class Remembered:
    """One state, in the tensors `where` ("" for all): its kind, which statistic it is and of what."""

    state: str
    where: str
    kind: str
    statistic: str  # a key of STATISTICS
    of: str  # in the names of the program
    decay: float | None  # the factor that a step leaves of it, with default hyperparameters
    half_life: float | None  # steps until half is forgotten
    remark: str  # "held between moves", "bounded", "or its start, 10, ..."; "" if nothing more is to say

    @property
    def words(self) -> str:
        """The phrase for a terminal."""
        text = STATISTICS[self.statistic].format(of=self.of)
        if self.half_life is not None and self.decay is not None:
            unit = "moves" if HELD in self.remark else "steps"
            text += f"; half is forgotten in {self.half_life:.3g} {unit} (decay {self.decay:.6g})"
        return text + f"; {self.remark}" * bool(self.remark)


@dataclass(frozen=True)
class Arithmetic:
    """What a step computes for each element, in the tensors `where`."""

    where: str
    operations: int  # pointwise primitives on tensors
    cost: float  # of all primitives on tensors, in additions; what asks the loss is left out


@dataclass(frozen=True)
class Memory:
    """The states of a program, floats for each parameter and arithmetic for each parameter."""

    states: tuple[Remembered, ...]
    floats: str  # as facts.py says it: "2", "rows^2", "2 (hidden), 1 (others)"
    arithmetic: tuple[Arithmetic, ...]

    def lines(self) -> list[str]:
        """A line for each state, then floats and arithmetic."""
        found = [f"{s.state}{f' ({s.where})' * bool(s.where)}: {s.words}" for s in self.states]
        found.append(f"floats for each parameter beside weight and gradient: {self.floats}")
        for a in self.arithmetic:
            at = f" ({a.where})" * bool(a.where)
            found.append(f"arithmetic for each parameter{at}: {a.operations} operations, worth {a.cost:g} additions")
        return [line for text in found for line in wrap(text, 100, subsequent_indent="    ")]


def memory(program: Program) -> Memory:
    """What a valid program remembers, by analysis of how each state is updated.

    Averages have the half-life ln(1/2) / ln(decay), with the default of the hyperparameter. What is neither an
    average, a sum, an extreme, the last value of something, a product nor a gain is "other".
    """
    classes = classes_of(program)
    found = [(where, [_remembered(update, where, v) for update in updates(v)]) for where, v in classes]
    return Memory(_merged(found), facts(program).memory, tuple(_arithmetic(graph(v), where) for where, v in classes))


def classes_of(program: Program) -> Classes:
    """The classes of tensors that a program tells apart, by name ("" if it tells none), and what it is for each."""
    found = [
        (" and ".join(name.removeprefix("is_") for name, holds in constants[0].items() if holds) or "others", variant)
        for variant, constants in variants(program).items()
    ]
    return tuple(found) if len(found) > 1 else (("", found[0][1]),)


def half_life(decay: float) -> float | None:
    """Steps until half of what is remembered is forgotten; None where nothing is, or all at once."""
    return math.log(0.5) / math.log(decay) if 0 < decay < 1 else None


def _merged(found: list[tuple[str, list[Remembered]]]) -> tuple[Remembered, ...]:
    """States that are the same in every class that has tensors are said once."""
    merged: dict[tuple[object, ...], list[Remembered]] = {}
    for _, states in found:
        for s in states:
            merged.setdefault((s.state, s.kind, s.statistic, s.of, s.decay, s.remark), []).append(s)
    order = list(dict.fromkeys(s.state for _, states in found for s in states))
    everywhere = [same[0] if len(same) < len(found) else replace(same[0], where="") for same in merged.values()]
    return tuple(sorted(everywhere, key=lambda s: order.index(s.state)))


def _remembered(update: Update, where: str, program: Program) -> Remembered:
    statistic, of, decay, remark = _statistic(update)
    if update.extreme:
        remark = _own_start(program, update)
    return Remembered(
        update.state, where, str(update.kind), statistic, of, decay, None if decay is None else half_life(decay), remark
    )


def _statistic(update: Update) -> tuple[str, str, float | None, str]:
    """Which statistic a state is, of what, its decay, and what else is to say."""
    if update.extreme:
        return update.extreme, update.branches[0].of, None, ""
    branches = update.branches
    if not branches:
        return "other", update.whole, None, ""
    bounded = ["bounded"] * update.bounded
    if len(branches) > 1 and all(branch.by_numbers for branch in branches):
        return "gain", " or ".join(dict.fromkeys(branch.whole for branch in branches)), None, " and ".join(bounded)
    moved = [branch for branch in branches if not branch.holds]
    kept = [branch for branch in moved if not branch.forgets] or moved
    if len({branch.whole for branch in kept}) != 1:
        return "other", update.whole, None, " and ".join(bounded)
    statistic, of, decay = _of_one(kept[0], update)
    remarks = [HELD] * (len(moved) < len(branches)) + ["restarted at times"] * (len(kept) < len(moved))
    remarks += ["its decay varies"] * (statistic == "leaky sum" and decay is None)
    return statistic, of, decay, " and ".join([*remarks, *bounded])


def _own_start(program: Program, update: Update) -> str:
    """That an extreme may be where the state starts; "" where nothing that it takes in can be beyond that."""
    made, found = ranges(program)
    start = next(s.start for s in program.states if s.name == update.state)
    op, args, *_ = made.all[made.new[update.state]]
    others = [a for a in args if op in ("max", "min") and not made.is_input(a, update.state)]
    if len(others) == 1 and not isinstance(start, str):
        taken = found.all[others[0]].over_all()
        if start <= taken.low if update.extreme == "maximum" else start >= taken.high:
            return ""
    larger = "larger" if update.extreme == "maximum" else "smaller"
    return f"or its start, {start if isinstance(start, str) else show_number(start)}, where that is {larger}"


def _of_one(branch: Branch, update: Update) -> tuple[str, str, float | None]:
    """The statistic of factor * state + rest."""
    if branch.forgets:
        return ("other", update.whole, None) if branch.feeds_back else ("last value", branch.of, None)
    if branch.by_numbers:
        if branch.decay == 1:
            return "count", branch.of, None
        return ("product", branch.factor, None) if branch.adds_nothing else ("gain", branch.whole, None)
    if branch.adds_nothing:
        return "other", update.whole, None
    if branch.decay == 1:
        return "sum", branch.of, None
    if branch.averages:
        return ("slow weights" if update.of_weights else "average"), branch.of, branch.decay
    if branch.decay is None or 0 < branch.decay < 1:
        return "leaky sum", branch.of, branch.decay
    return "other", update.whole, None


def _arithmetic(g: Graph, where: str) -> Arithmetic:
    """What is computed once for each tensor or step costs nothing for each element."""
    operations, cost = 0, 0.0
    for node in g.nodes:
        p = PRIMITIVES.get(node.op)
        on_tensors = not node.kind.single or any(not g.nodes[a].kind.single for a in node.args)
        if p is not None and on_tensors and p.form != "oracle":
            operations += p.form in ("pointwise", "composite")
            cost += p.cost
    return Arithmetic(where, operations, round(cost, 3))
