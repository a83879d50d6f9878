"""A directed graph without cycles drawn in layers: where each node stands, and where each arrow bends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 24  # each orders the layers by their neighbours above, then below
GAP = 0.35  # between nodes of a layer, in the unit of widths
BEND = 0.3  # width that an arrow takes where it passes a layer

Edge = tuple[str, str]


@dataclass(frozen=True)
class Drawing:
    """Places in the unit of widths; `y` is the layer, 0 at the top. An arrow is its points, both ends included."""

    places: dict[str, tuple[float, int]]
    arrows: dict[Edge, tuple[tuple[float, int], ...]]
    width: float
    layers: int


def layered(widths: Mapping[str, float], edges: Sequence[Edge]) -> Drawing:
    """A drawing of the graph: every arrow leads down, and what is in one layer does not overlap.

    Nodes stand below all that leads to them; those to which nothing leads as near above what they lead to as they can.
    ValueError if there is a cycle.
    """
    layer = _layers(list(widths), edges)
    sizes = dict(widths)
    chains = {edge: _chain(edge, layer, sizes) for edge in dict.fromkeys(edges)}
    rows: list[list[str]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in sizes:
        rows[layer[name]].append(name)
    up: dict[str, list[str]] = {name: [] for name in sizes}
    down: dict[str, list[str]] = {name: [] for name in sizes}
    for chain in chains.values():
        for a, b in pairwise(chain):
            down[a].append(b)
            up[b].append(a)
    rows = _ordered(rows, up, down)
    x = _spread(rows, up, down, sizes)
    left = min(x[name] - sizes[name] / 2 for name in sizes)
    right = max(x[name] + sizes[name] / 2 for name in sizes)
    arrows = {edge: tuple((x[name] - left, layer[name]) for name in chain) for edge, chain in chains.items()}
    return Drawing({name: (x[name] - left, layer[name]) for name in widths}, arrows, right - left, len(rows))


def _layers(names: list[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The layer of each node."""
    above: dict[str, list[str]] = {name: [] for name in names}
    under: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        above[b].append(a)
        under[a].append(b)
    layer: dict[str, int] = {}
    pending = list(names)
    while pending:
        ready = [name for name in pending if all(a in layer for a in above[name])]
        if not ready:
            raise ValueError("a graph in layers has no cycles.")
        layer |= {name: 1 + max((layer[a] for a in above[name]), default=-1) for name in ready}
        pending = [name for name in pending if name not in layer]
    for name in sorted(names, key=lambda name: -layer[name]):
        if not above[name] and under[name]:
            layer[name] = min(layer[b] for b in under[name]) - 1
    return layer


def _chain(edge: Edge, layer: dict[str, int], sizes: dict[str, float]) -> list[str]:
    """The nodes along an arrow, with a narrow one in each layer that it passes."""
    a, b = edge
    chain = [a]
    for k in range(layer[a] + 1, layer[b]):
        name = f"{a}\x00{k}"  # arrows from one node share their way
        layer[name], sizes[name] = k, BEND
        chain.append(name)
    return [*chain, b]


def _ordered(rows: list[list[str]], up: dict[str, list[str]], down: dict[str, list[str]]) -> list[list[str]]:
    """The rows in the order with the fewest crossings that sweeping up and down finds."""
    best, fewest = rows, _crossings(rows, down)
    for sweep in range(SWEEPS):
        neighbours, order = (up, range(1, len(rows))) if sweep % 2 == 0 else (down, range(len(rows) - 2, -1, -1))
        rows = [list(row) for row in rows]
        for k in order:
            beside = rows[k - 1] if sweep % 2 == 0 else rows[k + 1]
            at = {name: i / max(1, len(beside) - 1) for i, name in enumerate(beside)}
            own = {name: i / max(1, len(rows[k]) - 1) for i, name in enumerate(rows[k])}
            rows[k].sort(key=lambda name: _mean([at[n] for n in neighbours[name]], own[name]))
        crossings = _crossings(rows, down)
        if crossings < fewest:
            best, fewest = rows, crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: list[list[str]], down: dict[str, list[str]]) -> int:
    """How many pairs of arrows cross between neighbouring layers."""
    count = 0
    for row, under in pairwise(rows):
        at = {name: i for i, name in enumerate(under)}
        ends = [(i, at[b]) for i, name in enumerate(row) for b in set(down[name])]
        count += sum((a - c) * (b - d) < 0 for k, (a, b) in enumerate(ends) for c, d in ends[:k])
    return count


def _spread(
    rows: list[list[str]], up: dict[str, list[str]], down: dict[str, list[str]], sizes: dict[str, float]
) -> dict[str, float]:
    """Places that keep the order and the gaps, each as near the mean of its neighbours as that allows."""
    x: dict[str, float] = {}
    for row in rows:
        x |= _apart(row, dict.fromkeys(row, 0.0), sizes)
    for sweep in range(4 * SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = {name: _mean([x[n] for n in (*up[name], *down[name])], x[name]) for name in row}
            x |= _apart(row, wanted, sizes)
    return x


def _apart(row: list[str], wanted: dict[str, float], sizes: dict[str, float]) -> dict[str, float]:
    """The places nearest to those wanted, in squares, that do not overlap: neighbours that meet move as one block."""
    blocks: list[tuple[float, list[float]]] = []  # where a block's first node stands, and the offsets in it
    offset, previous = 0.0, ""
    offsets = []
    for name in row:
        offset += (sizes[previous] + sizes[name]) / 2 + GAP if previous else 0.0
        offsets.append(offset)
        blocks.append((wanted[name] - offset, [wanted[name] - offset]))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            members = blocks[-2][1] + blocks[-1][1]
            blocks[-2:] = [(sum(members) / len(members), members)]
        previous = name
    starts = [start for start, members in blocks for _ in members]
    return {name: start + at for name, start, at in zip(row, starts, offsets, strict=True)}
