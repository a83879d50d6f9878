"""Parity: what a value does when w and g change sign together, on this step and all before.

Odd values change sign: a gradient, its mean, w - w_prev. Even ones stay: squares, sizes, gains.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from primitives.graph import Graph, Node
from primitives.namespaces import NUMPY
from primitives.table import PRIMITIVES

NONE, ODD, EVEN, UNKNOWN = "none", "odd", "even", "unknown"  # none: zero so far, which is both
RULES = {  # how the parity of a primitive follows from its arguments'
    "steady": "pi e eps rows columns size is_matrix is_hidden is_embedding is_head loss_at",
    "sum": "add subtract mix where",
    "product": "multiply divide dot global_dot matmul",
    "choice": "max min",
    "linear": "negative transpose flatten unflatten sum mean row_mean column_mean hvp hessian_solve cg_solve",
    "odd": "sign cube cbrt sin tan arcsin arctan sinh tanh arcsinh arctanh reciprocal orthogonalize grad_at",
    "even": "abs square cos cosh sqrt_abs log_abs log2_abs log10_abs log1p_abs norm rms global_norm",
    "power": "power",
    "neither": "mod sqrt floor exp exp2 exp10 expm1 log log2 log10 log1p arccos arccosh inv_root "
    "less less_equal greater greater_equal equal",
    "written out": " ".join(name for name, p in PRIMITIVES.items() if p.form == "composite"),
}
RULE = {name: rule for rule, names in RULES.items() for name in names.split()}


def rule_of(op: str) -> str:
    """The rule of a primitive; of what is none "steady"."""
    return RULE.get(op) or (_own(op) if op in PRIMITIVES else "steady")


@cache
def _own(op: str) -> str:
    """A user's own function is odd or even if it is so, to the last bit, wherever it is looked at."""
    p = PRIMITIVES[op]
    if p.arity != 1 or p.meaning is None:
        return "neither"
    x = np.random.default_rng(0).standard_cauchy(1000)
    with np.errstate(all="ignore"):
        there, opposite = p.meaning(NUMPY, x), p.meaning(NUMPY, -x)
    same = [np.array_equal(opposite, sign * there, equal_nan=True) for sign in (-1, 1)]
    return "odd" if same[0] else "even" if same[1] else "neither"


def parities(g: Graph) -> list[str]:
    """Of each value, what it does when w and g change sign together, on this step and all before."""
    states = {s.name: _start(s.start) for s in g.states}
    while True:
        known: list[str] = []
        for node in g.nodes:
            if node.op == "input":
                known.append(ODD if node.value in ("w", "g") else states.get(str(node.value), EVEN))
            elif node.op == "number":
                known.append(NONE if node.value == 0 else EVEN)
            else:
                inner = _clipped(g, node, known)
                known.append(_parity(g, node, [known[a] for a in node.args]) if inner is None else known[inner])
        wider = {s.name: _both(states[s.name], known[i]) for s, i in zip(g.states, g.outputs[1:], strict=True)}
        if wider == states:
            return known
        states = wider


def _start(start: str | float) -> str:
    return ODD if start == "w" else NONE if start == 0 else EVEN


def _both(*found: str) -> str:
    """The parity of a sum, or of a choice."""
    some = set(found) - {NONE}
    return NONE if not some else some.pop() if len(some) == 1 else UNKNOWN


def _product(x: str, y: str) -> str:
    if NONE in (x, y):
        return NONE
    return UNKNOWN if UNKNOWN in (x, y) else EVEN if x == y else ODD


def _clipped(g: Graph, node: Node, known: list[str]) -> int | None:
    """What is clipped to bounds of one size that is not negative, min(max(x, -a), a): it keeps its parity."""
    if node.op not in ("min", "max"):
        return None
    for inner, bound in (node.args, node.args[::-1]):
        other = g.nodes[inner]
        if other.op in ("min", "max") and other.op != node.op:
            for x, nearer in (other.args, other.args[::-1]):
                low, high = (nearer, bound) if node.op == "min" else (bound, nearer)
                if _opposite(g, low, high) and known[high] in (EVEN, NONE) and _never_negative(g, high):
                    return x
    return None


def _opposite(g: Graph, i: int, j: int) -> bool:
    """Whether a value that is no tensor is minus another."""
    a, b = g.nodes[i], g.nodes[j]
    if a.op == b.op == "number":
        return a.value == -float(b.value)
    return a.kind.single and ((a.op, a.args) == ("negative", (j,)) or (b.op, b.args) == ("negative", (i,)))


def _never_negative(g: Graph, i: int) -> bool:
    """Whether a bound is known not to be below zero: a hyperparameter says how far, both ways."""
    node = g.nodes[i]
    if node.op == "number":
        return float(node.value or 0) >= 0
    return node.op in ("abs", "square", "sqrt", "exp", "norm", "rms", "global_norm") or (
        node.op == "input" and node.value not in {"w", "g", "loss", *(s.name for s in g.states)}
    )


def _parity(g: Graph, node: Node, args: list[str]) -> str:
    """The parity of a primitive of its arguments."""
    rule = rule_of(node.op)
    if rule == "product":
        return _product(args[0], args[1])
    if node.op == "mix":
        return _both(_product(args[0], args[1]), _product(args[2], args[3]))
    if node.op == "where":
        return _both(*args[1:]) if args[0] in (EVEN, NONE) else UNKNOWN
    if rule == "sum":
        return _both(*args)
    if rule in ("linear", "odd"):
        return args[0]
    if rule == "steady" or (rule == "even" and args[0] != UNKNOWN) or all(x in (EVEN, NONE) for x in args):
        return EVEN
    exponent = g.nodes[node.args[-1]].value
    if rule == "power" and args[0] == ODD and isinstance(exponent, float) and exponent.is_integer():
        return ODD if exponent % 2 else EVEN
    return UNKNOWN
