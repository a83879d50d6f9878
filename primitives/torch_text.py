"""The body of a program as readable torch code: one line a statement, for tensors of any shape and dtype.

What is known before the tensors are seen, numbers made of hyperparameters and t, is computed first; the rule for one
tensor gets it by name. What sums over the model is a rule of its own, whose total is such a number. Where a program
asks the loss, all is one generator instead: each sum or question is a `yield`, from which the answer comes back.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from primitives.export_live import NOTHING, live, reads_gradient
from primitives.inference import state_kinds
from primitives.interpreter import expansion
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.primitive import Primitive
from primitives.program import READABLE, Call, Program
from primitives.python_text import fill, simple, swap, text
from primitives.table import PRIMITIVES
from primitives.torch_lines import Lines, number
from primitives.torch_names import RESERVED, needs_matrix, safe_names
from primitives.torch_numbers import COMPARISONS, comparison_in, number_text, word_for

Expr = str | float | Call
LOSS = {"grad_at": "gradient", "loss_at": "value", "hvp": "product"}  # methods of the classes in torch_parts.py
SIZES = {"1": "1", "m": "g.shape[0]", "n": "g.shape[1]", "mn": "g.numel()"}  # of a dimension of a kind
SHARING = frozenset("transpose flatten unflatten".split())  # may give a view of their argument


@dataclass(frozen=True)
class Total:
    """A sum over the model: the number that it becomes, and how each tensor's term is computed."""

    name: str
    numbers: tuple[str, ...]
    lines: tuple[str, ...]  # the last one returns the term


@dataclass(frozen=True)
class Body:
    """The statements of a program, and what they need around them."""

    numbers: tuple[str, ...]  # come before the tensors
    lines: tuple[str, ...]  # the rule of one tensor; the last one or more are the return
    kept: tuple[str, ...]  # the new values of states that are numbers
    totals: tuple[Total, ...]
    helpers: tuple[tuple[str, str], ...]  # name and text of each helper function of numbers


@dataclass(frozen=True)
class Value:
    """An expression as Python text: a number, else a tensor."""

    node: ast.expr
    kind: Kind
    number: bool
    fresh: bool = True  # shares no memory with an input
    early: bool = False  # a number that is known before the tensors


def body(
    program: Program, names: Mapping[str, str] | None = None, keep: Collection[str] = (), loss: str | None = None
) -> Body:
    """The torch code of a valid program; the statements to keep are there even if nobody reads them here.

    `loss` names the class that answers for the loss, where a program asks it.
    """
    return _Writer(program, names or safe_names(program), keep, loss).body()


class _Writer:
    """Writes statement by statement, naming what is used twice, known early, summed, or too long for a line."""

    def __init__(self, program: Program, names: Mapping[str, str], keep: Collection[str], loss: str | None) -> None:
        self.program, self.names, self.keep, self.loss = program, names, keep, loss
        self.matrix = needs_matrix(program)
        self.helpers: dict[str, str] = {}
        self.totals: list[Total] = []
        self.like = "g" if reads_gradient(program, keep) else "w"  # gives shape and dtype to what has none
        states = state_kinds(program)
        kinds = {**dict.fromkeys((*READABLE, *program.defaults), NUMBER), "w": TENSOR, "g": TENSOR, **states}
        self.env = {
            name: Value(ast.Name(names[name]), kind, kind == NUMBER, kind == NUMBER or name == "g", kind == NUMBER)
            for name, kind in kinds.items()
        }
        self.inputs = dict(self.env)
        self.targets = {"w": TENSOR, **states}
        known = [names[name] for name in kinds]
        self.lines = Lines({*names.values(), *RESERVED}, known, f"{loss}.value" if loss else "")
        self.early = self.lines if loss else Lines(self.lines.taken, known)

    def body(self) -> Body:
        statements, read = live(self.program, self.keep)
        for assign in statements:
            value = self.expr(assign.value, self.env)
            if assign.name in self.keep and assign.name not in read:
                self.lines.lines += [text(node) for node in ast.walk(value.node) if isinstance(node, ast.Yield)]
            else:
                self.env[assign.name] = replace(value, node=self.assigned(assign.name, value))
        pairs = list(zip(self.targets, self.program.returns, strict=True))
        kept = [] if self.loss else [pair for pair in pairs if self.targets[pair[0]] == NUMBER]
        numbers = [text(self.argument(expr, self.env).node) for _, expr in kept]
        self.lines.give_back([self.returned(*pair) for pair in pairs if pair not in kept])
        return Body(
            tuple(self.early.lines) if self.early is not self.lines else (),
            tuple(self.lines.all()),
            tuple(numbers),
            tuple(self.totals),
            tuple(self.helpers.items()),
        )

    def assigned(self, name: str, value: Value) -> ast.expr:
        """The variable that has the value from now on. Numbers known early, and what gives shapes, are not replaced."""
        used = self.names[name]
        if value.early and self.early is not self.lines:
            if simple(value.node):
                return value.node
            if name in self.inputs:
                return self.early.named(f"new_{used}", value.node)
            if used in self.early.done or used in self.lines.done:
                return self.early.named(used, value.node)
            self.early.write(used, value.node)
            return ast.Name(used)
        if name == self.like:  # which must stay
            return self.lines.named(f"{name}_", value.node)
        self.lines.write(used, value.node)
        return ast.Name(used)

    def returned(self, target: str, expr: Expr) -> ast.expr:
        """What is returned for w or a state: as wide as it must be, and never the memory of another one."""
        value, kind = self.argument(expr, self.env), self.targets[target]
        if kind == TENSOR != value.kind:
            template = "torch.zeros_like(g) + x" if value.number else "torch.broadcast_to(x, g.shape)"
            return self.viewed(self.shaped(template, value), kind)
        if value.number:
            return fill("number(x)", x=value.node) if kind.single else self.spread(value, kind).node
        if value.fresh or kind.single or value == self.inputs[target]:
            return self.viewed(value.node, kind)
        return self.viewed(fill("copied(x)", x=value.node), kind)

    def viewed(self, node: ast.expr, kind: Kind) -> ast.expr:
        """A result with the shape of the tensor that it replaces."""
        return fill("x.reshape(shape)", x=node) if self.matrix and kind == TENSOR else node

    def shaped(self, template: str, x: Value) -> ast.expr:
        """The template over x and g, or w where the program does not read g."""
        return fill(template, x=x.node, g=ast.Name(self.like))

    def expr(self, expr: Expr, env: Mapping[str, Value]) -> Value:
        if isinstance(expr, str):
            return env[expr]
        if not isinstance(expr, Call):
            return Value(number(float(expr)), NUMBER, True, early=True)
        comparison = comparison_in(expr.args[0]) if expr.op == "where" else None
        if comparison is not None:
            test = self.test(comparison, env)
            return self.where(test, *(self.argument(arg, env) for arg in expr.args[1:]))
        if expr.args and all(arg == NOTHING for arg in expr.args):
            return self.nothing(PRIMITIVES[expr.op])
        return self.apply(PRIMITIVES[expr.op], [self.argument(arg, env) for arg in expr.args])

    def nothing(self, p: Primitive) -> Value:
        """A sum over the model to which this tensor adds nothing."""
        return self.summed(p, fill(p.torch, **dict.fromkeys(p.args, number(0.0))), nothing=True)

    def argument(self, expr: Expr, env: Mapping[str, Value]) -> Value:
        """The value of an expression inside another one, where no `yield` may stand."""
        value = self.expr(expr, env)
        if any(isinstance(node, ast.Yield) for node in ast.walk(value.node)):
            assert isinstance(expr, Call)
            return replace(value, node=self.lines.named(expr.op, value.node))
        return value

    def apply(self, p: Primitive, args: list[Value]) -> Value:
        kind = p.kind(*(arg.kind for arg in args))
        tensors, _, tensor_and_numbers = p.torch.partition(" | ")
        if p.commutative and tensor_and_numbers and args[0].number and not args[1].number:
            args.reverse()
        if p.form == "role":
            return Value(ast.Name(p.name), kind, True, early=True)
        if p.form == "oracle":
            return Value(self.question(p, args), kind, kind == NUMBER)
        if p.name == "unflatten":  # like any other tensor
            args[1] = self.inputs[self.like]
        short = bool(tensor_and_numbers) and not args[0].number and all(arg.number for arg in args[1:])
        if short and len(args) > 2:  # torch takes two bounds of one sort only
            short = all(simple(arg.node) and not isinstance(arg.node, ast.Name) for arg in args[1:])
        if p.form == "composite" and not short:
            return self.expanded(p, args)
        if p.form == "pointwise" and all(arg.number for arg in args):
            return self.of_numbers(p, args, kind)
        if p.name == "divide" and args[1].number and not args[0].number:
            return self.quotient(args[0], args[1], "inverse")
        if p.name == "where":
            known = isinstance(args[0].node, ast.Constant)
            return self.where(args[0] if known else replace(args[0], node=fill("c != 0", c=args[0].node)), *args[1:])
        template = self.equality(args) if p.name == "equal" else tensor_and_numbers if short else tensors
        node = self.fill(template, p, args)
        if p.form == "model":
            return self.summed(p, node)
        if p.name in COMPARISONS:
            node = self.shaped("x.double()" if kind.single else "x.type_as(g)", Value(node, kind, False))
        return Value(node, kind, p.form == "shape", p.name not in SHARING or args[0].fresh)

    def expanded(self, p: Primitive, args: list[Value]) -> Value:
        """A composite by its expansion; the factor of a bias correction has a name of its own."""
        if p.name == "bias_correct" and not args[0].number:
            names = dict(zip(p.args, args, strict=True))
            divisor = self.expr(Call("subtract", (1.0, Call("power", ("beta", "t")))), names)
            return self.quotient(args[0], divisor, "correction")
        return self.expr(expansion(p.name), dict(zip(p.args, args, strict=True)))

    def quotient(self, x: Value, y: Value, word: str) -> Value:
        """A tensor divided by a number: multiplied by its inverse, which is known before the tensors, if it can be."""
        divide = PRIMITIVES["divide"]
        if y.early and self.early is not self.lines and not isinstance(y.node, ast.Constant):
            one = Value(number(1.0), NUMBER, True, early=True)
            inverse = self.of_numbers(divide, [one, y], NUMBER)
            y = replace(inverse, node=self.early.named(word, inverse.node, again=True))
            divide = PRIMITIVES["multiply"]
        return Value(self.fill(divide.torch, divide, [x, y]), divide.kind(x.kind, y.kind), False)

    def summed(self, p: Primitive, node: ast.expr, nothing: bool = False) -> Value:
        """A sum over the model: the answer to a `yield`, or the total of a rule that gives each tensor's term."""
        (ask,) = (part for part in ast.walk(node) if isinstance(part, ast.Yield))
        assert ask.value is not None
        if self.loss:
            zero = fill("g.new_zeros(())", g=ast.Name(self.like))
            return Value(swap(node, ask.value, zero) if nothing else node, NUMBER, True)
        name = self.lines.free(f"{p.name}_total")
        if not nothing:
            term = Lines(self.lines.taken, self.lines.typed)
            term.lines = list(self.lines.lines)
            term.give_back([ask.value])
            self.totals.append(Total(name, tuple(self.early.lines), tuple(term.all())))
        return Value(swap(node, ask, ast.Name(name)), NUMBER, True, early=True)

    def question(self, p: Primitive, args: list[Value]) -> ast.expr:
        """What asks the loss: a function of the loss, the point as wide as w, and numbers."""
        if p.name in LOSS:
            ask: ast.expr = ast.Attribute(ast.Name(self.loss or "Loss"), LOSS[p.name])
        else:
            ask = ast.Name(p.name)
        point = args[0].node
        if args[0].kind != TENSOR:
            point = self.shaped("torch.broadcast_to(x, g.shape)", args[0])
        return ast.Yield(ast.Tuple([ask, point, *(arg.node for arg in args[1:])]))

    def of_numbers(self, p: Primitive, args: list[Value], kind: Kind) -> Value:
        """A pointwise primitive of numbers."""
        nodes = [arg.node for arg in args]
        if p.name == "where" and not isinstance(nodes[0], ast.Constant):
            return self.where(replace(args[0], node=fill("c != 0", c=nodes[0])), *args[1:])
        node, helper = number_text(p, nodes, {self.names[name] for name in self.program.defaults})
        self.helpers |= dict([helper]) if helper else {}
        return Value(node, kind, True, early=all(arg.early for arg in args))

    def test(self, call: Call, env: Mapping[str, Value]) -> Value:
        """A comparison as a truth, which only `where` may consume."""
        p, args = PRIMITIVES[call.op], [self.argument(arg, env) for arg in call.args]
        numbers = all(arg.number for arg in args)
        template = self.equality(args) if p.name == "equal" and not numbers else p.torch
        early = all(arg.early for arg in args)
        return Value(self.fill(template, p, args), p.kind(*(a.kind for a in args)), numbers, early=early)

    def where(self, test: Value, x: Value, y: Value) -> Value:
        kind = PRIMITIVES["where"].kind(test.kind, x.kind, y.kind)
        numbers = x.number and y.number
        if isinstance(test.node, ast.Constant):
            return self.known(x if test.node.value else y, kind)
        if test.number:
            if not numbers:
                x, y = (self.spread(z, kind) for z in (x, y))
                test = self.hoisted(test, "condition")
            node = fill("choose(c, x, y)", c=test.node, x=x.node, y=y.node)
            return Value(node, kind, numbers, x.fresh and y.fresh, all(z.early for z in (test, x, y)))
        chosen = x.node
        if numbers:  # torch would take the default dtype
            chosen = fill("number(x)", x=x.node) if kind.single else self.spread(x, kind).node
        return Value(fill("torch.where(c, x, y)", c=test.node, x=chosen, y=y.node), kind, False)

    def known(self, value: Value, kind: Kind) -> Value:
        """What a decided condition chose, as wide as it must be."""
        return replace(value, kind=kind) if kind.single else self.spread(value, kind)

    def equality(self, args: list[Value]) -> str:
        """The template of x == y of tensors, for which lists of them have no operator; torch wants a tensor first."""
        return "torch.eq(y, x)" if args[0].number else "torch.eq(x, y)"

    def spread(self, x: Value, kind: Kind) -> Value:
        """A value as wide as a kind; where that is one number, as it is."""
        if kind.single or x.kind == kind:
            return x
        zeros = "torch.zeros_like(g)" if kind == TENSOR else f"g.new_zeros({SIZES[kind.rows]}, {SIZES[kind.columns]})"
        return Value(self.shaped(f"{zeros} + x", x), kind, False)

    def hoisted(self, x: Value, word: str) -> Value:
        """A number that takes any computation, named before the tensors are seen if it is known then."""
        known = not any(isinstance(part, ast.Name) for part in ast.walk(x.node))
        if not x.early or self.early is self.lines or simple(x.node) or known:
            return x
        return replace(x, node=self.early.named(word_for(x.node, word), x.node, again=True))

    def fill(self, template: str, p: Primitive, args: list[Value]) -> ast.expr:
        """The template with the arguments in place, each computed once."""
        if not all(arg.number for arg in args):
            args = [self.hoisted(arg, "factor") for arg in args]
        uses = Counter(node.id for node in ast.walk(ast.parse(template)) if isinstance(node, ast.Name))
        nodes = {}
        for name, arg in zip(p.args, args, strict=True):
            twice = uses[name] > 1 and not simple(arg.node)
            early = arg.early and self.early is not self.lines
            nodes[name] = (self.early if early else self.lines).named(name, arg.node) if twice else arg.node
            if arg.number:
                template = template.replace(f"{name}.double()", name)
        return fill(template, **nodes)
