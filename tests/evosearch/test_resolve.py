"""What a user types for a program, on the command line and in Python: names, expressions, files, programs of runs."""

from __future__ import annotations

import json

import pytest

import evosearch
from evosearch.api import configured
from evosearch.cli import main
from evosearch.resolve import resolve, shown
from primitives.program import ProgramError
from primitives.recommended import RECOMMENDED
from primitives.reference import reference

OWN = "def own(w, g, *, lr=0.5, bend=2):\n    return w - lr * sign(g) * abs(g)**bend\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my (old).opt").write_text(OWN)
    (tmp_path / "my.opt").write_text(OWN)
    (tmp_path / "runs (old)").mkdir()
    (tmp_path / "runs (old)" / "best.opt").write_text(OWN)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("lion", "lion"),
        ("recommended_default", "recommended_default"),
        ("my.opt", "own"),
        ("my (old).opt", "own"),
        ("runs (old):best", "own"),
        ("'my.opt'", "own"),
        ('lookahead("my (old).opt", k=3)', "lookahead_own"),
        ("clip_norm('runs (old):best', max_norm=0.5)", "clip_norm_own"),
        ("by_shape('my.opt'(bend=1), recommended_rnn)", "by_shape_own_recommended_rnn"),
    ],
)
def test_what_a_program_may_be_called(here, spec, name):
    assert evosearch.load(spec).name == name


def test_a_file_with_other_defaults(here):
    assert evosearch.load("'my.opt'(bend=1)").defaults == {"lr": 0.5, "bend": 1.0}


def test_inspect_and_export_an_expression(here, capsys):
    assert main(["inspect", "lookahead(adam, k=5)"]) == 0
    out = capsys.readouterr().out
    assert "def lookahead_adam(w, g, m, v, slow=w, *" in out
    assert "slow: slow weights" in out
    assert main(["inspect", "clip_norm('my.opt')", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "clip_norm_own"
    assert main(["export", "sam(adamw)", "-o", "sam.py"]) == 0
    assert "from sam import SamAdamw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("lookahed(adam)", "did you mean 'lookahead'"),
        ("lookahead", "write lookahead(adam, k=5, alpha=0.5)"),
        ("cosine", "write scheduled(adam, cosine)"),
        ("lookahead(adam", "cannot be read"),
        ("lookahead('no.opt')", "no file no.opt"),
        ("lookahead('runs (old)')", "is a directory"),
        ("lookahead('runs (old):first')", "names no program"),
        ("no_run:best", "no run directory no_run"),
        ("no run:best", r"`evosearch run --out 'no run'` would begin one"),
        ("lookahead(no_such)", "no reference program 'no_such'"),
        ("clip_norm(adam, max_norm=0)", "max_norm is 0 and must be"),
        ("recommended_defult", "no reference program"),
        ("'" + 5000 * "x" + "'", "at most"),
        ("x" * 300 + ".opt", "no file"),
        ("a\0b", "no reference program"),
    ],
)
def test_wrong_ones_are_a_sentence_and_exit_code_2(here, capsys, spec, says):
    assert main(["inspect", spec]) == 2
    out, errors = capsys.readouterr()
    assert says in errors
    assert out == ""
    assert errors.count("\n") == 1
    with pytest.raises(ProgramError):
        evosearch.load(spec)


@pytest.mark.parametrize("name", RECOMMENDED)
def test_recommended_settings_are_programs_like_any(name, capsys):
    assert main(["inspect", name]) == 0
    out = capsys.readouterr().out
    assert f"def {name}(w, g" in out
    assert evosearch.load(name).states == evosearch.load(RECOMMENDED[name].expression).states
    assert evosearch.load("lookahead(adam)").states[:2] == reference("adam").states


def test_a_start_is_kept_by_a_name_that_is_found_from_any_directory(tmp_path, monkeypatch):
    (tmp_path / "mine.opt").write_text("def mine(w, g, *, lr=1):\n    return w - lr * sign(g)\n")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    start = ["mine.opt", "run:best", "sam('mine.opt')", "adamw", "lookahead(adam, k=5)"]
    kept = configured(None, {"evolution": {"start": start}}).evolution.start
    file = str(tmp_path / "mine.opt")
    assert kept == (file, f"{tmp_path}/run:best", f"sam('{file}')", "adamw", "lookahead(adam, k=5)")
    monkeypatch.chdir("/")
    assert resolve(kept[0]).defaults["lr"] == resolve(kept[2]).defaults["lr"] == 1


def test_what_a_program_is_called_in_tables_does_not_say_where_it_lies(tmp_path, monkeypatch):
    """Its draws in a contest follow from that."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.opt").write_text("def mine(w, g, *, lr=1):\n    return w - lr * sign(g)\n")
    monkeypatch.chdir(tmp_path / "sub")
    assert {shown(spec) for spec in ("mine.opt", "./mine.opt", str(tmp_path / "sub" / "mine.opt"))} == {"mine.opt"}
    assert {shown(spec) for spec in (".:best", "../sub:best", f"{tmp_path}/sub:best")} == {"sub:best"}
    assert shown("lookahead(adam, k=5)") == "lookahead(adam, k=5)"
