"""Whether the readings of a user's own primitive agree: its meaning in torch, the compiled kernel and the formula.

record.py looks at what needs neither torch nor a compiler; this is what a search asks before it begins (2 seconds).
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from primitives.machines import elementary
from primitives.namespaces import torch_namespace
from primitives.primitive import Primitive
from primitives.record import Array, difference, faults, in_numpy, points
from primitives.table import PRIMITIVES

CLOSE = 1e-9  # relative, in float64
CLOSE32 = 1e-5  # in float32, besides the error that its own rounding makes


def disagreements(p: Primitive) -> list[str]:
    """What is wrong with a record, a sentence each; empty for one that may be used in a search and exported.

    So every entry of our own table is tested too. A composite follows from what it is made of.
    """
    found = faults(p, set(PRIMITIVES) - {p.name})
    if found or p.form == "composite":
        return found
    readings = (_in_torch, _as_text, _compiled, _as_formula)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for reading in readings:
            try:
                found += reading(p)
            except Exception as error:
                reason = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
                found.append(f"{_NAMES[reading.__name__]} of {p.name} fails: {type(error).__name__}: {reason}.")
    return found


_NAMES = {
    "_in_torch": "the meaning in torch",
    "_as_text": "the text for torch",
    "_compiled": "the compiled kernel",
    "_as_formula": "the formula",
}


def _in_torch(p: Primitive) -> Iterator[str]:
    """The meaning, of torch's functions."""
    import torch

    assert p.meaning is not None
    args = points(p)
    theirs = p.meaning(torch_namespace(), *map(torch.tensor, args))
    yield from difference(p, _NAMES["_in_torch"], args, theirs, in_numpy(p, args), CLOSE)


def _as_text(p: Primitive) -> Iterator[str]:
    """What stands in an exported file: of tensors; after the bar, of a tensor and numbers."""
    import torch

    args = _finite(points(p))
    tensors, _, short = p.torch.partition(" | ")
    scope = {"torch": torch, "math": math}
    given = dict(zip(p.args, map(torch.tensor, args), strict=True))
    theirs = eval(compile(tensors, p.name, "eval"), scope, given)
    yield from difference(p, _NAMES["_as_text"], args, theirs, in_numpy(p, args), CLOSE)
    if short:
        numbers = {name: float(x[0]) for name, x in zip(p.args[1:], args[1:], strict=True)}
        same = [args[0], *(np.full_like(x, x[0]) for x in args[1:])]
        theirs = eval(compile(short, p.name, "eval"), scope, {**numbers, p.args[0]: given[p.args[0]]})
        yield from difference(p, "the text after | for torch", same, theirs, in_numpy(p, same), CLOSE)


def _finite(args: list[Array]) -> list[Array]:
    keep = np.all(np.isfinite(args), axis=0)
    return [x[keep] for x in args]


def _compiled(p: Primitive) -> Iterator[str]:
    """The kernel as the machine for CPUs compiles it, in both precisions."""
    for dtype, functions in ((np.float64, elementary.DOUBLE), (np.float32, elementary.SINGLE)):
        args = [x.astype(dtype) for x in points(p)]
        if dtype == np.float32:
            args = _finite(args)
        theirs = _loop(p, functions)(*args)
        close = CLOSE if dtype == np.float64 else CLOSE32
        truth = in_numpy(p, [x.astype(np.float64) for x in args])
        if dtype == np.float32:  # what it makes of rounding is not the kernel's fault
            single = np.asarray(in_numpy(p, args), np.float64)
            theirs = np.where(np.isclose(theirs, single, rtol=CLOSE32, equal_nan=True), truth, theirs)
        yield from difference(p, f"the kernel, compiled for {np.dtype(dtype).name},", args, theirs, truth, close)


def _loop(p: Primitive, functions: dict[str, Any]) -> Any:
    """A compiled function of arrays that applies the kernel element by element."""
    from numba import njit

    places = {name: f"{name}[i]" for name in p.args}
    body = ast.unparse(_Placed(places).visit(ast.parse(p.kernel, mode="eval")))
    names = ", ".join(p.args)
    text = f"def loop({names}):\n    out = np.empty_like({p.args[0]})\n    for i in range(len(out)):\n"
    scope: dict[str, Any] = {**functions, "np": np}
    exec(f"{text}        out[i] = {body}\n    return out\n", scope)
    return njit(error_model="numpy")(scope["loop"])


class _Placed(ast.NodeTransformer):
    """The names of arguments as elements of arrays."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places

    def visit_Name(self, node: ast.Name) -> ast.expr:
        text = self.places.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body


def _as_formula(p: Primitive) -> Iterator[str]:
    """The formula, by SymPy at moderate points."""
    from primitives.analysis.formula import numerically

    args = [np.array([0.3, -0.7, 1.0, 2.5, -3.0])[np.arange(5) - i] for i in range(p.arity)]
    theirs = np.array([numerically(p, [float(x) for x in row]) for row in zip(*args, strict=True)])
    truth = in_numpy(p, args)
    real = np.isfinite(truth) & np.isfinite(theirs)  # SymPy's are complex where ours are none
    yield from difference(p, _NAMES["_as_formula"], [x[real] for x in args], theirs[real], truth[real], CLOSE)
