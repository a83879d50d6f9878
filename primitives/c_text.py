"""The rule of one tensor as C for one of its elements, from the lines that `torch_text` wrote, where C has words."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

PRECISION = "real"  # the type that torch_c.py computes in, and what turns a number into it
FUNCTIONS = {
    **{name: name for name in "sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh floor".split()},
    **{name: name for name in "sign square maximum minimum".split()},
    **{f"arc{name}": f"a{name}" for name in "sin cos tan sinh cosh tanh".split()},
    "abs": "fabs",
}
CONSTANTS = {"inf": "INFINITY", "nan": "NAN", "pi": "3.141592653589793", "e": "2.718281828459045"}
KEYWORDS = """auto break case char const continue default do double else enum extern float for goto if inline int long
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while I real
complex imaginary threads count memory numbers_at taken piece mine tensor length first last from to element ahead ask
step""".split()
POWERS = {2: "square(x)", 3: "cube(x)", 0.5: "sqrt(x)", 1: "x", -1: "real(1.0) / x"}  # as torch takes them
TAKEN = frozenset([*KEYWORDS, *FUNCTIONS.values(), *"cube pow remainder_of choose widened narrowed bfloat16".split()])
ITSELF = frozenset("copied number type_as double broadcast_to".split())  # an element stays what it is


class NotInCError(Exception):
    """C has no words for it."""


def c_text(lines: Sequence[str], tensors: Sequence[str], numbers: Sequence[str]) -> str | None:
    """The statements of C that replace an element of w and of the states, or None where lines need whole tensors.

    `tensors` are w, g and the states, as the lines name them; `numbers` what else they read.
    """
    *assignments, returned = ast.parse("\n".join(["def rule():", *(f"    {line}" for line in lines)])).body[0].body  # type: ignore[attr-defined]
    known, text = {*tensors, *numbers}, []
    targets = [getattr(each, "target", None) or each.targets[0] for each in assignments]  # with a type, or without
    if any(name in TAKEN or re.fullmatch(r"at_\d+", name) for name in known | {target.id for target in targets}):
        return None
    try:
        for target, assignment in zip(targets, assignments, strict=True):
            declared = "" if target.id in known else f"{PRECISION} "
            text.append(f"{declared}{target.id} = {_text(assignment.value)};")
            known.add(target.id)
        given = returned.value.elts if isinstance(returned.value, ast.Tuple) else [returned.value]
        return "\n".join([*text, *_taken_over([tensors[0], *tensors[2:]], [_text(value) for value in given], known)])
    except NotInCError:
        return None


def _taken_over(targets: list[str], values: list[str], known: set[str]) -> list[str]:
    """The lines that give new values to w and states, all of which are computed before one is replaced."""
    changed = [(name, value) for name, value in zip(targets, values, strict=True) if name != value]
    if len(changed) < 2:
        return [f"{name} = {value};" for name, value in changed]
    new = {name: f"new_{name}" + "_" * (f"new_{name}" in known) for name, _ in changed}
    first = [f"{PRECISION} {new[name]} = {value};" for name, value in changed]
    return [*first, *(f"{name} = {new[name]};" for name, _ in changed)]


def _text(node: ast.expr) -> str:
    """An expression in C, where sums, products and comparisons read as in Python."""
    return ast.unparse(_InC().visit(node))


class _InC(ast.NodeTransformer):
    """Python's syntax tree of an expression with C's names in it."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return _call(PRECISION, ast.Constant(float(node.value)))  # type: ignore[arg-type]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if not isinstance(node.value, ast.Name) or node.value.id != "math" or node.attr not in CONSTANTS:
            raise NotInCError
        return _call(PRECISION, ast.Name(CONSTANTS[node.attr]))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        if isinstance(operand, ast.UnaryOp):  # --x would count x down
            return operand.operand
        return ast.UnaryOp(node.op, operand)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left = self.visit(node.left)
        if isinstance(node.op, ast.Pow):
            power = node.right.value if isinstance(node.right, ast.Constant) else None
            if power in POWERS:
                return _filled(POWERS[power], left)  # type: ignore[index]
            return _call("pow", left, self.visit(node.right))
        right = self.visit(node.right)
        if isinstance(node.op, ast.Mod):
            return _call("remainder_of", left, right)
        if not isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            raise NotInCError
        return ast.BinOp(left, node.op, right)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        return ast.Compare(self.visit(node.left), node.ops, [self.visit(right) for right in node.comparators])

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        if isinstance(function, ast.Attribute) and not (
            isinstance(function.value, ast.Name) and function.value.id == "torch"
        ):
            name, args = function.attr, [function.value, *node.args]
        else:
            name, args = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function), node.args
        bounds = {keyword.arg: self.visit(keyword.value) for keyword in node.keywords}
        if name in ITSELF and not bounds:
            converted: ast.expr = self.visit(args[0])
            return _call(PRECISION, converted) if isinstance(converted, ast.Compare) else converted  # in C it is an int
        return self._named(name, [self.visit(arg) for arg in args], bounds)

    def _named(self, name: str, args: list[ast.expr], bounds: dict[str | None, ast.expr]) -> ast.expr:
        if name == "clamp":
            low, high = (*args[1:], None, None)[:2]
            low, high = bounds.get("min", low), bounds.get("max", high)
            found = args[0] if low is None else _call("maximum", args[0], low)
            return found if high is None else _call("minimum", found, high)
        if name in ("where", "choose") and not bounds:
            return _call("choose", *args)
        if name == "eq":
            return ast.Compare(args[0], [ast.Eq()], [args[1]])
        if name == "zeros_like":
            return _call(PRECISION, ast.Constant(0.0))
        if name not in FUNCTIONS or bounds:
            raise NotInCError
        return _call(FUNCTIONS[name], *args)


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name), list(args), [])


def _filled(template: str, x: ast.expr) -> ast.expr:
    class _X(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return x if node.id == "x" else node

    filled: ast.expr = _X().visit(ast.parse(template, mode="eval").body)
    return filled
