"""A report: every panel has its data, whatever there is of a run; nothing is fetched, nothing sealed is opened."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import proxies
from evosearch import directory
from evosearch.cli import main
from evosearch.evaluate import Measured
from evosearch.report import facts as gathering
from evosearch.report.curves import CURVE_SEEDS, RATES, measure
from evosearch.report.descent import gains
from evosearch.report.facts import gather, subjects
from evosearch.store import Row, Store
from primitives.program import Program
from tests.evosearch.pages import Element, Page, interrupted, validated, with_descendants, with_random
from tests.evosearch.small import SMALL, search

PANELS = ["overview", "search", "best", "verdicts", "front", "tree", "curves", "rates", "failures", "reproduce"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The directory of a finished small search."""
    return search(tmp_path_factory.mktemp("finished") / "run").directory


@pytest.fixture
def run(tmp_path, finished, monkeypatch) -> Path:
    """A copy of it."""
    monkeypatch.setattr("evosearch.report.command.compile_machines", lambda names, say: None)
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def reported(run: Path, *options: str) -> Page:
    assert main(["report", str(run), *options]) == 0
    return Page((run / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, finished) -> Page:
    """The report of a search that was validated, with all trainings."""
    run = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(finished, run)
    validated(run, 0.2)
    with_random(run)
    return reported(run)


def rows_of(element: Element) -> list[list[str]]:
    """The cells of all rows of the tables in an element."""
    cells = [[c.text for c in row.children] for row in element.all("tr") if row.children]
    return [row for row in cells if any(row)]


def test_every_panel_is_there_once_with_a_heading_and_a_link(whole):
    assert [s.get("id") for s in whole.root.all("section")] == PANELS
    for section in whole.root.all("section"):
        [heading] = section.all("h2")
        assert section.get("aria-labelledby") == heading.get("id")
    [nav] = whole.root.all("nav")
    assert [a.get("href") for a in nav.all("a")] == [f"#{key}" for key in PANELS]


def test_every_link_leads_somewhere_and_no_two_elements_share_an_id(whole):
    ids = [e.get("id") for e in whole.root.every() if e.get("id")]
    assert len(ids) == len(set(ids))
    links = [a.get("href") for a in whole.root.all("a")]
    assert links
    assert {link[1:] for link in links} <= set(ids)


def test_every_picture_has_title_description_and_a_table(whole):
    figures = whole.root.all("figure")
    keys = [figure.get("id") for figure in figures]
    for key in ("course", "front-picture", "descent", "curves-0", "rates-0", "response-impulse", "selection-mean",
                "selection-tasks", "held-out-mean", "held-out-tasks"):  # fmt: skip
        assert key in keys
    for figure in figures:
        svg = figure.all("svg")[0]
        title, description = svg.get("aria-labelledby").split()
        texts = {e.get("id"): e.text for e in svg.every()}
        assert texts[title]
        assert texts[description]
        assert len(rows_of(figure)) >= 2, figure.get("id")
        assert [e for e in svg.every() if e.tag in ("path", "circle") and e.get("class")], "something is drawn"


def test_nothing_is_fetched_and_only_our_script_runs(whole):
    for element in whole.root.every():
        for key in ("src", "href", "action", "data", "poster", "srcset"):
            value = element.get(key)
            assert not value or value.startswith("#") or value == "data:,", value
    assert "://" not in whole.raw
    [style] = whole.root.all("style")
    assert "@import" not in style.text
    assert "url(" not in style.text
    [script] = whole.root.all("script")
    [policy] = [m.get("content") for m in whole.root.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256("".join(script.words).encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_a_phone_and_a_screen_reader_are_told_what_they_need(whole):
    [page] = whole.root.all("html")
    assert page.get("lang") == "en"
    viewport = [m.get("content") for m in whole.root.all("meta") if m.get("name") == "viewport"]
    assert viewport == ["width=device-width, initial-scale=1"]
    for box in whole.root.every():
        if box.get("class") == "scroll":
            assert (box.get("role"), box.get("tabindex")) == ("region", "0")
            assert box.get("aria-label")
    for table in whole.root.all("table"):
        assert table.all("caption")[0].text
        assert all(head.get("scope") for head in table.all("th"))


def test_figures_are_those_of_the_store(whole, finished):
    config, store = directory.reopen(finished)
    count = store.count()
    store.close()
    pairs = [d.children for d in whole.section("overview").all("div") if d.children and d.children[0].tag == "dt"]
    shown = {name.text: value.text for name, value in pairs}
    assert shown["generated"] == str(count) == str(config.programs)
    assert shown["seed"] == "0"
    became = {row[0]: row[1] for row in rows_of(whole.section("failures"))}
    parts = [int(became[k]) for k in ("refused before any training", "met before", "trained")]
    assert sum(parts) == count
    ends = [int(became[k]) for k in ("failed in training", "ended at a hurdle", "passed every hurdle")]
    assert sum(ends) == parts[2]


def test_three_controls_are_drawn_and_told(whole, run):
    search = whole.section("search")
    [legend] = [ul for ul in search.all("ul") if ul.get("class") == "legend"]
    assert [li.text for li in legend.all("li")] == [
        "the search", "random search", f"the bar, {gather(run, print).bar} tuned", "the start, adamw"
    ]  # fmt: skip
    words = search.text
    assert "No score ever chose a parent" in words
    alone = reported(run, "--quick").section("search").text
    assert "Not run yet: evosearch validate" in alone


def test_every_program_of_the_front_opens_with_text_formula_and_properties(whole, run):
    front = whole.section("front")
    found = gather(run, print)
    assert len(found.front) == len(found.history.front) >= 1
    programs = {d.get("id"): d for d in front.all("details") if d.get("class") == "program"}
    links = [a.get("href") for a in front.all("svg")[0].all("a")]
    assert links == [f"#program-{m.known.number}" for m in found.front]
    for member in found.front:
        program = programs[f"program-{member.known.number}"]
        assert f"def {member.program.name}(w, g" in program.text
        assert program.all("math")
        assert "Adaptive, momentum" in program.text


def test_the_tree_shows_each_mutation_with_what_it_changed_and_its_gain(run):
    with_descendants(run, 4)
    found = gather(run, print)
    assert [step.mutation for step in found.descent] == ["start", *["resample"] * 4]
    tree = reported(run, "--quick").section("tree")
    steps = [d for d in tree.all("details") if d.get("class") == "step"]
    assert len(steps) == len(found.descent)
    changes = gains(found.descent)
    assert changes[0] is None
    assert changes[1] > 0.1
    assert changes[2:] == pytest.approx([0.002] * 3, abs=1e-4)
    for step, shown, gain in list(zip(found.descent, steps, changes, strict=True))[1:]:
        assert [e.text for e in shown.all("del")] == [f"− {' '.join(line.split())}" for line in step.removed]
        assert [e.text for e in shown.all("ins")] == [f"+ {' '.join(line.split())}" for line in step.added]
        assert f"gain {gain:+.3f}" in shown.all("summary")[0].text


def test_a_long_descent_opens_only_what_matters(run):
    with_descendants(run, 30)
    tree = reported(run, "--quick").section("tree")
    steps = [d for d in tree.all("details") if d.get("class") == "step"]
    assert len(steps) == 31
    opened = [d for d in steps if "open" in d.attributes]
    assert 3 <= len(opened) <= 14
    assert {f"#{d.get('id')}" for d in opened} == {a.get("href") for a in tree.all("svg")[0].all("a")}


def test_gains_are_against_the_parent():
    from evosearch.lineage import Step

    steps = [Step(-1, "start", (), (), 0.1), Step(3, "insert", (), (), None), Step(4, "scale", (), (), 0.3),
             Step(9, "delete", (), (), 0.25)]  # fmt: skip
    assert gains(steps) == [None, None, None, pytest.approx(-0.05)]


def test_curves_and_rates_have_everybody_and_the_bar(whole, run):
    found = gather(run, print)
    names = [s.name for s in subjects(found, ())]
    assert names[0] == found.best.known.name
    assert any(s.bar for s in subjects(found, ()))
    table = whole.section("curves").all("table")[-1]
    body = {row[0] for row in rows_of(table)[1:]}
    assert set(names) <= body
    assert [s.name for s in subjects(found, ["lion", "sgd", "adam"])][-1] == "sgd, nearest relative"
    [rates] = [f for f in whole.section("rates").all("figure") if f.get("id") == "rates-0"]
    assert len(rows_of(rates)) > RATES
    assert len([e for e in rates.every() if e.get("class").startswith("band")]) == 2


def test_trainings_use_seeds_of_their_own_and_only_tasks_of_the_search(run, monkeypatch):
    found, met = gather(run, print), []
    real, opened = measure.__globals__["trained"], []

    def spy(texts, proxy, seeds, exponents, **more):
        met.append(tuple(seeds))
        return real(texts, proxy, seeds, exponents, **more)

    get = proxies.get
    monkeypatch.setattr("evosearch.report.curves.trained", spy)
    monkeypatch.setattr(proxies, "get", lambda name, **more: (opened.append((name, more)), get(name, **more))[1])
    chosen = subjects(found, ["sgd"])
    [on] = measure(chosen, found.config.proxies, print)
    assert {name for name, _ in opened} <= set(found.config.proxies)
    assert not any(more for _, more in opened), "nothing is unsealed"
    assert all(2_400_000 <= seed < 2_500_000 for seeds in met for seed in seeds)
    pilot, rates, curves = map(set, met)
    assert len(pilot | rates | curves) == len(pilot) + len(rates) + len(curves)
    assert len(curves) == CURVE_SEEDS
    for band in (*on.rates, *on.curves):
        assert (band.lows <= band.means).all()
        assert (band.means <= band.highs).all()


def test_nobody_is_trained_twice(run):
    found = gather(run, print)
    best = found.best
    same = replace(found, front=(replace(best, text=next(iter(found.references.tuned.values())).text),))
    texts = [s.text for s in subjects(same, ["lion", "adamw", "rmsprop"])]
    assert len(texts) == len(set(texts))


def test_quick_trains_nothing(run, monkeypatch):
    monkeypatch.setattr("evosearch.report.command.measure", None)
    page = reported(run, "--quick")
    assert "Left out by --quick" in page.section("curves").text
    assert "Left out by --quick" in page.section("rates").text
    assert page.section("best").all("math")


def test_the_verdict_of_a_search_that_was_not_validated(run):
    page = reported(run, "--quick")
    overview = page.section("overview").text
    assert "on fresh seeds of the tasks it was bred on" in overview
    assert "What holds on tasks that it never saw, evosearch validate" in overview
    assert "Not done yet" in page.section("verdicts").text


@pytest.mark.parametrize(
    ("gain", "said", "sealed"),
    [(0.2, "7 is better than adamw", False), (0.0, "the search has found nothing that can be believed", True)],
)
def test_the_verdict_is_that_of_the_validation(run, gain, said, sealed):
    validated(run, gain, held_out=not sealed)
    page = reported(run, "--quick")
    verdict = next(e for e in page.section("overview").every() if (e.get("class") or "").startswith("verdict"))
    assert said.split(" adamw")[0] in verdict.text
    assert verdict.get("class") == f"verdict {'worse' if sealed else 'better'}"
    verdicts = page.section("verdicts").text
    assert "selection-mean" in [f.get("id") for f in page.root.all("figure")]
    assert ("Held-out tasks stay sealed" in verdicts) == sealed
    assert ("judge one" in verdicts) != sealed


def test_a_validation_that_was_interrupted(run):
    validated(run, 0.2, whole=False)
    page = reported(run, "--quick")
    assert "was interrupted, and goes on to say" in page.section("overview").text


def test_a_search_that_has_just_begun(tmp_path):
    directory.create(tmp_path / "run", SMALL).close()
    page = reported(tmp_path / "run")
    assert "The search has just begun: there is no candidate yet." in page.section("overview").text
    assert [s.get("id") for s in page.root.all("section")] == PANELS
    assert "There is no candidate yet." in page.section("failures").text
    assert 'proxies = ["digits"]' in page.section("reproduce").text


def test_a_search_that_has_measured_its_bar_only(tmp_path, run):
    page = reported(interrupted(run, tmp_path / "early", 0), "--quick")
    assert "there is no candidate yet" in page.section("overview").text
    assert "nothing descends from it yet" in page.section("tree").text
    assert page.section("search").all("svg")


def test_a_search_that_was_interrupted(tmp_path, run):
    page = reported(interrupted(run, tmp_path / "half", 40), "--quick")
    assert "No verdict yet" in page.section("overview").text
    assert "There is no last table" in page.section("verdicts").text
    assert "evosearch resume" in page.section("verdicts").text


def test_a_last_table_that_is_older_than_the_best_program_is_said_to_be(run):
    found = gather(run, print)
    store = Store(run / "store.sqlite")
    lines = store.get("final")
    store.put("final", [line for line in lines if line["name"] != str(found.best.known.number)])
    store.close()
    if found.best.known.number < 0:
        pytest.skip("the best is the start")
    kept = gather(run, print)
    said = reported(run, "--quick").section("overview").text
    assert ("was not in that table" in said) == bool(kept.found)


HOSTILE = '<script>document.title="harm"</script>'


def test_markup_in_a_run_stays_text(tmp_path, run):
    place = tmp_path / f"<img src=x onerror=alert(1)>{HOSTILE.replace('/', '')}"
    shutil.copytree(run, place)
    store = Store(place / "store.sqlite")
    front = gathering.gather(place, print).history.front
    rows = list(store.rows(0))
    number = len(rows)
    some = next(row for row in rows if row.bred.status == "ok")
    refused = Row(replace(some.bred, number=number, status="crash", reason=HOSTILE), some.parent, False, None)
    failed = Row(
        replace(some.bred, number=number + 1, fingerprint="f" * 16, mutation=HOSTILE), front[0].number, False,
        Measured((), "ok", HOSTILE),
    )  # fmt: skip
    store.add([refused, failed], machine={"processor": HOSTILE, "python": "&amp;"})
    store.close()
    page = reported(place, "--quick")
    assert len(page.root.all("script")) == 1
    assert not page.root.all("img")
    assert HOSTILE in page.section("failures").text
    assert HOSTILE in page.section("overview").text
    assert "<img src=x onerror" in page.root.all("h1")[0].text


def test_a_docstring_with_a_script_stays_text(run, monkeypatch):
    real = gathering.Found.program

    def program(self, name: str = "") -> Program:
        return replace(real(self, name), doc=HOSTILE)

    monkeypatch.setattr(gathering.Found, "program", program)
    page = reported(run, "--quick")
    assert len(page.root.all("script")) == 1
    assert HOSTILE in page.section("best").text


def test_the_same_run_gives_the_same_report(run):
    reported(run)
    first = (run / "report.html").read_bytes()
    reported(run)
    assert (run / "report.html").read_bytes() == first


def test_how_to_reproduce_is_a_configuration_that_asks_for_the_same_rows(whole, tmp_path):
    from evosearch.config import load

    [text] = ["".join(p.words) for p in whole.section("reproduce").all("pre") if "proxies =" in p.text]
    (tmp_path / "config.toml").write_text(text)
    config = load(tmp_path / "config.toml")
    assert replace(config, workers=SMALL.workers) == replace(SMALL, programs=config.programs)
    assert config.budget == 0


def test_output_goes_where_it_is_asked_to_or_a_sentence_says_why_not(run, tmp_path, capsys):
    assert main(["report", str(run), "--quick", "-o", str(tmp_path / "own.html")]) == 0
    assert (tmp_path / "own.html").is_file()
    assert not (run / "report.html").exists()
    assert "own.html" in capsys.readouterr().out
    for wrong, words in (
        ([str(tmp_path / "nowhere")], "there is no run directory"),
        ([str(tmp_path)], "is not a run directory"),
        ([str(run), "-o", str(tmp_path / "no" / "where.html")], "there is no directory"),
        ([str(run), "-o", str(tmp_path)], "is a directory"),
    ):
        assert main(["report", *wrong, "--quick"]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert len(error.splitlines()) == 1
    assert not list(tmp_path.rglob("*.partial"))


def test_a_task_that_is_gone_is_a_sentence(run, capsys):
    text = (run / "config.toml").read_text()
    (run / "config.toml").write_text(re.sub("proxies = .*", 'proxies = ["gone.py"]', text))
    assert main(["report", str(run)]) == 2
    assert "gone.py" in capsys.readouterr().err
