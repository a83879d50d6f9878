"""The body of a program as readable torch code: one line a statement, for tensors of any shape and dtype.

A number is a Python float, any other value a tensor. Where Python would raise and the language gives nan or inf
(1 / 0, the root of -1), numbers go through helper functions, which are written into the file when they are used.
A sum over all tensors of the model is a `yield`: the term of this tensor goes out, the total comes back. So is a
question to the loss: a function of the loss and this tensor's part of a point goes out, its part of the answer comes
back.
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
from primitives.program import READABLE, Call, Program, calls, expressions, substitute
from primitives.python_text import exploded, fill, largest_part, number, simple, swap, text
from primitives.roles import CONSTANTS
from primitives.table import PRIMITIVES

Expr = str | float | Call
WIDTH = 116  # of a statement, without its indent
COMPARISONS = frozenset("less less_equal greater greater_equal equal".split())
PLAIN = frozenset("add subtract multiply negative mix abs".split())  # never raise on Python numbers
HELPERS = {"max": "maximum", "min": "minimum"}  # names of helpers that would hide a builtin
LOSS = {"grad_at": "gradient", "loss_at": "value", "hvp": "product"}  # methods of the classes in torch_parts.py
SHARING = frozenset("transpose flatten unflatten".split())  # may give a view of their argument
RESERVED = frozenset(
    "torch math float maximum minimum l O I self params maximize total_steps step closure initial_lr role "
    "foreach fused capturable differentiable Loss SmoothLoss hessian_solve cg_solve".split()
).union(CONSTANTS)


@dataclass(frozen=True)
class Body:
    """The statements of a program, and what they need around them."""

    lines: tuple[str, ...]  # the last one or more are the return
    helpers: tuple[tuple[str, str], ...]  # name and text of each helper function of numbers
    parts: frozenset[str]  # what it uses of torch_parts.py
    reads: frozenset[str]  # every name that occurs


@dataclass(frozen=True)
class _Value:
    node: ast.expr
    kind: Kind
    number: bool  # a Python number, else a tensor
    fresh: bool = True  # shares no memory with an input


def safe_names(program: Program) -> dict[str, str]:
    """For each variable of a program, the name that it has in Python code: its own unless that is taken."""
    words = [*"wg", *READABLE, *program.state_names, *program.defaults, *(assign.name for assign in program.body)]
    names: dict[str, str] = {}
    for word in words:
        name = word
        while name in RESERVED or (name != word and name in words):
            name += "_"
        names[word] = name
    return names


def needs_matrix(program: Program) -> bool:
    """Whether rows and columns matter, so that tensors must be seen as matrices."""
    forms = {PRIMITIVES[call.op].form for expr in expressions(program) for call in calls(expr) if call.op != "size"}
    return bool(forms & {"matrix", "shape"}) or any(k != TENSOR and not k.single for k in state_kinds(program).values())


def body(
    program: Program, names: Mapping[str, str] | None = None, keep: Collection[str] = (), loss: str = "Loss"
) -> Body:
    """The torch code of a valid program; the statements to keep are there even if nobody reads them here."""
    return _Writer(program, names or safe_names(program), keep, loss).body()


class _Writer:
    """Writes statement by statement, naming what is used twice, summed over the model, or too long for a line."""

    def __init__(self, program: Program, names: Mapping[str, str], keep: Collection[str], loss: str) -> None:
        self.program, self.names, self.keep, self.loss = program, names, keep, loss
        self.taken = set(self.names.values())
        self.lines: list[str] = []
        self.helpers: dict[str, str] = {}
        self.parts: set[str] = set()
        self.like = "g" if reads_gradient(program, keep) else "w"  # gives shape and dtype to what has none
        states = state_kinds(program)
        kinds = {**dict.fromkeys((*READABLE, *program.defaults), NUMBER), "w": TENSOR, "g": TENSOR, **states}
        self.env = {
            name: _Value(ast.Name(self.names[name]), kind, kind == NUMBER, kind == NUMBER or name == "g")
            for name, kind in kinds.items()
        }
        self.inputs = dict(self.env)
        self.typed = {self.names[name] for name in kinds}  # Python knows what these variables are
        self.targets = {"w": TENSOR, **states}

    def body(self) -> Body:
        statements, read = live(self.program, self.keep)
        for assign in statements:
            value = self.expr(assign.value, self.env)
            if assign.name in self.keep and assign.name not in read:
                self.lines += [text(node) for node in ast.walk(value.node) if isinstance(node, ast.Yield)]
            elif assign.name == self.like:  # which must stay
                self.env[assign.name] = replace(value, node=self.named(f"{assign.name}_", value.node))
            else:
                self.write(self.names[assign.name], value.node)
                self.env[assign.name] = replace(value, node=ast.Name(self.names[assign.name]))
        values = [self.returned(*pair) for pair in zip(self.targets, self.program.returns, strict=True)]
        while len(f"return {', '.join(map(text, values))}") > WIDTH and any(not simple(node) for node in values):
            longest = max(range(len(values)), key=lambda i: 0 if simple(values[i]) else len(text(values[i])))
            values[longest] = self.named("new", values[longest])
        one_line = f"return {', '.join(map(text, values))}"
        self.lines += [one_line] if len(one_line) <= WIDTH else exploded("return (", [*map(text, values)], ")")
        tree = ast.parse("def f():\n" + "\n".join(f"    {line}" for line in self.lines))
        reads = frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
        return Body(tuple(self.lines), tuple(self.helpers.items()), frozenset(self.parts), reads)

    def returned(self, target: str, expr: Expr) -> ast.expr:
        """What is returned for w or a state: as wide as it must be, and never the memory of another one."""
        value, kind = self.argument(expr, self.env), self.targets[target]
        if kind == TENSOR != value.kind:
            return self.shaped("torch.full_like(g, x)" if value.number else "torch.broadcast_to(x, g.shape)", value)
        if value.number:
            return value.node if kind.single else self.shaped("g.new_tensor(x)", value)
        if value.fresh or kind.single or value == self.inputs[target]:
            return value.node
        return fill("x.clone()", x=value.node)

    def shaped(self, template: str, x: _Value) -> ast.expr:
        """The template over x and g, or w where the program does not read g."""
        return fill(template, x=x.node, g=ast.Name(self.like))

    def expr(self, expr: Expr, env: Mapping[str, _Value]) -> _Value:
        if isinstance(expr, str):
            return env[expr]
        if not isinstance(expr, Call):
            return _Value(number(float(expr)), NUMBER, True)
        comparison = self.comparison(expr.args[0]) if expr.op == "where" else None
        if comparison is not None:
            test = self.test(comparison, env)
            return self.where(test, *(self.argument(arg, env) for arg in expr.args[1:]))
        if expr.args and all(arg == NOTHING for arg in expr.args):
            return self.nothing(PRIMITIVES[expr.op])
        return self.apply(PRIMITIVES[expr.op], [self.argument(arg, env) for arg in expr.args])

    def nothing(self, p: Primitive) -> _Value:
        """A sum over the model to which this tensor adds nothing."""
        node = ast.parse(p.torch, mode="eval").body
        (term,) = (part.value for part in ast.walk(node) if isinstance(part, ast.Yield) and part.value is not None)
        return _Value(swap(node, term, fill("g.new_zeros(())", g=ast.Name(self.like))), NUMBER, True)

    def argument(self, expr: Expr, env: Mapping[str, _Value]) -> _Value:
        """The value of an expression inside another one, where no `yield` may stand."""
        value = self.expr(expr, env)
        if any(isinstance(node, ast.Yield) for node in ast.walk(value.node)):
            assert isinstance(expr, Call)
            return replace(value, node=self.named(expr.op, value.node))
        return value

    def apply(self, p: Primitive, args: list[_Value]) -> _Value:
        kind = p.kind(*(arg.kind for arg in args))
        tensors, _, tensor_and_numbers = p.torch.partition(" | ")
        if p.commutative and tensor_and_numbers and args[0].number and not args[1].number:
            args.reverse()
        if p.form == "role":
            return _Value(ast.Name(p.name), kind, True)
        if p.form == "oracle":
            return _Value(self.question(p, args), kind, kind == NUMBER)
        if p.name == "unflatten":  # like any other tensor
            args[1] = self.inputs[self.like]
        self.parts |= {p.name} & {"orthogonalize", "inv_root"}
        short = bool(tensor_and_numbers) and not args[0].number and all(arg.number for arg in args[1:])
        if p.form == "composite" and not short:
            return self.expr(expansion(p.name), dict(zip(p.args, args, strict=True)))
        if p.form == "pointwise" and all(arg.number for arg in args):
            return _Value(self.of_numbers(p, args), kind, True)
        if p.name == "where":
            known = isinstance(args[0].node, ast.Constant)
            return self.where(args[0] if known else replace(args[0], node=fill("c != 0", c=args[0].node)), *args[1:])
        node = self.fill(tensor_and_numbers if short else tensors, p, args)
        if p.name in COMPARISONS:
            node = self.shaped("x.double()" if kind.single else "x.type_as(g)", _Value(node, kind, False))
        return _Value(node, kind, p.form in ("shape", "model"), p.name not in SHARING or args[0].fresh)

    def question(self, p: Primitive, args: list[_Value]) -> ast.expr:
        """What asks the loss: a function of the loss, the point as wide as w, and numbers."""
        if p.name in LOSS:
            ask: ast.expr = ast.Attribute(ast.Name(self.loss), LOSS[p.name])
        else:
            ask = ast.Name(p.name)
            self.parts.add(p.name)
        point = args[0].node
        if args[0].kind != TENSOR:
            point = self.shaped("torch.broadcast_to(x, g.shape)", args[0])
        return ast.Yield(ast.Tuple([ask, point, *(arg.node for arg in args[1:])]))

    def of_numbers(self, p: Primitive, args: list[_Value]) -> ast.expr:
        """A pointwise primitive of Python numbers."""
        nodes = [arg.node for arg in args]
        if p.name in COMPARISONS:
            return fill(f"float({p.torch})", **dict(zip(p.args, nodes, strict=True)))
        if p.name == "where" and isinstance(nodes[0], ast.Constant):
            return nodes[1] if nodes[0].value else nodes[2]
        if p.name == "where":
            return ast.IfExp(fill("c != 0", c=nodes[0]), nodes[1], nodes[2])
        if p.name in PLAIN or not p.args or self.never_raises(p, nodes):
            return self.fill(p.torch.replace("torch.", ""), p, args)
        name = HELPERS.get(p.name, p.name)
        self.helpers[p.name] = _helper(name, p)
        return ast.Call(ast.Name(name), nodes, [])

    def never_raises(self, p: Primitive, nodes: list[ast.expr]) -> bool:
        """Whether Python's operator will do: a number as divisor, or beta**t."""
        if p.name in ("divide", "mod"):
            divisor = nodes[1].operand if isinstance(nodes[1], ast.UnaryOp) else nodes[1]
            return isinstance(divisor, ast.Constant) and divisor.value != 0
        base = nodes[0]
        hyper = {self.names[name] for name in self.program.defaults}
        decays = isinstance(base, ast.Constant) and 0 <= base.value <= 1  # type: ignore[operator]
        named = isinstance(base, ast.Name) and base.id in hyper
        return p.name == "power" and (named or decays) and isinstance(nodes[1], ast.Name) and nodes[1].id == "t"

    def comparison(self, expr: Expr) -> Call | None:
        """The comparison that an expression is, or stands for."""
        if not isinstance(expr, Call) or expr.op in COMPARISONS:
            return expr if isinstance(expr, Call) else None
        meant = expansion(expr.op) if PRIMITIVES[expr.op].form == "composite" else None
        if not isinstance(meant, Call) or meant.op not in COMPARISONS:
            return None
        written = substitute(meant, dict(zip(PRIMITIVES[expr.op].args, expr.args, strict=True)).__getitem__)
        return written if isinstance(written, Call) else None

    def test(self, call: Call, env: Mapping[str, _Value]) -> _Value:
        """A comparison as a truth, which only `where` may consume."""
        p, args = PRIMITIVES[call.op], [self.argument(arg, env) for arg in call.args]
        return _Value(self.fill(p.torch, p, args), p.kind(*(a.kind for a in args)), all(a.number for a in args))

    def where(self, test: _Value, x: _Value, y: _Value) -> _Value:
        kind = PRIMITIVES["where"].kind(test.kind, x.kind, y.kind)
        number = x.number and y.number
        if isinstance(test.node, ast.Constant):
            known = x if test.node.value else y
            if known.kind == kind:
                return known
            if known.number and kind.single:
                return replace(known, kind=kind)
            if known.number and kind == TENSOR:
                return _Value(self.shaped("torch.full_like(g, x)", known), kind, False)
        if test.number and (number or (x.kind == y.kind and not x.number and not y.number)):
            return _Value(ast.IfExp(test.node, x.node, y.node), kind, number, x.fresh and y.fresh)
        c, chosen = test.node, x.node
        if test.number:
            c = self.shaped("g.new_tensor(x, dtype=torch.bool)", replace(test, node=c))
        if number:  # torch would take the default dtype
            chosen = self.shaped("g.new_tensor(x, dtype=torch.float64)" if kind.single else "g.new_tensor(x)", x)
        return _Value(fill("torch.where(c, x, y)", c=c, x=chosen, y=y.node), kind, False)

    def fill(self, template: str, p: Primitive, args: list[_Value]) -> ast.expr:
        """The template with the arguments in place, each computed once."""
        uses = Counter(node.id for node in ast.walk(ast.parse(template)) if isinstance(node, ast.Name))
        nodes = {}
        for name, arg in zip(p.args, args, strict=True):
            nodes[name] = self.named(name, arg.node) if uses[name] > 1 and not simple(arg.node) else arg.node
            if arg.number:
                template = template.replace(f"{name}.double()", name)
        return fill(template, **nodes)

    def named(self, word: str, node: ast.expr) -> ast.expr:
        """A new variable with this value."""
        name, i = word, 1
        while name in self.taken or name in RESERVED:
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
        hint = "" if name in self.typed else self.hint(text(node))
        self.lines.append(f"{name}{hint} = {text(node)}")
        self.typed.add(name)

    def hint(self, value: str) -> str:
        """The type of a value for a type checker that does not know it."""
        if value.startswith(f"yield ({self.loss}.value,"):
            return ": float"
        return ": Tensor" if value.startswith(("yield (", "torch.linalg.")) else ""


def _helper(name: str, p: Primitive) -> str:
    """The text of a function that computes a pointwise primitive of numbers as torch does."""
    wide = {arg: ast.parse(f"torch.tensor({arg}, dtype=torch.float64)", mode="eval").body for arg in p.args}
    signature = ", ".join(f"{arg}: float" for arg in p.args)
    value = text(fill(f"float({p.torch.partition(' | ')[0]})", **wide))
    what = f"x {p.infix} y" if p.infix else p.name
    title = f'"""{what} of numbers, in float64: nan or inf where Python would raise."""'
    return f"def {name}({signature}) -> float:\n    {title}\n    return {value}"
