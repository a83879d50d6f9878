"""The command `compare`: what it prints and writes, and its sentences on wrong inputs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evosearch.cli import main
from tests.evosearch.small import search

QUICK = ("--proxy", "digits", "--seeds", "3", "--trials", "2", "--workers", "1")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_three_programs_with_everything(here, capsys):
    (here / "mine.opt").write_text("def mine(w, g, *, lr=1):\n    return w - lr * sign(g)\n")
    assert main(["compare", "adamw", "lion", "mine.opt", *QUICK, "--out", "out", "--figure", "own.svg"]) == 0
    said = capsys.readouterr().out
    assert "3 programs on digits: 3 replicates of a tuning (the best of 2 trials" in said
    assert "Gain over adamw: mean over tasks of log(first's test loss / own)" in said
    assert "0 (the first)" in said
    assert "Every program had 2 trials in each replicate, for as many settings as it has (adamw 3, lion 3" in said
    record = json.loads((here / "out" / "compare.json").read_text())
    assert list(record["programs"]) == record["results"]["names"] == ["adamw", "lion", "mine.opt"]
    assert [len(row[0]) for row in record["results"]["test"]] == [3, 3, 3]
    assert len(record["results"]["chosen"][1][0]) == 3
    assert [v["verdict"] in ("better", "worse", "undecided") for v in record["verdicts"]] == [True, True]
    assert {"evosearch", "numpy", "torch", "processor"} <= set(record["machine"])
    assert record["options"]["seeds"] == 3
    assert all(sentence in said for sentence in record["cautions"])
    assert (here / "own.svg").read_text().startswith("<?xml")
    assert not list(here.rglob("*.partial"))


def test_the_same_seed_writes_the_same_losses(here, capsys):
    for name in ("a.json", "b.json"):
        assert main(["compare", "adamw", "adamw", *QUICK, "--seed", "4", "--json", name]) == 0
    a, b = (json.loads((here / name).read_text()) for name in ("a.json", "b.json"))
    assert a["results"]["names"] == ["adamw", "adamw (2)"]
    for key in ("test", "validation", "chosen", "steps"):
        assert a["results"][key] == b["results"][key]
    assert a["verdicts"][0]["gain"] == b["verdicts"][0]["gain"]


def test_two_runs_are_set_side_by_side_first(here, capsys):
    search(here / "one")
    search(here / "two", programs=48)
    assert main(["compare", "one", "two", *QUICK, "--json", "runs.json"]) == 0
    said = capsys.readouterr().out
    shown = said.index("programs generated"), said.index("best search score"), said.index("front[0]")
    assert max(shown) < said.index("2 programs on digits")
    record = json.loads((here / "runs.json").read_text())
    assert list(record["programs"]) == ["one:best", "two:best"]
    assert [s["generated"] for s in record["searches"]] == [96, 48]
    assert all(0 < s["trained"] <= s["generated"] for s in record["searches"])
    assert {"score", "length", "states", "cost"} <= set(record["searches"][0]["front"][0])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["adamw"], "at least two"),
        (["adamw", "lyon"], "did you mean 'lion'"),
        (["adamw", "nothing.opt"], "no file nothing.opt"),
        (["adamw", "."], "is a directory"),
        (["adamw", "lion", "--seeds", "2"], "--seeds is 2 and must be from 3"),
        (["adamw", "lion", "--trials", "0"], "--trials is 0 and must be from 1"),
        (["adamw", "lion", "--seed", "-1"], "--seed is -1"),
        (["adamw", "lion", "--proxy", "digit"], "no proxy called 'digit'"),
        (["adamw", "lion", "--workers", "0"], "positive number"),
        (["adamw", "lion", "--figure", "x.gif"], ".pdf file"),
        (["adamw", "lion", "--json", "no/such/place.json"], "no directory"),
        (["adamw", "lion", "--json", "."], "is a directory"),
        (["adamw", "lion", "--out", "file"], "is a file"),
        (["adamw", "lion", "--out", "file/deeper"], "cannot make the directory file/deeper"),
    ],
)
def test_a_wrong_input_is_a_sentence(here, capsys, arguments, says):
    (here / "file").write_text("")
    assert main(["compare", *arguments]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert says in errors
    assert len(errors.splitlines()) == 1
    assert errors.rstrip().endswith((".", "?"))
    assert [path.name for path in here.iterdir()] == ["file"]


def test_ctrl_c_ends_it(tmp_path: Path):
    command = [sys.executable, "-m", "evosearch.cli", "compare", "adamw", "lion", "--workers", "1", "--seeds", "500"]
    process = subprocess.Popen(
        [*command, "--json", "x.json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while "tuning" not in process.stdout.readline():
        assert process.poll() is None
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_it_loads_is_no_traceback():
    code = (
        "import os, signal, sys\nfrom evosearch.cli import main\n"
        "class Stop:\n    def find_spec(self, name, *_):\n"
        "        if name == 'evosearch.catalogue': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Stop())\nsys.exit(main(['list']))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")
