"""What a report is made of: escaping, axes, pictures, mathematics, differences of texts, the pass over the store."""

from __future__ import annotations

import itertools
import math
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evosearch import contenders, directory, load
from evosearch.report import mathml as mathematics
from evosearch.report.axes import Axis, scale, short
from evosearch.report.charts import Interval, Line, Mark, chart, rows
from evosearch.report.difference import difference
from evosearch.report.explained import unbroken
from evosearch.report.history import Moment, history, thinned
from evosearch.report.markup import Html, joined, scrolling, table, tag
from evosearch.run import kept_references
from primitives.analysis.formula import formula
from primitives.reference import names
from tests.evosearch.pages import Page
from tests.evosearch.small import SMALL, search

COMPOSED = (
    "lookahead(adam, k=5)", "by_role(muon, adamw, lr_ratio=0.015)", "sam(clip_norm(adamw, max_norm=1), rho_sam=0.1)",
    "scheduled(momentum(beta=0.95), warmup_cosine(warmup=0.05))",
)  # fmt: skip
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mover": 2, "mroot": 2}


@given(st.text())
def test_any_text_comes_back_as_it_was_and_adds_no_element(text):
    page = Page(tag("p", text, title=text))
    [p] = page.root.children
    assert not p.children
    kept = text.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(p.words).replace("\r\n", "\n").replace("\r", "\n") == kept
    assert p.get("title") == (text.encode("utf-8", "replace").decode() if text else "")


def test_attributes_and_children():
    assert tag("a", "x", class_="c", aria_label="l", open=True, hidden=False, id=None) == (
        '<a class="c" aria-label="l" open>x</a>'
    )
    assert joined("<", Html("<b>"), ["&", None, 3]) == "&lt;<b>&amp;3"
    assert tag("meta", name="n", content="c") == '<meta name="n" content="c">'


def test_a_table_names_itself_and_scrolls_by_keyboard():
    page = Page(table("Losses & gains", ["task", "loss"], [["a<b", 1], ["c", "2"]]))
    [box] = page.root.children
    assert box.get("aria-label") == "Losses & gains"
    assert box.get("tabindex") == "0"
    assert [cell.text for cell in box.all("th")] == ["task", "loss", "a<b", "c"]
    assert scrolling("x", "y").startswith("<div")


numbers = st.floats(-1e6, 1e6, allow_nan=False, allow_subnormal=False)


@given(st.lists(numbers, min_size=1, max_size=6), st.booleans())
@example([2.2250738585072014e-308], False)
def test_a_scale_holds_its_values_in_order_and_has_ticks_inside(values, log):
    values = [abs(v) + 1e-6 for v in values] if log else values
    s = scale(values, Axis("x", log=log), 10.0, 100.0)
    places = [s(v) for v in sorted(values)]
    assert all(10 <= place <= 100 for place in places)
    assert places == sorted(places)
    ticks = s.ticks()
    assert all(s.low <= value <= s.high for value, _ in ticks)
    assert 1 <= len(ticks) <= 12
    assert len({label for _, label in ticks}) == len(ticks)


def test_counts_have_whole_ticks_and_nothing_has_an_axis_too():
    ticks = scale([0, 1], Axis("x", whole=True), 0, 1).ticks()
    assert [value for value, _ in ticks] == [0, 1]
    assert scale([], Axis("x"), 0, 1).ticks()
    assert scale([], Axis("x", log=True), 0, 1).ticks()
    assert scale([math.inf, math.nan, 2.0], Axis("x"), 0, 1).high < 10


@pytest.mark.parametrize(("value", "label"), [(0, "0"), (20_000, "20k"), (3e6, "3M"), (0.05, "0.05"), (-1e-4, "−1e−4")])
def test_labels_are_short(value, label):
    assert short(value) == label


def test_a_picture_draws_what_it_is_given_and_says_it_in_a_table():
    lines = [
        Line("one", [1, 2, 3], [1.0, 2.0, 4.0], 1, [0.5, 1.5, 3.5], [1.5, 2.5, 4.5]),
        Line("two", [1, 3], [3.0, 2.0], 2),
    ]
    page = Page(chart("key", "Title", "What it is", Axis("x"), Axis("y"), lines=lines))
    drawn = [e.get("d") for e in page.root.all("path") if e.get("class").startswith("line s")]
    assert drawn[0].count("L") == 2
    heights = [float(pair.split()[1]) for pair in drawn[0][1:].split("L")]
    assert heights == sorted(heights, reverse=True), "what rises goes up"
    cells = [[c.text for c in row.children] for row in page.root.all("tr")]
    assert cells == [
        ["x", "one", "two"],
        ["1", "1 [0.5, 1.5]", "3"],
        ["2", "2 [1.5, 2.5]", ""],
        ["3", "4 [3.5, 4.5]", "2"],
    ]
    assert page.root.all("svg")[0].get("role") == "img"


def test_a_step_keeps_its_height_until_the_next():
    page = Page(
        chart("k", "t", "d", Axis("x"), Axis("y"), lines=[Line("one", [0, 1, 2], [0.0, 1.0, 1.0], 1, step=True)])
    )
    [path] = [e.get("d") for e in page.root.all("path") if e.get("class") == "line s1"]
    pairs = [tuple(pair.split()) for pair in path[1:].split("L")]
    for (x1, y1), (x2, y2) in itertools.pairwise(pairs):
        assert x1 == x2 or y1 == y2


def test_marks_lead_to_a_place_and_have_a_name():
    marks = [
        Mark("far", 1.0, 2.0, href="#there", low=1.0, high=3.0, shape=shape)
        for shape in ("circle", "square", "diamond")
    ]
    page = Page(chart("k", "t", "d", Axis("x"), Axis("y"), marks=marks, values=table("t", ["a"], [["b"]])))
    links = page.root.all("a")
    assert [(a.get("href"), a.get("aria-label")) for a in links] == [("#there", "far")] * 3
    assert page.root.all("svg")[0].get("role") == "group", "what is inside can be reached"


def test_rows_stand_right_of_zero_where_they_gain():
    found = [("task", [Interval(0.2, 0.1, 0.3, 1), Interval(-0.2, -0.3, -0.1, 2)])]
    page = Page(rows("k", "t", "d", "gain", [("us", 1), ("them", 2)], found, lambda i: f"{i.mean}"))
    [zero] = [e.get("d") for e in page.root.all("path") if e.get("class") == "zero"]
    line = float(zero[1:].split()[0])
    ends = [e.get("d")[1:].split(" ")[0] for e in page.root.all("path") if e.get("class") == "whisker"]
    assert float(ends[0]) > line > float(ends[1])


@pytest.mark.parametrize("spec", [*names(), *COMPOSED])
def test_every_formula_is_well_formed_mathml(spec):
    equations = formula(load(spec)).equations
    root = ET.fromstring(mathematics.mathml([(e.latex, e.text) for e in equations]))
    assert root.tag == "math"
    assert len(root[0]) == len(equations)
    for element in root.iter():
        if element.tag in CHILDREN:
            assert len(element) == CHILDREN[element.tag], element.tag
    words = "".join(root.itertext())
    assert "\\" not in words
    assert "w" in words


def test_latex_that_no_formula_has_is_refused():
    for wrong in (r"x &= \vec{a}", r"x &= \frac{a}", r"x &= a }", r"x &= \begin{matrix} a \end{matrix}"):
        with pytest.raises(mathematics.NotOurLatexError):
            mathematics.mathml([(wrong, "")])


def test_a_difference_marks_the_words_that_differ():
    old, new = difference(["m = ema(m, g, 0.6)"], ["m = ema(m, g, 0.7)"])
    assert old == "<del>− m = ema(m, g, <b>0.6</b>)</del>"
    assert new == "<ins>+ m = ema(m, g, <b>0.7</b>)</ins>"
    [only] = difference([], ["x1 = sign(<g>)"])
    assert only == "<ins>+ x1 = sign(&lt;g&gt;)</ins>"


def test_a_thinned_curve_keeps_ends_and_extremes():
    rng = np.random.default_rng(0)
    moments = [Moment(i, i, float(score)) for i, score in enumerate(rng.normal(size=5000).cumsum())]
    kept = thinned(moments, 200)
    assert len(kept) <= 200
    assert kept[0] == moments[0]
    assert kept[-1] == moments[-1]
    assert {min(kept, key=lambda m: m.score), max(kept, key=lambda m: m.score)} == {
        min(moments, key=lambda m: m.score), max(moments, key=lambda m: m.score)
    }  # fmt: skip
    assert list(kept) == sorted(kept)
    assert thinned(moments[:100], 200) == tuple(moments[:100])


@pytest.mark.parametrize("again", [0.2, 0.5])
def test_one_pass_over_the_store_finds_what_the_search_knows(tmp_path, again):
    config = replace(SMALL, scoring=replace(SMALL.scoring, again=again))
    result = search(tmp_path / "run", config)
    _, store = directory.reopen(tmp_path / "run")
    bar = kept_references(store.get("prologue")).bar
    found, archive = history(store, config, bar), contenders.archive_of(config, store, bar)
    store.close()
    assert [(k.number, k.score, k.believed, k.seeds) for k in found.front] == [
        (e.bred.number, e.score, e.believed, e.seeds) for e in archive.front()
    ]
    assert [k.rates(config.proxies) for k in found.front] == [
        {task: 10.0 ** (exponent / 4) for task, exponent in e.exponents.items()} for e in archive.front()
    ]
    tally = result.search.tally
    assert (found.generated, found.trained, found.hits) == (tally.generated, tally.trained, tally.hits)
    assert {status: r.count for status, r in found.refused.items()} == tally.refused
    assert found.passed == sum(entry.bred.number >= 0 for entry in archive.ranking())
    assert found.moments[0].candidates == 0
    assert found.moments[-1][1:] == (archive.front()[0].bred.number, archive.front()[0].score)


def test_lines_that_a_terminal_broke_are_put_together():
    long = "It does not commute with rotations of a tensor's coordinates or rotations of a matrix from left and"
    assert unbroken([long, "right: a run shows it."]) == [f"{long} right: a run shows it."]
    apart = ["adaptive: yes, momentum: yes", "past gradients reach the direction through m"]
    assert unbroken(apart) == apart
    assert unbroken([f"{long} right.", "Another sentence."]) == [f"{long} right.", "Another sentence."]
