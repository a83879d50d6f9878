"""How the update changes when gradients, the loss or the weights are multiplied by c > 0, from fresh states on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from textwrap import wrap

import numpy as np

from primitives.analysis.degrees import ANY, END, Case, Degree, update_degree
from primitives.analysis.probe import inputs, moved, runs_alone
from primitives.analysis.units import TINY
from primitives.analysis.words import listed, power, shown
from primitives.graph import Graph, Node, graph
from primitives.program import Program
from primitives.show import show_number

CASES = {  # what is multiplied, in words
    "Scaling the gradients by c": Case(w=0, g=1, gradient=1),
    "Scaling the loss by c": Case(w=0, g=1, gradient=1, hessian=1, loss=1),
    "Scaling w by c at the same gradients": Case(w=1, g=0),
    "Scaling w by c and gradients by 1/c, as in a scale-invariant network,": Case(w=1, g=-1, gradient=-1, hessian=-2),
}
ASKED = ("grad_at", "loss_at", "hvp", "hessian_solve", "cg_solve")
Aside = frozenset[int | str]


@dataclass(frozen=True)
class Scaled:
    """The answer to one scaling: the update is multiplied by c to the power `degree`, a fraction; "any": it is zero.

    It holds apart from what `apart` lists, and with the hyperparameters `at_default` at zero. No degree: no power of
    c, which `refuted` says a run of the interpreter has shown.
    """

    change: str
    degree: str | None
    apart: tuple[str, ...]
    at_default: tuple[str, ...]
    refuted: bool

    @property
    def exact(self) -> bool:
        """Whether nothing had to be left out."""
        return self.degree is not None and not self.apart

    @property
    def words(self) -> str:
        """The sentence for a terminal."""
        if self.degree is None:
            no = "does not multiply" if self.refuted else "is not shown to multiply"
            return f"{self.change} {no} the update by a power of c."
        left = f", apart from {listed(self.apart)}" * bool(self.apart)
        left += f", with {listed(self.at_default)} as by default" * bool(self.at_default)
        return f"{self.change} {_effect(Fraction(self.degree))}{left}." if self.degree != ANY else "w never moves."


@dataclass(frozen=True)
class Scaling:
    """What scaling does to the update. The loss's own answer differs from the gradients' where the loss is asked."""

    gradients: Scaled
    loss: Scaled
    weights: Scaled
    weights_inverse: Scaled  # w by c, gradients by 1/c
    asks: bool  # whether the loss is asked for more than its gradient at w

    def lines(self) -> list[str]:
        """A sentence for each scaling."""
        found = [self.gradients, *([self.loss] if self.asks else []), self.weights, self.weights_inverse]
        return [line for scaled in found for line in wrap(scaled.words, 100, subsequent_indent="    ")]


def scaling(program: Program) -> Scaling:
    """The scaling of a valid program, by analysis of the degrees of its values.

    Where weight decay, or constants up to 1e-6, are added to what scales otherwise, the answer is the one apart from
    them, and names them. Gradients are taken as given on every step, grad_at's too: the same ones, times a power of c.
    """
    g = graph(program, expand=True, symbolic=True)
    asks = any(node.op in ASKED or (node.op == "input" and node.value == "loss") for node in g.nodes)
    of_gradients, of_loss, of_weights, inverse = CASES
    gradients = _scaled(g, program, of_gradients)
    loss = _scaled(g, program, of_loss) if asks else replace(gradients, change=of_loss)
    return Scaling(gradients, loss, _scaled(g, program, of_weights), _scaled(g, program, inverse), asks)


def _scaled(g: Graph, program: Program, change: str) -> Scaled:
    """The degree with as little as possible set aside."""
    case = CASES[change]
    names = {str(node.value) for node in g.nodes if node.op == "input"} | {str(s.start) for s in g.states}
    zeros: Aside = frozenset(name for name, value in program.hyper if value == 0 and name in names - {"lr"})
    guards: Aside = frozenset(i for i in range(len(g.nodes)) if _is_guard(g, i, program))
    pulls: Aside = frozenset(i for i in range(len(g.nodes)) if _is_pull(g, i)) | {END}
    for aside in (frozenset[int | str](), zeros, zeros | guards, zeros | guards | pulls):
        degree = update_degree(g, program, case, aside)
        if degree is not None:
            needed = _fewest(g, program, case, aside, degree)
            at_default = tuple(f"{name} = 0" for name in zeros & needed if isinstance(name, str))
            apart = tuple(dict.fromkeys(_named(g, i, program) for i in sorted(needed - zeros, key=str)))
            return Scaled(change, str(degree), apart, tuple(sorted(at_default)), False)
    return Scaled(change, None, (), (), _is_refuted(program, case))


def _fewest(g: Graph, program: Program, case: Case, aside: Aside, degree: Degree) -> Aside:
    """What of that has to be set aside for this degree: each that does not matter is put back."""
    for one in sorted(aside, key=lambda one: (isinstance(one, str), str(one))):
        if update_degree(g, program, case, aside - {one}) == degree:
            aside = aside - {one}
    return aside


def _is_guard(g: Graph, i: int, program: Program) -> bool:
    """Whether a value is a small positive constant, or a multiple of one by a number."""
    node = g.nodes[i]
    if node.op in ("number", "input") and node.value != "lr":
        value = node.value if node.op == "number" else program.defaults.get(str(node.value), 1.0)
        return 0 < float(value) <= TINY
    if node.op in ("multiply", "divide") and node.kind.shared:
        return any(_is_guard(g, a, program) for a in node.args[: 1 if node.op == "divide" else 2])
    return node.op == "eps"


def _is_pull(g: Graph, i: int) -> bool:
    """Whether a value is w times numbers: weight decay, where it is added."""
    node = g.nodes[i]
    if node.op == "negative":
        return _is_pull(g, node.args[0])
    if node.op != "multiply":
        return False
    x, y = node.args
    pairs = ((x, y), (y, x))
    return any((_is_w(g.nodes[a]) or _is_pull(g, a)) and g.nodes[b].kind.single for a, b in pairs)


def _is_w(node: Node) -> bool:
    return node.op == "input" and node.value == "w"


def _named(g: Graph, i: int | str, program: Program) -> str:
    if i == END:
        return "the multiple of w by which w itself shrinks"
    node = g.nodes[int(i)]
    if node.op == "input" and node.value in program.defaults:
        return f"{node.value} = {show_number(program.defaults[str(node.value)])}"
    return shown(g, int(i))


def _is_refuted(program: Program, case: Case) -> bool:
    """Whether a run shows that the update is multiplied by no power of c; False where there can be no run."""
    if not runs_alone(program):
        return False
    w, gradients = inputs()
    once, less, more = changes = [
        moved(program, w * c**case.w, gradients * c**case.g, loss=c**case.loss) for c in (1.0, 0.01, 100.0)
    ]
    if not np.isfinite(changes).all() or not once.any():
        return False
    ratio = np.linalg.norm(more) / np.linalg.norm(once)
    same = [np.allclose(x, y, rtol=1e-5, atol=0) for x, y in ((ratio * once, more), (ratio * less, once))]
    return not all(same)


def _effect(degree: Fraction) -> str:
    return f"multiplies the update by {power('c', degree)}" if degree else "changes nothing"
