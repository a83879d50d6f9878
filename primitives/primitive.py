"""One primitive, one record: everything that is known about an operation of the language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from primitives import kinds
from primitives.kinds import Kind

Degree = float | None  # c**degree is what scaling every tensor by c does; None: no power of c
EPS = 1e-8  # what protected forms add


def same(*degrees: Degree) -> Degree:
    """Degree of sums, maxima and the like: defined where the arguments agree."""
    return degrees[0] if all(d == degrees[0] for d in degrees) else None


def flat(*degrees: Degree) -> Degree:
    """Degree of functions that see numbers without a unit only."""
    return 0.0 if all(d == 0 for d in degrees) else None


def times(factor: float) -> Callable[[Degree], Degree]:
    """Degree of x**factor."""
    return lambda x: None if x is None else factor * x


def added(x: Degree, y: Degree) -> Degree:
    """Degree of a product."""
    return None if x is None or y is None else x + y


def lost(*degrees: Degree) -> Degree:
    """Degree of what forgets the scale: zero."""
    return None if any(d is None for d in degrees) else 0.0


@dataclass(frozen=True)
class Primitive:
    """What an operation means, in every reading that the project has of it.

    `form` says how it runs: "pointwise" element by element; "reduction" one number for a tensor, "model" one for all
    tensors (the sum of `meaning` over the elements, in float64, then `finish`); "shape" a constant of the tensor and
    "role" one of what the tensor is for (roles.py); "matrix" anything else of one tensor as a matrix; "oracle" what
    asks the loss itself once more (oracles.py; `meaning` gets the oracle and all tensors of the model at once);
    "composite" by its `expansion`, a text in the language. The machine for CPUs takes of matrices what is in
    bytecode.PRODUCTS, the one for GPUs none; oracles run in neither, but elsewhere where somebody answers: a proxy's
    model, or a closure.
    """

    name: str
    args: tuple[str, ...]
    roles: tuple[
        str, ...
    ]  # of each argument: "any", "weight" (a number in [0, 1]), "positive", "step" (only t), "count" (fixed)
    form: str
    meaning: Callable[..., Any] | None  # (namespace, *arrays) -> array, for NumPy and torch alike
    formula: str  # over the argument names; SymPy's functions
    kernel: str  # over the argument names; the scalar language of the compiled machines (machines/elementary.py)
    kind: Callable[..., Kind]
    degree: Callable[..., Degree]
    cost: float  # per element, in additions
    finish: str = "total"  # of a reduction: over `total` and `n`, the number of elements
    expansion: str = ""
    torch: str = ""  # for export, over the argument names; after " | " where all arguments but the first are numbers
    infix: str = ""
    commutative: bool = False
    protects: str = ""  # the exact primitive of which this is the form for search
    ulps: int = 0  # how far a compiled float32 machine may be from `meaning`

    @property
    def arity(self) -> int:
        """Number of arguments."""
        return len(self.args)


def primitive(
    name: str,
    args: str,
    meaning: Callable[..., Any] | None,
    formula: str = "",
    *,
    kernel: str = "",
    form: str = "pointwise",
    degree: Callable[..., Degree] = flat,
    cost: float = 1.0,
    **more: Any,
) -> Primitive:
    """A record from its short form: `args` as "x y a:weight", `formula` "name(x, y, a)" and `kernel` = `formula`."""
    pairs = [(word.split(":") + ["any"])[:2] for word in args.split()]
    names = tuple(pair[0] for pair in pairs)
    formula = formula or f"{name}({', '.join(names)})"
    rules = {
        "reduction": kinds.per_tensor,
        "model": kinds.whole_model,
        "shape": kinds.per_tensor,
        "role": kinds.each_tensor,
    }
    more.setdefault("kind", rules.get(form, kinds.pointwise))
    roles = tuple(pair[1] for pair in pairs)
    infix = more.get("infix")
    more.setdefault("torch", f"x {infix} y" if infix else f"torch.{name}({', '.join(names)})")
    return Primitive(name, names, roles, form, meaning, formula, kernel or formula, degree=degree, cost=cost, **more)


def composite(name: str, args: str, expansion: str, *, formula: str = "", cost: float = 1.0, **more: Any) -> Primitive:
    """A primitive that is defined by a text in the language."""
    more.setdefault("torch", "")
    return primitive(name, args, None, formula or expansion, form="composite", expansion=expansion, cost=cost, **more)
