"""Searches from Python: the same rows as by the command, a run's parts, callbacks, what a notebook shows."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import evosearch
from evosearch import Moment, Run, TensorBoard
from evosearch.api import configured
from evosearch.callbacks import Watch, moment
from evosearch.cli import main
from evosearch.config import Config, ConfigError, load, to_toml
from evosearch.mistakes import StoreError
from evosearch.run import Result
from primitives.program import ProgramError
from primitives.reference import reference
from primitives.text import show
from tests.evosearch.small import SMALL, rows, search

TINY = dataclasses.replace(SMALL, programs=48, workers=1)
CLASSES = ("number", "text", "mutation", "parent", "known", "status", "score", "length", "states", "cost")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[Moment]]:
    """A search from Python, and what its callback was told."""
    told: list[Moment] = []
    path = tmp_path_factory.mktemp("api") / "run"
    run = evosearch.search(TINY, out=path, callbacks=[told.append], quiet=True)  # type: ignore[list-item]
    return run, told


def test_the_rows_are_those_of_the_command(found, tmp_path):
    run, _ = found
    (tmp_path / "tiny.toml").write_text(to_toml(TINY))
    assert main(["run", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run")]) == 0
    assert rows(run.path) == rows(tmp_path / "run")


def test_what_a_run_has(found, tmp_path):
    run, _ = found
    assert run.best == evosearch.load(f"{run.path}:best")
    assert run.front[0].program.body == run.best.body
    assert run.front[0].program.defaults == run.best.defaults
    assert [line["name"] for line in run.table][1:3] != []
    assert run.table[0]["score"] == 0
    table = run.rows()
    assert [row["number"] for row in table] == list(range(48))
    assert set(CLASSES) <= set(table[0])
    assert table == evosearch.open_run(run.path).rows()
    assert run.rows(3, 5) == table[3:5]
    by_number = {row["number"]: row for row in run.rows(-9)}
    for member in run.front:
        assert by_number[member.number]["score"] == pytest.approx(member.score, abs=1e-4)
        assert by_number[member.number]["text"].partition("(")[2] == member.text.partition("(")[2]
    text = run.report(tmp_path / "report.html", quick=True).read_text()
    assert "<html" in text


def test_it_shows_itself(found):
    run, _ = found
    assert repr(run).startswith(f"Run('{run.path}')\n  48 candidates on digits, seed 0\n")
    shown = run._repr_html_()
    assert shown.count("<tr>") == 1 + len(run.table)
    assert "<script" not in shown


def test_resuming(found, tmp_path):
    """N, then M more, are the rows of N + M; and what is complete says how to go on."""
    config = dataclasses.replace(TINY, programs=16)
    run = evosearch.search(config, out=tmp_path / "run", quiet=True)
    with pytest.raises(ConfigError, match=r"is complete with 16 candidates; extend it with --programs \+N"):
        run.resume()
    (run.path / "config.toml").write_text(to_toml(dataclasses.replace(load(run.path / "config.toml"), budget=60.0)))
    with pytest.raises(ConfigError, match="is complete with 16 candidates"):  # whatever time is left
        run.resume()
    told: list[int] = []
    again = run.resume(programs="+32", quiet=True, callbacks=[lambda now: told.append(now.generated)])
    assert rows(again.path) == rows(found[0].path)
    assert told == [32, 48]  # what was stored is not told again


def test_callbacks_are_told_and_may_end_it(found, tmp_path, capsys):
    _, told = found
    assert [now.generated for now in told] == [16, 32, 48]
    assert all(now.trained + now.hits + sum(now.refused.values()) >= now.generated for now in told)
    assert told[-1].best == evosearch.load(f"{found[0].path}:{told[-1].number}") or told[-1].score is not None
    closed: list[str] = []

    class Second:
        def __call__(self, now: Moment) -> bool:
            return now.generated >= 32

        def close(self) -> None:
            closed.append("yes")

    run = evosearch.search(TINY, programs=10_000, out=tmp_path / "run", callbacks=[Second()])
    assert closed == ["yes"]
    assert 32 <= len(run.rows()) < 200
    assert run.table, "the last table is made nevertheless"
    assert "Searching into" in capsys.readouterr().out


def test_a_callback_that_fails_leaves_what_was_committed(tmp_path):
    def broken(now: Moment) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        evosearch.search(TINY, out=tmp_path / "run", callbacks=[broken], quiet=True)
    run = evosearch.open_run(tmp_path / "run")
    assert len(run.rows()) == 16
    assert run.table == []
    assert len(run.resume(programs=32, quiet=True).rows()) == 32


# --- programs


def test_a_program_may_be_a_path_and_an_optimizer_a_name(tmp_path):
    (tmp_path / "mine.opt").write_text(show(reference("lion")))
    assert evosearch.load(tmp_path / "mine.opt") == evosearch.load("lion")
    assert evosearch.to_torch("lion") is evosearch.to_torch(tmp_path / "mine.opt")


# --- settings


def test_settings_stand_over_a_configuration(tmp_path):
    (tmp_path / "some.toml").write_text('budget = "3m"\nworkers = "auto"\nseed = 7\n[evolution]\npopulation = 90\n')
    assert (load(tmp_path / "some.toml").budget, load(tmp_path / "some.toml").workers) == (180, -1)
    config = configured(
        tmp_path / "some.toml",
        {"budget": "2m", "evolution": {"tournament": 3}, "proxies": ["search"], "workers": "auto"},
    )
    assert (config.seed, config.budget, config.workers) == (7, 120, -1)
    assert (config.evolution.population, config.evolution.tournament) == (90, 3)
    assert len(config.proxies) == 8
    assert configured({"programs": 5}, {}) == configured(Config(), {"programs": 5})
    assert configured(None, {"language": {"primitives": ["a.py"]}}).language.primitives == (
        str(Path("a.py").resolve()),
    )
    assert configured(None, {}).budget == 45


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"program": 3}, "search: unknown key 'program'; did you mean 'programs'"),
        ({"programs": "many"}, "search: programs must be of type int"),
        ({"proxies": "digits"}, "search: proxies is a list of names"),
        ({"proxies": ["digit"]}, "no proxy called 'digit'"),
        ({"budget": "soon"}, "90s, 10m or 2h"),
        ({"evolution": {"popluation": 3}}, "search: evolution: unknown key 'popluation'"),
        ({"language": {"only": ["sgin"]}}, "no primitive 'sgin'"),
        ({"workers": 0}, "positive number"),
        ({"device": "cuda:99"}, "use --device cpu"),
        ({"callbacks": print}, "callbacks is a list of functions of a Moment, not <built-in"),
        ({"callbacks": [3]}, "a callback is a function of a Moment, and 3 is none"),
        ({"callbacks": [TensorBoard]}, "is none"),
    ],
    ids=str,
)
def test_wrong_settings_are_a_sentence_and_touch_nothing(tmp_path, settings, says):
    with pytest.raises(ValueError, match=says):
        evosearch.search(out=tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(StoreError, match="is not a run directory"):
        evosearch.open_run(tmp_path)


def test_a_run_of_which_nothing_is_known_yet(tmp_path):
    from evosearch import directory

    directory.create(tmp_path / "run", Config()).close()
    run = evosearch.open_run(tmp_path / "run")
    assert (run.front, run.table, run.rows()) == ((), [], [])
    assert "0 candidates" in run._repr_html_()
    with pytest.raises(ProgramError, match=r"has no best\.opt"):
        _ = run.best


# --- programs in a notebook


def test_a_program_shows_itself():
    program = evosearch.load("lion")
    assert str(program) == show(program)
    latex = program._repr_latex_()
    assert latex.startswith("\\begin{align*}")
    assert "\\operatorname{sign}" in latex
    written: list[str] = []
    program._repr_pretty_(type("Printer", (), {"text": lambda self, text: written.append(text)})(), False)
    assert written == [show(program)]


def test_a_plot(monkeypatch):
    figure = evosearch.load("lion").plot()
    assert len(figure.axes) == 4
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ProgramError, match="asks the loss"):
        evosearch.load("newton").plot()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match="pip install matplotlib"):
        evosearch.load("lion").plot()


def test_importing_is_light_and_the_function_stays_one():
    script = (
        "import sys, evosearch\n"
        "heavy = {'torch', 'numba', 'ray', 'scipy', 'sklearn', 'sympy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\nfrom evosearch.search import Search\n"
        "try:\n    evosearch.search(prox=3)\nexcept ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert "unknown key 'prox'" in done.stdout
    assert set(evosearch.__all__) <= {name for name in evosearch.__all__ if hasattr(evosearch, name)}
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = evosearch.serach


# --- TensorBoard


class Writer:
    """What is written, in the place of torch's writer."""

    def __init__(self, directory: str) -> None:
        self.scalars: list[tuple[str, Any, int]] = []
        self.texts: list[str] = []
        self.closed = False

    def add_scalar(self, name: str, value: Any, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_text(self, name: str, text: str, step: int) -> None:
        self.texts.append(text)

    def close(self) -> None:
        self.closed = True


def test_tensorboard(monkeypatch, tmp_path):
    stand_in = ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    board = TensorBoard(tmp_path)
    result: Result = search(tmp_path / "run", dataclasses.replace(TINY, programs=16))
    now = moment(result.search, 1.0)
    watch = Watch(lambda search: None, [board])
    result.search.stored = 0
    watch(result.search)
    watch(result.search)
    watch.close()
    assert board.writer.closed
    steps = {(name, step) for name, _, step in board.writer.scalars}
    assert ("candidates/trained", 16) in steps
    if now.score is not None:
        assert ("best/score", now.score, 16) in board.writer.scalars
        [text] = board.writer.texts  # once for each best program
        assert all(line.startswith("    ") for line in text.splitlines())


def test_tensorboard_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        TensorBoard(tmp_path)


def test_tensorboard_as_it_is(tmp_path):
    pytest.importorskip("tensorboard")
    importlib.import_module("torch.utils.tensorboard")
    board = TensorBoard(tmp_path)
    board(Moment(16, 9, 4, {"nan": 3}, 0, 2.0, 5, 0.1, 2, "def f(w, g):\n    return w - g, \n"))
    board.close()
    assert list(tmp_path.glob("events.out.*"))


def test_a_search_here_leaves_torchs_threads_alone(tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        evosearch.search(TINY, programs=16, out=tmp_path / "run", quiet=True)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.ray
def test_on_workers(tmp_path, found):
    run = evosearch.search(dataclasses.replace(TINY, workers=2), out=tmp_path / "run", quiet=True)
    assert rows(run.path) == rows(found[0].path)
