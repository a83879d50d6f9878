"""Pictures of programs: nothing overlaps, every arrow leads down, all values are there, and files are whole."""

from __future__ import annotations

from itertools import pairwise

import pytest

from evosearch.config import ConfigError
from evosearch.layered import GAP, layered
from evosearch.response_pictures import flow, picture
from primitives.graph import graph
from primitives.reference import names, reference


def drawn(name):
    boxes, edges = flow(graph(reference(name), symbolic=True))
    return boxes, edges, layered({key: box.width for key, box in boxes.items()}, edges)


@pytest.mark.parametrize("name", names())
def test_boxes_do_not_overlap_and_arrows_lead_down(name):
    boxes, edges, drawing = drawn(name)
    rows = {}
    for key, (x, layer) in drawing.places.items():
        rows.setdefault(layer, []).append((x - boxes[key].width / 2, x + boxes[key].width / 2))
    for row in rows.values():
        assert all(right + GAP <= left + 1e-9 for (_, right), (left, _) in pairwise(sorted(row)))
        assert min(left for left, _ in row) >= -1e-9
        assert max(right for _, right in row) <= drawing.width + 1e-9
    for edge in edges:
        points = drawing.arrows[edge]
        assert points[0] == drawing.places[edge[0]]
        assert points[-1] == drawing.places[edge[1]]
        assert all(below == above + 1 for (_, above), (_, below) in pairwise(points))


@pytest.mark.parametrize("name", ["adamw", "muon", "ranger"])
def test_arrows_pass_beside_boxes(name):
    boxes, edges, drawing = drawn(name)
    for edge in edges:
        for x, layer in drawing.arrows[edge][1:-1]:
            beside = [(p, boxes[key].width) for key, (p, at) in drawing.places.items() if at == layer]
            assert all(abs(x - p) > width / 2 for p, width in beside)


def test_all_of_a_program_is_shown():
    boxes, edges, _ = drawn("adamw")
    labels = [box.label for box in boxes.values()]
    assert {"w", "g", "m", "v", "new w", "new m", "new v", "square", "sqrt", "divide"} <= set(labels)
    assert "ema\n·, ·, beta1" in labels
    assert "multiply\nlr * ·" in labels
    assert len(edges) == len(set(edges))
    assert {box.fill for box in boxes.values() if "m" in box.label.split()} == {"state"}


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="no cycles"):
        layered({"a": 1.0, "b": 1.0}, [("a", "b"), ("b", "a")])


@pytest.mark.parametrize(("name", "suffix"), [("adamw", ".png"), ("nesterov", ".svg")])
def test_files_are_whole(tmp_path, name, suffix):
    path = tmp_path / f"{name}{suffix}"
    picture(reference(name), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="a figure is a"):
        picture(reference("sgd"), tmp_path / "sgd.txt")
