"""Commands print what they must; a wrong input is a sentence and exit code 2, and touches nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from evosearch.cli import main
from evosearch.console import fitted
from evosearch.tables import SPARED
from primitives.recommended import RECOMMENDED
from primitives.reference import known
from primitives.schedules import SCHEDULES
from primitives.wrappers import WRAPPERS
from proxies import TASKS
from tests.evosearch.small import search

PROGRAMS = {
    "unknown_primitive": "def f(w, g, *, lr=1):\n    return w - lr * sgin(g)\n",
    "unknown_name": "def f(w, g, *, lr=1):\n    return w - lr * q\n",
    "wrong_kinds": "def f(w, g, *, lr=1):\n    return w - lr * norm(lr) * g\n",
    "unused_return": "def f(w, g, *, lr=1):\n    return w - lr * g, g\n",
    "missing_state": "def f(w, g, m, *, lr=1):\n    return w - lr * g\n",
    "empty": "",
    "blank": "\n  \n",
    "import": "import os\n\ndef f(w, g, *, lr=1):\n    return w - lr * g\n",
    "import_inside": "def f(w, g, *, lr=1):\n    import os\n    return w - lr * g\n",
    "call_out": "def f(w, g, *, lr=1):\n    return w - lr * __import__('os').system('touch owned')\n",
    "prose": "dear optimizer,\n",
}
MUST_SAY = {
    "unknown_primitive": "unknown primitive 'sgin'",
    "unknown_name": "unknown variable 'q'",
    "wrong_kinds": "norm cannot be applied",
    "unused_return": "gives 2 values",
    "missing_state": "gives 1 value",
    "empty": "empty",
    "import": "never executed",
}


def listing(path: Path) -> dict[str, int]:
    return {str(p): 0 if p.is_dir() else p.stat().st_mtime_ns for p in sorted(path.rglob("*"))}


def refused(arguments: list[str], capsys, cwd: Path) -> str:
    """What is printed for a wrong input, having checked how."""
    before = listing(cwd)
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    out, errors = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert "Traceback" not in errors
    assert all(line.startswith("evosearch: ") and line.endswith((".", "?")) for line in errors.splitlines()), errors
    assert listing(cwd) == before
    return errors


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("command", ["inspect", "export", "run"])
def test_wrong_programs(here, capsys, name, command):
    (here / "bad.opt").write_text(PROGRAMS[name])
    arguments = {"inspect": ["bad.opt"], "export": ["bad.opt", "-o", "out.py"], "run": ["--from", "bad.opt"]}[command]
    errors = refused([command, *arguments], capsys, here)
    assert MUST_SAY.get(name, "") in errors
    assert "bad.opt" in errors


def test_all_faults_of_a_program_at_once(here, capsys):
    (here / "bad.opt").write_text("def f(w, g, m, *, lr=1):\n    x = sgin(q)\n    return w - lr * x\n")
    *faults, hint = refused(["inspect", "bad.opt"], capsys, here).splitlines()
    assert len(faults) == 3
    assert all("line " in line and "column " in line for line in faults)
    assert "--primitives FILE" in hint


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["inspect", "lyon"], "did you mean 'lion'"),
        (["inspect", "nothing.opt"], "no file nothing.opt"),
        (["inspect", "."], "directory"),
        (["inspect", ".:best"], "best.opt"),
        (["inspect", ".:7"], "not a run directory"),
        (["inspect", "binary"], "cannot be read as text"),
        (["export", "lion"], "--output"),
        (["export", "lion", "-o", "."], "is a directory"),
        (["export", "lion", "-o", "no/such/place.py"], "cannot write"),
        (["export", "lion", "-o", "x.py", "--class", "1x"], "no name for a class"),
        (["export", "lion", "-o", "x.py", "--class", "class"], "no name for a class"),
        (["resume", "."], "not a run directory"),
        (["resume", "nowhere"], "not a run directory"),
        (["run", "--out", "."], "not empty"),
        (["run", "--out", "binary"], "is a file"),
        (["run", "--proxy", "digit"], "no proxy called 'digit'; did you mean 'digits'?"),
        (["export", "lion", "-o", "lion-2.py"], "cannot be imported"),
        (["export", "lion", "-o", "lion.txt"], "cannot be imported"),
        (["export", "lion", "-o", "torch.py"], "cannot be imported"),
        (["run", "--workers", "0"], "positive number"),
        (["run", "--workers", "-1"], "positive number"),
        (["run", "--workers", "many"], "positive number"),
        (["run", "--programs", "0"], "at least 1"),
        (["run", "--programs", "some"], "invalid int value"),
        (["run", "--budget", "soon"], "90s, 10m or 2h"),
        (["run", "--budget", "0s"], "90s, 10m or 2h"),
        (["run", "--device", "tpu"], "must be cpu, cuda or cuda:N"),
        (["baselines", "--all"], "add --rerun"),
        (["baselines", "--rerun", "--workers", "many"], "positive number"),
        (["run", "--only", "sgin"], "no primitive 'sgin'"),
        (["run", "--only", "inv_root"], "nothing that the machine of a search has"),
        (["run", "--from", "matrix.opt"], "uses inv_root, which the machine of a search has not"),
        (["run", "--also", "hvp"], "leave it out of --also"),
        (["run", "--also", "newton_schulz"], "costs 300 by itself, above --max-cost 150"),
        (["run", "donor.toml"], "the donor 'lino' is no reference program"),
        (["run", "empty.toml"], "the donor 'sgd' has no statements"),
        (["run", "--from", "number.opt"], "needs a matrix, which the machine of a search has not"),
        (["run", "--from", "muon_everywhere"], "above --max-cost 150"),
        (["run", "--from", "muon"], "the start 'muon' has cost"),
        (["run", "--from", "sam(adamw)"], "which the machine of a search has not"),
        (["inspect", "lookahead(adam, k=0)"], "k"),
        (["run", "--only", "sign", "--without", "sign"], "leave no primitive"),
        (["run", "--max-length", "0"], "at least 1"),
        (["run", "--max-length", "3"], "above --max-length 3"),
        (["run", "--max-states", "0"], "above --max-states 0"),
        (["run", "--max-cost", "1"], "above --max-cost 1"),
        (["inspect", ""], "has no name"),
        (["run", "missing.toml"], "cannot read"),
        (["run", "binary"], "not a TOML file"),
        (["run", "misspelt.toml"], "did you mean 'population'"),
        (["run", "wrong.toml"], "must be of type int"),
        (["fly"], "invalid choice"),
        ([], "required"),
        (["run", "--fast"], "unrecognized arguments"),
    ],
)
def test_other_wrong_inputs(here, capsys, arguments, says):
    (here / "binary").write_bytes(bytes(range(256)))
    (here / "matrix.opt").write_text(
        "def f(w, g, *, lr=1):\n    return w - lr * matmul(inv_root(matmul(g, transpose(g)), 4, 1), g)\n"
    )
    for name, donor in (("donor", "lino"), ("empty", "sgd")):
        (here / f"{name}.toml").write_text(f'[mutations]\ngraft = 1.0\ndonors = ["{donor}"]\n')
    (here / "number.opt").write_text(
        "def f(w, g, *, lr=1):\n    return w - lr * (matmul(row_mean(g), transpose(row_mean(g))) * g)\n"
    )
    (here / "misspelt.toml").write_text("[evolution]\npopulatoin = 3\n")
    (here / "wrong.toml").write_text('programs = "many"\n')
    errors = refused(arguments, capsys, here)
    assert says in errors
    assert len(errors.splitlines()) == 1


def test_bytes_that_are_no_text_are_refused(here, capsys):
    assert main(["status", "bad\udcff"]) == 2
    assert capsys.readouterr().err == "evosearch: 'bad\\udcff' is no text in UTF-8; rename what it names.\n"


def test_a_closed_standard_output(here):
    command = f"{sys.executable} -m evosearch.cli inspect sgd >&-"
    done = subprocess.run(["sh", "-c", command], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_run_that_is_complete_says_how_to_extend_it(here, capsys):
    search(here / "run")
    assert "--programs +N" in refused(["resume", "run"], capsys, here)
    assert "can only add" in refused(["resume", "run", "--programs", "5"], capsys, here)
    assert "evosearch resume" in refused(["run", "--out", "run"], capsys, here)
    assert "front of run has" in refused(["inspect", "run:front[999]"], capsys, here)
    assert "no candidate 999" in refused(["inspect", "run:999"], capsys, here)
    assert main(["inspect", "run:best"]) == 0
    shown = capsys.readouterr().out
    assert "descends from the start" in shown
    assert "def best(w, g" in shown
    assert main(["inspect", "run:best", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lineage"][0]["number"] == -1
    assert main(["resume", "run", "--programs", "+16", "--workers", "1"]) == 0
    assert "evosearch export run:best" in capsys.readouterr().out


def test_a_narrow_terminal_has_all_of_the_methods_too(monkeypatch, capsys):
    monkeypatch.setattr("evosearch.catalogue.WIDTH", 80)
    monkeypatch.setattr("evosearch.catalogue.WIDE", 81)
    assert main(["list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "adaptive_gains_momentum Separate rates with momentum" in shown
    assert "states p, gain; memory 2; adaptive yes; momentum yes; gradients 1; closure no; shapes any" in shown


def test_lists(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in (*known(), *WRAPPERS, *SCHEDULES, *RECOMMENDED))
    assert main(["list", "--json"]) == 0
    assert [record["name"] for record in json.loads(capsys.readouterr().out)] == list(known())
    assert main(["proxies"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in TASKS)


@pytest.mark.parametrize("name", known())
def test_inspect_and_export_every_program_with_a_name(here, capsys, name):
    assert main(["inspect", name]) == 0
    assert f"def {name}(w, g" in capsys.readouterr().out
    assert main(["export", name, "-o", "optimizer.py", "--class", "Mine"]) == 0
    assert "from optimizer import Mine" in capsys.readouterr().out
    compile((here / "optimizer.py").read_text(), "optimizer.py", "exec")


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom evosearch.cli import main\n"
        "try:\n    main(['run', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'ray', 'scipy', 'sklearn'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "command", [["inspect"], ["simplify"], ["export", "-o", "x.py"], ["compare", "adamw"], ["run", "--from"]]
)
def test_an_unknown_primitive_says_how_own_ones_are_named(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.opt").write_text("def f(w, g, *, lr=1):\n    return w - lr * quite_mine(g)\n")
    assert "unknown primitive 'quite_mine'.\n" in (errors := refused([*command, "mine.opt"], capsys, tmp_path))
    assert errors.endswith("evosearch: for a primitive of your own name its file too, by --primitives FILE.\n")
    assert "--primitives" not in refused([*command, "no_such_program"], capsys, tmp_path)


def test_an_unknown_primitive_to_insert_says_so_too(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    errors = refused(["run", "--only", "quite_mine"], capsys, tmp_path)
    assert (
        errors
        == "evosearch: there is no primitive 'quite_mine'; one of your own needs its file, by --primitives FILE.\n"
    )


@pytest.mark.parametrize("width", [44, 60, 80, 120])
def test_no_word_of_a_comparison_is_broken(width):
    console = Console(file=io.StringIO(), width=width)
    table = Table("program", "gain [95 %]", "verdict", "µs a step", box=None, pad_edge=False)
    table.add_row("adam", "-0.277 [-1.766, +1.212]", "undecided", "29.6")
    console.print(fitted(console, table, SPARED))
    for word in ("program", "adam", "-0.277 [-1.766, +1.212]", "undecided"):
        assert word in console.file.getvalue()
    assert ("29.6" in console.file.getvalue()) == (width > 50)
