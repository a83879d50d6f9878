"""A view as lines of text, for any width and height: blocks beside each other where there is room, else below."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment

from evosearch.live import chart
from evosearch.live.view import Member, View, sampled
from primitives.readable import readable, without_zeros
from primitives.text import parse, show_expr

Span = tuple[str, str]  # text and style
Line = tuple[Span, ...]

HEADING, FAINT, ACCENT = "bold", "dim", "cyan"
NARROW, SIDE_BY_SIDE, THREE = 50, 66, 112  # columns from which on there is room for more, two blocks, three blocks
COUNTS = 28  # columns of the counts
GAP = 3  # columns between blocks
WIDEST = 150
LONG_NUMBER = re.compile(r"\b\d+\.\d{9,}\b")  # as arithmetic leaves them
AFTER_TIME = " what is under way"
FINISHING = f"finishing{AFTER_TIME}"


@dataclass(frozen=True)
class Room:
    """How much of each block is shown."""

    chart: int  # rows
    front: int
    formula: int
    nearest: int
    kinds: int  # rows of failures
    blank: bool  # lines between blocks


ROOMS = (
    Room(5, 6, 9, 3, 3, True),
    Room(4, 4, 6, 2, 2, True),
    Room(3, 3, 5, 2, 2, True),
    Room(3, 3, 5, 2, 2, False),
    Room(2, 2, 3, 1, 1, False),
    Room(0, 0, 2, 1, 0, False),
    Room(0, 0, 0, 0, 0, False),
)


@dataclass(frozen=True)
class Shown:
    """A view for rich: as large as the console, in its colours and its encoding."""

    view: View
    whole: bool = False  # however many rows it takes

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = 10**6 if self.whole else max(1, options.size.height - 1)
        for line in lines(self.view, options.max_width, height, options.ascii_only):
            for text, style in line:
                yield Segment(text, console.get_style(style) if style else None)
            yield Segment.line()


def lines(view: View, width: int, height: int = 10**6, ascii_only: bool = False) -> list[Line]:
    """The view in at most `height` lines of at most `width` columns."""
    width = min(width, WIDEST)
    found: list[Line] = []
    for room in ROOMS:
        found = _lines(view, width, room, ascii_only)
        if len(found) <= height:
            break
    if ascii_only:
        found = [tuple((_ascii(text), style) for text, style in line) for line in found]
    return [_cut(line, width, ascii_only) for line in found[:height]]


def plain(line: Line) -> str:
    """The text of a line."""
    return "".join(text for text, _ in line).rstrip()


def clock(seconds: float) -> str:
    """A time: 45s, 12m 05s, 3h 20m, 2d 04h."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s}s"
    if s < 3600:
        return f"{s // 60}m {s % 60:02}s"
    return f"{s // 3600}h {s % 3600 // 60:02}m" if s < 86_400 else f"{s // 86_400}d {s % 86_400 // 3600:02}h"


def one_line(view: View) -> str:
    """The view as one line of a log."""
    generated, trained = (f" ({rate:.0f}/s)" for rate in view.speed) if view.speed else ("", "")
    best = "none yet" if view.best is None else _score(view.best)
    left = _left(view).removesuffix(AFTER_TIME)
    return (
        f"{view.gone or 0:5.0f}s  {left}  {view.generated:,} generated{generated}  "
        f"{view.trained:,} trained{trained}  {view.hit_rate:.0%} cache hits  best {best}"
    )


def _score(best: Member) -> str:
    return f"{best.score:+.3f} over {best.seeds} seed{'s' * (best.seeds != 1)} (the bar: 0)"


def _left(view: View) -> str:
    if view.left is None:
        return "time left unknown"
    return f"{clock(view.left)} left" if view.left else FINISHING


def _lines(view: View, width: int, room: Room, ascii_only: bool) -> list[Line]:
    if not (view.generated or view.best):
        return [*_head(view, width, ascii_only)]
    best = _best(view, width, room, ascii_only)
    if room == ROOMS[-1]:
        return [*_head(replace(view, doing=""), width, ascii_only), *best, *_counts(view, width, 0)]
    blocks = [[*_head(view, width, ascii_only)], *_middle(view, width, room, ascii_only), best]
    found: list[Line] = []
    for block in filter(None, blocks):
        found += [(), *block] if found and room.blank else block
    return found


def _middle(view: View, width: int, room: Room, ascii_only: bool) -> list[list[Line]]:
    """Counts, curve and front, as many beside each other as there is room for."""
    if width < SIDE_BY_SIDE:
        counts = _counts(view, width, room.kinds)
        return [counts, _curve(view, width, room.chart, ascii_only), _front(view, width, room.front)]
    counts = _counts(view, COUNTS, room.kinds)
    if width < THREE:
        curve = _curve(view, width - COUNTS - GAP, min(5, room.chart), ascii_only)
        return [_beside([(counts, COUNTS), (curve, 0)]), _front(view, width, room.front)]
    half = (width - COUNTS - 2 * GAP) // 2
    curve = _curve(view, min(half, 60), room.chart, ascii_only)
    table = _front(view, half, room.front and room.front + 1)
    return [_beside([(counts, COUNTS), (curve, min(half, 60)), (table, 0)])]


def _head(view: View, width: int, ascii_only: bool) -> Iterator[Line]:
    """What it does, how long it took and takes, and a bar."""
    place: Line = (("evosearch ", FAINT), (view.place, HEADING))
    parts = [] if view.gone is None else [f"{clock(view.gone)} gone"]
    parts += [] if view.left is None else [f"about {clock(view.left)} left" if view.left else FINISHING]
    times: Line = ((", ".join(parts), ""),)
    if _width(place) + _width(times) + GAP <= width:
        yield (*place, (" " * (width - _width(place) - _width(times)), ""), *times)
    else:
        room = width - len("evosearch ")
        yield place if _width(place) <= width else (place[0], (_tail(view.place, room, ascii_only), HEADING))
        yield times
    if view.part is not None:
        yield _bar(view.part, width, ascii_only)
    for line in textwrap.wrap(view.doing, width, subsequent_indent="  "):
        yield ((line, FAINT),)


def _bar(part: float, width: int, ascii_only: bool) -> Line:
    percent = f" {min(1.0, part):4.0%}"
    length = width - len(percent)
    done = min(length, int(part * length))
    full, rest = ("#", "-") if ascii_only else ("━", "─")
    return (full * done, ACCENT), (rest * (length - done), FAINT), (percent, "")


def _counts(view: View, width: int, kinds: int) -> list[Line]:
    """Candidates generated, trained, met before and refused; those by kind."""
    generated, trained = (f"{rate:.3g}/s" if rate < 100 else f"{rate:,.0f}/s" for rate in view.speed or (0, 0))
    failed = sum(view.refused.values())
    rows = [
        ("generated", f"{view.generated:,}", generated if view.speed else ""),
        ("trained", f"{view.trained:,}", trained if view.speed else ""),
        ("cache hits", f"{view.hits:,}", f"{view.hit_rate:.0%}"),
        ("refused", f"{failed:,}", f"{failed / max(1, view.generated):.0%}" if failed else ""),
    ]
    most = max(len(count) for _, count, _ in rows)
    found: list[Line] = [
        ((f"{name:<10} ", FAINT), (f"{count:>{max(7, most)}}", ""), (f"  {more}", FAINT)) for name, count, more in rows
    ]
    ordered = sorted(view.refused.items(), key=lambda item: -item[1])
    text = ", ".join(f"{name} {count:,}".replace(" ", "\xa0") for name, count in ordered)
    return found + [((line.replace("\xa0", " "), FAINT),) for line in _wrapped(text, width, "  ", kinds, deeper="")]


def _curve(view: View, width: int, rows: int, ascii_only: bool) -> list[Line]:
    """The best score against the candidates generated."""
    if not rows or not view.curve or not view.generated:
        return []
    columns = width - chart.LABEL - 1
    values = sampled(view.curve, view.generated, columns)
    marks, beside = chart.area(values, rows, ascii_only), chart.labels(values, rows)
    found: list[Line] = [(("best score", HEADING), (" by candidates", FAINT))]
    found += [((f"{label:>{chart.LABEL}} ", FAINT), (row, ACCENT)) for label, row in zip(beside, marks, strict=True)]
    end = f"{view.generated:,}"
    return [*found, ((" " * (chart.LABEL + 1) + "0" + f"{end:>{columns - 1}}", FAINT),)]


def _front(view: View, width: int, rows: int) -> list[Line]:
    """The Pareto front of score and length, the best first."""
    if not rows or not view.front:
        return []
    heads = ("score", "length", "states", "cost", "seeds")[: 4 if width < NARROW else None]
    column = 7 if width < NARROW else 8
    found: list[Line] = [(("front", HEADING), (" of score and length", FAINT))]
    found.append((("".join(f"{head:>{column}}" for head in heads) + "  program", FAINT),))
    for one in view.front[:rows]:
        cells = (f"{one.score:+.3f}", f"{one.length}", f"{one.states}", f"{one.cost:g}", f"{one.seeds}")
        text = "".join(f"{cell:>{column}}" for cell, _ in zip(cells, heads, strict=False))
        found.append(((text, ""), ("  " + (f"{one.number}" if one.number >= 0 else one.name), FAINT)))
    if len(view.front) > rows and width >= NARROW:
        found[-1] = (*found[-1], (f"  and {len(view.front) - rows} shorter", FAINT))
    return found


def _best(view: View, width: int, room: Room, ascii_only: bool) -> list[Line]:
    """The best program: its score, its formula, and what it is nearest to."""
    best = view.best
    if best is None:
        return [(("best ", HEADING), ("none has passed every hurdle yet", FAINT))]
    style = "green" if best.score > 0 else ""
    name = f"  {best.name}" if width >= NARROW else ""
    found: list[Line] = [(("best ", HEADING), (_score(best), style), (name, FAINT))]
    explained = view.explained
    formula = () if explained is None or ascii_only else explained.formula
    formula = formula or (f"update = {update_text(best.text)}",)
    wrapped = [line for equation in formula for line in _wrapped(equation, width, "  ", room.formula)]
    found += [((line, ""),) for line in _first(wrapped, room.formula)]
    if explained and explained.nearest:
        found += [((line, FAINT),) for line in _wrapped(explained.nearest, width, "  ", room.nearest)]
    found += [((line, ""),) for line in _wrapped(view.verdict, width, "  ", room.nearest)]
    return found


@lru_cache(maxsize=64)
def update_text(text: str) -> str:
    """The program in one line: its update, then its statements."""
    program = readable(without_zeros(parse(text)))
    body = "; ".join(f"{a.name} = {show_expr(a.value)}" for a in program.body)
    update = _without_brackets(show_expr(program.returns[0]).removeprefix("w - lr * "))
    return LONG_NUMBER.sub(lambda number: f"{float(number[0]):.6g}", f"{update}  where {body}" if body else update)


def _without_brackets(text: str) -> str:
    """Without the pair of brackets around all of it."""
    depth = 0
    for i, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:-1] if text.startswith("(") and i == len(text) - 1 else text
    return text


def _beside(blocks: Sequence[tuple[list[Line], int]]) -> list[Line]:
    """Blocks beside each other, each with its width; that of the last does not matter."""
    found: list[Line] = []
    for i in range(max(len(block) for block, _ in blocks)):
        line: list[Span] = []
        for k, (block, width) in enumerate(blocks):
            part = block[i] if i < len(block) else ()
            line += part
            if k + 1 < len(blocks):
                line.append((" " * (width - _width(part) + GAP), ""))
        found.append(tuple(line))
    return found


def _wrapped(text: str, width: int, indent: str, most: int, deeper: str = "  ") -> list[str]:
    """Text in at most so many lines of a width, all indented, the later ones more."""
    if not text or not most:
        return []
    return _first(textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + deeper), most)


def _first(found: list[str], most: int) -> list[str]:
    """The first lines; an ellipsis says that there are more."""
    return found if len(found) <= most else [*found[: most - 1], found[most - 1] + " …"] if most else []


def _tail(text: str, width: int, ascii_only: bool) -> str:
    """The end of a path that is too long."""
    mark = "..." if ascii_only else "…"
    while text and cell_len(text) + len(mark) > width:
        text = text[1:]
    return mark + text


def _width(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def _cut(line: Line, width: int, ascii_only: bool) -> Line:
    """A line that is too wide, cut with an ellipsis at its end."""
    if _width(line) <= width:
        return line
    mark = "..." if ascii_only else "…"
    room, found = width - len(mark), list[Span]()
    for text, style in line:
        found.append((text if cell_len(text) <= room else set_cell_size(text, room), style))
        room -= cell_len(found[-1][0])
        if room <= 0:
            break
    return *found, (mark, FAINT)


def _ascii(text: str) -> str:
    return text.replace("…", "...").replace("±", "+-").encode("ascii", "replace").decode()
