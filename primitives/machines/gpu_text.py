"""From the scalar language of the table and of elementary.py to CUDA C: small Python functions, word by word.

So the GPU computes a primitive by the very steps of the machine for CPUs, and a new entry of the table is there too.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
MODULES = ("circular.py", "elementary.py")
SYMBOLS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&",
    ast.BitOr: "|", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.USub: "-", ast.Not: "!", ast.And: "&&", ast.Or: "||",
}  # fmt: skip
# What NumPy calls otherwise than C, and what has a form for each type in gpu_kernel.cu.
NAMES = {
    "F32": "float", "F64": "double", "np.float32": "float", "np.float64": "double", "float64": "double",
    "np.int64": "int64", "np.inf": "infinity()", "np.nan": "not_a_number()", "abs": "absolute", "np.sqrt": "root",
    "np.floor": "whole", "np.mod": "modulo", "math.copysign": "copysign", "np.expm1": "expm1", "np.log1p": "log1p",
}  # fmt: skip
UFUNCS = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "sqrt": "root", "floor": "whole",
}  # fmt: skip


def expression(node: ast.expr | str, names: Mapping[str, str]) -> str:
    """An expression in C; `names` are replaced before those of NumPy are."""
    if isinstance(node, str):
        return expression(ast.parse(node, mode="eval").body, names)
    match node:
        case ast.Constant(value=float() | int() as value) if not isinstance(value, bool):
            return repr(value)
        case ast.Name() | ast.Attribute():
            name = ast.unparse(node)
            return names.get(name, NAMES.get(name, name))
        case ast.BinOp(left=x, op=ast.Pow(), right=y):
            return f"{names.get('**', 'pow')}({expression(x, names)}, {expression(y, names)})"
        case ast.BinOp(left=x, op=op, right=y):
            return f"({expression(x, names)} {SYMBOLS[type(op)]} {expression(y, names)})"
        case ast.UnaryOp(op=op, operand=x):
            return f"({SYMBOLS[type(op)]}{expression(x, names)})"
        case ast.BoolOp(op=op, values=parts):
            return "(" + f" {SYMBOLS[type(op)]} ".join(expression(part, names) for part in parts) + ")"
        case ast.Compare(left=x, ops=[op], comparators=[y]):
            return f"({expression(x, names)} {SYMBOLS[type(op)]} {expression(y, names)})"
        case ast.IfExp(test=test, body=x, orelse=y):
            return f"({expression(test, names)} ? {expression(x, names)} : {expression(y, names)})"
        case ast.Call(func=ast.Attribute(value=x, attr="view"), args=[to]):
            return f"{'as_double' if ast.unparse(to) == 'F64' else 'as_integer'}({expression(x, names)})"
        case ast.Call(func=function, args=arguments):
            inner = ", ".join(expression(argument, names) for argument in arguments)
            return f"{expression(function, names)}({inner})"
    raise ValueError(f"`{ast.unparse(node)}` has no translation to CUDA C; see primitives/machines/gpu_text.py.")


def _statement(node: ast.stmt, names: Mapping[str, str], known: set[str]) -> list[str]:
    """Lines of C; `known` has the variables that are declared already."""
    match node:
        case ast.Expr(value=ast.Constant()):  # the docstring
            return []
        case ast.Return(value=value) if value is not None:
            return [f"return {expression(value, names)};"]
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            word = "" if name in known else "auto "
            known.add(name)
            return [f"{word}{names[name]} = {expression(value, names)};"]
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            pairs = zip(targets, values, strict=True)
            return [line for t, v in pairs for line in _statement(ast.Assign([t], v), names, known)]
        case ast.If(test=test, body=body, orelse=[]):
            lines = [line for part in body for line in _statement(part, names, known)]
            return [f"if {expression(test, names)} {{", *(f"    {line}" for line in lines), "}"]
    raise ValueError(f"`{ast.unparse(node)}` has no translation to CUDA C; see primitives/machines/gpu_text.py.")


def _function(node: ast.FunctionDef, names: Mapping[str, str]) -> str:
    """Functions whose names end in 64 are of doubles, all others of floats."""
    kind = "double" if node.name.endswith("64") else "float"
    arguments = [argument.arg for argument in node.args.args]
    known = set(arguments)
    stored = [x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)]
    inside = {**names, **{name: f"{name}_" for name in (*arguments, *stored)}}  # C has one space for all names
    lines = [line for part in node.body for line in _statement(part, inside, known)]
    head = f"DEVICE {kind} {names[node.name]}({', '.join(f'{kind} {inside[name]}' for name in arguments)}) {{"
    return "\n".join([head, *(f"    {line}" for line in lines), "}"])


@cache
def library() -> str:
    """The elementary functions in CUDA C, under their names with ours_ before them."""
    trees = [ast.parse((FOLDER / name).read_text(encoding="utf-8")) for name in MODULES]
    found = {part.name: part for tree in trees for part in tree.body if isinstance(part, ast.FunctionDef)}
    names = {name: f"ours_{name.lstrip('_')}" for name in found}
    constants: list[str] = []
    for tree in trees:
        for part in tree.body:
            match part:
                case ast.Assign(targets=[target], value=value):
                    constants += _constants(target, value)
    return "\n".join([*dict.fromkeys(constants), *(_function(part, names) for part in found.values())])


def _constants(target: ast.expr, value: ast.expr) -> list[str]:
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=True))
    return [
        f"#define {name.id} {number.value!r}"
        for name, number in pairs
        if isinstance(name, ast.Name) and isinstance(number, ast.Constant) and isinstance(number.value, float)
    ]


@cache
def functions(dtype: str) -> dict[str, str]:
    """Under which name in C the functions that kernels of the table call are, for "float32" or "float64"."""
    from primitives.machines.elementary import DOUBLE, SINGLE

    found = {"abs": "absolute", "F": "float" if dtype == "float32" else "double"}
    for name, function in (SINGLE if dtype == "float32" else DOUBLE).items():
        if name == "F":
            continue
        if isinstance(function, np.ufunc):
            found[name] = UFUNCS.get(function.__name__, function.__name__)
        else:
            found[name] = f"ours_{function.py_func.__name__.lstrip('_')}"
    return found | {"**": found["power"]}
