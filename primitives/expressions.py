"""Expressions of wrappers: `lookahead(sam(adamw), k=5)`, `scheduled(momentum(beta=0.95), cosine)`.

Read with `ast` and never executed. What is no wrapper is a leaf: the name of a reference program or of recommended
settings, or a quoted string (a file, a run's program); a leaf in brackets gets other defaults, as `adam(beta1=0.8)`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace

from primitives.options import unknown
from primitives.program import Program, ProgramError
from primitives.recommended import RECOMMENDED
from primitives.reference import known, reference
from primitives.schedules import SCHEDULES, Schedule
from primitives.wrappers import WRAPPERS, Wrapper

Leaf = Callable[[str], Program]
MAX_DEPTH = 8  # wrappers in each other; SAM doubles what is inside
LONGEST = 2_000  # characters


def program_of(text: str, leaf: Leaf = reference) -> Program:
    """The program that an expression means; `leaf` gives the program of a name or quoted string.

    ProgramError with a sentence on what to do, for every other text.
    """
    tree = _tree(text)
    try:
        program = _program(tree, leaf, 0)
        return _documented(program, tree) if isinstance(tree, ast.Call) else program
    except RecursionError:  # of ast.unparse
        raise _unreadable(text) from None


def _documented(program: Program, tree: ast.expr) -> Program:
    """The program with the expression before its docstring."""
    return replace(program, doc=f"{ast.unparse(tree)}\n\n{program.doc}".rstrip())


def _tree(text: str) -> ast.expr:
    if len(text) > LONGEST:
        raise ProgramError(f"an expression has at most {LONGEST:,} characters; write the program into a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a string that is called, which is a file with other defaults
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text) from None


def _unreadable(text: str) -> ProgramError:
    return ProgramError(
        f"'{_short(text)}' cannot be read; write a wrapper around a program, as lookahead(adam, k=5), and files in "
        "quotes."
    )


def _program(node: ast.expr, leaf: Leaf, depth: int) -> Program:
    """The program that a part of the expression means."""
    if depth > MAX_DEPTH:
        raise ProgramError(f"wrappers may stand {MAX_DEPTH} deep in each other; write the program into a file.")
    if isinstance(node, ast.Call):
        name = _name(node.func)
        if name in WRAPPERS and isinstance(node.func, ast.Name):
            return _wrapped(WRAPPERS[name], node, leaf, depth)
        return _changed(node, leaf)
    return _leaf(node, leaf)


def _wrapped(wrapper: Wrapper, node: ast.Call, leaf: Leaf, depth: int) -> Program:
    if len(node.args) != len(wrapper.takes):
        raise ProgramError(f"{_miscounted(wrapper, node.args)}; write {_usage(wrapper)}.")
    pairs = zip(wrapper.takes, node.args, strict=True)
    operands = [_schedule(arg) if kind == "schedule" else _program(arg, leaf, depth + 1) for kind, arg in pairs]
    options = _numbers(wrapper.name, node)
    for operand in operands:
        if inner := sorted((options.keys() - wrapper.defaults.keys()) & operand.defaults.keys()):
            raise ProgramError(
                f"{wrapper.name} has no option '{inner[0]}', {operand.name} has: "
                f"write it in the brackets of what has it, as adam({inner[0]}=...)."
            )
    return wrapper(*operands, **options)


def _miscounted(wrapper: Wrapper, args: list[ast.expr]) -> str:
    number = next((arg for arg in args if _number(arg) is not None), None)
    if number is not None and wrapper.options:
        return f"{wrapper.name} takes its options by name, as {wrapper.options[0].name}={ast.unparse(number)}"
    wanted = f"{len(wrapper.takes)} argument{'s' * (len(wrapper.takes) != 1)}"
    return f"{wrapper.name} takes {wanted} and was given {len(args)}"


def _usage(wrapper: Wrapper) -> str:
    """How the wrapper is written."""
    examples = {"program": iter(("adam", "sgd")), "schedule": iter(("cosine",))}
    options = [f"{option.name}={option.default:g}" for option in wrapper.options]
    return f"{wrapper.name}({', '.join([*(next(examples[kind]) for kind in wrapper.takes), *options])})"


def _schedule(node: ast.expr) -> Schedule:
    called = node.func if isinstance(node, ast.Call) else node
    name = _name(called) if isinstance(called, ast.Name) else ""
    if name not in SCHEDULES:
        shown = _short(ast.unparse(node))
        is_program = (_name(called) and not name) or name in (*known(), *WRAPPERS, *RECOMMENDED)
        what = f"{shown} is a program where a schedule is expected" if is_program else f"there is no schedule '{shown}'"
        raise ProgramError(unknown(what, name, SCHEDULES, "schedules"))
    if not isinstance(node, ast.Call):
        return SCHEDULES[name]
    if node.args:
        raise ProgramError(f"{name} takes numbers by name only: {_listed(SCHEDULES[name].defaults)}.")
    return SCHEDULES[name](**_numbers(name, node))


def _changed(node: ast.Call, leaf: Leaf) -> Program:
    """A leaf with other defaults."""
    name = _name(node.func)
    if not name or (name in SCHEDULES and name not in known()):
        return _leaf(node.func, leaf)  # which says what is wrong
    if node.args and isinstance(node.func, ast.Name) and name not in (*known(), *RECOMMENDED):
        raise ProgramError(unknown(f"there is no wrapper '{name}'", name, WRAPPERS, "wrappers"))
    program = _leaf(node.func, leaf)
    if node.args:
        raise ProgramError(
            f"{name} is a program and wraps nothing; in its brackets stand numbers by name: "
            f"{_listed(program.defaults)}."
        )
    given = _numbers(name, node)
    faults = [unknown(f"{name} has no hyperparameter '{key}'", key, program.defaults, "hyperparameters")
              for key in given if key not in program.defaults]  # fmt: skip
    if faults:
        raise ProgramError(*faults)
    return replace(program, hyper=tuple((key, given.get(key, value)) for key, value in program.hyper))


def _leaf(node: ast.expr, leaf: Leaf) -> Program:
    """The program of a name or quoted string."""
    name = _name(node)
    if not name:
        raise ProgramError(f"'{_short(ast.unparse(node))}' is no program; write a name, or a file in quotes.")
    if isinstance(node, ast.Name) and name in RECOMMENDED:
        item = RECOMMENDED[name]
        program = program_of(item.expression)
        return replace(program, name=name, doc=f"For {item.use}. {item.quote}\n\n{program.doc}")
    if isinstance(node, ast.Name) and name not in known():
        if name in WRAPPERS:
            raise ProgramError(f"{name} is a wrapper and needs a program; write {_usage(WRAPPERS[name])}.")
        if name in SCHEDULES:
            raise ProgramError(f"{name} is a schedule where a program is expected; write scheduled(adam, {name}).")
    return leaf(name)


def _numbers(owner: str, node: ast.Call) -> dict[str, float]:
    found: dict[str, float] = {}
    for keyword in node.keywords:
        value = _number(keyword.value)
        if keyword.arg is None:
            raise ProgramError(f"{owner}: ** has no place in an expression; write each option as name=number.")
        if value is None:
            shown = _short(ast.unparse(keyword.value))
            raise ProgramError(f"{owner}: {keyword.arg} is {shown} and must be a finite number.")
        found[keyword.arg] = value
    return found


def _number(node: ast.expr) -> float | None:
    """The finite number that a node is, if it is one."""
    sign = 1.0
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -sign
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    try:
        value = sign * float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return value if abs(value) < float("inf") else None


def _name(node: ast.expr) -> str:
    """The name or string that a node is, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _listed(items: Iterable[str]) -> str:
    return ", ".join(items) or "it has none"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:57]}..."
