"""What a record of the table must fulfil, as sentences on what it does not; without torch and without compiling.

agreement.py goes on where this ends: torch, the compiled machine and SymPy.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import math
from collections.abc import Collection, Iterator
from itertools import product
from typing import Any

import numpy as np

from primitives.machines.gpu_text import expression
from primitives.namespaces import NUMPY
from primitives.primitive import Primitive
from primitives.program import INPUTS, READABLE, ProgramError, calls
from primitives.text import parse_expr

FORMS = ("pointwise", "composite")  # what a user's own may be: sums are composites, as "sum(abs(x))"
ROLES = ("any", "weight", "positive", "step", "count")
FUNCTIONS = """F abs exp exp2 exp10 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh
arccosh arctanh sqrt floor mod power cbrt""".split()  # what a kernel may call
MOST_ARGUMENTS = 4
POINTS = (0.0, 1e-9, 0.3, 1.0, 2.5, 40.0, 1e9, math.inf)  # with both signs; and what is no number
CLOSE = 1e-9
Array = np.ndarray[Any, Any]


def faults(p: Primitive, taken: Collection[str]) -> list[str]:
    """What is wrong with a user's own record, a sentence each; `taken` are the names that it may not have."""
    found = [*_of_name(p, taken), *_of_arguments(p)]
    if p.form not in FORMS:
        found.append(f"{p.name} has the form '{p.form}'; a primitive of your own is pointwise, or a composite.")
    if not (isinstance(p.cost, int | float) and 0 <= p.cost < math.inf):
        found.append(f"{p.name} costs {p.cost!r}; `cost` is a number of additions for each element.")
    if found:
        return found
    if p.form == "composite":
        return _of_expansion(p)
    return [*_of_meaning(p), *_of_texts(p)] or _of_values(p)


def _of_name(p: Primitive, taken: Collection[str]) -> Iterator[str]:
    if not isinstance(p.name, str) or not p.name.isidentifier() or keyword.iskeyword(p.name):
        yield f"{p.name!r} is no name for a primitive; it is a word of letters, digits and _."
    elif p.name in taken:
        yield f"{p.name} is a primitive already; give yours another name."
    elif p.name in (*INPUTS, *READABLE, "lr", "n"):
        yield f"{p.name} means something else in a program; give the primitive another name."
    if p.infix:
        yield f"{p.name} has the infix {p.infix!r}; the language's signs are its own, so leave `infix` out."


def _of_arguments(p: Primitive) -> Iterator[str]:
    if not 1 <= p.arity <= MOST_ARGUMENTS:
        yield f"{p.name} has {p.arity} arguments; it may have 1 to {MOST_ARGUMENTS}."
    if len(set(p.args)) < p.arity or not all(arg.isidentifier() for arg in p.args):
        yield f'the arguments of {p.name} are {" ".join(p.args)}; they are different words, as in "x y a:weight".'
    for role in sorted(set(p.roles) - set(ROLES)):
        yield f"{p.name} has an argument of the role '{role}'; roles are {', '.join(ROLES)}."
    if p.commutative and (p.arity != 2 or p.form != "pointwise"):
        yield f"{p.name} is marked commutative, which only a pointwise function of two arguments can be."


def _of_expansion(p: Primitive) -> list[str]:
    try:
        inside = parse_expr(p.expansion, p.args)
    except ProgramError as error:
        return [f"the expansion of {p.name}: {fault}" for fault in error.faults]
    return [] if any(calls(inside)) else [f"the expansion of {p.name} applies no primitive."]


def _of_meaning(p: Primitive) -> Iterator[str]:
    wanted = ", ".join(("f", *p.args))
    if not callable(p.meaning):
        yield f"{p.name} has no meaning; it is a function of {wanted}, as lambda {wanted}: ..."
        return
    given = list(inspect.signature(p.meaning).parameters)
    if given[1:] != list(p.args) or not given:
        yield f"the meaning of {p.name} takes {', '.join(given)}; it must take {wanted}."


def _of_texts(p: Primitive) -> Iterator[str]:
    """The kernel, the formula and the text for torch: expressions over the arguments."""
    parts = [part for part in p.torch.split(" | ") if part]
    for what, text in [("kernel", p.kernel), ("formula", p.formula), *(("torch text", part) for part in parts)]:
        try:
            tree = ast.parse(text, mode="eval")
        except SyntaxError:
            yield f"the {what} of {p.name} is {text!r} and no expression."
            continue
        words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if unread := [arg for arg in p.args if arg not in words]:
            yield f"the {what} of {p.name} does not read {', '.join(unread)}."
        known = {"kernel": {*FUNCTIONS}, "torch text": {"torch", "math"}}.get(what)
        if known is not None and (strange := sorted(words - known - set(p.args))):
            may = f"a kernel has {', '.join(FUNCTIONS)}" if what == "kernel" else "an exported file has torch and math"
            yield f"the {what} of {p.name} reads {', '.join(strange)}; {may}."
    if not p.torch:
        yield f'{p.name} has no text for torch, which an exported file needs, as torch="torch.tanh(x)".'
    try:
        expression(p.kernel, {})
    except (SyntaxError, ValueError):
        yield f"the kernel of {p.name} is {p.kernel!r}; it may have arithmetic, comparisons, a if b else c, and calls."


def _of_values(p: Primitive) -> list[str]:
    """What it gives: a number for each element, by the meaning as by the kernel; its symmetry and its degree."""
    try:
        with np.errstate(all="ignore"):
            return [*_kernel_faults(p)] or [*_order_faults(p), *_degree_faults(p)]
    except Exception as error:
        return [f"{p.name} cannot be computed: {type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}."]


def in_numpy(p: Primitive, args: list[Array]) -> Array:
    """The meaning of a pointwise primitive."""
    assert p.meaning is not None
    return np.asarray(p.meaning(NUMPY, *args))


def points(p: Primitive, count: int = 400) -> list[Array]:
    """Arguments [n] each, float64: every combination of round points, the first `count` of a fixed order."""
    some = [*POINTS, *(-x for x in POINTS), math.nan]
    grid = np.array(list(product(some, repeat=p.arity)))
    return list(np.random.default_rng(0).permutation(grid)[:count].T)


def _kernel_faults(p: Primitive) -> Iterator[str]:
    args = points(p)
    found = in_numpy(p, args)
    if found.shape != args[0].shape:
        yield f"the meaning of {p.name} gives an array of the shape {found.shape} for {args[0].shape}; it is pointwise."
        return
    scope = {name: getattr(NUMPY, name) for name in FUNCTIONS if name not in ("F", "abs")}
    scope |= {"F": np.float64, "abs": np.abs, "__builtins__": {}}
    code = compile(p.kernel, p.name, "eval")
    theirs = np.array([eval(code, scope, dict(zip(p.args, row, strict=True))) for row in zip(*args, strict=True)])
    yield from difference(p, "the kernel", args, theirs, found, CLOSE)


def difference(p: Primitive, what: str, args: list[Array], theirs: Any, truth: Any, close: float) -> Iterator[str]:
    """The sentence on the first place where a reading is not what the meaning gives, if there is one."""
    theirs, truth = np.asarray(theirs, np.float64), np.asarray(truth, np.float64)
    wrong = ~np.isclose(theirs, truth, rtol=close, atol=1e-30, equal_nan=True)
    if wrong.any():
        i = int(np.argmax(wrong))
        where = ", ".join(f"{name} = {x[i]:g}" for name, x in zip(p.args, args, strict=True))
        yield f"at {where} {what} of {p.name} gives {theirs[i]:.9g} and its meaning {truth[i]:.9g}."


def _order_faults(p: Primitive) -> Iterator[str]:
    """What is marked commutative must be: simplifying sorts its arguments."""
    if p.commutative:
        x, y = points(p)
        theirs, truth = in_numpy(p, [y, x]), in_numpy(p, [x, y])
        yield from difference(p, "the other order of arguments (commutative=True)", [x, y], theirs, truth, CLOSE)


def _degree_faults(p: Primitive) -> Iterator[str]:
    """Arguments of degree d times 3**d must give 3**degree times as much."""
    for degrees in product((0.0, 1.0, 2.0), repeat=p.arity):
        if any(d and role not in ("any", "positive") for d, role in zip(degrees, p.roles, strict=True)):
            continue
        degree = p.degree(*degrees)
        if degree is None:
            continue
        args = [np.random.default_rng(i).uniform(0.1, 0.9, 12) for i in range(p.arity)]
        before = in_numpy(p, args)
        after = in_numpy(p, [3.0**d * x for d, x in zip(degrees, args, strict=True)])
        if not np.allclose(after, 3.0**degree * before, rtol=1e-6, equal_nan=True):
            yield (
                f"the degree of {p.name} is {degree:g} for arguments of the degrees {_listed(degrees)}, but three "
                "times as large arguments give something else; leave `degree` out if it wants numbers without a unit."
            )
            return


def _listed(degrees: tuple[float, ...]) -> str:
    return ", ".join(f"{d:g}" for d in degrees)
