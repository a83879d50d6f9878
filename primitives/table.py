"""The table of all primitives: adding one is one entry here, and everything else sees it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from primitives import kinds, matrices, oracles
from primitives.primitive import (
    EPS,
    Degree,
    Primitive,
    added,
    composite,
    flat,
    lost,
    primitive,
    same,
    times,
)


def _quotient(x: Degree, y: Degree) -> Degree:
    return None if x is None or y is None else x - y


def _scaled(a: Degree, x: Degree, b: Degree, y: Degree) -> Degree:
    return same(added(a, x), added(b, y))


def _compared(x: Degree, y: Degree) -> Degree:
    return None if same(x, y) is None else 0.0


def _chosen(_: Degree, x: Degree, y: Degree) -> Degree:
    return same(x, y)


def _weighted(x: Degree, y: Degree, a: Degree) -> Degree:
    return same(x, y) if a == 0 else None


def _unary(name: str, formula: str = "", *, cost: float, ulps: int = 1, **more: Any) -> Primitive:
    """A function of one argument that NumPy, torch and the compiled machines have under one name."""
    return primitive(name, "x", lambda f, x: getattr(f, name)(x), formula, cost=cost, ulps=ulps, **more)


def _sign(x: str) -> str:
    return f"F(1) if {x} > 0 else (F(-1) if {x} < 0 else (F(0) if {x} == 0 else {x}))"


CONSTANTS = (
    primitive("pi", "", lambda f: 3.141592653589793, "pi", kernel="3.141592653589793", torch="math.pi", cost=0),
    primitive("e", "", lambda f: 2.718281828459045, "E", kernel="2.718281828459045", torch="math.e", cost=0),
    primitive("eps", "", lambda f: EPS, repr(EPS), torch=repr(EPS), cost=0),
)

ARITHMETIC = (
    primitive("add", "x y", lambda f, x, y: x + y, "x + y", degree=same, infix="+", commutative=True),
    primitive("subtract", "x y", lambda f, x, y: x - y, "x - y", degree=same, infix="-"),
    primitive("multiply", "x y", lambda f, x, y: x * y, "x*y", degree=added, infix="*", commutative=True),
    primitive("divide", "x y", lambda f, x, y: x / y, "x/y", degree=_quotient, infix="/", cost=1),
    primitive("power", "x y", lambda f, x, y: f.power(x, y), "x**y", infix="**", cost=32, ulps=1),
    primitive("mod", "x y", lambda f, x, y: f.mod(x, y), "Mod(x, y)", kernel="mod(x, y)", degree=same,
              infix="%", cost=60),
    primitive("negative", "x", lambda f, x: -x, "-x", degree=times(1), torch="-x"),
    primitive("abs", "x", lambda f, x: f.abs(x), "Abs(x)", kernel="abs(x)", degree=times(1)),
    primitive("sign", "x", lambda f, x: f.sign(x), kernel=_sign("x"), degree=lost),
    primitive("square", "x", lambda f, x: x * x, "x**2", kernel="x*x", degree=times(2)),
    primitive("cube", "x", lambda f, x: x * x * x, "x**3", kernel="x*x*x", degree=times(3), torch="x**3"),
    primitive("sqrt", "x", lambda f, x: f.sqrt(x), degree=times(0.5), cost=1.2),
    primitive("cbrt", "x", lambda f, x: f.cbrt(x), "sign(x)*Abs(x)**Rational(1, 3)", kernel="cbrt(x)",
              degree=times(1 / 3), cost=22, ulps=2, torch="torch.sign(x) * torch.abs(x)**(1 / 3)"),
    primitive("reciprocal", "x", lambda f, x: 1 / x, "1/x", kernel="F(1)/x", degree=times(-1), cost=1,
              torch="1 / x"),
    primitive("max", "x y", lambda f, x, y: f.maximum(x, y), "Max(x, y)", degree=same, commutative=True,
              kernel="x if x != x or x > y else y", torch="torch.maximum(x, y) | torch.clamp(x, min=y)"),
    primitive("min", "x y", lambda f, x, y: f.minimum(x, y), "Min(x, y)", degree=same, commutative=True,
              kernel="x if x != x or x < y else y", torch="torch.minimum(x, y) | torch.clamp(x, max=y)"),
    primitive("floor", "x", lambda f, x: f.floor(x)),
    primitive("mix", "a x b y", lambda f, a, x, b, y: a * x + b * y, "a*x + b*y", degree=_scaled, cost=1.5,
              torch="a * x + b * y"),
)  # fmt: skip

FUNCTIONS = (
    _unary("exp", cost=8),
    _unary("exp2", "2**x", kernel="exp2(x)", cost=10),
    _unary("exp10", "10**x", kernel="exp10(x)", cost=10, ulps=1, torch="10.0**x"),
    _unary("expm1", "exp(x) - 1", kernel="expm1(x)", cost=10),
    _unary("log", cost=8),
    _unary("log2", "log(x)/log(2)", kernel="log2(x)", cost=8),
    _unary("log10", "log(x)/log(10)", kernel="log10(x)", cost=8),
    _unary("log1p", "log(1 + x)", kernel="log1p(x)", cost=12),
    _unary("sin", cost=15),
    _unary("cos", cost=15),
    _unary("tan", cost=15),
    _unary("arcsin", "asin(x)", kernel="arcsin(x)", cost=16),
    _unary("arccos", "acos(x)", kernel="arccos(x)", cost=16),
    _unary("arctan", "atan(x)", kernel="arctan(x)", cost=12),
    _unary("sinh", cost=10),
    _unary("cosh", cost=10),
    _unary("tanh", cost=10),
    _unary("arcsinh", "asinh(x)", kernel="arcsinh(x)", cost=14),
    _unary("arccosh", "acosh(x)", kernel="arccosh(x)", cost=12),
    _unary("arctanh", "atanh(x)", kernel="arctanh(x)", cost=14),
)

COMPARISONS = tuple(
    primitive(name, "x y", meaning, formula, kernel=f"F(1) if x {infix} y else F(0)", degree=_compared, infix=infix)
    for name, infix, formula, meaning in (
        ("less", "<", "Piecewise((1, x < y), (0, True))", lambda f, x, y: f.truth(x < y)),
        ("less_equal", "<=", "Piecewise((1, x <= y), (0, True))", lambda f, x, y: f.truth(x <= y)),
        ("greater", ">", "Piecewise((1, x > y), (0, True))", lambda f, x, y: f.truth(x > y)),
        ("greater_equal", ">=", "Piecewise((1, x >= y), (0, True))", lambda f, x, y: f.truth(x >= y)),
        ("equal", "==", "Piecewise((1, Eq(x, y)), (0, True))", lambda f, x, y: f.truth(x == y)),
    )
) + (
    primitive("where", "c x y", lambda f, c, x, y: f.where(c != 0, x, y), "Piecewise((x, Ne(c, 0)), (y, True))",
              kernel="x if c != 0 else y", degree=_chosen, torch="torch.where(c != 0, x, y)"),
)  # fmt: skip

PROTECTED = (
    primitive("sqrt_abs", "x", lambda f, x: f.sqrt(f.abs(x)), "sqrt(Abs(x))", kernel="sqrt(abs(x))",
              degree=times(0.5), cost=1.2, protects="sqrt", torch="torch.sqrt(torch.abs(x))"),
    primitive("log_abs", "x", lambda f, x: f.log(f.abs(x)), "log(Abs(x))", kernel="log(abs(x))",
              cost=8, ulps=1, protects="log", torch="torch.log(torch.abs(x))"),
    primitive("log2_abs", "x", lambda f, x: f.log2(f.abs(x)), "log(Abs(x))/log(2)", kernel="log2(abs(x))",
              cost=8, ulps=1, protects="log2", torch="torch.log2(torch.abs(x))"),
    primitive("log10_abs", "x", lambda f, x: f.log10(f.abs(x)), "log(Abs(x))/log(10)", kernel="log10(abs(x))",
              cost=8, ulps=1, protects="log10", torch="torch.log10(torch.abs(x))"),
    primitive("log1p_abs", "x", lambda f, x: f.log1p(f.abs(x)), "log(1 + Abs(x))", kernel="log1p(abs(x))",
              cost=12, ulps=1, protects="log1p", torch="torch.log1p(torch.abs(x))"),
    composite("reciprocal_eps", "x", f"1 / (x + {EPS})", cost=2.5, protects="reciprocal"),
    composite("divide_eps", "x y", f"x / (y + {EPS})", cost=2.5, protects="divide"),
)  # fmt: skip

REDUCTIONS = (
    primitive("sum", "x", lambda f, x: x, "Sum(x)", kernel="x", form="reduction", cost=3, degree=times(1),
              torch="torch.sum(x, dtype=torch.float64)"),
    primitive("mean", "x", lambda f, x: x, "Sum(x)/n", kernel="x", form="reduction", cost=3, degree=times(1),
              finish="total / n", torch="torch.mean(x, dtype=torch.float64)"),
    primitive("norm", "x", lambda f, x: x * x, "sqrt(Sum(x**2))", kernel="x*x", form="reduction", degree=times(1),
              finish="sqrt(total)", cost=3, torch="torch.linalg.vector_norm(x, dtype=torch.float64)"),
    primitive("rms", "x", lambda f, x: x * x, "sqrt(Sum(x**2)/n)", kernel="x*x", form="reduction", degree=times(1),
              finish="sqrt(total / n)", cost=3,
              torch="torch.linalg.vector_norm(x, dtype=torch.float64) / x.numel()**0.5"),
    primitive("dot", "x y", lambda f, x, y: x * y, "Sum(x*y)", kernel="x*y", form="reduction", degree=added,
              commutative=True, cost=4, torch="torch.sum(x.double() * y.double())"),
    primitive("global_norm", "x", lambda f, x: x * x, "sqrt(GlobalSum(x**2))", kernel="x*x", form="model",
              degree=times(1), finish="sqrt(total)", cost=3,
              torch="(yield torch.linalg.vector_norm(x, dtype=torch.float64)**2)**0.5"),
    primitive("global_dot", "x y", lambda f, x, y: x * y, "GlobalSum(x*y)", kernel="x*y", form="model",
              degree=added, commutative=True, cost=5, torch="(yield torch.sum(x.double() * y.double()))"),
    composite("cosine_sim", "x y", f"dot(x, y) / (norm(x) * norm(y) + {EPS})", degree=lost, cost=10,
              kind=kinds.pair_per_tensor),
)  # fmt: skip

SHAPES = (
    primitive("rows", "x", lambda m, n: m, "m", form="shape", degree=lost, cost=0, torch="x.shape[0]"),
    primitive("columns", "x", lambda m, n: n, "n", form="shape", degree=lost, cost=0, torch="x.shape[1]"),
    primitive("size", "x", lambda m, n: m * n, "m*n", form="shape", degree=lost, cost=0, torch="x.numel()"),
    primitive("row_mean", "x", lambda f, x: f.mean_over(x, -2), "Sum_i(x)/m", form="matrix", degree=times(1),
              kind=kinds.over_rows, cost=2, torch="torch.mean(x, dim=0, keepdim=True)"),
    primitive("column_mean", "x", lambda f, x: f.mean_over(x, -1), "Sum_j(x)/n", form="matrix", degree=times(1),
              kind=kinds.over_columns, cost=2, torch="torch.mean(x, dim=1, keepdim=True)"),
    primitive("transpose", "x", lambda f, x: f.swap(x), form="matrix", degree=times(1), kind=kinds.transpose,
              torch="x.T"),
)  # fmt: skip

ROLES = tuple(
    primitive(name, "", lambda f: None, form="role", degree=lost, cost=0, torch=name)
    for name in ("is_matrix", "is_hidden", "is_embedding", "is_head")
)

MATRICES = (
    primitive("matmul", "x y", lambda f, x, y: f.matmul(x, y), form="matrix", degree=added, kind=kinds.product,
              cost=32, torch="x @ y"),
    primitive("flatten", "x", lambda f, x: f.as_column(x), form="matrix", degree=times(1), kind=kinds.as_column,
              cost=0, torch="x.reshape(-1, 1)"),
    primitive("unflatten", "x like", lambda f, x, like: f.shaped(x, like), form="matrix", kind=kinds.as_tensor,
              degree=lambda x, like: x, cost=0, torch="x.reshape(like.shape)"),
    primitive("orthogonalize", "x steps:count a b c", matrices.orthogonalize, form="matrix", cost=300,
              degree=lambda x, *numbers: 0.0 if x is not None and not any(numbers) else None, kind=kinds.matrix,
              torch="orthogonalize(x, steps, a, b, c)"),
    composite("newton_schulz", "x", "orthogonalize(x, 5, 3.4445, -4.775, 2.0315)", degree=lost, cost=300,
              kind=kinds.matrix),
    primitive("inv_root", "x p eps", matrices.inv_root, form="matrix", cost=300, kind=kinds.square,
              degree=flat, torch="inv_root(x, p, eps)"),
    composite("inv_sqrt", "x eps", "inv_root(x, 2, eps)", cost=300, kind=kinds.square),
)  # fmt: skip

ORACLES = (
    primitive("grad_at", "x", oracles.grad_at, form="oracle", kind=kinds.point, degree=lambda x: None),
    primitive("loss_at", "x", oracles.loss_at, form="oracle", kind=kinds.number_of_point, degree=lambda x: None),
    primitive("hvp", "x", oracles.hvp, form="oracle", kind=kinds.point, degree=times(1)),
    primitive("hessian_solve", "x damping", oracles.hessian_solve, form="oracle", kind=kinds.point,
              degree=lambda x, damping: x),
    primitive("cg_solve", "x damping steps:count", oracles.cg_solve, form="oracle", kind=kinds.point,
              degree=lambda x, damping, steps: x),
)  # fmt: skip

AVERAGES = (
    composite("interp", "x y a:weight", "mix(1 - a, x, a, y)", formula="(1 - a)*x + a*y", degree=_weighted,
              cost=1.5),
    composite("ema", "s x beta:weight", "mix(beta, s, 1 - beta, x)", formula="beta*s + (1 - beta)*x",
              degree=_weighted, cost=1.5),
    composite("bias_correct", "x beta:weight t:step", "x / (1 - beta**t)",
              degree=lambda x, beta, t: x if beta == 0 else None, cost=1.5),
    composite("clip", "x low high", "min(max(x, low), high)", formula="Min(Max(x, low), high)", degree=same,
              cost=2, torch=" | torch.clamp(x, low, high)"),
    composite("every", "t:step k", "mod(t, k) == 0", degree=lambda t, k: 0.0 if t == k == 0 else None, cost=4),
    composite("clip_by_global_norm", "x c:positive", "x * min(1, c / global_norm(x))",
              formula="x*Min(1, c/sqrt(GlobalSum(x**2)))", degree=same, kind=kinds.by_norm, cost=4),
)  # fmt: skip

PRIMITIVES: dict[str, Primitive] = {
    p.name: p
    for p in (
        *CONSTANTS,
        *ARITHMETIC,
        *FUNCTIONS,
        *COMPARISONS,
        *PROTECTED,
        *REDUCTIONS,
        *SHAPES,
        *ROLES,
        *MATRICES,
        *ORACLES,
        *AVERAGES,
    )
}

_DERIVED: list[Callable[[], None]] = []


def derived(make: Callable[[], None]) -> Callable[[], None]:
    """Decorates what fills a table that follows from this one: it is called now, and whenever primitives join."""
    _DERIVED.append(make)
    make()
    return make


def enter(own: Iterable[Primitive]) -> None:
    """Let a user's own primitives join, which own.py has checked; all tables that follow from this one know them."""
    PRIMITIVES.update({p.name: p for p in own})
    for make in _DERIVED:
        make()


__all__ = ["PRIMITIVES", "Primitive", "derived", "enter", "flat"]
