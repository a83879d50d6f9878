"""A picture of a program: its responses to four gradients and, beside them, how its values flow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from evosearch.layered import Drawing, layered
from evosearch.pictures import COLOURS, STYLE, check
from primitives.analysis.response import SIGNALS, Response, Responses, responses
from primitives.graph import Graph, Node, graph
from primitives.program import Program
from primitives.show import show_number
from primitives.table import PRIMITIVES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.path import Path as Way

FILLS = {"w": "#dddddd", "g": "#fff2cc", "state": "#cfe8fc", "value": "#ffffff"}
LETTER, HIGH, ROW = 0.068, 0.34, 0.62  # inches: a letter of a label, a box, a layer
WIDEST = 56  # characters of a line of a caption


@dataclass(frozen=True)
class Box:
    """A node of the picture: its label, and what it is, a key of FILLS."""

    label: str
    fill: str

    @property
    def width(self) -> float:
        """In inches."""
        return 0.22 + LETTER * max(map(len, self.label.split("\n")))


def picture(program: Program, path: Path) -> None:
    """Write a valid program's responses and data flow as a figure, whole or not at all.

    The suffix says the format: .png, .svg or .pdf; ConfigError for another.
    """
    check(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    boxes, edges = flow(graph(program, symbolic=True))
    drawing = layered({name: box.width for name, box in boxes.items()}, edges)
    height = max(7.0, ROW * drawing.layers + 0.6)
    wide = max(3.0, drawing.width + 0.3)
    with mpl.rc_context({**STYLE, "font.size": 8.0}):
        figure = Figure(figsize=(4.4 + wide, height), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(4.4, wide), squeeze=False)[0]
        _responses(left.subplots(len(SIGNALS), 1, sharex=True), responses(program))
        axes = right.subplots()
        axes.set_title(f"Data flow of {program.name}")
        _flow(axes, boxes, drawing)
        partial = path.with_name(f"{path.name}.partial")
        figure.savefig(partial, format=path.suffix[1:], dpi=150)
    os.replace(partial, path)


def flow(g: Graph) -> tuple[dict[str, Box], list[tuple[str, str]]]:
    """The boxes of a graph by name, and the arrows between them.

    Numbers, hyperparameters and other constants stand in the label of what uses them. A state is there twice, as it
    comes and as it goes.
    """
    states = {s.name for s in g.states}
    shown = [i for i, node in enumerate(g.nodes) if node.args or node.value in ("w", "g", *states)]
    boxes = {str(i): _box(g, g.nodes[i], states) for i in shown}
    edges = [(str(a), str(i)) for i in shown for a in g.nodes[i].args if str(a) in boxes]
    for name, i in zip(("w", *(s.name for s in g.states)), g.outputs, strict=True):
        boxes[f"new {name}"] = Box(f"new {name}", "w" if name == "w" else "state")
        if str(i) in boxes:
            edges.append((str(i), f"new {name}"))
    return boxes, edges


def _box(g: Graph, node: Node, states: set[str]) -> Box:
    if not node.args:
        name = str(node.value)
        return Box(name, "state" if name in states else name)
    constants = [_constant(g.nodes[a], states) for a in node.args]
    given = [text or "·" for text in constants]
    if not any(constants):
        return Box(node.op, "value")
    infix = PRIMITIVES[node.op].infix
    return Box(f"{node.op}\n{f' {infix} '.join(given) if infix else ', '.join(given)}", "value")


def _constant(node: Node, states: set[str]) -> str:
    """The text of what is written into labels; "" for what has a box."""
    if node.args or node.value in ("w", "g", *states):
        return ""
    if node.op == "number":
        return show_number(float(node.value))
    return str(node.value) or node.op


def _responses(rows: Sequence[Axes], found: Responses) -> None:
    """The update over the steps, a row for each signal, or why there are none."""
    if not found.found:
        rows[0].set_title("\n".join(wrap(found.refused, WIDEST)))
        for axes in rows:
            axes.set_axis_off()
        return
    for axes, response in zip(rows, found.found, strict=True):
        _response(axes, response)
    rows[-1].set_xlabel("step")


def _response(axes: Axes, response: Response) -> None:
    axes.set_title("\n".join(wrap(response.caption, WIDEST)))
    steps = range(1, len(response.update) + 1)
    axes.axhline(0, color="#bbbbbb", linewidth=0.8)
    style = "-" if response.signal == "constant" else "-o"
    axes.plot(steps, response.update, style, color=COLOURS[1], linewidth=1.0, markersize=2.2)
    axes.set_ylabel("update")


def _flow(axes: Axes, boxes: dict[str, Box], drawing: Drawing) -> None:
    """The boxes in their layers, and the arrows."""
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    axes.set_xlim(-0.1, drawing.width + 0.1)
    axes.set_ylim(ROW * (drawing.layers - 0.4), -0.6 * ROW)
    axes.set_axis_off()
    for points in drawing.arrows.values():
        way = _curve([(x, ROW * y) for x, y in points])
        axes.add_patch(FancyArrowPatch(path=way, arrowstyle="-|>", mutation_scale=7, color="#555555", linewidth=0.8))
    for name, box in boxes.items():
        x, layer = drawing.places[name]
        corner = (x - box.width / 2, ROW * layer - HIGH / 2)
        axes.add_patch(
            FancyBboxPatch(
                corner, box.width, HIGH, boxstyle="round,pad=0,rounding_size=0.06",
                facecolor=FILLS[box.fill], edgecolor="#333333", linewidth=0.8,
            )
        )  # fmt: skip
        axes.text(x, ROW * layer, box.label, ha="center", va="center", fontsize=7.0, linespacing=1.1)


def _curve(points: list[tuple[float, float]]) -> Way:
    """A smooth way down through points, from below the first to above the last."""
    from matplotlib.path import Path as Way

    first, *inner, last = points
    stops = [(first[0], first[1] + HIGH / 2), *inner, (last[0], last[1] - HIGH / 2)]
    vertices, codes = [stops[0]], [Way.MOVETO]
    for (a, b), (c, d) in pairwise(stops):
        middle = (b + d) / 2
        vertices += [(a, middle), (c, middle), (c, d)]
        codes += [Way.CURVE4] * 3
    return Way(vertices, codes)
