"""inspect has an answer to every question for every reference program; one that fails spoils no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evosearch import inspecting
from evosearch.cli import main
from evosearch.inspecting import SECTIONS, Section, Unknown, answers, tidy, titled
from primitives.reference import names, reference
from primitives.text import parse, show
from tests.evosearch.small import search

JUNK = "def junk(w, g, dead, *, lr=1.0):\n    x = g + g - g\n    return w - 0.5 * lr * x, dead + x\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.opt").write_text(JUNK)
    return tmp_path


def printed(capsys, *arguments: str) -> str:
    assert main(["inspect", *arguments]) == 0
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


@pytest.mark.parametrize("name", names())
def test_every_question_has_an_answer(monkeypatch, capsys, name):
    monkeypatch.setattr(inspecting, "LONGEST", 60.0)  # however busy the machine is
    tidied = tidy(reference(name))
    assert not tidied.note
    found = dict(answers(tidied))
    assert not [section.key for section, answer in found.items() if isinstance(answer, Unknown)]
    text = printed(capsys, name)
    assert text.startswith(show(tidied.program))
    shown = text.removeprefix(show(tidied.program))
    headings = [titled(section.heading) for section in SECTIONS]
    assert [line for line in shown.splitlines() if line in headings] == headings
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "\x1b" not in text
    record = json.loads(printed(capsys, name, "--json"))
    assert list(record) == ["name", "text", "simplified_from", "note", *(s.key for s in SECTIONS), "lineage"]
    assert all(isinstance(record[section.key], dict) for section in SECTIONS)


def test_what_is_told_is_told_of_the_simplified_text(here, capsys):
    text = printed(capsys, "junk.opt")
    assert "dead" not in text.split("\n\n")[0]
    assert "Simplified from 5 statements" in text
    record = json.loads(printed(capsys, "junk.opt", "--json"))
    assert parse(record["simplified_from"]).body == parse(JUNK).body
    assert parse(record["text"]).states == ()
    assert record["needs"]["facts"]["states"] == []


def test_a_question_that_fails_or_takes_too_long_spoils_no_other(monkeypatch, capsys):
    def fails(program):
        raise ZeroDivisionError("no such thing")

    def hangs(program):
        time.sleep(10)

    before, after = SECTIONS[0], SECTIONS[-1]
    broken = (before, Section("a", "Fails", fails), Section("b", "Hangs", hangs), after)
    monkeypatch.setattr(inspecting, "SECTIONS", broken)
    monkeypatch.setattr(inspecting, "LONGEST", 0.05)
    text = printed(capsys, "lion")
    assert "by a mistake of ours (ZeroDivisionError: no such thing); please report it." in text
    assert "it would take more than 0.05 seconds" in text
    assert before.heading in text
    assert after.heading in text
    record = json.loads(printed(capsys, "lion", "--json"))
    assert "mistake" in record["a"]["reason"]


def test_a_mistake_in_simplifying_leaves_the_text_as_it_is(monkeypatch, capsys):
    def fails(program, seconds):
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(inspecting, "simplified", fails)
    text = printed(capsys, "lion")
    assert text.startswith(show(reference("lion")))
    assert "Not simplified, by a mistake of ours (ZeroDivisionError: no such thing); please report it." in text
    assert all(section.heading in text for section in SECTIONS)


def test_hazards_are_those_of_the_text_that_trains(here, capsys):
    (here / "root.opt").write_text("def f(w, g, *, lr=1.0):\n    return w - lr * (g + log(g) - log(g))\n")
    record = json.loads(printed(capsys, "root.opt", "--json"))
    assert "log" not in record["text"]
    assert "log" in json.dumps(record["hazards"])


def test_latex_is_an_environment_and_nothing_else(capsys):
    text = printed(capsys, "adamw", "--latex")
    assert re.fullmatch(r"\\begin\{align\*\}.*\\end\{align\*\}\n", text, re.DOTALL)
    assert r"\sqrt" in text
    assert main(["inspect", "adamw", "--latex", "--json"]) == 2
    assert "choose one" in capsys.readouterr().err


def test_a_programs_descent_shows_the_scores_of_the_search(here, capsys):
    result = search(here / "run")
    archive = result.search.archive
    best = archive.front()[0]
    record = json.loads(printed(capsys, "run:best", "--json"))
    assert record["lineage"][-1]["number"] == best.bred.number
    for step in record["lineage"]:
        [entry] = [e for e in archive.entries if e.bred.number == step["number"]] or [None]
        if entry is not None and entry.complete:
            assert step["score"] == pytest.approx(entry.score)
    assert f"score {best.score:+.3f}" in printed(capsys, "run:best")


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_a_picture_is_drawn_beside_what_is_printed(here, capsys, ending):
    assert main(["inspect", "lion", "--graph", f"lion{ending}", "--json"]) == 0
    out, errors = capsys.readouterr()
    assert json.loads(out)["name"] == "lion"
    assert errors == f"Wrote lion{ending}.\n"
    assert (here / f"lion{ending}").stat().st_size > 1000


@pytest.mark.parametrize(
    ("path", "says"), [("x.txt", ".png"), (".", "is a directory"), ("no/place.svg", "no directory no")]
)
def test_a_place_that_takes_no_picture_is_refused_first(here, capsys, path, says):
    assert main(["inspect", "lion", "--graph", path]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert says in errors


def test_inspect_imports_neither_torch_nor_numba():
    script = (
        "import sys\nfrom evosearch.cli import main\nmain(['inspect', 'adamw'])\n"
        "heavy = {'torch', 'numba', 'ray', 'scipy', 'sklearn', 'sympy'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, cwd=root)
