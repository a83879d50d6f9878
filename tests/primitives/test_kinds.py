"""Kinds: how they join, where they fit, and what kind a state has."""

from __future__ import annotations

from itertools import product

import pytest

from primitives.inference import kind_faults, state_kinds
from primitives.kinds import (
    COLUMN,
    FULL,
    LEFT,
    NAMES,
    NUMBER,
    PER_TENSOR,
    RIGHT,
    ROW,
    TENSOR,
    Kind,
    KindError,
    fits,
    join,
    over_columns,
    over_rows,
    per_tensor,
    pointwise,
    transpose,
    whole_model,
)
from primitives.text import parse, problems

KINDS = tuple(NAMES)
LADDER = (
    (NUMBER, PER_TENSOR, ROW, TENSOR),
    (NUMBER, PER_TENSOR, COLUMN, TENSOR),
    (PER_TENSOR, LEFT),
    (PER_TENSOR, FULL),
)


def joined(a: Kind | None, b: Kind | None) -> Kind | None:
    """The join, None where there is none."""
    try:
        return None if a is None or b is None else join(a, b)
    except KindError:
        return None


def test_join_is_commutative_associative_and_idempotent() -> None:
    for a, b in product(KINDS, repeat=2):
        assert joined(a, b) == joined(b, a)
    for a, b, c in product(KINDS, repeat=3):
        assert joined(joined(a, b), c) == joined(a, joined(b, c)), (a, b, c)
    assert all(join(a, a) == a for a in KINDS)


def test_join_never_narrows() -> None:
    for a, b in product(KINDS, repeat=2):
        wide = joined(a, b)
        assert wide is None or (fits(a, wide) and fits(b, wide) and joined(wide, a) == wide)


@pytest.mark.parametrize("ladder", LADDER, ids=str)
def test_the_narrower_fits_the_wider_and_never_the_reverse(ladder: tuple[Kind, ...]) -> None:
    for i, low in enumerate(ladder):
        for high in ladder[i + 1 :]:
            assert join(low, high) == high
            assert fits(low, high)
            assert not fits(high, low)


def test_rows_and_columns_make_a_tensor() -> None:
    assert join(ROW, COLUMN) == TENSOR
    assert join(ROW.transposed, COLUMN.transposed) == TENSOR.transposed


@pytest.mark.parametrize(
    ("a", "b"), [(TENSOR, TENSOR.transposed), (LEFT, TENSOR), (RIGHT, LEFT), (FULL, TENSOR)], ids=str
)
def test_what_does_not_broadcast_is_refused_by_name(a: Kind, b: Kind) -> None:
    with pytest.raises(KindError, match=f"^a {a} and a {b} do not broadcast together$"):
        join(a, b)


def matmul(x: Kind, y: Kind) -> Kind:
    """Kind rule of a matrix product."""
    if x.columns != y.rows:
        raise KindError(f"a {x} and a {y} cannot be multiplied")
    return Kind(x.rows, y.columns)


def test_left_and_right_squares_fit_their_sides() -> None:
    assert matmul(TENSOR, TENSOR.transposed) == LEFT
    assert matmul(TENSOR.transposed, TENSOR) == RIGHT
    assert matmul(matmul(LEFT, TENSOR), RIGHT) == TENSOR
    assert LEFT.transposed == LEFT
    for x, y in ((TENSOR, LEFT), (RIGHT, TENSOR), (LEFT, RIGHT), (FULL, TENSOR), (TENSOR, TENSOR)):
        with pytest.raises(KindError):
            matmul(x, y)


def test_rules_of_reductions_and_the_transpose() -> None:
    assert per_tensor(TENSOR) == per_tensor(ROW, NUMBER) == PER_TENSOR
    assert whole_model(TENSOR) == NUMBER
    assert over_rows(TENSOR) == ROW
    assert over_columns(TENSOR) == COLUMN
    assert transpose(TENSOR) == TENSOR.transposed
    assert transpose(transpose(ROW)) == ROW
    assert pointwise() == NUMBER
    for rule in (per_tensor, whole_model, over_rows, over_columns, transpose):
        for kind in (NUMBER, PER_TENSOR):
            with pytest.raises(KindError, match="was given a"):
                rule(kind)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_shapes(kind: Kind) -> None:
    sizes = {"1": 1, "m": 3, "n": 5, "mn": 15}
    assert kind.shape(3, 5) == (sizes[kind.rows], sizes[kind.columns])
    assert kind.transposed.shape(3, 5) == kind.shape(3, 5)[::-1]
    assert kind.single == (kind.shape(3, 5) == (1, 1))


@pytest.mark.parametrize(
    ("start", "new", "kind"),
    [
        ("0", "s", NUMBER),
        ("0", "s * 0.9 + t", NUMBER),
        ("lr", "s * lr", NUMBER),
        ("0", "max(s, global_norm(g))", NUMBER),
        ("0", "ema(s, norm(g), 0.9)", PER_TENSOR),
        ("0", "s + rows(g)", PER_TENSOR),
        ("1", "ema(s, row_mean(g), 0.9)", ROW),
        ("0", "s + column_mean(g)", COLUMN),
        ("0", "row_mean(g) * column_mean(g) + s", TENSOR),
        ("0", "ema(s, g, 0.9)", TENSOR),
        ("lr", "where(g > 0, s, s * 2)", TENSOR),
        ("w", "s", TENSOR),
        ("w", "0.5", TENSOR),
        ("0", "transpose(g) + s", TENSOR.transposed),
        ("0", "transpose(row_mean(g)) + s", ROW.transposed),
        ("0", "ema(s, g / norm(s), 0.9)", TENSOR),  # the norm of s has no kind before s is wide
        ("0", "norm(ema(s, g, 0.9)) + s", PER_TENSOR),
        ("0", "clip_by_global_norm(g + s, 1) + s", TENSOR),
    ],
)
def test_the_kind_of_a_state_is_the_smallest_that_fits(start: str, new: str, kind: Kind) -> None:
    program = parse(f"def f(w, g, s={start}, *, lr=0.1):\n    return w - lr * g, {new}")
    assert state_kinds(program) == {"s": kind}


def test_kinds_travel_from_state_to_state() -> None:
    program = parse("def f(w, g, a, b, c, d):\n    return w, b, c, d, a + row_mean(g)")
    assert set(state_kinds(program).values()) == {ROW}
    program = parse("def f(w, g, a, b, c):\n    x = a + b\n    return w, norm(g), column_mean(g) * x, x + c")
    assert state_kinds(program) == {"a": PER_TENSOR, "b": COLUMN, "c": COLUMN}


@pytest.mark.parametrize(
    ("statement", "result", "fault"),
    [
        ("x = g", "transpose(g)", "line 3, column 12: the new w is a transposed tensor and does not fit a tensor."),
        ("x = norm(t)", "w", "line 2, column 9: norm cannot be applied: it reduces a tensor and was given a number."),
        ("x = transpose(lr)", "w", "transpose cannot be applied: it transposes a tensor and was given a number."),
        ("x = sum(norm(g))", "w", "sum cannot be applied: it reduces a tensor and was given a per-tensor number."),
        ("x = g + transpose(g)", "w", "a tensor and a transposed tensor do not broadcast together."),
    ],
)
def test_faults_of_kinds_are_sentences_with_a_place(statement: str, result: str, fault: str) -> None:
    found = problems(f"def f(w, g, *, lr=0.1):\n    {statement}\n    return {result}")
    assert len(found) == 1
    assert fault in found[0]


def test_a_state_that_cannot_take_back_its_value_is_named() -> None:
    text = "def f(w, g, m=w, k=w):\n    return w, transpose(g), transpose(w)"
    found = problems(text)
    assert found == tuple(
        f"line 2, column {column}: state '{name}' cannot take back what is returned for it: "
        "a tensor and a transposed tensor do not broadcast together."
        for name, column in (("m", 15), ("k", 29))
    )


def test_a_fault_hides_neither_others_nor_itself_twice() -> None:
    text = "def f(w, g):\n    x = norm(t)\n    y = x + 1\n    z = sum(t) * y\n    return transpose(g)"
    assert [fault.partition(":")[0] for fault in problems(text)] == [
        "line 2, column 9",
        "line 4, column 9",
        "line 5, column 12",
    ]
    assert not kind_faults(parse("def f(w, g):\n    return 1"))
