"""Formulas: the literature's equations in a terminal, LaTeX that compiles, SymPy that computes the same."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from dataclasses import asdict
from functools import cache
from json import dumps
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from matplotlib.mathtext import MathTextParser

from primitives.analysis.equations import Equations
from primitives.analysis.formula import formula
from primitives.analysis.notation import RELATIONS, ROLES, RULES
from primitives.graph import canonical
from primitives.interpreter import step
from primitives.program import Assign, Call, Program, ProgramError, State, calls, expressions
from primitives.reference import names, reference
from primitives.specialise import alive
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.analysis.formula_reader import Reader, plain
from tests.primitives.random_programs import random_program

MOMENTS = ["mₜ = β₁ mₜ₋₁ + (1 − β₁) gₜ", "vₜ = β₂ vₜ₋₁ + (1 − β₂) gₜ²", "m̂ₜ = mₜ / (1 − β₁ᵗ)", "v̂ₜ = vₜ / (1 − β₂ᵗ)"]
EQUATIONS = {
    "sgd": ["wₜ = wₜ₋₁ − η gₜ"],
    "momentum": ["pₜ = β pₜ₋₁ + η (gₜ + λ wₜ₋₁)", "wₜ = wₜ₋₁ − α pₜ"],
    "lion": ["mₜ = β₂ mₜ₋₁ + (1 − β₂) gₜ", "wₜ = wₜ₋₁ − η (sign(β₁ mₜ₋₁ + (1 − β₁) gₜ) + λ wₜ₋₁)"],
    "adam": [*MOMENTS, "wₜ = wₜ₋₁ − η m̂ₜ / (√v̂ₜ + ε)"],
    "adamw": [*MOMENTS, "wₜ = wₜ₋₁ − η (m̂ₜ / (√v̂ₜ + ε) + λ wₜ₋₁)"],
    "rmsprop": ["vₜ = ρ vₜ₋₁ + (1 − ρ) gₜ²", "wₜ = wₜ₋₁ − η gₜ / √(vₜ + ε)"],
    "nesterov": ["pₜ = β pₜ₋₁ + η ∇L(wₜ₋₁ − α β pₜ₋₁)", "wₜ = wₜ₋₁ − α pₜ"],
    "newton": ["wₜ = wₜ₋₁ − η (H + damping I)⁻¹ gₜ"],
    "heavy_ball": ["w_prevₜ = wₜ₋₁", "wₜ = wₜ₋₁ − η gₜ + β (wₜ₋₁ − w_prevₜ₋₁)"],
}
PARSER = MathTextParser("path")
SCALARS = {"reduction", "model", "pointwise", "composite"}  # forms that SymPy can compute for a single element
COMMANDS = set(
    r"begin end left right frac sqrt hat mathrm operatorname text cdot bmod top infty pi neq leq geq nabla varepsilon "
    r"alpha beta gamma delta zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi psi omega langle rangle lfloor "
    r"rfloor exp log sin cos tan arcsin arccos arctan sinh cosh tanh max min".split()
)


def program_of(update: str, signature: str = "w, g, *, lr=0.1") -> Program:
    return parse(f"def f({signature}):\n    {update}\n")


def equation(expr: str) -> str:
    """The right side of w's equation, where the new w is the expression."""
    return formula(program_of(f"return {expr}", "w, g, *, lr=0.1, a=2, b=3")).equations[-1].text[5:]


@pytest.mark.parametrize("name", EQUATIONS)
def test_the_equations_of_the_literature(name):
    assert [e.text for e in formula(reference(name)).equations] == EQUATIONS[name]


def test_a_legend_says_what_symbols_stand_for_and_where_states_start():
    lines = formula(reference("adamw")).lines()
    assert lines[5:] == [
        "start  m₀ = 0, v₀ = 0",
        "where  η: lr = 0.001, β₁: beta1 = 0.9, β₂: beta2 = 0.999, ε: eps = 1e-8, λ: weight_decay = 0.01,",
        "       t: the step, from 1",
    ]
    assert formula(reference("rprop")).starts == (("last₀", "0"), ("s₀", "η"))
    assert dict(formula(reference("momentum")).legend)["α"] == "lr = 0.01"  # η is the program's own


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        ("w - (g - lr)", "wₜ₋₁ − (gₜ − η)"),
        ("w - g - lr", "wₜ₋₁ − gₜ − η"),
        ("w + -g", "wₜ₋₁ + (−gₜ)"),
        ("w * (g / a)", "wₜ₋₁ gₜ / a"),
        ("w / g * a", "(wₜ₋₁ / gₜ) a"),
        ("w / (g * a)", "wₜ₋₁ / (gₜ a)"),
        ("w / (g / a)", "wₜ₋₁ / (gₜ / a)"),
        ("w * 2 * 3", "wₜ₋₁ · 2 · 3"),
        ("(w ** a) ** b", "(wₜ₋₁^a)^b"),
        ("w ** (a ** b)", "wₜ₋₁^(a^b)"),
        ("w ** (t + 1)", "wₜ₋₁ᵗ⁺¹"),
        ("(-w) ** 2", "(−wₜ₋₁)²"),
        ("-(w ** 2)", "−wₜ₋₁²"),
        ("sqrt(w) * g", "√wₜ₋₁ · gₜ"),
        ("sqrt(w * g)", "√(wₜ₋₁ gₜ)"),
        ("sqrt(w) ** 2", "(√wₜ₋₁)²"),
        ("(w < g) * a", "[wₜ₋₁ < gₜ] a"),
        ("(w < g) == a", "[[wₜ₋₁ < gₜ] = a]"),
        ("where(w < g, a, where(g, b, w)) + 1", "{a if wₜ₋₁ < gₜ; b if gₜ ≠ 0; else wₜ₋₁} + 1"),
        ("abs(w * abs(g))", "|(wₜ₋₁ |gₜ|)|"),
        ("w * (a % (b + 1))", "wₜ₋₁ (a mod (b + 1))"),
        ("w * norm(g) + dot(w, g)", "wₜ₋₁ ‖gₜ‖ + ⟨wₜ₋₁, gₜ⟩"),
        ("log1p(w) + divide_eps(g, w)", "log(1 + wₜ₋₁) + gₜ / (wₜ₋₁ + 1e-8)"),
        ("sqrt_abs(w) + cbrt(g) + exp2(g)", "√|wₜ₋₁| + ∛gₜ + 2^gₜ"),
    ],
)
def test_brackets_stand_where_they_are_needed(expr, text):
    assert equation(expr) == text


def test_no_two_names_share_a_symbol():
    hyper = "lr=1, eta=2, alpha=3, eps=4, epsilon=5, beta_1=6, beta1=7, m0=8, y1=9, a_name_longer_than_any_line_holds=1"
    names_of_all = "lr + eta + alpha + eps + epsilon + beta_1 + beta1 + m0 + y1 + a_name_longer_than_any_line_holds"
    found = formula(program_of(f"return w - ({names_of_all}) * m, m", f"w, g, m, *, {hyper}"))
    symbols = [symbol for symbol, _ in (*found.legend, *found.starts)]
    assert len(set(symbols)) == len(symbols) == 11


def test_what_is_long_or_shared_gets_a_name():
    text = [e.text for e in formula(reference("radam")).equations]
    assert "ρ_∞ = 2 / (1 − β₂) − 1" in text
    assert sum("√max" in line for line in text) == 1
    long = "w - lr * (" + " + ".join(f"sin(g * {i} + exp(w))" for i in range(30)) + ")"
    found = formula(program_of(f"return {long}"))
    assert found.equations[-1].name == "w"
    assert all(len(e.text) <= 100 for e in found.equations)
    for i, e in enumerate(found.equations):
        used = set(re.findall("x[₀-₉]+", e.text.split("=")[1]))
        assert used <= {f.text.split(" = ")[0] for f in found.equations[:i]}


def test_a_dead_state_has_no_equation():
    found = formula(program_of("return w - lr * g, m + 1", "w, g, m, *, lr=0.1"))
    assert [e.name for e in found.equations] == ["w"]


@pytest.mark.parametrize("program", [*map(reference, names()), *map(random_program, range(8))], ids=lambda p: p.name)
def test_lines_fit_and_latex_compiles(program):
    for some in (program, canonical(program)):
        found = formula(some)
        assert all(len(line) <= 100 for line in found.lines())
        for row in found.equations:
            assert_compiles(row.latex)
    dumps(asdict(found))


@cache
def assert_compiles(row: str) -> None:
    """By matplotlib's mathtext, which knows no cases, and by a list of commands."""
    assert set(re.findall(r"\\([a-zA-Z]+)", row)) <= COMMANDS
    assert row.count(r"\begin{cases}") == row.count(r"\end{cases}")
    flat = row.replace(r"\begin{cases}", r"\left( ").replace(r"\end{cases}", r"\right.").replace(r"\\", " ")
    flat = flat.replace("&", " ").replace(r"\bmod", r"\cdot").replace(r"\_", "u")
    PARSER.parse(f"${flat}$")


def test_latex_is_an_environment():
    assert formula(reference("lion")).latex() == "\n".join(
        [
            r"\begin{align*}",
            r"  m_{t} &= \beta_{2} m_{t-1} + \left(1 - \beta_{2}\right) g_{t} \\",
            r"  w_{t} &= w_{t-1} - \eta \left(\operatorname{sign}\left(\beta_{1} m_{t-1} + \left(1 - \beta_{1}\right) "
            r"g_{t}\right) + \lambda w_{t-1}\right)",
            r"\end{align*}",
        ]
    )


def pointwise(program: Program) -> bool:
    ops = {call.op for expr in expressions(program) for call in calls(expr)}
    return all(PRIMITIVES[op].form in SCALARS for op in ops)


SCALAR = [p for p in (*map(reference, names()), *map(random_program, range(20))) if pointwise(p)]


def one_step(program: Program, t: int) -> tuple[dict[str, float], dict[str, float]]:
    """Random inputs of a step for a tensor of one element, and its outputs by the interpreter."""
    w, g, *states = np.random.default_rng(len(str(program)) + t).uniform(0.1, 2, 2 + len(program.states))
    given = {"t": t, "lr": 0.01, "total_steps": 100.0, "loss": 2.5}
    wrapped = [[np.array([[x]])] for x in (w, g)]
    new_w, new = step(program, *wrapped, [[np.array([[s]])] for s in states], **given)
    known = {"w": w, "g": g, **dict(zip(program.state_names, states, strict=True)), **program.defaults}
    known |= {"t": t, "T": 100.0, "loss": 2.5, "lr": 0.01, "base_lr": 0.01}
    outputs = {"w": new_w, **dict(zip(program.state_names, new, strict=True))}
    return known, {name: float(np.squeeze(value)) for name, value in outputs.items()}


@pytest.mark.parametrize("program", SCALAR, ids=lambda p: p.name)
def test_sympy_computes_the_same_on_one_element(program):
    for t in (1, 7):
        known, wanted = one_step(program, t)
        for name, expression in formula(program).sympy().items():
            if np.isfinite(wanted[name]):
                value = value_of(expression, known | {"size": 1.0})
                assert value == pytest.approx(wanted[name], rel=1e-10, abs=1e-10)


def value_of(expression: Any, known: dict[str, float]) -> float:
    """The value of a SymPy expression for a tensor of one element, in 40 digits."""
    functions = {"Sum": lambda x: x, "GlobalSum": lambda x: x}
    function = sympy.lambdify(list(map(sympy.Symbol, known)), expression, modules=[functions, "mpmath"])
    with mpmath.workdps(40):
        return float(function(*map(mpmath.mpf, known.values())))


def test_every_primitive_has_a_formula_in_each_notation():
    assert set(RULES) | set(RELATIONS) | set(ROLES) <= set(PRIMITIVES)
    for p in PRIMITIVES.values():
        call = Call(p.name, tuple("t" if role == "step" else 3.0 if role == "count" else "w" for role in p.roles))
        program = Program("f", (), (("lr", 0.1),), (), (Call("add", ("w", call)),))
        found = formula(program)
        assert_compiles(found.equations[-1].latex)
        assert set(found.sympy()) == {"w"}


def nested(depth: int, op: str = "sin") -> Program:
    expr: str | float | Call = "g"
    for _ in range(depth):
        expr = Call(op, (expr,))
    return Program("f", (), (("lr", 0.1),), (), (Call("subtract", ("w", expr)),))


@pytest.mark.parametrize("depth", [99, 100, 10_000])
def test_a_hostile_program_is_answered_at_once(depth):
    begin = time.perf_counter()
    if depth < 100:
        assert formula(nested(depth)).sympy()["w"].free_symbols
    else:
        with pytest.raises(ProgramError, match="too large for a formula"):
            formula(nested(depth))
    assert time.perf_counter() - begin < 2


def test_huge_numbers_are_not_computed():
    tower = program_of("return w - lr * g * (9**9**9**9 < max(9**9**9, 3)) * where(sin(9**9**9**9), 9**9**9 % 7, 1)")
    begin = time.perf_counter()
    found = formula(tower)
    assert "9^(9^(9⁹))" in found.equations[-1].text
    assert found.sympy()["w"].free_symbols
    assert time.perf_counter() - begin < 2


def test_sharing_without_end_is_refused_by_sympy_and_written_by_names():
    body = tuple(Assign("x", Call("multiply", ("x" if i else "g",) * 2)) for i in range(300))
    doubled = Program("f", (State("m"),), (("lr", 0.1),), body, ("x", "m"))
    begin = time.perf_counter()
    found = formula(doubled)
    assert len(found.equations) > 50
    with pytest.raises(ProgramError, match="terms in SymPy"):
        found.sympy()
    assert time.perf_counter() - begin < 2


def test_sympy_is_imported_only_when_asked_for():
    code = (
        "import sys; from primitives.analysis.formula import formula; from primitives.reference import reference; "
        "f = formula(reference('adam')); f.lines(); f.latex(); assert 'sympy' not in sys.modules; "
        "assert not {'torch', 'numba'} & set(sys.modules); f.sympy(); assert 'sympy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def computed(program: Program, known: dict[str, float], latex: bool) -> dict[str, float]:
    """The outputs of a step, by reading the equations one after the other."""
    made = Equations(program)
    found = formula(program)
    symbols = {}
    env: dict[str, float] = {}
    for name, value in known.items():
        shown, tex = (written.text for written in made.input(name))
        env[shown], symbols[tex] = np.float64(value), shown
    env |= {"π": math.pi, "e": math.e}
    results = {}
    for row in found.equations:
        left, right = row.latex.split(" &= ", 1) if latex else row.text.split(" = ", 1)
        shown = row.text.split(" = ", 1)[0]
        symbols[left] = shown
        with np.errstate(all="ignore"):
            results[row.name] = env[shown] = Reader(plain(right, symbols) if latex else right, env).value()
    return results


@pytest.mark.parametrize("latex", [False, True], ids=["terminal", "latex"])
@pytest.mark.parametrize("program", SCALAR, ids=lambda p: p.name)
def test_what_is_read_from_the_page_computes_the_same(program, latex):
    known, wanted = one_step(program, 3)
    found = computed(program, known, latex)
    for name in ("w", *alive(program).state_names):
        if np.isfinite(wanted[name]):
            assert found[name] == pytest.approx(wanted[name], rel=1e-7, abs=1e-9)
