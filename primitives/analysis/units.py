"""Units: has the update the units of w, and which constants carry the units that are missing?

Zeiler 2012, arXiv:1212.5701, section 3.2: with the loss without unit, g has 1/w, and an update of gradient descent has
1/w too, unless its learning rate carries w^2. Each value has a power of w as its unit; those of constants and states
are unknown, and what is added, compared or chosen between must have one unit: linear equations, solved exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from textwrap import wrap

from primitives.analysis.degrees import COMPARISONS
from primitives.analysis.linear import ONE, Form, first_contradiction, plus, solution
from primitives.analysis.words import listed, power, shown
from primitives.graph import Graph, Node, graph
from primitives.program import Program
from primitives.show import show_number
from primitives.table import PRIMITIVES

TINY = 1e-6  # a positive constant up to here guards a division; it is not meant to be seen
RULES = {  # which units the arguments must have, and which the value has
    "alike": "add subtract max min mod where less less_equal greater greater_equal equal",
    "product": "multiply dot global_dot matmul",
    "as given": "negative abs sum mean norm rms global_norm row_mean column_mean transpose flatten unflatten",
    "without": "floor exp exp2 exp10 expm1 log log2 log10 log1p log_abs log2_abs log10_abs log1p_abs sin cos tan "
    "arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh",  # need and give values without unit
    "lost": "sign rows columns size is_matrix is_hidden is_embedding is_head pi e orthogonalize",
    "own": "divide reciprocal power mix square cube sqrt sqrt_abs cbrt eps inv_root grad_at loss_at hvp "
    "hessian_solve cg_solve",
    "written out": " ".join(name for name, p in PRIMITIVES.items() if p.form == "composite"),
}
RULE = {name: rule for rule, names in RULES.items() for name in names.split()}
POWERS: dict[str, Fraction | int] = {
    "square": 2, "cube": 3, "sqrt": Fraction(1, 2), "sqrt_abs": Fraction(1, 2), "cbrt": Fraction(1, 3),
    "reciprocal": -1,
}  # fmt: skip
SOLVING = ("hessian_solve", "cg_solve", "inv_root")  # what they are given after the first is added
ADDING = ("add", "subtract", "max", "min", *COMPARISONS)
NO_UNIT: Form = {}
UNIT_OF_W: Form = {ONE: Fraction(1)}
HESSIAN: Form = {ONE: Fraction(-2)}


@dataclass(frozen=True)
class Carrier:
    """A constant with a hidden unit, w to the power `exponent`; `place` says where a constant without name stands."""

    name: str
    exponent: str  # as a fraction: "2", "-1", "1/2"
    place: str

    @property
    def words(self) -> str:
        """The phrase for a terminal."""
        return f"{self.name}{f' in {self.place}' * bool(self.place)} carries {_unit(Fraction(self.exponent))}"


@dataclass(frozen=True)
class Units:
    """`matches`: whether the update has the units of w where lr carries none. None: no units fit at all, see `faults`.

    Carriers are the constants that need a hidden unit; where several sets would do, lr is taken first. `faults` are
    contradictions, one sentence each.
    """

    matches: bool | None
    carriers: tuple[Carrier, ...]
    states: tuple[tuple[str, str], ...]  # the exponent of each
    faults: tuple[str, ...]

    def lines(self) -> list[str]:
        """The answer, then the constants with hidden units, then contradictions."""
        carried = listed([carrier.words for carrier in self.carriers])
        found = {
            True: f"The update has the units of w; lr carries none{f', {carried}' * bool(carried)}.",
            False: f"The update has the units of w only if {carried}.",
            None: "No units fit, whatever the constants carry.",
        }[self.matches]
        known = listed([f"{name} has {_unit(Fraction(x))}" for name, x in self.states if Fraction(x)])
        texts = [found, *self.faults, *([f"Of the states, {known}."] if known else [])]
        return [line for text in texts for line in wrap(text, 100, subsequent_indent="    ")]


def units(program: Program) -> Units:
    """The units of a valid program, by linear equations between the exponents of w in all its values."""
    g = graph(program, expand=True, symbolic=True)
    for rate_free, apart in ((True, False), (True, True), (False, False), (False, True)):
        system = _System(g, program, rate_free, apart)
        if first_contradiction(system.equations) is None:
            return _answer(system, program, rate_free)
    system = _System(g, program, False, False)
    place = first_contradiction(system.equations)
    assert place is not None
    return Units(None, (), (), (f"{system.reasons[place]}.",))


def _answer(system: _System, program: Program, rate_free: bool) -> Units:
    solved = solution(system.equations, system.rank)
    found = {name: solved.get(name, Fraction(0)) for name in system.constants}
    order = [*program.defaults, *(label for label, _ in system.constants.values())]
    named = sorted(system.constants.items(), key=lambda pair: order.index(pair[1][0]))
    carriers = dict.fromkeys(Carrier(label, str(found[name]), place) for name, (label, place) in named if found[name])
    states = tuple((s.name, str(solved.get(s.name, Fraction(0)))) for s in system.g.states)
    return Units(rate_free, tuple(carriers), states, tuple(_torn(system, found)))


def _torn(system: _System, found: dict[str, Fraction]) -> Iterator[str]:
    """Sentences on the guards that would need two units at once."""
    if system.apart:
        for name in system.guards:
            needed = {found[key] for key, (label, _) in system.constants.items() if label == name != key}
            if len(needed) > 1:
                asked = " and ".join(map(_unit, sorted(needed)))
                yield f"{name} cannot have one unit: added to values with different ones, it would need {asked}."


class _System:
    """The equations of a program. `rate_free`: lr carries no unit, nor does any other factor.

    `apart`: each place of a tiny hyperparameter may have a unit of its own.
    """

    def __init__(self, g: Graph, program: Program, rate_free: bool, apart: bool) -> None:
        self.g, self.apart, self.defaults = g, apart, program.defaults
        self.equations: list[Form] = []
        self.reasons: list[str] = []
        self.constants: dict[str, tuple[str, str]] = {}  # an unknown: what it is called, where it stands
        self.guards = [name for name, value in program.hyper if name != "lr" and 0 < value <= TINY]
        self.states = [s.name for s in g.states]
        self.forms: list[Form] = []
        for i, node in enumerate(g.nodes):
            self.forms.append(self._form(i, node))
        for k, (state, new) in enumerate(zip(g.states, g.outputs[1:], strict=True)):
            own: Form = {state.name: Fraction(1)}
            self._alike(own, self._of(-2 - k, 0, new), f"{state.name} does not keep its unit")
            begin = self._start(state.name, state.start)
            self._alike(own, begin, f"{state.name} does not start with the unit that it has later")
        self._alike(UNIT_OF_W, self._of(-1, 0, g.outputs[0]), "The new w does not have the units of w")
        if rate_free:
            for name in self._factors():
                self._alike({name: Fraction(1)}, NO_UNIT, f"{name} is to carry no unit")

    def rank(self, name: str) -> int:
        """Which unknowns are determined by the others: zeros and states first, then lr; numbers in the text last."""
        small = [number for number, (label, _) in self.constants.items() if _guards_as_number(label)]
        order = [*self.states, "lr", *self.guards, *self.defaults, *small, *self.constants]
        return order.index(name) if name in order else -1

    def _factors(self) -> list[str]:
        """The constants that are more than added: lr, and all but guards and what is zero by default."""
        added = set(self.defaults) - {"lr"}
        for node in self.g.nodes:
            scaling = node.args if node.op not in (*ADDING, *SOLVING) else node.args[:1] * (node.op in SOLVING)
            added -= {str(self.g.nodes[a].value) for a in scaling if self.g.nodes[a].op == "input"}
        vanishing = {name for name, value in self.defaults.items() if name != "lr" and 0 <= value <= TINY}
        labels = {name: label for name, (label, _) in self.constants.items()}
        return [n for n, label in labels.items() if label not in added | vanishing and not _guards_as_number(label)]

    def _form(self, i: int, node: Node) -> Form:
        """The unit of a value; adds what it demands of its arguments."""
        if node.op in ("input", "number"):
            return self._input(str(node.value)) if node.op == "input" else NO_UNIT
        args = [self._of(i, k, a) for k, a in enumerate(node.args)]
        rule = RULE.get(node.op, "by degree")
        if rule == "alike":
            compared = args[1:] if node.op == "where" else args
            self._alike(compared[0], compared[1], f"{self._text(i)} puts values of different units together")
            return NO_UNIT if node.op in COMPARISONS else compared[0]
        if rule == "product":
            return plus(args[0], args[1])
        if rule == "as given":
            return args[0]
        if rule == "without" or node.op == "orthogonalize":
            self._unitless(i, args if rule == "without" else args[1:])
            return NO_UNIT
        if rule == "by degree":
            return self._by_degree(i, node, args)
        return NO_UNIT if rule == "lost" else self._own(i, node, args)

    def _by_degree(self, i: int, node: Node, args: list[Form]) -> Form:
        """The unit of what a user's own primitive gives, as far as its record tells."""
        degree = PRIMITIVES[node.op].degree(*[1.0 for _ in args])
        if degree is None:
            return self._unitless(i, args)
        for other in args[1:]:
            self._alike(args[0], other, f"{self._text(i)} puts values of different units together")
        return plus(NO_UNIT, args[0], Fraction(degree).limit_denominator(1000))

    def _own(self, i: int, node: Node, args: list[Form]) -> Form:
        """The units of primitives with a rule of their own."""
        if node.op in POWERS:
            return plus(NO_UNIT, args[0], Fraction(POWERS[node.op]))
        if node.op == "divide":
            return plus(args[0], args[1], -1)
        if node.op == "mix":
            first, second = plus(args[0], args[1]), plus(args[2], args[3])
            self._alike(first, second, f"{self._text(i)} puts values of different units together")
            return first
        if node.op == "eps":
            return self._constant(f"eps at {i}", "eps()", "")
        if node.op == "power":
            return self._power(i, node, args)
        if node.op == "inv_root":
            self._alike(args[0], args[2], f"eps in {self._text(i)} does not have the unit of what it is added to")
            root = self._number(node.args[1])
            return plus(NO_UNIT, args[0], Fraction(-1) / root) if root else self._unitless(i, args[:1])
        return self._asked(i, node, args)

    def _asked(self, i: int, node: Node, args: list[Form]) -> Form:
        """The units of what the loss is asked."""
        if node.op in ("grad_at", "loss_at"):
            self._alike(args[0], UNIT_OF_W, f"{self._text(i)} asks at a point without the units of w")
            return NO_UNIT if node.op == "loss_at" else plus(NO_UNIT, UNIT_OF_W, -1)
        if node.op == "hvp":
            return plus(args[0], HESSIAN)
        self._alike(args[1], HESSIAN, f"the damping in {self._text(i)} is added to a Hessian")
        self._unitless(i, args[2:])
        return plus(args[0], HESSIAN, -1)

    def _power(self, i: int, node: Node, args: list[Form]) -> Form:
        exponent = self._number(node.args[1])
        self._unitless(i, args[1:] if exponent is not None else args)
        return NO_UNIT if exponent is None else plus(NO_UNIT, args[0], exponent)

    def _unitless(self, i: int, args: Iterable[Form]) -> Form:
        for form in args:
            self._alike(form, NO_UNIT, f"{self._text(i)} needs a value without unit")
        return NO_UNIT

    def _number(self, i: int) -> Fraction | None:
        """The value of a literal or hyperparameter, with its default."""
        node = self.g.nodes[i]
        value = node.value if node.op == "number" else self.defaults.get(str(node.value)) if not node.args else None
        return None if value is None else Fraction(float(value)).limit_denominator(10**6)

    def _of(self, user: int, place: int, i: int) -> Form:
        """The unit of an argument; a number has one for each place where it stands."""
        node = self.g.nodes[i]
        if node.op == "number":
            where = self._text(user) if user >= 0 else ""
            return self._constant(f"number {user} {place}", self._text(i), where)
        if self.apart and node.op == "input" and node.value in self.guards:
            return self._constant(f"{node.value} {user} {place}", str(node.value), "")
        return self.forms[i]

    def _input(self, name: str) -> Form:
        if name in ("w", "g"):
            return plus(NO_UNIT, UNIT_OF_W, 1 if name == "w" else -1)
        if name in self.states:
            return {name: Fraction(1)}
        if name in ("t", "T", "loss"):
            return NO_UNIT
        return self._constant("lr" if name == "base_lr" else name, "lr" if name == "base_lr" else name, "")

    def _start(self, state: str, start: str | float) -> Form:
        if isinstance(start, str):
            return self._input(start)
        return self._constant(f"start of {state}", show_number(start), f"the start of {state}")

    def _constant(self, unknown: str, label: str, place: str) -> Form:
        if label not in ("0", "-0"):  # which has any unit
            self.constants.setdefault(unknown, (label, place))
        return {unknown: Fraction(1)}

    def _alike(self, x: Form, y: Form, reason: str) -> None:
        self.equations.append(plus(x, y, -1))
        self.reasons.append(reason)

    def _text(self, i: int) -> str:
        return shown(self.g, i)


def _guards_as_number(label: str) -> bool:
    """Whether a number in the text is zero or as small as eps."""
    try:
        return 0 <= float(label) <= TINY
    except ValueError:
        return label == "eps()"


def _unit(exponent: Fraction) -> str:
    """A power of w in words: w^2, 1/w, w^(1/2)."""
    return power("w", exponent) if exponent else "no unit"
