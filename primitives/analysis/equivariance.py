"""Equivariance: which values of a program turn with the coordinates when w, g and all the loss answers are turned.

A value follows a turn if it is turned as its kind says: a number stays, a tensor X becomes P X R', a square Q Q' as
the tensor that it acts on. What adds up to an invariant, as the squares of a tensor do, is kept apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from primitives.graph import Graph, Node
from primitives.kinds import Kind
from primitives.table import PRIMITIVES

ZERO, FOLLOWS, SQUARES, UNKNOWN = "zero", "follows", "squares", "unknown"
WHOLE = ("1", "mn")  # dimensions on which a turn of all coordinates acts
RULES = {  # what a primitive of values that turn by a rotation does
    "any": "rows columns size is_matrix is_hidden is_embedding is_head pi e eps",  # constants of the tensor
    "linear": "add subtract negative where transpose flatten unflatten",
    "product": "multiply divide mix matmul",
    "squares": "square",
    "invariant": "norm rms dot global_norm global_dot loss_at",
    "sums": "sum mean",
    "covariant": "orthogonalize inv_root grad_at hvp hessian_solve cg_solve",
    "by element": "power mod abs sign cube sqrt cbrt reciprocal max min floor exp exp2 exp10 expm1 log log2 log10 "
    "log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh less less_equal greater "
    "greater_equal equal sqrt_abs log_abs log2_abs log10_abs log1p_abs",
    "axis": "row_mean column_mean",
    "written out": " ".join(name for name, p in PRIMITIVES.items() if p.form == "composite"),
}
RULE = {name: rule for rule, names in RULES.items() for name in names.split()}


@dataclass(frozen=True)
class Turn:
    """A group of turns: rotations, or permutations only; of rows and columns each (`sides`), or of all coordinates."""

    rotates: bool
    sides: bool


def follows(g: Graph, turn: Turn) -> bool:
    """Whether the new w is turned when w and all gradients are, from fresh states on: by analysis; False: not shown."""
    known = {s.name: _start(s.start, kind, turn) for s, kind in zip(g.states, g.kinds, strict=True)}
    while True:
        values: list[str] = []
        for node in g.nodes:
            values.append(_of(g, node, [values[a] for a in node.args], known, turn))
        new = [values[i] for i in g.outputs[1:]]
        new = [_spread(v, g.nodes[i].kind, k, turn) for v, i, k in zip(new, g.outputs[1:], g.kinds, strict=True)]
        wider = {name: _both(known[name], v) for name, v in zip(known, new, strict=True)}
        if wider == known:
            return values[g.outputs[0]] in (ZERO, FOLLOWS) and not g.nodes[g.outputs[0]].kind.single
        known = wider


def _start(start: str | float, kind: Kind, turn: Turn) -> str:
    """A state starts at w, at zero, or at the same number everywhere, which a permutation leaves alone."""
    if start in ("w", 0):
        return FOLLOWS if start == "w" else ZERO
    return FOLLOWS if kind.single or not turn.rotates else UNKNOWN


def _rule(node: Node) -> str:
    """A user's own primitives work element by element."""
    return RULE.get(node.op, "by element")


def _both(x: str, y: str) -> str:
    """What is one or the other, or the sum."""
    return y if x in (ZERO, y) else x if y == ZERO else UNKNOWN


def _spread(value: str, kind: Kind, place: Kind, turn: Turn) -> str:
    """A value where a wider one is asked for: a number becomes a tensor of it, which no rotation leaves alone."""
    return value if kind == place or value == ZERO or not turn.rotates else UNKNOWN


def _turned(kind: Kind, turn: Turn) -> bool:
    """Whether the turn acts on values of this kind. One of all coordinates acts on tensors as on their columns."""
    return turn.sides or _is_tensor(kind) or (kind.rows in WHOLE and kind.columns in WHOLE)


def _is_tensor(kind: Kind) -> bool:
    return {kind.rows, kind.columns} == {"m", "n"}


def _of(g: Graph, node: Node, args: list[str], known: Mapping[str, str], turn: Turn) -> str:
    """What a value does, from what its arguments do."""
    if node.op == "number":
        return ZERO if node.value == 0 else FOLLOWS
    if node.op == "input":
        return known.get(str(node.value), FOLLOWS)
    if _rule(node) == "any" or PRIMITIVES[node.op].form == "shape":
        return FOLLOWS
    given = [g.nodes[a].kind for a in node.args]
    if UNKNOWN in args or not all(_turned(kind, turn) for kind in (node.kind, *given)):
        return UNKNOWN
    if all(kind.single for kind in given):
        return FOLLOWS
    by_matrix = node.op in ("matmul", "orthogonalize", "row_mean", "column_mean")
    if by_matrix and not turn.sides and any(_is_tensor(kind) for kind in given):
        return UNKNOWN
    if not turn.rotates:
        return FOLLOWS
    return _rotated(node, given, args)


def _rotated(node: Node, given: list[Kind], args: list[str]) -> str:
    """The same for rotations, of values of which some are no numbers."""
    rule = _rule(node)
    if rule in ("linear", "product") and node.op != "matmul":
        return _combined(node, given, args)
    if rule == "sums" and args[0] in (SQUARES, ZERO):
        return FOLLOWS
    if rule == "squares":
        return SQUARES if args[0] == FOLLOWS else args[0]
    covers = node.op not in ("dot", "global_dot") or given[0] == given[1]  # or a narrower one is spread
    if rule in ("invariant", "covariant") or node.op == "matmul":
        return FOLLOWS if SQUARES not in args and covers else UNKNOWN
    return UNKNOWN


def _combined(node: Node, given: list[Kind], args: list[str]) -> str:
    """Sums with coefficients that are numbers, and products element by element."""
    if node.op in ("transpose", "flatten", "unflatten"):
        return args[0]
    if node.op == "where":
        return _sum(node.kind, given[1:], args[1:]) if given[0].single else UNKNOWN
    if node.op == "mix":
        first, second = (_product(node, given[k : k + 2], args[k : k + 2]) for k in (0, 2))
        wide = [y if x.single else x for x, y in (given[:2], given[2:])]
        return _sum(node.kind, wide, [first, second])
    return _product(node, given, args) if _rule(node) == "product" else _sum(node.kind, given, args)


def _sum(kind: Kind, given: list[Kind], args: list[str]) -> str:
    """A sum or a choice; what is spread over a tensor does not turn with it, unless it is zero."""
    if any(x != ZERO and of != kind for x, of in zip(args, given, strict=True)):
        return UNKNOWN
    found = ZERO
    for x in args:
        found = _both(found, x)
    return found


def _product(node: Node, given: list[Kind], args: list[str]) -> str:
    """By numbers as it was; of two tensors element by element, squares."""
    if ZERO in (args[:1] if node.op == "divide" else args):
        return ZERO
    (a, b), (x, y) = given, args
    if b.single:
        return x
    if node.op == "divide":
        return UNKNOWN
    return y if a.single else SQUARES if a == b and x == y == FOLLOWS else UNKNOWN
