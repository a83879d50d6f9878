"""A program of a run has a name of its own and its best learning rate, and says where it was found."""

from __future__ import annotations

import csv
import dataclasses
import re
import shlex
import shutil
from datetime import date

import pytest

from evosearch import directory
from evosearch.cli import main
from evosearch.found import named
from evosearch.resolve import resolve
from primitives.graph import canonical
from primitives.program import ProgramError
from primitives.text import parse
from tests.evosearch.small import SMALL, search

TINY = dataclasses.replace(
    SMALL,
    proxies=("least_squares", "digits"),
    programs=32,
    workers=1,
    scoring=dataclasses.replace(SMALL.scoring, seed_pool=3, max_seeds=3, gate_lrs=2, tune=1, final_seeds=2),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a finished tiny search."""
    return search(tmp_path_factory.mktemp("found") / "run", TINY).directory


@pytest.fixture(scope="module")
def front(run):
    """The rows of front.csv."""
    with open(run / "front.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def exported(spec, folder) -> str:
    """The text of the file that a program is exported to."""
    assert main(["export", spec, "-o", str(folder / "made.py")]) == 0
    return (folder / "made.py").read_text(encoding="utf-8")


def test_texts_of_the_front_have_names_of_their_own(front):
    assert all(row["text"].startswith(f"def {named(int(row['number']))}(w, g") for row in front)


def test_what_is_lost_is_written_again_by_the_command_that_is_named(run, tmp_path, capsys):
    """Of a complete run, too, and where its directory must be quoted."""
    place = tmp_path / "a run"
    shutil.copytree(run, place)
    (place / "best.opt").unlink()
    assert main(["inspect", f"{place}:best"]) == 2
    command = f"evosearch resume '{place}' --programs +0"
    assert capsys.readouterr().err.endswith(f"(yet, or any more); `{command}` writes it again.\n")
    assert main(shlex.split(command)[1:]) == 0
    assert (place / "best.opt").read_bytes() == (run / "best.opt").read_bytes()


def test_a_front_that_a_spreadsheet_has_saved(run, tmp_path):
    place = tmp_path / "run"
    shutil.copytree(run, place)
    text = (place / "front.csv").read_text(encoding="utf-8")
    (place / "front.csv").write_text(text, encoding="utf-8-sig")
    assert resolve(f"{place}:front[0]") == resolve(f"{run}:front[0]")


def test_names_and_rates_of_the_front_and_of_a_number(run, front):
    number = front[0]["number"]
    best, first, same = (resolve(f"{run}:{which}") for which in ("best", "front[0]", number))
    assert best.name == "best"
    assert first == same
    assert first.name == named(int(number))
    assert dataclasses.replace(first, name="best") == best
    assert first.defaults["lr"] == float(front[0]["lr"]) != 0.001
    assert f"search score {float(front[0]['score']):+.3f}"[:-1] in first.doc
    assert "2 tasks" in first.doc
    assert resolve(f"{run}:-1").name == "start_1"


def test_every_candidate_is_what_the_store_has_under_that_number(run):
    _, store = directory.reopen(run)
    rows = [row for row in store.rows() if row.bred.text]
    store.close()
    kinds = {}
    for row in rows:
        kinds.setdefault((row.measured is None, row.known, row.bred.status), row)
    assert len(kinds) > 2
    for row in kinds.values():
        program = resolve(f"{run}:{row.bred.number}")
        flat = canonical(program)
        assert dataclasses.replace(flat, name="", doc="", hyper=()) == dataclasses.replace(
            canonical(parse(row.bred.text)), name="", doc="", hyper=()
        )
        assert row.bred.status == "ok" or f"no search score: {row.bred.reason}"[:-1] in program.doc


@pytest.mark.parametrize("which", ["best", "front[0]", "number"])
def test_an_exported_program_of_a_run_says_where_it_was_found(run, front, tmp_path, which):
    text = exported(f"{run}:{front[0]['number'] if which == 'number' else which}", tmp_path)
    for said in (
        " on least_squares, ",
        " on digits.\n",
        "linear warm-up, then cosine decay; use one alike.\n",
        f"The search had seed 0 and began on {date.fromisoformat(directory.began(run))}.\n",
    ):
        assert said in text
    assert re.search(rf"\blr: [^=]+ = {re.escape(front[0]['lr'])}\b", text)
    assert (which == "best") == (text == (run / "best.py").read_text(encoding="utf-8"))


def test_a_run_without_its_date_or_its_task_still_exports(run, front, tmp_path):
    own = tmp_path / "old"
    shutil.copytree(run, own)
    store = directory.Store(own / "store.sqlite")
    store.put("began", None)
    store.close()
    config = (own / "config.toml").read_text(encoding="utf-8")
    (own / "config.toml").write_text(config.replace('"digits"', '"gone.py:gone"'), encoding="utf-8")
    text = exported(f"{own}:{front[0]['number']}", tmp_path)
    assert "The search had seed 0.\n" in text
    assert "Best learning rates" not in text
    assert "it has no search score" in text


def test_other_programs_have_no_notes(run, tmp_path):
    assert "The search had" not in exported("lion", tmp_path)
    shutil.copy(run / "best.opt", tmp_path / "own.opt")
    assert "The search had" not in exported(str(tmp_path / "own.opt"), tmp_path)


@pytest.mark.parametrize(
    ("which", "says"),
    [("12345", "has no candidate 12345"), ("front[99]", "numbered from 0"), ("first", "names no program")],
)
def test_what_is_not_there_is_a_sentence(run, which, says):
    with pytest.raises(ProgramError, match=says.replace("[", r"\[")):
        resolve(f"{run}:{which}")
