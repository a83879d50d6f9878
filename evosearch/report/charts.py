"""Pictures as SVG inside the page: lines with bands, marks that lead to a program, rows of gains with intervals.

Each has a title and a description, a legend that does without colour, and its values as a table. Colours are variables
of the style sheet, so one picture serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evosearch.report.axes import Axis, Scale, scale
from evosearch.report.markup import Child, Html, details, joined, number, table, tag

WIDTH, HEIGHT = 380, 240
SMALL = 0.75  # of these, of a picture among many
LEFT, RIGHT, TOP, BOTTOM = 60, 12, 10, 40
STYLES = 6  # colours and dashes that there are
SHAPES = ("circle", "square", "triangle", "diamond")
LABELS, ROW, SERIES = 150, 12, 9  # of a picture of rows: room for names, between rows, for each series in a row
LONGEST = 22  # characters of the name of a row


@dataclass(frozen=True)
class Line:
    """Values over x; `lows` and `highs` make a band. With `step` a value holds until the next."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: int
    lows: Sequence[float] = ()
    highs: Sequence[float] = ()
    step: bool = False


@dataclass(frozen=True)
class Mark:
    """A point with a name and perhaps a place on the page that it leads to."""

    name: str
    x: float
    y: float
    style: int = 0
    low: float | None = None
    high: float | None = None
    href: str = ""
    shape: str = "circle"


@dataclass(frozen=True)
class Rule:
    """A horizontal line across the whole picture."""

    name: str
    y: float
    style: int


def chart(
    key: str,
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    *,
    lines: Sequence[Line] = (),
    marks: Sequence[Mark] = (),
    rules: Sequence[Rule] = (),
    values: Html | None = None,
    size: float = 1.0,
) -> Html:
    """A picture with axes; `values` is its table, made of the lines where it is None."""
    width, height = WIDTH * size, HEIGHT * size
    across = scale([*(v for line in lines for v in line.xs), *(m.x for m in marks)], x, LEFT, width - RIGHT)
    heights = [v for line in lines for v in (*line.ys, *line.lows, *line.highs)]
    heights += [v for m in marks for v in (m.y, m.low, m.high) if v is not None] + [rule.y for rule in rules]
    up = scale(heights, y, height - BOTTOM, TOP)
    shown = joined(
        _grid(across, up, x.label, y.label),
        [_rule(rule, across, up) for rule in rules],
        [_band(line, across, up) for line in lines],
        [_line(line, across, up) for line in lines],
        [_mark(mark, across, up) for mark in marks],
    )
    alone = len(lines) == 1 and not rules
    named = [*((line.name, line.style) for line in lines), *((rule.name, rule.style) for rule in rules)]
    legend = _legend([] if alone else named)
    values = _values(title, x, lines) if values is None else values
    return _figure(key, title, description, shown, (width, height), legend, values)


def _figure(
    key: str, title: str, description: str, shown: Html, size: tuple[float, float], legend: Html | None, values: Html
) -> Html:
    """The picture with its title, its legend and its table."""
    links = "<a " in shown
    picture = tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", description, id=f"{key}-description"),
        shown,
        viewBox=f"0 0 {size[0]:g} {size[1]:g}",
        role="group" if links else "img",
        aria_labelledby=f"{key}-title {key}-description",
    )
    caption = tag("figcaption", tag("strong", title), " ", tag("span", description))
    return tag("figure", caption, picture, legend, details("As a table", values, class_="values"), id=key)


def _grid(across: Scale, up: Scale, x_label: str, y_label: str) -> Html:
    right, bottom = across.end, up.start
    columns = [_column(across(v), bottom, label) for v, label in across.ticks()]
    rows = [
        (tag("path", d=f"M{LEFT} {up(v):.1f}H{right:g}"), tag("text", label, x=LEFT - 6, y=up(v) + 4, class_="beside"))
        for v, label in up.ticks()
    ]
    names = (
        tag("text", x_label, x=(LEFT + right) / 2, y=bottom + BOTTOM - 6, class_="below"),
        tag("text", y_label, transform=f"translate(10 {(TOP + bottom) / 2:g}) rotate(-90)", class_="below"),
    )
    return tag("g", columns, rows, names, class_="grid", aria_hidden="true")


def _column(x: float, bottom: float, label: str) -> Html:
    """A tick of the horizontal axis, with its line up."""
    line = tag("path", d=f"M{x:.1f} {TOP}V{bottom:g}")
    return joined(line, tag("text", label, x=x, y=bottom + 14, class_="below"))


def _rule(rule: Rule, across: Scale, up: Scale) -> Html:
    return tag("path", d=f"M{LEFT} {up(rule.y):.1f}H{across.end:g}", class_=f"line s{rule.style % STYLES}")


def _points(line: Line, ys: Sequence[float], across: Scale, up: Scale) -> list[str]:
    """Places of a line as text; of steps with the corners."""
    found: list[str] = []
    for i, (x, y) in enumerate(zip(line.xs, ys, strict=True)):
        if line.step and i:
            found.append(f"{across(x):.1f} {up(ys[i - 1]):.1f}")
        found.append(f"{across(x):.1f} {up(y):.1f}")
    return found


def _band(line: Line, across: Scale, up: Scale) -> Html | None:
    if not line.lows:
        return None
    edge = _points(line, line.highs, across, up) + _points(line, line.lows, across, up)[::-1]
    return tag("path", d=f"M{'L'.join(edge)}Z", class_=f"band s{line.style % STYLES}")


def _line(line: Line, across: Scale, up: Scale) -> Html | None:
    points = _points(line, line.ys, across, up)
    if not points:
        return None
    if len(points) == 1:
        x, y = points[0].split()
        return tag("circle", cx=x, cy=y, r=3, class_=f"mark s{line.style % STYLES}")
    return tag("path", d=f"M{'L'.join(points)}", class_=f"line s{line.style % STYLES}")


def _mark(mark: Mark, across: Scale, up: Scale) -> Html:
    x, y = across(mark.x), up(mark.y)
    whisker = None
    if mark.low is not None and mark.high is not None:
        whisker = tag("path", d=f"M{x:.1f} {up(mark.low):.1f}V{up(mark.high):.1f}", class_="whisker")
    # A larger circle that nobody sees gives a finger something to hit.
    finger = tag("circle", cx=x, cy=y, r=11, class_="hit")
    body = joined(tag("title", mark.name), whisker, _shape(mark.shape, x, y), finger)
    style = f"mark s{mark.style % STYLES}"
    if mark.href:
        return tag("a", body, href=mark.href, class_=style, aria_label=mark.name)
    return tag("g", body, class_=style)


def _shape(shape: str, x: float, y: float) -> Html:
    paths = {
        "square": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8Z",
        "triangle": f"M{x:.1f} {y - 5:.1f}l5 9h-10Z",
        "diamond": f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5Z",
    }
    return tag("path", d=paths[shape]) if shape in paths else tag("circle", cx=x, cy=y, r=4.5)


def _legend(entries: Sequence[tuple[str, int]], shapes: bool = False) -> Html | None:
    """What each line is, or with `shapes` each mark."""
    if not entries:
        return None
    samples = [tag("li", _sample(style, shapes), tag("span", name)) for name, style in entries]
    return tag("ul", samples, class_="legend")


def _sample(style: int, shapes: bool) -> Html:
    look = f"s{style % STYLES}"
    line = tag("path", d="M1 6H29", class_="whisker" if shapes else f"line {look}")
    shape = _shape(SHAPES[style % len(SHAPES)], 15, 6) if shapes else None
    drawn = tag("g", line, shape, class_=f"mark {look}") if shapes else line
    return tag("svg", drawn, viewBox="0 0 30 12", aria_hidden="true")


def _values(title: str, x: Axis, lines: Sequence[Line]) -> Html:
    """A row for each x, a column for each line, with the band in brackets."""
    xs = sorted({v for line in lines for v in line.xs})
    cells: list[dict[float, str]] = []
    for line in lines:
        lows, highs = line.lows or line.ys, line.highs or line.ys
        rows = zip(line.xs, line.ys, lows, highs, strict=True)
        cells.append({v: number(y) + f" [{number(a)}, {number(b)}]" * bool(line.lows) for v, y, a, b in rows})
    body = [[number(v, 4), *(column.get(v, "") for column in cells)] for v in xs]
    return table(title, [x.label, *(line.name for line in lines)], body)


@dataclass(frozen=True)
class Interval:
    """A value with its interval, of one series."""

    mean: float
    low: float
    high: float
    style: int


def rows(
    key: str,
    title: str,
    description: str,
    label: str,
    series: Sequence[tuple[str, int]],
    found: Sequence[tuple[str, Sequence[Interval]]],
    shown: Callable[[Interval], Child],
) -> Html:
    """A row of intervals for each name, one for each series; 0 is marked."""
    height = TOP + BOTTOM + sum(ROW + SERIES * len(some) for _, some in found)
    values = [v for _, some in found for i in some for v in (i.mean, i.low, i.high)]
    across = scale(values, Axis(label, near=(0.0,)), LABELS, WIDTH - RIGHT)
    bottom = height - BOTTOM
    parts: list[Child] = [_column(across(v), bottom, text) for v, text in across.ticks()]
    parts.append(tag("text", label, x=(LABELS + WIDTH - RIGHT) / 2, y=height - 6, class_="below"))
    body: list[Child] = [tag("path", d=f"M{across(0):.1f} {TOP}V{bottom}", class_="zero")]
    y = float(TOP)
    for name, some in found:
        middle = y + (ROW + SERIES * len(some)) / 2
        text = name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
        parts.append(tag("text", text, x=LABELS - 8, y=middle + 4, class_="beside"))
        for k, interval in enumerate(some):
            body.append(_interval(name, interval, across, y + ROW / 2 + SERIES * (k + 0.5)))
        y += ROW + SERIES * len(some)
    drawn = joined(tag("g", parts, class_="grid", aria_hidden="true"), body)
    cells = [[name, *(shown(i) for i in some)] for name, some in found]
    alone = all(len(some) == 1 for _, some in found)
    heads = ["", label] if alone else ["", *(name for name, _ in series)]
    legend = _legend(series, shapes=True)
    return _figure(key, title, description, drawn, (WIDTH, height), legend, table(title, heads, cells))


def _interval(name: str, interval: Interval, across: Scale, y: float) -> Html:
    text = tag("title", f"{name}: {interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]")
    line = tag("path", d=f"M{across(interval.low):.1f} {y:.1f}H{across(interval.high):.1f}", class_="whisker")
    shape = _shape(SHAPES[interval.style % len(SHAPES)], across(interval.mean), y)
    return tag("g", text, line, shape, class_=f"mark s{interval.style % STYLES}")
