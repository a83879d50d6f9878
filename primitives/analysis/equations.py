"""The values of one step in the order of the text, and which of them get an equation of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from primitives.analysis.notation import LATEX, TERMINAL, Written
from primitives.analysis.symbols import Symbol, Symbols
from primitives.interpreter import expansion
from primitives.program import READABLE, Call, Program, ProgramError
from primitives.specialise import alive
from primitives.table import PRIMITIVES
from primitives.text import parse_expr

Expr = str | float | Call
LARGEST, DEEPEST = 400, 100  # calls of a program, and of one in another
WIDEST = 78  # characters on the right of an equation
SHARED, SHARED_VARIABLE = 16, 10  # longer texts that are used twice get a name; those that have one already
LONG_VARIABLE = 40  # longer texts that have a name keep it
WRITTEN_OUT = (
    "mix", "interp", "ema", "bias_correct", "square", "cube", "reciprocal", "exp2", "exp10", "expm1", "log1p",
    "reciprocal_eps", "divide_eps", "cosine_sim", "every", "inv_sqrt", "newton_schulz", "clip_by_global_norm",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Equation:
    """One line of a formula: which name it is for, as a terminal shows it, and as LaTeX with & before the sign."""

    name: str
    text: str
    latex: str


@dataclass
class Values:
    """Each value once: an input, a number or a primitive of earlier values, with the order of arguments kept."""

    nodes: list[tuple[str, tuple[int, ...], Expr]] = field(default_factory=list)
    index: dict[object, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)  # the variable that a value was first assigned to
    corrected: dict[int, int] = field(default_factory=dict)  # a bias-corrected value, and what it corrects

    def expr(self, expr: Expr, env: dict[str, int]) -> int:
        """The value of an expression."""
        if isinstance(expr, Call):
            return self.apply(expr.op, tuple([self.expr(arg, env) for arg in expr.args]))
        if isinstance(expr, str):
            return env[expr] if expr in env else self.add("input", (), expr)
        return self.add("number", (), float(expr))

    def apply(self, op: str, args: tuple[int, ...]) -> int:
        """A primitive of values, written out where it is short for others."""
        definition = written_out(op)
        if definition is None:
            return self.add(op, args, "")
        value = self.expr(definition, dict(zip(PRIMITIVES[op].args, args, strict=True)))
        if op == "bias_correct":
            self.corrected.setdefault(value, args[0])
        return value

    def add(self, op: str, args: tuple[int, ...], value: Expr) -> int:
        key = (op, args, repr(value))  # 0.0 and -0.0 are not the same number
        found = self.index.setdefault(key, len(self.nodes))
        if found == len(self.nodes):
            self.nodes.append((op, args, value))
        return found


@cache
def written_out(op: str) -> Expr | None:
    """What a primitive is short for, over its arguments; None for what a formula has a sign for."""
    p = PRIMITIVES[op]
    if op.endswith("_abs"):
        return Call(p.protects, (Call("abs", ("x",)),))
    if op not in WRITTEN_OUT:
        return None
    return expansion(op) if p.expansion else parse_expr(p.formula, p.args)


def check_size(program: Program) -> None:
    """ProgramError for a program that no page would hold."""
    expressions = [*(assign.value for assign in program.body), *program.returns]
    stack, count = [(expr, 1) for expr in expressions], 0
    while stack:
        expr, depth = stack.pop()
        if isinstance(expr, Call):
            count += 1
            stack += [(arg, depth + 1) for arg in expr.args]
        if count > LARGEST or depth > DEEPEST + 1:
            raise ProgramError(
                f"the program is too large for a formula, which holds {LARGEST} calls, {DEEPEST} deep in each other; "
                "simplify it first."
            )


class Equations:
    """The equations of a program that is not too large: of states that matter, of what they share, and of the new w."""

    def __init__(self, program: Program) -> None:
        check_size(program)
        self.program = program = alive(program)
        self.values = Values()
        env: dict[str, int] = {}
        for assign in program.body:
            env[assign.name] = self.values.expr(assign.value, env)
            self.values.names.setdefault(env[assign.name], assign.name)
        new_w, *new = (self.values.expr(value, env) for value in program.returns)
        self.outputs = dict(zip((*program.state_names, "w"), (*new, new_w), strict=True))
        self.owner = {node: name for name, node in self.outputs.items()}  # w before a state that equals it
        self.symbols = Symbols()
        self.symbols.declare(("w", "g", *program.state_names), tuple(program.defaults))
        self.order = list(self._ordered())
        self.uses = Counter(arg for i in self.order for arg in self.values.nodes[i][1])
        self.changes = self._changing()
        self.shown: dict[int, tuple[Written, Written]] = {}
        self.named: set[int] = set()
        self.found: list[Equation] = []

    def all(self) -> tuple[Equation, ...]:
        """The equations, each after those that it needs, the new w as late as can be."""
        for i in self.order:
            self._show(i)
        for name, i in self.outputs.items():
            if self.owner[i] != name or i not in self.named:
                self._equation(name, self.symbols.of(name), self.shown[i], "t")
        last = [e for e in self.found if e.name == "w"]
        needed = self.uses[self.outputs["w"]] or len(set(self.outputs.values())) < len(self.outputs)
        return tuple(self.found if needed else [e for e in self.found if e.name != "w"] + last)

    def _ordered(self) -> Iterator[int]:
        """The values that states and w need, arguments first."""
        done: set[int] = set()
        for root in self.outputs.values():
            stack = [root]
            while stack:
                waiting = [arg for arg in self.values.nodes[stack[-1]][1] if arg not in done]
                if waiting:
                    stack += reversed(waiting)
                elif (i := stack.pop()) not in done:
                    done.add(i)
                    yield i

    def _changing(self) -> set[int]:
        """The values that differ from step to step."""
        fixed = {*self.program.defaults, "base_lr", "T"} - {"lr"}
        changes: set[int] = set()
        for i in self.order:
            op, args, value = self.values.nodes[i]
            if changes.intersection(args) or (op == "input" and value not in fixed):
                changes.add(i)
        return changes

    def _show(self, i: int) -> None:
        """Writes a value, naming what would make it too wide, and itself where it deserves a name."""
        op, args, value = self.values.nodes[i]
        if op == "input":
            self.shown[i] = self.input(str(value))
            return
        if op == "number":
            self.shown[i] = TERMINAL.number(float(str(value))), LATEX.number(float(str(value)))
            return
        while True:
            written = tuple(n.write(op, [self.shown[a][k] for a in args]) for k, n in enumerate((TERMINAL, LATEX)))
            widest = max((a for a in args if a not in self.named and self.values.nodes[a][1]),
                         key=lambda a: len(self.shown[a][0].text), default=None)  # fmt: skip
            if len(written[0].text) <= WIDEST or widest is None:
                break
            self._name(widest)
        self.shown[i] = written[0], written[1]
        if self._deserves(i):
            self._name(i)

    def _deserves(self, i: int) -> bool:
        """Whether a value is a state, the new w, a corrected one, or long and used more than once."""
        if i in self.owner or self._hat(i) is not None:
            return True
        size, variable = len(self.shown[i][0].text), i in self.values.names
        if self.uses[i] > 1 and size > (SHARED_VARIABLE if variable else SHARED):
            return True
        return variable and size > LONG_VARIABLE

    def _hat(self, i: int) -> str | None:
        """The state or gradient whose corrected form a value is."""
        raw = self.values.corrected.get(i)
        if raw is None:
            return None
        return self.owner.get(raw) or ("g" if self.values.nodes[raw][2] == "g" else None)

    def _name(self, i: int) -> None:
        """Gives a value its own equation, and its symbol wherever it is used from now on."""
        name, hat, time = self.values.names.get(i, ""), self._hat(i), "t" if i in self.changes else ""
        if name in self.outputs:  # a variable that is assigned again, to what the step gives
            name = ""
        if i in self.owner:
            name, time = self.owner[i], "t"
            symbol = self.symbols.of(name)
        else:
            symbol = self.symbols.hatted(self.symbols.of(hat)) if hat else self.symbols.temporary(name)
            time = time if symbol.base != "x" or not symbol.sub else ""
        self._equation(name or symbol.text(), symbol, self.shown[i], time)
        self.shown[i] = Written(symbol.text(time)), Written(symbol.latex(time))
        self.named.add(i)

    def _equation(self, name: str, symbol: Symbol, right: tuple[Written, Written], time: str) -> None:
        text = f"{symbol.text(time)} = {right[0].text}"
        self.found.append(Equation(name, text, f"{symbol.latex(time)} &= {right[1].text}"))

    def input(self, name: str) -> tuple[Written, Written]:
        """How an input is written: w and states as they were at t-1."""
        symbol = readable_symbol(name, self.symbols)
        time = "t-1" if name in ("w", *self.program.state_names) else "t" if name in ("g", "loss") else ""
        return Written(symbol.text(time)), Written(symbol.latex(time))


def readable_symbol(name: str, symbols: Symbols) -> Symbol:
    """The symbol of an input, of those too that no program declares."""
    own = {"t": Symbol("t", "t"), "T": Symbol("T", "T"), "loss": Symbol("L", "L")}
    return own[name] if name in READABLE and name in own else symbols.of(name)
