"""The body of a program as readable JAX code: one line a statement, which may be traced.

What a primitive is in JAX follows from what it is in torch; EXCEPT lists those that are written otherwise, sums among
them: JAX seldom has float64. A number is an array without dimensions or, where it depends on constants only, perhaps a
Python number: where Python would raise and the language gives nan or inf (1 / 0, the root of -1), OF_NUMBERS has
another form. A sum over all tensors of the model is a `yield`: the term of this tensor goes out, the total comes back.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from primitives.export_live import NOTHING, live
from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.primitive import Primitive
from primitives.program import READABLE, Call, Program, ProgramError
from primitives.python_text import exploded, fill, largest_part, number, simple, swap, text
from primitives.table import PRIMITIVES
from primitives.torch_numbers import COMPARISONS, comparison_in

Expr = str | float | Call
WIDTH = 116  # of a statement, without its indent
EXCEPT = {
    "cbrt": "jnp.cbrt(x)",
    "sum": "jnp.sum(x)",
    "mean": "jnp.mean(x)",
    "norm": "jnp.linalg.vector_norm(x)",
    "rms": "jnp.sqrt(jnp.mean(jnp.square(x)))",
    "dot": "jnp.sum(x * y)",
    "global_norm": "jnp.sqrt((yield jnp.sum(jnp.square(x))))",
    "global_dot": "(yield jnp.sum(x * y))",
    "size": "x.size",
    "row_mean": "jnp.mean(x, axis=0, keepdims=True)",
    "column_mean": "jnp.mean(x, axis=1, keepdims=True)",
    "clip": "jnp.clip(x, low, high)",
}
OF_NUMBERS = {
    "divide": "jnp.divide(x, y)",
    "reciprocal": "jnp.divide(1, x)",
    "mod": "jnp.mod(1.0 * x, y)",
    "power": "jnp.float_power(x, y)",
    "cube": "jnp.float_power(x, 3)",
    "exp10": "jnp.float_power(10, x)",
}
PLAIN = frozenset("add subtract multiply negative mix pi e eps".split())  # leave Python numbers what they are


@dataclass(frozen=True)
class Body:
    """The statements of a program, and what they need around them."""

    lines: tuple[str, ...]  # the last one or more are the return
    reads: frozenset[str]  # every name that occurs


@dataclass(frozen=True)
class _Value:
    node: ast.expr
    kind: Kind
    plain: bool  # may be a Python number


def template(p: Primitive) -> str:
    """What a primitive is in JAX, over its argument names; empty for what is written out."""
    return EXCEPT.get(p.name) or re.sub(r"\b(torch|math)\.", "jnp.", p.torch.partition(" | ")[0])


def body(program: Program, names: Mapping[str, str], keep: Collection[str] = ()) -> Body:
    """The JAX code of a valid program; the statements to keep are there even if nobody reads them here.

    `names` says what each variable is called in Python. ProgramError where the loss itself is asked.
    """
    return _Writer(program, names, keep).body()


class _Writer:
    """Writes statement by statement, naming what is used twice, summed over the model, or too long for a line."""

    def __init__(self, program: Program, names: Mapping[str, str], keep: Collection[str]) -> None:
        self.program, self.names, self.keep = program, names, keep
        self.taken = set(names.values())
        self.lines: list[str] = []
        self.states = state_kinds(program)
        kinds = {**dict.fromkeys((*READABLE, *program.defaults), NUMBER), "w": TENSOR, "g": TENSOR, **self.states}
        plain = {*program.defaults, "T", "base_lr"}
        self.env = {name: _Value(ast.Name(names[name]), kind, name in plain) for name, kind in kinds.items()}

    def body(self) -> Body:
        statements, read = live(self.program, self.keep)
        for assign in statements:
            value = self.expr(assign.value, self.env)
            if assign.name in self.keep and assign.name not in read:
                self.lines += [text(node) for node in ast.walk(value.node) if isinstance(node, ast.Yield)]
            else:
                self.write(self.names[assign.name], value.node)
                self.env[assign.name] = replace(value, node=ast.Name(self.names[assign.name]))
        values = [self.returned(value) for value in self.program.returns]
        while len(f"return {', '.join(map(text, values))}") > WIDTH and any(not simple(node) for node in values):
            longest = max(range(len(values)), key=lambda i: 0 if simple(values[i]) else len(text(values[i])))
            values[longest] = self.named("new", values[longest])
        one_line = f"return {', '.join(map(text, values))}"
        self.lines += [one_line] if len(one_line) <= WIDTH else exploded("return (", [*map(text, values)], ")")
        tree = ast.parse("def f():\n" + "\n".join(f"    {line}" for line in self.lines))
        reads = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        return Body(tuple(self.lines), reads)

    def returned(self, expr: Expr) -> ast.expr:
        """What is returned for w or a state: an array, which is broadcast outside."""
        value = self.argument(expr, self.env)
        return fill("jnp.asarray(x, float)", x=value.node) if value.plain else value.node

    def expr(self, expr: Expr, env: Mapping[str, _Value]) -> _Value:
        if isinstance(expr, str):
            return env[expr]
        if not isinstance(expr, Call):
            return _Value(number(float(expr)), NUMBER, True)
        if expr.op == "where":
            test = self.test(expr.args[0], env)
            return self.where(test, *(self.argument(arg, env) for arg in expr.args[1:]))
        if expr.args and all(arg == NOTHING for arg in expr.args):
            return self.nothing(PRIMITIVES[expr.op])
        return self.apply(PRIMITIVES[expr.op], [self.argument(arg, env) for arg in expr.args])

    def nothing(self, p: Primitive) -> _Value:
        """A sum over the model to which this tensor adds nothing."""
        node = ast.parse(template(p), mode="eval").body
        (term,) = (part.value for part in ast.walk(node) if isinstance(part, ast.Yield) and part.value is not None)
        return _Value(swap(node, term, fill("jnp.zeros(())")), NUMBER, False)

    def argument(self, expr: Expr, env: Mapping[str, _Value]) -> _Value:
        """The value of an expression inside another one, where no `yield` may stand."""
        value = self.expr(expr, env)
        if any(isinstance(node, ast.Yield) for node in ast.walk(value.node)):
            assert isinstance(expr, Call)
            return replace(value, node=self.named(expr.op, value.node))
        return value

    def apply(self, p: Primitive, args: list[_Value]) -> _Value:
        kind = p.kind(*(arg.kind for arg in args))
        if p.form == "oracle":
            raise ProgramError(f"{p.name} asks the loss once more, which optax cannot: export for torch.")
        if p.form == "role":
            return _Value(ast.Name(p.name), kind, True)
        if not template(p):
            return self.expr(expansion(p.name), dict(zip(p.args, args, strict=True)))
        if p.name in COMPARISONS:
            return _Value(fill("jnp.where(x, 1.0, 0.0)", x=self.fill(template(p), p, args)), kind, False)
        numbers = p.form == "pointwise" and all(arg.plain for arg in args)
        if numbers and p.name not in PLAIN and not _divides(p, args):
            args = [replace(arg, node=_float(arg.node)) for arg in args]
            return _Value(self.fill(OF_NUMBERS.get(p.name, template(p)), p, args), kind, False)
        return _Value(self.fill(template(p), p, args), kind, numbers or p.form == "shape")

    def test(self, expr: Expr, env: Mapping[str, _Value]) -> _Value:
        """A condition as a truth, which only `where` may consume."""
        compared = comparison_in(expr)
        if compared is None:
            value = self.argument(expr, env)
            return value if isinstance(value.node, ast.Constant) else replace(value, node=fill("c != 0", c=value.node))
        p, args = PRIMITIVES[compared.op], [self.argument(arg, env) for arg in compared.args]
        return _Value(self.fill(template(p), p, args), p.kind(*(arg.kind for arg in args)), False)

    def where(self, test: _Value, x: _Value, y: _Value) -> _Value:
        kind = PRIMITIVES["where"].kind(test.kind, x.kind, y.kind)
        if isinstance(test.node, ast.Constant):
            known, other = (x, y) if test.node.value else (y, x)
            if known.kind == kind or kind.single:
                return replace(known, kind=kind)
            if other.kind == kind and known.kind.single:
                return _Value(fill("jnp.full_like(x, y)", x=other.node, y=known.node), kind, False)
        if x.plain and y.plain:
            x, y = (replace(value, node=_float(value.node)) for value in (x, y))
        return _Value(fill("jnp.where(c, x, y)", c=test.node, x=x.node, y=y.node), kind, False)

    def fill(self, template: str, p: Primitive, args: list[_Value]) -> ast.expr:
        """The template with the arguments in place, each computed once."""
        uses = Counter(node.id for node in ast.walk(ast.parse(template)) if isinstance(node, ast.Name))
        nodes = {}
        for name, arg in zip(p.args, args, strict=True):
            nodes[name] = self.named(name, arg.node) if uses[name] > 1 and not simple(arg.node) else arg.node
        return fill(template, **nodes)

    def named(self, word: str, node: ast.expr) -> ast.expr:
        """A new variable with this value."""
        name, i = word, 1
        while name in self.taken:
            i += 1
            name = f"{word}_{i}"
        self.taken.add(name)
        self.write(name, node)
        return ast.Name(name)

    def write(self, name: str, node: ast.expr) -> None:
        """One statement, and before it one for each part that makes it too long for a line."""
        while len(f"{name} = {text(node)}") > WIDTH:
            part = largest_part(node, WIDTH - len(name) - 20)
            if part is None:
                break
            node = swap(node, part, self.named("part", part))
        self.lines.append(f"{name} = {text(node)}")


def _divides(p: Primitive, args: list[_Value]) -> bool:
    """Whether it is a division by a number that is not zero, for which Python's operator will do."""
    if p.name not in ("divide", "mod"):
        return False
    divisor = args[1].node.operand if isinstance(args[1].node, ast.UnaryOp) else args[1].node
    return isinstance(divisor, ast.Constant) and divisor.value != 0


def _float(node: ast.expr) -> ast.expr:
    """A whole constant as a float: what JAX makes of integers would stay integers."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(float(node.value))
    return ast.UnaryOp(node.op, _float(node.operand)) if isinstance(node, ast.UnaryOp) else node
