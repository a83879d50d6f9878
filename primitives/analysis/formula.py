"""The update of a program as mathematics: for a terminal, as LaTeX and as SymPy."""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

from primitives.analysis.equations import Equation, Equations, Values
from primitives.primitive import Primitive
from primitives.program import Program, ProgramError
from primitives.show import show_number
from primitives.table import PRIMITIVES

MOST_TERMS = 2_000  # of SymPy's expressions, in which nothing is shared
SYMPYS = (
    "Abs Max Min Mod Rational Eq sqrt sign floor exp log sin cos tan asin acos atan "
    "sinh cosh tanh asinh acosh atanh pi E"
).split()  # functions of SymPy that mean the same; all others are undefined functions
NOTES = {
    "t": ({"t"}, "the step, from 1"),
    "T": ({"T"}, "the planned number of steps"),
    "L": ({"loss", "loss_at", "grad_at"}, "the loss"),
    "H": ({"hvp", "hessian_solve"}, "the Hessian of the loss at the last w"),
    "A · B": ({"matmul"}, "a matrix product"),
}


@dataclass(frozen=True)
class Formula:
    """The equations of one step, and what their symbols stand for."""

    equations: tuple[Equation, ...]
    legend: tuple[tuple[str, str], ...]  # symbol and meaning
    starts: tuple[tuple[str, str], ...]  # a state at t = 0 and what it starts at
    program: Program = field(repr=False)

    def lines(self) -> list[str]:
        """What a terminal shows: the equations, then the starts and the symbols."""
        starts = [f"{state} = {value}" for state, value in self.starts]
        legend = [f"{symbol}{' = ' if _is_number(meaning) else ': '}{meaning}" for symbol, meaning in self.legend]
        labelled = [*_labelled("start", starts), *_labelled("where", legend)]
        equations = [wrap(equation.text, 100, subsequent_indent="    ") for equation in self.equations]
        return [*(line for lines in equations for line in lines), *labelled]

    def latex(self) -> str:
        """An align* environment; it needs amsmath."""
        rows = " \\\\\n".join(f"  {equation.latex}" for equation in self.equations)
        return f"\\begin{{align*}}\n{rows}\n\\end{{align*}}"

    def sympy(self) -> dict[str, Any]:
        """The new w and states as SymPy expressions over the program's names, which mean the old ones; unevaluated.

        SymPy's Sum, GlobalSum and what else it does not have are undefined functions. ProgramError where an
        expression would have more than 2,000 terms.
        """
        return _expressions(self.program)


def formula(program: Program) -> Formula:
    """The update of a valid program as equations; ProgramError with a sentence if it is too large for that."""
    made = Equations(program)
    equations = made.all()
    nodes = [made.values.nodes[i] for i in made.order]
    inputs = {str(value) for op, _, value in nodes if op == "input"}
    legend = [(made.symbols.of(name).text(), _meaning(name, value, made))
              for name, value in made.program.hyper if name in inputs or _starts(name, made.program)]  # fmt: skip
    if "base_lr" in inputs:
        legend.append((made.symbols.of("base_lr").text(), "the rate before its schedule"))
    asked = {*inputs, *(op for op, _, _ in nodes)}
    legend += [(symbol, meaning) for symbol, (reasons, meaning) in NOTES.items() if asked & reasons]
    starts = tuple((made.symbols.of(s.name).text("0"), _start(s.start, made)) for s in made.program.states)
    return Formula(equations, tuple(legend), starts, made.program)


def _meaning(name: str, value: float, made: Equations) -> str:
    own = made.symbols.of(name).text() == name
    return show_number(value) if own else f"{name} = {show_number(value)}"


def _is_number(meaning: str) -> bool:
    return meaning.lstrip("-")[0].isdigit()


def _starts(name: str, program: Program) -> bool:
    return any(state.start == name for state in program.states)


def _start(start: str | float, made: Equations) -> str:
    if not isinstance(start, str):
        return show_number(start)
    return made.symbols.of(start).text("0" if start == "w" else "")


def _labelled(label: str, parts: list[str]) -> list[str]:
    """The parts on as many lines as they need, the label before the first."""
    lines = wrap(", ".join(part.replace(" ", "\u00a0") for part in parts), 92)  # a part stays on one line if it can
    return [f"{label if i == 0 else ' ' * len(label)}  {line}".replace("\u00a0", " ") for i, line in enumerate(lines)]


def _expressions(program: Program) -> dict[str, Any]:
    """The outputs of a step, built with SymPy's own evaluation off, so that nothing is computed."""
    import sympy

    values = Values()
    env: dict[str, int] = {}
    for assign in program.body:
        env[assign.name] = values.expr(assign.value, env)
    outputs = [values.expr(value, env) for value in program.returns]
    made: list[Any] = []
    terms: list[int] = []
    with sympy.evaluate(False):
        for op, args, value in values.nodes:
            terms.append(1 + sum(terms[a] for a in args))
            if terms[-1] > MOST_TERMS:
                raise ProgramError(f"the program has more than {MOST_TERMS:,} terms in SymPy; simplify it first.")
            if op == "input":
                made.append(sympy.Symbol(str(value)))
            elif op == "number":
                whole = float(str(value)).is_integer() and abs(float(str(value))) < 1e15
                made.append(sympy.Integer(int(float(str(value)))) if whole else sympy.Float(float(str(value))))
            else:
                made.append(_applied(sympy, PRIMITIVES[op], [made[a] for a in args]))
    return {name: made[i] for name, i in zip(("w", *program.state_names), outputs, strict=True)}


def numerically(p: Primitive, args: list[float]) -> float:
    """What the formula of a primitive gives for numbers; NaN where that is no real number.

    ProgramError where it uses functions that SymPy does not know.
    """
    import sympy

    value = _applied(sympy, p, [sympy.Float(x) for x in args])
    if strange := sorted({str(f.func) for f in value.atoms(sympy.core.function.AppliedUndef)}):
        raise ProgramError(f"SymPy has no {', '.join(strange)}; it has {', '.join(SYMPYS)}.")
    found = sympy.N(value)
    return float(found) if found.is_real else float("nan")


def _applied(sympy: Any, p: Primitive, args: list[Any]) -> Any:
    """A primitive of SymPy expressions, by its formula in the table."""
    sizes = ("size", "size") if p.form == "reduction" else ("rows", "columns")
    known = dict(zip("mn", map(sympy.Symbol, sizes), strict=True)) | dict(zip(p.args, args, strict=True))
    own: dict[str, Any] = {"Piecewise": _piecewise, "Ne": _differs}
    code = compile(p.formula, p.name, "eval")
    for name in code.co_names:
        if name not in known:
            known[name] = own.get(name) or (getattr(sympy, name) if name in SYMPYS else sympy.Function(name))
    return sympy.sympify(eval(code, {"__builtins__": {}}, known))


def _piecewise(*pairs: tuple[Any, Any]) -> Any:
    """SymPy's Piecewise without its constructor, which rewrites nested conditions and may take for ever."""
    from sympy import Basic, Piecewise, Tuple, sympify
    from sympy.functions.elementary.piecewise import ExprCondPair

    made = [Tuple.__new__(ExprCondPair, sympify(value), sympify(condition)) for value, condition in pairs]
    return Basic.__new__(Piecewise, *made)


def _differs(condition: Any, zero: int) -> Any:
    """That a value is not zero; of a comparison, that it holds."""
    from sympy import Ne, Piecewise

    if isinstance(condition, Piecewise) and [pair.args[0] for pair in condition.args] == [1, 0]:
        return condition.args[0].args[1]
    return Ne(condition, zero)
