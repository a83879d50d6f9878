"""Linear equations over the rationals, solved exactly: for units, which are unknown exponents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

Form = Mapping[str, Fraction]  # a sum of unknowns by name; the constant stands under ONE
ONE = ""


def plus(x: Form, y: Form, factor: Fraction | int = 1) -> dict[str, Fraction]:
    """The form x + factor y, without zeros."""
    total = {name: x.get(name, Fraction(0)) + factor * y.get(name, Fraction(0)) for name in (*x, *y)}
    return {name: value for name, value in total.items() if value}


def first_contradiction(equations: Iterable[Form]) -> int | None:
    """The place of the first equation `form = 0` that contradicts those before it; None if all hold together."""
    rows: list[tuple[str, Form]] = []
    for place, equation in enumerate(equations):
        left = _reduced(equation, rows)
        pivot = next((name for name in left if name != ONE), None)
        if pivot is not None:
            rows.append((pivot, left))
        elif left:
            return place
    return None


def solution(equations: Iterable[Form], order: Callable[[str], object]) -> dict[str, Fraction]:
    """A solution of equations that hold together: what they leave free is zero, the last in the order first."""
    left = [dict(equation) for equation in equations]
    rows: list[tuple[str, Form]] = []
    names: list[str] = sorted({name for form in left for name in form} - {ONE}, key=order)  # type: ignore[arg-type]
    for pivot in names:
        row = next((form for form in left if pivot in form), None)
        if row is None:
            continue
        left.remove(row)
        left = [_without(form, pivot, row) for form in left]
        rows = [(name, _without(form, pivot, row)) for name, form in rows]
        rows.append((pivot, row))
    return {pivot: -row.get(ONE, Fraction(0)) / row[pivot] for pivot, row in rows}


def _reduced(form: Form, rows: Iterable[tuple[str, Form]]) -> Form:
    for pivot, row in rows:
        form = _without(form, pivot, row)
    return form


def _without(form: Form, pivot: str, row: Form) -> dict[str, Fraction]:
    """The form with the pivot eliminated by a row that has it."""
    return plus(form, row, -form[pivot] / row[pivot]) if pivot in form else dict(form)
