"""What a search ends with, as wide as the terminal; and a search whose time was over before it began."""

from __future__ import annotations

import dataclasses
import io
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from evosearch import directory, run
from evosearch.config import Config
from evosearch.final import Line
from evosearch.live.result import show_result
from evosearch.live.screen import Log, screen
from evosearch.live.text import lines, one_line, plain, update_text
from evosearch.live.view import View
from evosearch.workers import open_workers
from tests.evosearch.siege import CHEAP
from tests.evosearch.small import MAKE_CONTEXT

TASKS = Config().proxies
LONG = """def candidate(w, g, m, v, *, lr=0.1):
    m = ema(m, g, 0.6212)
    v = ema(v, square(g), 0.9909)
    x1 = bias_correct(m, 0.6212, t) / (1.945e-8 + sqrt(bias_correct(v, 0.9909, t)))
    return w - lr * (x1 + 0.002179 * w), m, v
"""


def line(name: str, score: float, found: float | None) -> Line:
    losses, rates = dict.fromkeys(TASKS, 0.01234), dict.fromkeys(TASKS, 0.0178)
    return Line(name, score, 0.029, losses, rates, 17, 2, 17.2, found, LONG)


def shown(width: int, *lines: Line, config: Config | None = None, **console: bool) -> str:
    file = io.StringIO()
    page = Console(file=file, width=width, highlight=False, markup=False, **console)
    show_result(page, found(*lines), config or Config())
    return file.getvalue()


def found(*lines: Line) -> SimpleNamespace:
    tally = SimpleNamespace(generated=1024, trained=367)
    result = SimpleNamespace(directory=Path("runs/a"), lines=[line("nadamw, tuned", 0, None), *lines])
    result.search = SimpleNamespace(tally=tally)
    return result


@pytest.mark.parametrize("width", [36, 40, 60, 80, 100, 140])
def test_the_last_table_fits_the_terminal_and_no_score_is_cut(width):
    text = shown(width, line("793", -0.057, -0.031))
    assert "…" not in text
    assert "-0.057 ± 0.029" in text
    assert max(map(len, text.partition("\nNext")[0].splitlines())) <= width
    assert ("0.0123" in text) == ("the loss on each task" in " ".join(text.split()))


def test_what_is_left_out_first_matters_least():
    wide, middle, narrow = (shown(width, line("793", -0.057, -0.031)) for width in (120, 80, 44))
    assert "cost" in wide
    assert "cost" not in middle
    assert "states" in middle
    assert "0.0123" in middle
    assert "length" in narrow
    assert "0.0123" not in narrow


def test_what_to_type_next_is_never_broken_and_suits_what_was_found():
    some, none = shown(30, line("793", -0.057, -0.031)), shown(30)
    for command in ("inspect runs/a:best", "export runs/a:best -o best.py", "report runs/a", "resume runs/a --budget"):
        assert f"  evosearch {command}" in some
    assert "No new program passed" in none
    assert "export" not in none
    assert "  evosearch resume runs/a --budget +10m\n" in none


def test_without_programs_in_the_last_table_nothing_is_said_of_hurdles():
    config = Config()
    none = shown(80, config=dataclasses.replace(config, scoring=dataclasses.replace(config.scoring, final_programs=0)))
    assert "scoring.final_programs is 0, so no program was measured on fresh seeds" in none
    assert "hurdles" not in none


def test_an_update_has_no_brackets_around_all_of_it():
    assert update_text(LONG).startswith("x1 + 0.002179 * w  where m = ")
    two = LONG.replace("(x1 + 0.002179 * w)", "((x1 + w) * (x1 - w))")
    assert update_text(two).startswith("(x1 - w) * (w + x1)  where ")


def test_a_search_whose_time_is_over_before_it_begins_searches_one_block(tmp_path):
    config = dataclasses.replace(CHEAP, programs=0, budget=1.0)
    store = directory.create(tmp_path / "run", config)
    with_none_left = time.monotonic() - 1
    workers = open_workers(0, MAKE_CONTEXT, (config,))
    result = run.go(config, tmp_path / "run", store, workers, programs=0, until=with_none_left)
    assert result.search.tally.generated == config.evolution.block
    assert store.count() == config.evolution.block
    store.close()


@pytest.mark.parametrize(("left", "says"), [(0.0, "finishing what is under way"), (7.4, "7s left"), (None, "unknown")])
def test_when_time_is_over_what_is_under_way_is_finished(left, says):
    view = View("run", "searching", gone=45.0, left=left, part=1.0, generated=5)
    assert says.removesuffix(" what is under way") in one_line(view)
    assert (says in plain(lines(view, 80)[0])) == (left is not None)
    assert "0s left" not in one_line(view)


def test_a_notebook_gets_the_end_as_one_output_without_control_characters(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook's kernel has it
    assert shown(100, line("793", -0.057, -0.031), force_jupyter=True) == ""
    out = capsys.readouterr().out
    assert "-0.057 ± 0.029" in out
    assert "evosearch inspect runs/a:best" in out
    assert "\x1b" not in out
    assert shown(100, line("793", -0.057, -0.031), force_jupyter=True, quiet=True) == capsys.readouterr().out == ""


def test_who_wants_no_output_gets_no_view_either():
    for console in (Console(quiet=True, force_jupyter=True), Console(quiet=True, force_terminal=True)):
        assert isinstance(screen(console), Log)


def test_numbers_of_an_update_are_as_long_as_one_reads():
    assert "0.1759 * m" in update_text("def f(w, g, m, *, lr=1):\n    return w - lr * (0.17589999999999995 * m), g\n")


def test_a_line_of_a_log_is_one_line():
    file = io.StringIO()
    Log(Console(file=file, width=40)).show(lambda: View("run", "searching", gone=45.0, generated=123_456))
    assert len(file.getvalue().splitlines()) == 1
