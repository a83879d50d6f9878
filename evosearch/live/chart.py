"""A small curve in text: an area of block characters, or of three ASCII characters where the encoding has no more."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII = " .:#"
LABEL = 7  # columns of the labels beside the curve


def area(values: Sequence[float | None], rows: int, ascii_only: bool = False) -> list[str]:
    """Rows of a chart, the highest first, with a column for each value; the lowest value still shows, None is blank."""
    marks = ASCII if ascii_only else BLOCKS
    steps = len(marks) - 1
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    heights = [_height(value, low, high, rows * steps) for value in values]
    return ["".join(marks[min(steps, max(0, h - row * steps))] for h in heights) for row in reversed(range(rows))]


def labels(values: Sequence[float | None], rows: int) -> list[str]:
    """What stands beside the rows: the highest value, the lowest, and 0 where it lies between."""
    known = [value for value in values if value is not None]
    found = [""] * rows
    if not known:
        return found
    low, high = min(known), max(known)
    if low < 0 < high:
        found[min(rows - 1, int((high - 0) / (high - low) * rows))] = "0"
    found[-1] = f"{low:+.3f}"
    if f"{high:+.3f}" != found[-1]:
        found[0] = f"{high:+.3f}"
    return found


def _height(value: float | None, low: float, high: float, levels: int) -> int:
    """Levels that a column is high; one value alone is half as high as the chart."""
    if value is None:
        return 0
    return 1 + round((value - low) / (high - low) * (levels - 1)) if high > low else levels // 2
