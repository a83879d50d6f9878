"""simplify and same: what they print parses and is the same map, exit codes, and sentences for wrong inputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from evosearch.cli import main
from evosearch.explain import simplified
from primitives.algebra.difference import difference
from primitives.reference import names, reference
from primitives.text import parse, show

RAW = """\
def raw(w, g, v, dead, *, lr=1.0):
    x = g + g - g
    update = sign(interp(x, v, 0.9)) * abs(w) / abs(w) + w * 0.46
    v = interp(x, v, 0.99)
    return w - lr * (0.0002 * update), v, dead + x
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.opt").write_text(RAW)
    return tmp_path


def printed(capsys, *arguments: str, code: int = 0) -> str:
    assert main(list(arguments)) == code
    found = capsys.readouterr()
    assert found.err == ""
    assert all(len(line) <= 100 for line in found.out.splitlines() if line.startswith("#"))
    return found.out


def refused(capsys, *arguments: str) -> str:
    try:
        code = main(list(arguments))
    except SystemExit as end:
        code = end.code
    found = capsys.readouterr()
    assert code == 2
    assert found.out == ""
    [line] = found.err.splitlines()
    assert line.startswith("evosearch: ")
    assert line.endswith((".", "?"))
    return line


def test_what_simplify_prints_is_a_program_that_is_shorter_and_does_the_same(here, capsys):
    text = printed(capsys, "simplify", "raw.opt")
    program = parse(text)
    assert len(program.states) == 1
    assert difference(parse(RAW), program) is None
    assert "1 state instead of 2; exact laws used: " in text
    assert "protected: cancel a factor, except where" in text
    assert "->" not in text


def test_the_exact_tier_uses_no_law_that_has_exceptions(here, capsys):
    text = printed(capsys, "simplify", "raw.opt", "--tier", "exact")
    assert "abs(w)" in text
    assert "protected" not in text


def test_the_trail_has_each_step_with_both_sides(here, capsys):
    text = printed(capsys, "simplify", "raw.opt", "--trail")
    assert difference(parse(RAW), parse(text)) is None
    steps = json.loads(printed(capsys, "simplify", "raw.opt", "--json"))["steps"]
    assert steps
    assert all(f". {step['tier']}: {step['law']}" in text for step in steps)
    assert [step["exception"] != "" for step in steps] == [step["tier"] == "protected" for step in steps]


def test_the_text_goes_to_a_file_and_only_what_changed_is_printed(here, capsys):
    out = printed(capsys, "simplify", "raw.opt", "-o", "short.opt")
    assert "def raw" not in out
    assert "Wrote short.opt." in out
    assert f"{(here / 'short.opt').read_text()}\n" == printed(capsys, "simplify", "raw.opt").partition("#")[0]
    assert sorted(path.name for path in here.iterdir()) == ["raw.opt", "short.opt"]


def test_json_says_all(here, capsys):
    found = json.loads(printed(capsys, "simplify", "raw.opt", "--json"))
    assert parse(found["text"]).states == parse(printed(capsys, "simplify", "raw.opt")).states
    assert parse(found["before"]).body == parse(RAW).body
    assert found["states"] == [2, 1]
    assert found["statements"][0] > found["statements"][1]
    assert found["finished"]
    assert found["simplified"]


def test_a_program_that_is_short_already_keeps_its_spelling(capsys):
    text = printed(capsys, "simplify", "lion")
    assert text.startswith(show(reference("lion")))
    assert "as short as we can make it" in text


def test_time_that_was_not_enough_is_said(here, capsys):
    text = printed(capsys, "simplify", "radam", "--seconds", "1e-9")
    assert "time was over" in text
    assert "as short as we can make it" not in text
    assert difference(parse(text), reference("radam")) is None


def test_trainings_drop_what_they_do_not_miss(here, capsys):
    """The clip of a sign to [-2, 2] does nothing, which the laws may know; the arcsin of a clip is for trainings."""
    (here / "junk.opt").write_text(
        "def junk(w, g, m, *, lr=0.0001, beta1=0.9, beta2=0.99):\n    x = arcsin(clip(g, -1, 1))\n"
        "    update = sign(ema(m, x, beta1))\n    m = ema(m, x, beta2)\n    return w - lr * update, m\n"
    )
    options = ["--tier", "empirical", "--proxy", "least_squares", "--seeds", "16", "--seconds", "20", "--workers", "1"]
    assert main(["simplify", "junk.opt", *options, "--json"]) == 0
    out, progress = capsys.readouterr()
    found = json.loads(out)
    assert "arcsin" not in found["text"]
    [step, *_] = found["pruned"]["steps"]
    assert step["low"] <= step["change"] <= step["high"]
    assert "training the program at all learning rates" in progress


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["simplify", "lyon"], "did you mean 'lion'"),
        (["simplify", "lion", "--tier", "some"], "invalid choice"),
        (["simplify", "lion", "--seconds", "0"], "--seconds is 0"),
        (["simplify", "lion", "--seconds", "nan"], "--seconds is nan"),
        (["simplify", "lion", "-o", "."], "is a directory"),
        (["simplify", "lion", "-o", "no/such/place.opt"], "no directory no/such"),
        (["simplify", "lion", "--proxy", "digits"], "add --tier empirical"),
        (["simplify", "lion", "--seed", "0"], "add --tier empirical"),
        (["simplify", "lion", "--tier", "empirical", "--proxy", "digit"], "no proxy called 'digit'"),
        (["simplify", "lion", "--tier", "empirical", "--proxy", "copying"], "held out"),
        (["simplify", "lion", "--tier", "empirical", "--seeds", "3"], "from 4 to 100"),
        (["simplify", "lion", "--tier", "empirical", "--seed", "100"], "from 0 to 99"),
        (["simplify", "lion", "--tier", "empirical", "--workers", "0"], "positive number"),
        (["same", "adam"], "required"),
        (["same", "adam", "lyon"], "did you mean 'lion'"),
        (["same", "adam", "lion", "--trials", "0"], "from 1 to 1000"),
    ],
)
def test_wrong_inputs(here, capsys, arguments, says):
    assert says in refused(capsys, *arguments)


def test_same_answers_by_its_exit_code(capsys):
    assert "The same map" in printed(capsys, "same", "lion", "lion")
    text = printed(capsys, "same", "adam", "adamw", code=1)
    assert "Not the same map." in text
    assert "where weight_decay = 0" in text


def test_an_undecided_pair_has_a_code_of_its_own(monkeypatch, capsys):
    from evosearch import explain
    from primitives.algebra.same import Verdict

    monkeypatch.setattr(explain, "verdict_of", lambda p, q, trials: Verdict("undecided", trials))
    assert "no proof" in printed(capsys, "same", "adam", "adam", code=3)


def test_the_verdict_as_json_has_inputs_that_tell_apart(capsys):
    found = json.loads(printed(capsys, "same", "lion", "sgd", "--json", code=1))
    assert found["answer"] == "different"
    assert found["witness"]["new_p"] != found["witness"]["new_q"]


@pytest.mark.parametrize("name", names())
def test_every_reference_program_simplifies_to_what_is_no_longer(name):
    found = simplified(reference(name))
    assert found.states[1] <= found.states[0]
    assert found.shorter or found.program == reference(name)
    assert parse(show(found.program)) == found.program
    assert all(len(line) <= 98 for line in found.lines())


def test_neither_command_imports_torch_or_numba():
    script = (
        "import sys\nfrom evosearch.cli import main\nmain(['simplify', 'adam'])\nmain(['same', 'adam', 'lion'])\n"
        "heavy = {'torch', 'numba', 'ray', 'scipy', 'sklearn', 'sympy'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, cwd=root)
