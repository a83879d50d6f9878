"""The funnel from a run to a statement: what it opens, what it keeps, what it says; and who else opens nothing."""

from __future__ import annotations

import ast
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import proxies
from evosearch import ledger, validation
from evosearch.cli import main
from evosearch.contest import Results
from evosearch.search import Search
from proxies.tasks import Task
from tests.evosearch.small import SMALL, rows, search

ROOT = Path(__file__).parents[2]
CHEAP = ("--seeds", "3", "--trials", "2", "--candidates", "2", "--workers", "1")


def task(name: str, tier: str, problem: int) -> Task:
    return Task(name, tier, "least_squares:least_squares", {"steps": 20, "problem": problem})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory of a finished small search, to be copied."""
    return search(tmp_path_factory.mktemp("finished") / "run").directory


@pytest.fixture
def here(tmp_path, monkeypatch, finished):
    """A directory with a run of its own, two tasks a tier, and an empty ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger.jsonl"))
    monkeypatch.setattr("evosearch.validate.compile_machines", lambda names, say: None)
    for name in list(proxies.TASKS):
        if proxies.TASKS[name].tier != "search":
            monkeypatch.delitem(proxies.TASKS, name)
    for k in range(2):
        monkeypatch.setitem(proxies.TASKS, f"choose{k}", task(f"choose{k}", "selection", 100 + k))
        monkeypatch.setitem(proxies.TASKS, f"judge{k}", task(f"judge{k}", "held out", 200 + k))
    proxies._known.cache_clear()
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path


def purposes(here: Path) -> list[str]:
    return [look.purpose for look in ledger.looks(here / "ledger.jsonl")]


def said(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


class Planted:
    """A contest whose outcome is known: candidates gain so much over everybody else on each tier."""

    def __init__(self, monkeypatch, gains: tuple[float, float], stop_at: int = -1) -> None:
        self.gains, self.calls, self.stop_at = gains, [], stop_at
        monkeypatch.setattr(validation, "contest", self)

    def __call__(self, entrants, tasks, *, seeds, trials, seed, run, say, unseal=False) -> Results:
        assert ledger.looks(ledger.place())[-1].tasks == tuple(tasks)  # before anything is opened
        self.calls.append((tuple(entrant.name for entrant in entrants), tuple(tasks), unseal))
        if len(self.calls) - 1 == self.stop_at:
            raise KeyboardInterrupt
        rng = np.random.default_rng(len(self.calls))
        logs = rng.normal(0, 0.001, (2, len(entrants), len(tasks), seeds))
        for i, entrant in enumerate(entrants):
            logs[:, i] -= self.gains[unseal] if entrant.name[0].isdigit() else 0.0
        nothing = np.zeros(logs.shape[1:3])
        return Results(
            tuple(entrant.name for entrant in entrants), tuple(tasks), *np.exp(logs), logs[0], nothing, (), (), nothing,
            np.zeros(len(tasks)), np.zeros(logs.shape[1:], bool), 0,
        )  # fmt: skip


def test_a_tiny_search_ends_in_an_honest_sentence_and_stays_as_it_was(here, capsys):
    before = rows(here / "run")
    assert main(["validate", "run", *CHEAP, "--json", "report.json"]) == 0
    out = said(capsys)
    assert re.search(r"\d+ programs on 2 selection tasks: \d+ trainings, roughly \d+", out)
    assert "no look at these tasks before" in out
    report = json.loads((here / "report.json").read_text())
    assert report["conclusion"] in out
    assert bool(report["survivors"]) == (report["held_out"] is not None) == (purposes(here) != ["selection"])
    names = report["selection"]["losses"]["names"]
    assert {"adamw, tuned", "nadamw, tuned", "lion, tuned", "best at random"} < set(names)
    assert np.isfinite(report["selection"]["losses"]["test"]).all()
    assert rows(here / "run") == before
    assert len(rows(here / "run" / "random")) == len(before)
    assert (here / "run" / "ledger.jsonl").read_text() == (here / "ledger.jsonl").read_text()


def test_what_was_validated_is_shown_and_not_looked_at_again(here, capsys, monkeypatch):
    planted = Planted(monkeypatch, (0.0, 0.0))
    assert main(["validate", "run", *CHEAP]) == 0
    assert "stay sealed" in said(capsys)
    assert len(planted.calls) == 1
    kept = (here / "run" / "validation.json").read_bytes()
    assert main(["validate", "run", *CHEAP, "--seed", "5"]) == 0
    out = said(capsys)
    assert "stay sealed" in out
    assert "Validated before with other options; to look at the tasks again, which is counted, add --again." in out
    assert main(["validate", "run", *CHEAP]) == 0
    assert "Validated before; to look" in said(capsys)
    assert (len(planted.calls), purposes(here)) == (1, ["selection"])
    assert (here / "run" / "validation.json").read_bytes() == kept
    assert main(["validate", "run", *CHEAP, "--seed", "5", "--again"]) == 0
    out = said(capsys)
    assert "1 look at these tasks before, by 1 search" in out
    assert re.search(r"Validated earlier, on \d{4}-\d\d-\d\d, 96 programs: No candidate", out)
    assert (len(planted.calls), purposes(here)) == (2, ["selection", "selection"])


def test_a_planted_winner_wins_and_a_lucky_one_does_not(here, capsys, monkeypatch):
    planted = Planted(monkeypatch, (0.1, 0.1))
    assert main(["validate", "run", *CHEAP]) == 0
    out = said(capsys)
    assert "on tasks that it was neither bred nor chosen on" in out
    assert "better on 2 of 2 held-out tasks" in out
    (everybody, chosen_on, _), (judged, judged_on, unsealed) = planted.calls
    assert (chosen_on, judged_on, unsealed) == (("choose0", "choose1"), ("judge0", "judge1"), True)
    assert sum(name[0].isdigit() for name in judged) <= 2  # one form of each candidate
    assert {name for name in everybody if not name[0].isdigit()} == {name for name in judged if not name[0].isdigit()}
    Planted(monkeypatch, (0.1, 0.0))
    assert main(["validate", "run", *CHEAP, "--again", "--json", "report.json"]) == 0
    out = said(capsys)
    assert "No program is better" in out
    assert "The held-out tasks are no longer unseen: 1 look" in out
    assert json.loads((here / "report.json").read_text())["winners"] == []


def test_an_interrupted_validation_goes_on_from_the_tier_it_had_finished(here, capsys, monkeypatch):
    Planted(monkeypatch, (0.1, 0.1), stop_at=1)
    assert main(["validate", "run", *CHEAP]) == 130
    assert "goes on" in said(capsys)
    assert main(["validate", "run", *CHEAP, "--seed", "1"]) == 2
    assert "other options was interrupted" in capsys.readouterr().err
    planted = Planted(monkeypatch, (0.1, 0.1))
    assert main(["validate", "run", *CHEAP]) == 0
    assert [tasks for _, tasks, _ in planted.calls] == [("judge0", "judge1")]
    assert purposes(here) == ["selection", "held out", "held out"]


OWN = """
from proxies.least_squares import least_squares


def easy():
    return least_squares("easy", 8, 4, steps=20, problem=300)


def hard():
    return least_squares("hard", 8, 4, steps=20, problem=301, noise=0.3)
"""


def test_own_tasks_are_never_sealed_and_looks_at_them_are_counted_all_the_same(here, capsys):
    (here / "own.py").write_text(OWN)
    options = ["--selection", "own.py:easy", "--held-out", "own.py:hard"]
    assert main(["validate", "run", *CHEAP, *options]) == 0
    assert "Selection: own.py:easy; no look at these tasks before." in said(capsys)
    [look, *_] = ledger.looks(here / "ledger.jsonl")
    assert look.tasks == (f"{here / 'own.py'}:easy",)
    assert ledger.before([f"{here / 'own.py'}:easy"]).looks == 1
    assert main(["validate", "run", "--selection", "own.py:easy", "--held-out", "own.py:easy", "--again"]) == 2
    assert "both to choose and to judge" in capsys.readouterr().err


def test_programs_that_are_named_take_part(here, capsys, monkeypatch):
    """A candidate of one's own is judged as written and tuned again; a control is tuned, and survives nothing."""
    planted = Planted(monkeypatch, (0.1, 0.1))
    Path("1st.opt").write_text("def first(w, g, *, lr=0.1, scale=2):\n    return w - lr * (g * scale)\n")
    assert main(["validate", "run", *CHEAP, "--program", "1st.opt", "--against", "momentum"]) == 0
    assert "momentum, tuned" in said(capsys)
    (everybody, *_), (judged, *_) = planted.calls
    assert {"1st.opt", "1st.opt, tuned again", "momentum, tuned"} < set(everybody)
    assert "momentum, tuned" in judged
    assert sum(name.startswith("1st.opt") for name in judged) <= 1
    again = validation.load(here / "run")
    assert [name for name, _ in again.plan.programs] == ["1st.opt"]
    assert [name for name, _ in again.plan.against] == ["momentum"]
    free = {contender.name: contender.free for contender in again.contenders}
    assert (free["1st.opt"], free["1st.opt, tuned again"], free["momentum, tuned"]) == ((), "all", "all")


def test_a_smaller_random_search_is_no_equal_one(here, capsys, monkeypatch):
    Planted(monkeypatch, (0.0, 0.0))
    assert main(["validate", "run", *CHEAP, "--random", "20"]) == 0
    out = said(capsys)
    assert "random search of 20 programs" in out
    programs = validation.load(here / "run").programs
    assert f"The run had {programs} programs, random search 20: it had less to choose from." in out
    assert 20 <= len(rows(here / "run" / "random")) < len(rows(here / "run"))
    assert main(["validate", "run", *CHEAP, "--random", "1000000", "--again"]) == 0
    assert "random search of the same size" in said(capsys)


def test_a_program_that_was_changed_is_another_plan(here, capsys, monkeypatch):
    Planted(monkeypatch, (0.0, 0.0))
    mine = Path("mine.opt")
    mine.write_text("def mine(w, g, *, lr=0.1):\n    return w - lr * sign(g)\n")
    command = ["validate", "run", *CHEAP, "--program", "mine.opt"]
    assert main(command) == 0
    assert "bred and chosen on is not known here" in said(capsys)
    mine.write_text("def mine(w, g, *, lr=0.1):\n    return w - lr * cbrt(g)\n")
    assert main(command) == 0
    assert "with other options" in said(capsys)
    mine.unlink()
    assert main(command) == 0  # what was measured is shown
    assert "with other options" in said(capsys)


def test_a_candidate_by_another_name_is_a_form_of_it(here, capsys, monkeypatch):
    """So it takes no second place among those who are judged on held-out tasks; nor may a name be taken twice."""
    Planted(monkeypatch, (0.0, 0.0))
    assert main(["validate", "run", *CHEAP, "--program", "run:front[0]"]) == 0
    contenders = validation.load(here / "run").contenders
    [number] = {c.candidate for c in contenders if c.name.startswith("run:front[0]")}
    assert number in {c.name for c in contenders}
    Path(number).write_text("def mine(w, g, *, lr=0.1):\n    return w - lr * sign(g)\n")
    assert main(["validate", "run", *CHEAP, "--program", number, "--again"]) == 2
    assert "is a name that takes part already" in capsys.readouterr().err
    Path("mine.opt").write_text(Path(number).read_text())
    assert main(["validate", "run", *CHEAP, "--program", "mine.opt", "--against", "./mine.opt"]) == 0  # shown only
    assert main(["validate", "run", *CHEAP, "--program", "mine.opt", "--against", "./mine.opt", "--again"]) == 2
    assert "./mine.opt takes part already, as mine.opt" in capsys.readouterr().err


def test_what_another_run_was_bred_on_judges_nothing_of_it(here, capsys):
    other = here / "other"
    shutil.copytree(here / "run", other)
    config = other / "config.toml"
    config.write_text(config.read_text().replace('proxies = ["digits"]', 'proxies = ["choose1"]'))
    assert main(["validate", "run", *CHEAP, "--program", "other:best"]) == 2
    assert "choose1 has data that" in capsys.readouterr().err


def test_random_search_goes_on_where_it_was_interrupted(here, capsys, monkeypatch):
    commit = Search._commit

    def interrupted(self, b):
        commit(self, b)
        if b == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Search, "_commit", interrupted)
        assert main(["validate", "run", *CHEAP]) == 130
    done = rows(here / "run" / "random")
    assert 1 < len(done) < SMALL.programs
    Planted(monkeypatch, (0.0, 0.0))
    assert main(["validate", "run", *CHEAP]) == 0
    assert rows(here / "run" / "random")[: len(done)] == done
    assert len(rows(here / "run" / "random")) == len(rows(here / "run"))


def test_a_run_that_has_grown_since_is_said_to_have(here, capsys, monkeypatch):
    Planted(monkeypatch, (0.0, 0.0))
    assert main(["validate", "run", *CHEAP]) == 0
    assert "grown" not in said(capsys)
    search(here / "run", programs=SMALL.programs + 16)
    assert main(["validate", "run", *CHEAP]) == 0
    assert "The run has grown since, from 96 to 112 programs" in said(capsys)
    assert main(["validate", "run", *CHEAP, "--again"]) == 0
    assert len(rows(here / "run" / "random")) == len(rows(here / "run"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--proxy", "judge0"], "held out"),
        (["run", "--proxy", "choose0"], "is a selection task, on which nothing may be bred"),
        (["resume", "run", "--programs", "+16"], "not what the search was begun with"),
        (["compare", "adamw", "lion", "--proxy", "judge0"], "held out"),
        (["baselines", "--rerun", "--proxy", "judge0"], "held out"),
        (["validate", "run", "--selection", "judge0"], "cannot serve to choose"),
        (["validate", "run", "--held-out", "choose0"], "both to choose and to judge"),
        (["validate", "run", "--selection", "no_task"], "no_task"),
        (["validate", "run", "--seeds", "2"], "at least 3"),
        (["validate", "run", "--seeds", "10001"], "at most 10000"),
        (["validate", "run", "--random", "0"], "--random is 0 and must be at least 1"),
        (["validate", "run", "--json", "no/such.json"], "there is no directory"),
        (["validate", "run", "--json", "run"], "is a directory"),
        (["validate", "."], "not a run directory"),
        (["validate", "run", "--program", "no_program"], "no_program"),
        (["validate", "run", "--against", "lion"], "lion takes part already"),
        (["validate", "run", "--program", "radam", "--against", "radam"], "radam takes part already"),
    ],
)
def test_nobody_else_opens_a_held_out_task(here, capsys, arguments, says):
    if arguments[0] == "resume":
        config = here / "run" / "config.toml"
        config.write_text(config.read_text().replace('proxies = ["digits"]', 'proxies = ["judge0"]'))
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert says in errors
    assert len(errors.splitlines()) == 1
    assert not (here / "ledger.jsonl").exists()


def test_nothing_is_chosen_or_judged_on_what_the_run_was_bred_on(here, capsys, monkeypatch):
    other = Task("digits2", "search", "perceptron:perceptron", {"hidden": (8,)})
    monkeypatch.setitem(proxies.TASKS, "digits2", other)
    for name in ("digits", "digits2"):
        for option in ("--selection", "--held-out"):
            assert main(["validate", "run", option, name]) == 2
            assert f"{name} has data that the run was bred on" in capsys.readouterr().err


def test_no_row_serves_both_to_choose_and_to_judge(here, capsys, monkeypatch):
    twin = Task("twin", "selection", "least_squares:least_squares", {"steps": 30, "problem": 100})
    monkeypatch.setitem(proxies.TASKS, "twin", twin)
    assert main(["validate", "run", "--selection", "choose0", "--held-out", "twin"]) == 2
    assert "twin has data that choose0 chooses on (linear regression, seed 100)" in capsys.readouterr().err
    assert not (here / "ledger.jsonl").exists()


def test_tasks_are_unsealed_in_one_place_after_the_ledger_was_written():
    found = {}
    for package in ("primitives", "proxies", "evosearch"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)):
                values = [k.value for k in node.keywords if k.arg == "unseal"] if isinstance(node, ast.Call) else []
                if any(not (isinstance(value, ast.Name) and value.id == "unseal") for value in values):
                    found[path.name] = text
    assert list(found) == ["validation.py"]
    [text] = found.values()
    assert text.count("unseal=") == 1
    assert text.index("ledger.write(") < text.index("unseal=")
    makers = [path.name for path in (ROOT / "evosearch").glob("*.py") if "proxies.made(" in path.read_text()]
    assert makers == ["suite.py"]  # which shows tasks and trains nothing
