"""Walks the syntax tree of a program's text, building the record and collecting every fault on the way."""

from __future__ import annotations

import ast
import difflib
import inspect
import math
import re
import warnings
from collections.abc import Iterable
from itertools import count

from primitives.program import INPUTS, READABLE, Assign, Call, Position, Program, State
from primitives.table import PRIMITIVES

Expr = str | float | Call
INFIX = {p.infix: p.name for p in PRIMITIVES.values() if p.infix}
SYMBOLS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
}  # fmt: skip
MAX_DEPTH = 100  # nesting beyond this is refused, long before Python's own recursion limit
LONGEST = 100_000  # characters; a method has 1,000, and what takes long or much memory to read is none
MOST_FAULTS = 100  # then reading ends
LONGEST_FAULT = 400  # characters of a sentence that quotes a name of the text


class _Enough(Exception):  # noqa: N818 (nothing is wrong with the reader)
    """There are so many faults that nobody wants more."""


class Reader:
    """One text; its faults in the order in which they are met."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.faults: list[str] = []
        self.lines: list[bytes] = []
        self.known: set[str] = set()
        self.fixed: set[str] = set()  # names that may not be assigned
        self.gradient = (
            "g"  # what `g` means here: another name once the text assigns it, so that `g` stays the gradient
        )

    def read(self) -> Program | None:
        """The program; None where the text is not even one function with a full return, or has too many faults."""
        try:
            return self._program()
        except _Enough:
            return None

    def _program(self) -> Program | None:
        function = self._function()
        if function is None:
            return None
        self._name(function, function.name)
        states, hyper = self._signature(function)
        doc = ast.get_docstring(function, clean=False)
        body, returns = self._statements(function, function.body if doc is None else function.body[1:], states)
        program = Program(function.name, states, hyper, body, returns, inspect.cleandoc(doc or ""))
        return program if len(returns) == 1 + len(set(program.state_names)) else None

    def expression(self, known: Iterable[str]) -> Expr:
        """The text as an expression over known variables."""
        self.known = set(known)
        try:
            tree = self._tree("eval")
            return self._expr(tree.body) if isinstance(tree, ast.Expression) else 0.0
        except _Enough:
            return 0.0

    def fault(self, node: ast.AST | None, sentence: str) -> None:
        line, column = self._at(node) if node is not None else (1, 1)
        if len(sentence) > LONGEST_FAULT:
            sentence = f"{sentence[: LONGEST_FAULT // 2]}...{sentence[-LONGEST_FAULT // 4 :]}"
        self.faults.append(f"line {line}, column {column}: {sentence}")
        if len(self.faults) >= MOST_FAULTS:
            raise _Enough

    def _at(self, node: ast.AST) -> Position:
        """Line and column in characters (the tree counts bytes)."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        self.lines = self.lines or re.split(rb"\r\n?|\n", self.text.encode(errors="replace"))
        before = self.lines[line - 1][:column] if line <= len(self.lines) else b""
        return line, (len(before) if before.isascii() else len(before.decode(errors="replace"))) + 1

    def _quoted(self, node: ast.AST) -> str:
        """The beginning of the text of a node."""
        text = (ast.get_source_segment(self.text, node) or "").split("\n")[0]
        return f"'{text if len(text) <= 40 else text[:37] + '...'}'"

    def _tree(self, mode: str) -> ast.AST | None:
        if len(self.text) > LONGEST:
            self.fault(None, f"the text has {len(self.text):,} characters and may have {LONGEST:,}.")
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about odd escapes and the like, which are faults here anyway
                return ast.parse(self.text, mode=mode)
        except SyntaxError as error:
            self.faults.append(f"line {error.lineno or 1}, column {error.offset or 1}: {error.msg}.")
        except (ValueError, RecursionError, MemoryError):
            self.fault(None, "this is no program text (null bytes, or nested too deeply).")
        return None

    def _function(self) -> ast.FunctionDef | None:
        if not self.text.strip():
            self.fault(None, "the text is empty; a program is one function, def name(w, g): ...")
            return None
        tree = self._tree("exec")
        if not isinstance(tree, ast.Module):
            return None
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                self.fault(node, "only one function definition may stand here; a program is never executed as Python.")
        if not functions:
            self.fault(None, "no function found; a program is def name(w, g, ...): ...")
            return None
        for extra in functions[1:]:
            self.fault(extra, f"'{extra.name}' is a second function; a text holds one program.")
        return functions[0]

    def _signature(self, node: ast.FunctionDef) -> tuple[tuple[State, ...], tuple[tuple[str, float], ...]]:
        args = node.args
        self._only_plain(node)
        if tuple(a.arg for a in args.args[:2]) != INPUTS:
            self.fault(node, "the first two arguments must be w and g, then the states.")
        for i, argument in enumerate(declared := [*args.args[2:], *args.kwonlyargs]):
            self._fresh(argument, {earlier.arg for earlier in declared[:i]})
        hyper = self._hyperparameters(args)
        states = self._states(args, {name for name, _ in hyper})
        self.known = {*INPUTS, *READABLE, *(s.name for s in states), *(name for name, _ in hyper)}
        self.fixed = {*READABLE, *(name for name, _ in hyper)}
        return states, hyper

    def _only_plain(self, node: ast.FunctionDef) -> None:
        """Faults for all that a Python signature may have and a program has not."""
        args = node.args
        for extra in (*args.posonlyargs, args.vararg, args.kwarg):
            if extra is not None:
                self.fault(extra, f"'{extra.arg}': a program has no '/', *args or **kwargs.")
        for decorator in node.decorator_list:
            self.fault(decorator, "a program has no decorators.")
        for argument in (*args.args, *args.kwonlyargs):
            if argument.annotation is not None:
                self.fault(argument.annotation, f"'{argument.arg}' has an annotation; a program has none.")
        for annotation in (node.returns, *getattr(node, "type_params", ())):
            if annotation is not None:
                self.fault(annotation, "a program has no annotations.")

    def _hyperparameters(self, args: ast.arguments) -> tuple[tuple[str, float], ...]:
        hyper = []
        for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            value = None if default is None else self._number(default)
            if value is None:
                self.fault(argument, f"hyperparameter '{argument.arg}' needs a number as its default.")
            hyper.append((argument.arg, 0.0 if value is None else value))
        return tuple(hyper)

    def _states(self, args: ast.arguments, hyper: set[str]) -> tuple[State, ...]:
        states = []
        nodes = args.args[2:]
        given: list[ast.expr | None] = [*args.defaults[-len(nodes) :]] if nodes else []
        if len(args.defaults) > len(nodes):
            self.fault(args.defaults[0], "w and g have no default.")
        for argument, default in zip(nodes, [*[None] * (len(nodes) - len(given)), *given], strict=True):
            start: str | float | None = 0.0
            if isinstance(default, ast.Name) and (default.id in hyper or default.id == "w"):
                start = default.id
            elif default is not None:
                start = self._number(default)
            if start is None:
                self.fault(argument, f"state '{argument.arg}' must start at a number, a hyperparameter or w.")
            states.append(State(argument.arg, 0.0 if start is None else start))
        return tuple(states)

    def _fresh(self, argument: ast.arg, earlier: set[str]) -> None:
        self._name(argument, argument.arg)
        if argument.arg in (*INPUTS, *READABLE):
            self.fault(argument, f"'{argument.arg}' has a meaning of its own and cannot be declared.")
        if argument.arg in earlier:
            self.fault(argument, f"'{argument.arg}' is declared twice.")

    def _name(self, node: ast.AST, name: str) -> None:
        if name in PRIMITIVES and PRIMITIVES[name].args:
            self.fault(node, f"'{name}' is a primitive; choose another name.")
        if name.startswith("__"):
            self.fault(node, f"'{name}' begins with two underscores; choose another name.")

    def _statements(
        self, function: ast.FunctionDef, statements: list[ast.stmt], states: tuple[State, ...]
    ) -> tuple[tuple[Assign, ...], tuple[Expr, ...]]:
        body: list[Assign] = []
        for i, node in enumerate(statements):
            if isinstance(node, ast.Return):
                for later in statements[i + 1 :]:
                    self.fault(later, "nothing may follow the return.")
                return tuple(body), self._returns(node, states)
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                value = self._expr(node.value)
                body.append(Assign(self._target(node.targets[0]), value, self._at(node)))
            else:
                self.fault(node, "a statement is 'name = expression'; imports, loops and calls alone are not allowed.")
        self.fault(function, "the return is missing; it gives the new w, then the new states.")
        return tuple(body), ()

    def _returns(self, node: ast.Return, states: tuple[State, ...]) -> tuple[Expr, ...]:
        nodes = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] if node.value else []
        values = tuple(self._expr(value) for value in nodes)
        if len(values) != 1 + len(states):
            new = ", ".join(["w", *(state.name for state in states)])
            given = "1 value" if len(values) == 1 else f"{len(values)} values"
            self.fault(node, f"the return gives {given} and must give {1 + len(states)}: the new {new}.")
        return values

    def _target(self, node: ast.Name) -> str:
        self._name(node, node.id)
        if node.id in self.fixed:
            self.fault(node, f"'{node.id}' cannot be assigned.")
        if node.id == "g":
            if self.gradient == "g":
                words = set(re.findall(r"\w+", self.text))
                self.gradient = next(name for k in count(2) if (name := f"g_{k}") not in words)
            return self.gradient
        self.known.add(node.id)
        return node.id

    def _number(self, node: ast.expr) -> float | None:
        negative = False
        while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            node, negative = node.operand, not negative
        if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
            return None
        try:
            value = float(node.value)  # type: ignore[arg-type]
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            self.fault(node, "a number must be finite.")
            return 0.0
        return -value if negative else value

    def _expr(self, node: ast.expr, depth: int = 0) -> Expr:
        if depth > MAX_DEPTH:
            self.fault(node, f"expressions may be nested {MAX_DEPTH} deep; use statements.")
            return 0.0
        number = self._number(node)
        if number is not None:
            return number
        if isinstance(node, ast.Name):
            return self.gradient if node.id == "g" and "g" in self.known else self._variable(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id, depth)
        op, sides = _operator(node)
        if not op:
            self.fault(node, f"{self._quoted(node)} is not an expression of the language.")
            return 0.0
        return Call(op, tuple(self._expr(side, depth + 1) for side in sides), self._at(node))

    def _call(self, node: ast.Call, name: str, depth: int) -> Expr:
        for keyword in node.keywords:
            self.fault(keyword.value, f"{name}() takes its arguments by position.")
        args = tuple(self._expr(arg, depth + 1) for arg in node.args)
        if name not in PRIMITIVES:
            self.fault(node, f"unknown primitive '{name}'{_suggest(name, PRIMITIVES)}.")
        elif len(args) != PRIMITIVES[name].arity:
            wanted = PRIMITIVES[name]
            given = f"{wanted.arity} argument{'s' * (wanted.arity != 1)} and was given {len(args)}"
            self.fault(node, f"{name}({', '.join(wanted.args)}) takes {given}.")
        return Call(name, args, self._at(node))

    def _variable(self, node: ast.Name) -> str:
        if node.id not in self.known:
            constant = node.id in PRIMITIVES and not PRIMITIVES[node.id].args
            hint = f"; the constant is written {node.id}()" if constant else _suggest(node.id, self.known)
            self.fault(node, f"unknown variable '{node.id}'{hint}.")
        return node.id


def _operator(node: ast.expr) -> tuple[str, tuple[ast.expr, ...]]:
    """The primitive that an operator stands for, and its sides; "" for any other node."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return "negative", (node.operand,)
    if isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
        return INFIX[SYMBOLS[type(node.op)]], (node.left, node.right)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SYMBOLS:
        return INFIX[SYMBOLS[type(node.ops[0])]], (node.left, node.comparators[0])
    return "", ()


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'" if close else ""
