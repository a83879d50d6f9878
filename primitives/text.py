"""The text of a program: `parse` reads it (with `ast`, never executing it), `show` writes it; exact inverses."""

from __future__ import annotations

import ast
import difflib
import inspect
import math

from primitives.inference import kind_faults
from primitives.program import INPUTS, READABLE, Assign, Call, Position, Program, ProgramError, State
from primitives.table import PRIMITIVES

Expr = str | float | Call
INFIX = {p.infix: p.name for p in PRIMITIVES.values() if p.infix}
SYMBOLS: dict[type, str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.Mod: "%",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
}  # fmt: skip
PRECEDENCE = {"<": 1, "<=": 1, ">": 1, ">=": 1, "==": 1, "+": 2, "-": 2, "*": 3, "/": 3, "%": 3, "neg": 4, "**": 5}
MAX_DEPTH = 200  # nesting beyond this is refused, long before Python's own recursion limit


def parse(text: str) -> Program:
    """The program that a text means; ProgramError with every fault, one sentence each with line and column."""
    reader = _Reader()
    program = reader.read(text)
    if program is None or reader.faults:
        raise ProgramError(*reader.faults)
    faults = kind_faults(program)
    if faults:
        raise ProgramError(*faults)
    return program


def problems(program: Program | str) -> tuple[str, ...]:
    """Every fault of a program or text, one sentence each with line and column; empty means valid."""
    try:
        text = program if isinstance(program, str) else show(program)
        parse(text)
    except ProgramError as error:
        return error.faults
    return ()


def show(program: Program) -> str:
    """The text of a program; `parse(show(p)) == p`, and showing a parsed text again changes nothing."""
    starts = [state.start for state in program.states]
    first = next((i for i, start in enumerate(starts) if start != 0), len(starts))
    states = [
        state.name if i < first else f"{state.name}={show_expr(state.start)}" for i, state in enumerate(program.states)
    ]
    hyper = [f"{name}={show_expr(value)}" for name, value in program.hyper]
    signature = ", ".join([*INPUTS, *states, *(["*", *hyper] if hyper else [])])
    lines = [f"def {program.name}({signature}):"]
    lines += _doc_lines(program.doc)
    lines += [f"    {assign.name} = {show_expr(assign.value)}" for assign in program.body]
    lines.append(f"    return {', '.join(show_expr(value) for value in program.returns)}")
    return "\n".join(lines) + "\n"


def show_expr(expr: Expr, outer: int = 0) -> str:
    """The text of an expression, with the parentheses that it needs inside an operator of precedence `outer`."""
    if isinstance(expr, str):
        return expr
    if not isinstance(expr, Call):
        text = show_number(expr)
        return f"({text})" if text.startswith("-") and outer > PRECEDENCE["neg"] else text
    if expr.op == "negative" and not _is_number(expr.args[0]):
        inner, level = "-" + show_expr(expr.args[0], PRECEDENCE["neg"]), PRECEDENCE["neg"]
    elif infix := PRIMITIVES[expr.op].infix if expr.op in PRIMITIVES else "":
        level = PRECEDENCE[infix]
        # Comparisons do not chain and power binds to the right: only the looser side keeps its own level.
        left = level + (infix == "**" or level == 1)
        right = PRECEDENCE["neg"] if infix == "**" else level + 1
        inner = f"{show_expr(expr.args[0], left)}{infix if infix == '**' else f' {infix} '}"
        inner += show_expr(expr.args[1], right)
    else:
        return f"{expr.op}({', '.join(show_expr(arg) for arg in expr.args)})"
    return f"({inner})" if level < outer else inner


def show_number(value: float) -> str:
    """The shortest text that reads back as the same float, whole numbers without a point."""
    if value == int(value) and abs(value) < 1e16 and not (value == 0 and math.copysign(1, value) < 0):
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _is_number(expr: Expr) -> bool:
    return isinstance(expr, float | int)


def _doc_lines(doc: str) -> list[str]:
    if not doc:
        return []
    if "\\" in doc or '"""' in doc or doc.endswith('"') or not all(c.isprintable() or c == "\n" for c in doc):
        return [f"    {doc!r}"]
    first, *rest = doc.split("\n")
    lines = [f'    """{first}', *(f"    {line}" if line else "" for line in rest)]
    lines[-1] += '"""'
    return lines


def _at(node: ast.AST) -> Position:
    return getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1


class _Reader:
    """Walks the syntax tree once, building the program and collecting every fault on the way."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.known: set[str] = set()
        self.fixed: set[str] = set()  # names that may not be assigned

    def fault(self, node: ast.AST, sentence: str) -> None:
        line, column = _at(node)
        self.faults.append(f"line {line}, column {column}: {sentence}")

    def read(self, text: str) -> Program | None:
        function = self._function(text)
        if function is None:
            return None
        states, hyper = self._signature(function)
        doc = inspect.cleandoc(ast.get_docstring(function, clean=False) or "")
        statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
        body, returns = self._statements(function, statements)
        if len(returns) != 1 + len(states):
            expected = ", ".join(["w", *(state.name for state in states)])
            self.fault(
                function.body[-1],
                f"the return gives {len(returns)} values and must give {1 + len(states)}: the new {expected}.",
            )
        return Program(function.name, states, hyper, body, returns, doc)

    def _function(self, text: str) -> ast.FunctionDef | None:
        if not text.strip():
            self.faults.append("line 1, column 1: the text is empty; a program is one function, def name(w, g): ...")
            return None
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            self.faults.append(f"line {error.lineno or 1}, column {error.offset or 1}: {error.msg}.")
            return None
        except (ValueError, RecursionError, MemoryError):
            self.faults.append("line 1, column 1: this is no program text (null bytes, or nested too deeply).")
            return None
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        for node in tree.body:
            if not isinstance(node, ast.FunctionDef):
                self.fault(node, "only one function definition may stand here; a program is never executed as Python.")
        if not functions:
            self.faults.append("line 1, column 1: no function found; a program is def name(w, g, ...): ...")
            return None
        for extra in functions[1:]:
            self.fault(extra, f"'{extra.name}' is a second function; a text holds one program.")
        return functions[0]

    def _signature(self, node: ast.FunctionDef) -> tuple[tuple[State, ...], tuple[tuple[str, float], ...]]:
        args = node.args
        for extra in (*args.posonlyargs, args.vararg, args.kwarg):
            if extra is not None:
                self.fault(extra, f"'{extra.arg}': a program has no '/', *args or **kwargs.")
        for decorator in node.decorator_list:
            self.fault(decorator, "a program has no decorators.")
        for argument in (*args.args, *args.kwonlyargs):
            if argument.annotation is not None:
                self.fault(argument.annotation, f"'{argument.arg}' has an annotation; a program has none.")
        if node.returns is not None:
            self.fault(node.returns, "a program has no annotations.")
        if tuple(a.arg for a in args.args[:2]) != INPUTS:
            self.fault(node, "the first two arguments must be w and g, then the states.")
        hyper = self._hyperparameters(args)
        states = self._states(args, {name for name, _ in hyper})
        self.known = {*INPUTS, *READABLE, *(s.name for s in states), *(name for name, _ in hyper)}
        self.fixed = {*READABLE, *(name for name, _ in hyper), "g"}
        return states, hyper

    def _hyperparameters(self, args: ast.arguments) -> tuple[tuple[str, float], ...]:
        hyper = []
        for argument, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
            self._fresh(argument)
            value = None if default is None else self._number(default)
            if value is None:
                self.fault(argument, f"hyperparameter '{argument.arg}' needs a number as its default.")
            hyper.append((argument.arg, value or 0.0))
        return tuple(hyper)

    def _states(self, args: ast.arguments, hyper: set[str]) -> tuple[State, ...]:
        states = []
        nodes = args.args[2:]
        defaults: list[ast.expr | None] = [None] * len(nodes)
        if args.defaults:
            defaults = ([None] * len(nodes) + list(args.defaults))[-len(nodes) :] if nodes else []
        if len(args.defaults) > len(nodes):
            self.fault(args.defaults[0], "w and g have no default.")
        for argument, default in zip(nodes, defaults, strict=True):
            self._fresh(argument)
            start: str | float | None = 0.0
            if isinstance(default, ast.Name) and (default.id in hyper or default.id == "w"):
                start = default.id
            elif default is not None:
                start = self._number(default)
            if start is None:
                self.fault(argument, f"state '{argument.arg}' must start at a number, a hyperparameter or w.")
            states.append(State(argument.arg, start or 0.0))
        return tuple(states)

    def _fresh(self, argument: ast.arg) -> None:
        if argument.arg in (*INPUTS, *READABLE):
            self.fault(argument, f"'{argument.arg}' has a meaning of its own and cannot be declared.")
        if argument.arg in PRIMITIVES and argument.arg not in ("eps", "e", "pi"):
            self.fault(argument, f"'{argument.arg}' is a primitive; choose another name.")

    def _statements(
        self, function: ast.FunctionDef, statements: list[ast.stmt]
    ) -> tuple[tuple[Assign, ...], tuple[Expr, ...]]:
        body: list[Assign] = []
        for i, node in enumerate(statements):
            if isinstance(node, ast.Return):
                for later in statements[i + 1 :]:
                    self.fault(later, "nothing may follow the return.")
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] if node.value else []
                return tuple(body), tuple(self._expr(value) for value in values)
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                value = self._expr(node.value)
                body.append(Assign(self._target(node.targets[0]), value, _at(node)))
            else:
                self.fault(node, "a statement is 'name = expression'; imports, loops and calls alone are not allowed.")
        self.fault(function, "the return is missing; it gives the new w, then the new states.")
        return tuple(body), ()

    def _target(self, node: ast.Name) -> str:
        if node.id in self.fixed:
            self.fault(node, f"'{node.id}' cannot be assigned.")
        elif node.id in PRIMITIVES:
            self.fault(node, f"'{node.id}' is a primitive; choose another name.")
        self.known.add(node.id)
        return node.id

    def _number(self, node: ast.expr) -> float | None:
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._number(node.operand)
            return None if value is None else -value
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            try:
                value = float(node.value)  # type: ignore[arg-type]
            except OverflowError:
                value = math.inf
            if math.isfinite(value):
                return value
            self.fault(node, "a number must be finite.")
            return 0.0
        return None

    def _expr(self, node: ast.expr, depth: int = 0) -> Expr:
        if depth > MAX_DEPTH:
            self.fault(node, f"expressions may be nested {MAX_DEPTH} deep; use statements.")
            return 0.0
        number = self._number(node)
        if number is not None:
            return number
        if isinstance(node, ast.Name):
            return self._variable(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return Call("negative", (self._expr(node.operand, depth + 1),), _at(node))
        if isinstance(node, ast.BinOp) and type(node.op) in SYMBOLS:
            sides = (self._expr(node.left, depth + 1), self._expr(node.right, depth + 1))
            return Call(INFIX[SYMBOLS[type(node.op)]], sides, _at(node))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SYMBOLS:
            sides = (self._expr(node.left, depth + 1), self._expr(node.comparators[0], depth + 1))
            return Call(INFIX[SYMBOLS[type(node.ops[0])]], sides, _at(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node, node.func.id, depth)
        self.fault(node, f"'{ast.unparse(node)[:40]}' is not an expression of the language.")
        return 0.0

    def _call(self, node: ast.Call, name: str, depth: int) -> Expr:
        for keyword in node.keywords:
            self.fault(keyword.value, f"{name}() takes its arguments by position.")
        args = tuple(self._expr(arg, depth + 1) for arg in node.args)
        if name not in PRIMITIVES:
            self.fault(node, f"unknown primitive '{name}'{_suggest(name, PRIMITIVES)}.")
        elif len(args) != PRIMITIVES[name].arity:
            wanted = PRIMITIVES[name]
            form = f"{name}({', '.join(wanted.args)})"
            self.fault(node, f"{form} takes {wanted.arity} arguments and was given {len(args)}.")
        return Call(name, args, _at(node))

    def _variable(self, node: ast.Name) -> str:
        if node.id not in self.known:
            self.fault(node, f"unknown variable '{node.id}'{_suggest(node.id, self.known)}.")
        return node.id


def _suggest(name: str, known: object) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)  # type: ignore[call-overload]
    return f"; did you mean '{close[0]}'" if close else ""


def parse_expr(text: str, known: tuple[str, ...]) -> Expr:
    """The expression that a text means over the variables `known`; ProgramError with its faults."""
    reader = _Reader()
    reader.known = set(known)
    expr = reader._expr(ast.parse(text, mode="eval").body)
    if reader.faults:
        raise ProgramError(*reader.faults)
    return expr
