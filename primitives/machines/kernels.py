"""Writes the numba machine's source from the table of primitives, and loads it compiled from the cache on disk."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from string import Template
from types import ModuleType

import platformdirs

from primitives.bytecode import IN_PLACE
from primitives.matrices import MOST_STEPS, SMALLEST
from primitives.primitive import Primitive
from primitives.table import PRIMITIVES, derived

OPERANDS = ("A", "B", "C", "E")  # the arrays of an instruction's arguments; D is its result
POINTWISE: list[Primitive] = []
REDUCTIONS = [p for p in PRIMITIVES.values() if p.form in ("reduction", "model")]
OPCODES: dict[tuple[str, str, bool], int] = {}  # see _variants
NUMBER_OPCODES: dict[str, int] = {}
PERIODIC = ("sin", "cos", "tan")  # their vector forms hold up to FAR; what lies beyond is done again, by the C library
CHEAP = 2.0  # primitives up to this cost get a loop of their own for numbers among their arguments


def patterns(p: Primitive) -> list[str]:
    """The patterns of arguments (T register, S number) that have a loop of their own; others fill registers first."""
    if p.name == "mix":
        return ["TTTT", "STST"]
    if p.arity != 2 or p.cost > CHEAP:
        return ["T" * p.arity]
    return ["TT", "TS", "ST"]


def _variants() -> dict[tuple[str, str, bool], int]:
    """Opcode of each (operation, pattern, result over first register); "fill" and "copy" come first."""
    keys: list[tuple[str, str, bool]] = [("fill", "S", False), ("copy", "T", False)]
    for p in POINTWISE:
        for pattern in patterns(p) if p.arity else []:
            keys.append((p.name, pattern, False))
            if p.name in IN_PLACE:
                keys.append((p.name, pattern, True))
    keys += [(p.name, "T" * p.arity, False) for p in REDUCTIONS]
    return {key: code for code, key in enumerate(keys)}


class _Rename(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.AST:
        text = self.names.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body


def _kernel(p: Primitive, operands: list[str]) -> str:
    """The scalar expression of a primitive with its arguments' names replaced."""
    tree = _Rename(dict(zip(p.args, operands, strict=True))).visit(ast.parse(p.kernel, mode="eval"))
    return ast.unparse(tree)


def _loop(p: Primitive, pattern: str, in_place: bool) -> list[str]:
    operands, lines = [], []
    target = pattern.index("T") if in_place else -1
    for k, letter in enumerate(pattern):
        if letter == "S":
            lines.append(f"c{k} = F(s[code[i, {k + 2}]])")
            operands.append(f"c{k}")
        else:
            operands.append("D[j]" if k == target else f"{OPERANDS[k]}[j]")
    lines += ["for j in range(n):", f"    D[j] = {_kernel(p, operands)}"]
    if p.name in PERIODIC and not in_place:
        exact = _kernel(p, ["float64(A[j])"]).replace(p.name, f"{p.name}_d")
        lines += ["for j in range(n):", "    if abs(A[j]) > FAR:", f"        D[j] = F({exact})"]
    return lines


def _reduction(p: Primitive) -> list[str]:
    """Adds to a number in float64, eight partial sums wide (floating-point sums do not vectorise by themselves)."""
    wide = _kernel(p, [f"float64({OPERANDS[k]}[j + l])" for k in range(p.arity)])
    rest = _kernel(p, [f"float64({OPERANDS[k]}[j])" for k in range(p.arity)])
    return [
        "for l in range(8):",
        "    q[l] = 0.0",
        "whole = n - n % 8",
        "for j in range(0, whole, 8):",
        "    for l in range(8):",
        f"        q[l] += {wide}",
        "total = ((q[0] + q[4]) + (q[1] + q[5])) + ((q[2] + q[6]) + (q[3] + q[7]))",
        "for j in range(whole, n):",
        f"    total += {rest}",
        "s[code[i, 1]] += total",
    ]


def _chain(branches: list[tuple[int, list[str]]], indent: str) -> str:
    lines = []
    for k, (code, body) in enumerate(branches):
        lines.append(f"{indent}{'if' if k == 0 else 'elif'} op == {code}:")
        lines += [f"{indent}    {line}" for line in body]
    return "\n".join(lines)


def source(dtype: str) -> str:
    """The module of compiled functions for "float32" or "float64", of which `step` is called."""
    branches = [(0, ["c0 = F(s[code[i, 2]])", "for j in range(n):", "    D[j] = c0"])]
    branches.append((1, ["for j in range(n):", "    D[j] = A[j]"]))
    for (op, pattern, in_place), code in list(OPCODES.items())[2:]:
        p = PRIMITIVES[op]
        branches.append((code, _loop(p, pattern, in_place) if p.form == "pointwise" else _reduction(p)))
    numbers = [
        (code, [f"s[code[i, 1]] = {_kernel(PRIMITIVES[op], _slots(op))}"]) for op, code in NUMBER_OPCODES.items()
    ]
    names = "SINGLE" if dtype == "float32" else "DOUBLE"
    return TEMPLATE.substitute(
        dtype=dtype,
        imports="\n".join(f"{name} = {names}[{name!r}]" for name in _functions()),
        double="\n".join(f"{name}_d = DOUBLE[{name!r}]" for name in _functions()),
        blocks=_chain(branches, " " * 8),
        numbers=_chain([(code, [_double(line) for line in body]) for code, body in numbers], " " * 8),
    )


def _slots(op: str) -> list[str]:
    return [f"s[code[i, {k + 2}]]" for k in range(PRIMITIVES[op].arity)]


def _functions() -> list[str]:
    from primitives.machines.elementary import SINGLE

    return list(SINGLE)


def _double(line: str) -> str:
    """The line with the functions of the float64 numbers."""
    return ast.unparse(_Rename({name: f"{name}_d" for name in _functions()}).visit(ast.parse(line)))


COMPILED_IN = ("circular.py", "elementary.py", "pointers.py", "whole.py")
TEMPLATE = Template((Path(__file__).parent / "template.txt").read_text(encoding="utf-8"))


def cache_folder() -> Path:
    """Where compiled machines are kept: EVOSEARCH_CACHE, else the user's cache folder, else a temporary one."""
    chosen = os.environ.get("EVOSEARCH_CACHE")
    folder = Path(chosen) if chosen else platformdirs.user_cache_path("evosearch")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError:
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = Path(tempfile.gettempdir()) / f"evosearch-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if hasattr(os, "getuid") and folder.stat().st_uid != user:  # somebody else's: code is loaded from here
            folder = Path(tempfile.mkdtemp(prefix="evosearch-"))
    return folder


@cache
def _place(dtype: str) -> tuple[Path, str]:
    """The path of a dtype's module, named after all that is compiled into it, and its text."""
    text = source(dtype)
    # numba itself would not notice a change in what the module imports.
    parts = [
        text,
        repr((MOST_STEPS, SMALLEST)),
        *(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in COMPILED_IN),
    ]
    return cache_folder() / f"machine_{dtype}_{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}.py", text


def is_compiled(dtype: str) -> bool:
    """Whether the functions for a dtype lie compiled in the cache."""
    path, _ = _place(dtype)
    return any((path.parent / "__pycache__").glob(f"{path.stem}.step-*.nbi"))


@cache
def load(dtype: str) -> ModuleType:
    """The compiled functions for a dtype; numba compiles them on first use and keeps them beside their source."""
    path, text = _place(dtype)
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@derived
def _number_all() -> None:
    """Opcodes for all that is in the table; what was loaded for fewer is forgotten."""
    POINTWISE[:] = [p for p in PRIMITIVES.values() if p.form == "pointwise"]
    OPCODES.clear()
    OPCODES.update(_variants())
    NUMBER_OPCODES.clear()
    NUMBER_OPCODES.update({p.name: code for code, p in enumerate(POINTWISE)})
    _place.cache_clear()
    load.cache_clear()
