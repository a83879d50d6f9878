"""Kinds are shapes: what of a parameter's matrix view [m, n] a value covers, and how kinds combine.

A kind is a pair of dimensions out of 1, m, n and mn. Pointwise primitives join their arguments' kinds dimension
by dimension, so the narrower broadcasts to the wider; every other primitive states its own rule in the table.
"""

from __future__ import annotations

from dataclasses import dataclass


class KindError(ValueError):
    """Arguments of kinds that do not go together; the message is the sentence to show."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows and columns of a value, each "1", "m", "n" or "mn"; `shared` if one value serves the whole model."""

    rows: str
    columns: str
    shared: bool = False

    def __str__(self) -> str:
        return NAMES.get(self, f"[{self.rows}, {self.columns}]")

    @property
    def single(self) -> bool:
        """Whether it is one number, for the model or for each tensor."""
        return self.rows == self.columns == "1"

    @property
    def transposed(self) -> Kind:
        """The kind with rows and columns exchanged."""
        return Kind(self.columns, self.rows, self.shared)

    def shape(self, m: int, n: int) -> tuple[int, int]:
        """The shape of such a value for a parameter seen as [m, n]."""
        size = {"1": 1, "m": m, "n": n, "mn": m * n}
        return size[self.rows], size[self.columns]


NUMBER = Kind("1", "1", shared=True)
PER_TENSOR = Kind("1", "1")
ROW = Kind("1", "n")
COLUMN = Kind("m", "1")
TENSOR = Kind("m", "n")
LEFT = Kind("m", "m")
RIGHT = Kind("n", "n")
FULL = Kind("mn", "mn")

NAMES = {
    NUMBER: "number",
    PER_TENSOR: "per-tensor number",
    ROW: "row",
    COLUMN: "column",
    TENSOR: "tensor",
    TENSOR.transposed: "transposed tensor",
    ROW.transposed: "transposed row",
    COLUMN.transposed: "transposed column",
    LEFT: "left square",
    RIGHT: "right square",
    FULL: "full square",
}


def join(a: Kind, b: Kind) -> Kind:
    """The smallest kind to which both broadcast; KindError if there is none."""
    if a is b or b is NUMBER:  # most joins end here
        return a
    if a is NUMBER:
        return b
    rows = _join_dimension(a.rows, b.rows)
    columns = _join_dimension(a.columns, b.columns)
    if rows is None or columns is None:
        raise KindError(f"a {a} and a {b} do not broadcast together")
    return Kind(rows, columns, a.shared and b.shared)


def fits(value: Kind, place: Kind) -> bool:
    """Whether a value of one kind may stand where the other is asked for (it broadcasts to it)."""
    try:
        return join(value, place) == place
    except KindError:
        return False


def _join_dimension(a: str, b: str) -> str | None:
    if a == b or b == "1":
        return a
    return b if a == "1" else None


def pointwise(*args: Kind) -> Kind:
    """Kind rule of primitives that work element by element."""
    kind = NUMBER
    for arg in args:
        kind = join(kind, arg)
    return kind


def per_tensor(*args: Kind) -> Kind:
    """Kind rule of primitives that reduce over a tensor."""
    return _reduced(PER_TENSOR, args)


def pair_per_tensor(x: Kind, y: Kind) -> Kind:
    """Kind rule of what reduces each of two tensors by itself, too."""
    return per_tensor(_reduced(pointwise(x, y), (x,)), _reduced(pointwise(x, y), (y,)))


def by_norm(x: Kind, *numbers: Kind) -> Kind:
    """Kind rule of a tensor that is scaled by something that reduces it."""
    return _reduced(pointwise(x, *numbers), (x,))


def whole_model(*args: Kind) -> Kind:
    """Kind rule of primitives that reduce over all tensors of the model."""
    return _reduced(NUMBER, args)


def over_rows(x: Kind) -> Kind:
    """Kind rule of primitives that reduce each column to one number."""
    return _reduced(Kind("1", x.columns), (x,))


def over_columns(x: Kind) -> Kind:
    """Kind rule of primitives that reduce each row to one number."""
    return _reduced(Kind(x.rows, "1"), (x,))


def transpose(x: Kind) -> Kind:
    """Kind rule of the transpose."""
    if x.single:
        raise KindError(f"it transposes a tensor and was given a {x}")
    return x.transposed


def each_tensor() -> Kind:
    """Kind rule of constants that differ between tensors."""
    return PER_TENSOR


def product(x: Kind, y: Kind) -> Kind:
    """Kind rule of the matrix product."""
    if x.columns != y.rows or x.single or y.single:
        raise KindError(f"a {x} and a {y} have no product, which needs as many columns as rows")
    return Kind(x.rows, y.columns)


def as_column(x: Kind) -> Kind:
    """Kind rule of what lays a tensor out as one column."""
    if x != TENSOR:
        raise KindError(f"it lays out a tensor and was given a {x}")
    return Kind("mn", "1")


def as_tensor(x: Kind, like: Kind) -> Kind:
    """Kind rule of what takes the shape of another value, with as many elements."""
    if x != Kind("mn", "1") or like != TENSOR:
        raise KindError(f"it gives a flat tensor the shape of a tensor and was given a {x} and a {like}")
    return like


def square(x: Kind, *numbers: Kind) -> Kind:
    """Kind rule of functions of a symmetric matrix."""
    if x.rows != x.columns or x.single or not all(number == NUMBER for number in numbers):
        raise KindError(f"it takes a square and numbers and was given a {', a '.join(map(str, (x, *numbers)))}")
    return x


def matrix(x: Kind, *numbers: Kind) -> Kind:
    """Kind rule of functions of a matrix of any shape."""
    if x.single or not all(number == NUMBER for number in numbers):
        raise KindError(f"it takes a tensor and numbers and was given a {', a '.join(map(str, (x, *numbers)))}")
    return x


def point(x: Kind, *numbers: Kind) -> Kind:
    """Kind rule of functions from a point in the space of all parameters to another."""
    if not fits(x, TENSOR) or x.single or not all(number == NUMBER for number in numbers):
        raise KindError(f"it takes a tensor and numbers and was given a {', a '.join(map(str, (x, *numbers)))}")
    return TENSOR


def number_of_point(x: Kind) -> Kind:
    """Kind rule of functions from a point in the space of all parameters to a number."""
    point(x)
    return NUMBER


def _reduced(result: Kind, args: tuple[Kind, ...]) -> Kind:
    if pointwise(*args).single:
        raise KindError(f"it reduces a tensor and was given a {pointwise(*args)}")
    return result
