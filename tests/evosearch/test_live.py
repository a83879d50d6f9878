"""What a search shows of itself: in any width and height, without colours, in ASCII, in a pipe, in a notebook."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from evosearch.archive import Entry
from evosearch.breed import Bred
from evosearch.config import to_toml
from evosearch.live import asking, chart
from evosearch.live.asking import Asking
from evosearch.live.explain import explained
from evosearch.live.screen import Log, Notebook, Pace, Terminal, is_live, screen
from evosearch.live.text import Shown, clock, lines, one_line, plain
from evosearch.live.view import Explained, Member, Moment, Speed, View, ahead, front, sampled
from primitives.reference import reference
from primitives.text import show
from tests.evosearch import terminal
from tests.evosearch.siege import CHEAP

COLOURS = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")
ADAM = show(reference("adam"))
BEST = Member(1726, 0.054, 12, 11, 2, 25.2, ADAM)
FULL = View(
    "runs/2026-11-25-101500", "searching (Ctrl-C saves)", 72.0, 38.0, 0.64, 192_000, 68_500, 52_300, (1052.3, 18.7),
    {"odd": 320, "nan": 200_000, "scale": 81, "failed": 16, "timeout": 1},
    tuple(Moment(i, -0.1 + i / 1.1e6) for i in range(0, 180_000, 900)),
    (BEST, Member(2902, -0.0004, 8, 9, 2, 12.2, ADAM), Member(1865, -0.075, 4, 8, 2, 12, ADAM),
     Member(77, -0.11, 4, 6, 1, 5, ADAM), Member(-1, -0.3, 4, 4, 1, 5, ADAM)),
    BEST, explained(ADAM),
)  # fmt: skip
VIEWS = {
    "full": FULL,
    "before anything": View("runs/x"),
    "begun": View("runs/x", "measuring the bar, nadamw, on the training seeds", 3.0),
    "no candidate yet": View("runs/x", "searching", 9.0, None, 0.0, best=BEST, front=(BEST,), curve=(Moment(0, 0.1),)),
    "without a best": View("runs/x", "searching", 9.0, 4.0, 0.3, 128, 20, 8, (10.0, 2.0), {"nan": 100}),
    "a long name": dataclasses.replace(FULL, place="/scratch/" + "deep/" * 30 + "naïve-搜索"),
    "not explained": dataclasses.replace(FULL, explained=None),
    "ended": dataclasses.replace(FULL, left=None, part=None, speed=None, verdict="Candidate 1726 is better ± 0.01."),
}


@pytest.mark.parametrize("ascii_only", [False, True], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [20, 40, 65, 66, 80, 111, 112, 140, 300])
@pytest.mark.parametrize("name", VIEWS)
def test_no_line_is_too_wide_and_no_view_too_high(name, width, ascii_only):
    for height in (1, 2, 5, 10, 24, 1000):
        found = [plain(line) for line in lines(VIEWS[name], width, height, ascii_only)]
        assert len(found) <= height
        assert max(map(cell_len, found)) <= width, found
        assert not ascii_only or "\n".join(found).isascii()


@pytest.mark.parametrize("width", [40, 80, 140])
def test_all_that_matters_is_there(width):
    text = "\n".join(plain(line) for line in lines(FULL, width))
    for part in (
        "runs/2026-11-25-101500", "1m 12s gone, about 38s left", "64%", "192,000  1,052/s", "68,500  18.7/s", "43%",
        "odd 320", "nan 200,000", "timeout 1", "best score", "+0.063", "-0.0", "front", "2902", "start 1",
        "+0.054 over 12 seeds (the bar: 0)", "wₜ = wₜ₋₁ − η", "mₜ = ", "It is adam",
    ):  # fmt: skip
        assert part in text, part
    assert any(mark in text for mark in chart.BLOCKS[1:])
    beside = [line for line in text.splitlines() if "generated" in line and "best score" in line]
    assert bool(beside) == (width > 40)
    assert any("generated" in line and "front" in line for line in text.splitlines()) == (width == 140)


def test_what_matters_most_stays_in_few_rows():
    few = "\n".join(plain(line) for line in lines(FULL, 80, 7))
    for part in ("runs/2026", "64%", "192,000", "68,500", "52,300", "+0.054 over 12 seeds"):
        assert part in few, part
    assert "front" not in few
    assert any("wₜ = wₜ₋₁" in plain(line) for line in lines(FULL, 40, 23))
    assert [plain(line)[:4] for line in lines(FULL, 80, 4)] == ["evos", "━━━━", "best", "gene"]


def test_ascii_has_the_program_in_place_of_the_formula():
    text = "\n".join(plain(line) for line in lines(FULL, 80, ascii_only=True))
    assert "update = " in text
    assert "####" in text
    ended = "\n".join(plain(line) for line in lines(VIEWS["ended"], 80, ascii_only=True))
    assert "better +- 0.01" in ended
    assert "finished" not in ended


@pytest.mark.parametrize(("colours", "without"), [("truecolor", False), ("standard", True), (None, False)])
@pytest.mark.parametrize("width", [40, 80, 140])
def test_as_rich_renders_it(width, colours, without):
    out = io.StringIO()
    console = Console(
        file=out, record=True, width=width, height=50, color_system=colours, no_color=without, force_terminal=True,
        legacy_windows=False,
    )  # fmt: skip
    console.print(Shown(FULL))
    plainly = [plain(line) for line in lines(FULL, width, 49)]
    assert [line.rstrip() for line in console.export_text().splitlines()] == plainly
    assert bool(COLOURS.search(out.getvalue())) == (colours is not None and not without)
    assert ("\x1b" in out.getvalue()) == (colours is not None)


def test_rich_says_when_the_encoding_has_only_ascii():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=out, width=80).print(Shown(FULL))
    out.flush()
    assert b"####" in out.buffer.getvalue()


class TestChart:
    def test_columns_are_as_high_as_their_values(self):
        rows = chart.area([None, 0.0, 1.0, 2.0, 4.0], 2)
        assert [row[0] for row in rows] == [" ", " "]
        heights = ["".join(row[i] for row in rows) for i in range(1, 5)]
        assert heights == [" ▁", " ▅", "▁█", "██"]

    def test_one_value_and_none(self):
        assert chart.area([0.5, 0.5], 2) == ["  ", "██"]
        assert chart.area([None, None], 2) == ["  ", "  "]
        assert chart.labels([None], 3) == ["", "", ""]
        assert chart.labels([0.5, 0.5], 2) == ["", "+0.500"]

    def test_labels_are_the_ends_and_the_bar(self):
        assert chart.labels([-0.05, 0.3], 4) == ["+0.300", "", "", "-0.050"]
        assert chart.labels([-0.1, 0.1], 4) == ["+0.100", "", "0", "-0.100"]
        assert chart.labels([-0.3, -0.1], 3) == ["-0.100", "", "-0.300"]


class TestTimes:
    def test_clock(self):
        assert [clock(s) for s in (0.2, 59.4, 60, 725, 12_000, 187_200, -3)] == [
            "0s", "59s", "1m 00s", "12m 05s", "3h 20m", "2d 04h", "0s",
        ]  # fmt: skip

    def test_speed_is_of_the_last_minute(self):
        speed = Speed()
        assert speed.rates() is None
        for second in range(200):
            speed.note(second, 10 * second if second < 100 else 1000 + 50 * (second - 100), second)
        assert speed.rates() == (pytest.approx(50), pytest.approx(1))

    def test_no_speed_while_nothing_comes(self):
        speed = Speed()
        speed.note(1, 0, 0)
        speed.note(2, 0, 0)
        assert speed.rates() is None

    @pytest.mark.parametrize(
        ("done", "programs", "speed", "gone", "until", "expected"),
        [
            (25, 100, (5.0, 1.0), 5, None, (15, 0.25)),
            (25, 100, None, 5, None, (None, 0.25)),
            (25, 0, (5.0, 1.0), 30, 10, (10, 0.75)),
            (25, 0, None, 30, -2, (0, 1.0714)),
            (80, 100, (5.0, 1.0), 30, 70, (4, 0.8)),
            (25, 0, None, 30, None, (None, None)),
        ],
    )
    def test_what_is_ahead(self, done, programs, speed, gone, until, expected):
        assert ahead(done, programs, speed, gone, until) == pytest.approx(expected, abs=1e-3, nan_ok=True) or (
            ahead(done, programs, speed, gone, until) == expected
        )

    def test_samples_are_what_was_best_then(self):
        moments = [Moment(0, -1.0), Moment(30, -0.5), Moment(100, 0.0)]
        assert sampled(moments, 100, 4) == [-1.0, -0.5, -0.5, 0.0]
        assert sampled(moments[1:], 100, 4) == [None, -0.5, -0.5, 0.0]

    def test_pace_keeps_to_its_share(self, monkeypatch):
        now = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        pace = Pace(0.25)
        assert pace.due()
        assert pace.took(0.0001) == 0.25
        assert not pace.due()
        assert pace.took(0.1) > 10
        now[0] += 10
        assert not pace.due()
        now[0] += 100
        assert pace.due()


class TestWhere:
    def test_only_a_real_terminal_is_drawn_over(self, monkeypatch):
        class Tty(io.StringIO):
            def isatty(self) -> bool:
                return True

        for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "JPY_PARENT_PID", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm")
        assert is_live(Console(file=Tty()))
        assert isinstance(screen(Console(file=Tty())), Terminal)
        monkeypatch.setenv("NO_COLOR", "1")
        assert is_live(Console(file=Tty()))
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert not is_live(Console(file=io.StringIO()))
        assert isinstance(screen(Console(file=io.StringIO())), Log)
        monkeypatch.delenv("FORCE_COLOR")
        monkeypatch.setenv("TERM", "dumb")
        assert not is_live(Console(file=Tty()))
        monkeypatch.setenv("TERM", "xterm-color")
        monkeypatch.setenv("JPY_PARENT_PID", "1")
        assert not is_live(Console(file=Tty()))

    def test_in_a_notebook_one_output_is_replaced(self, monkeypatch):
        shown: list[tuple[str, str]] = []
        handle = types.SimpleNamespace(update=lambda data, raw: shown.append(("update", data["text/plain"])))

        def display(data: dict[str, str], raw: bool, display_id: bool) -> object:
            shown.append(("display", data["text/plain"]))
            return handle

        monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=display))
        notebook = screen(Console(force_jupyter=True))
        assert isinstance(notebook, Notebook)
        notebook.start()
        notebook.say(lambda: View("runs/x", "measuring the bar"))
        notebook.show(lambda: FULL)
        notebook.show(lambda: FULL)  # too early
        notebook.stop()
        assert [how for how, _ in shown] == ["display", "update"]
        assert "measuring the bar" in shown[0][1]
        assert "192,000" in shown[1][1]
        assert "\x1b" not in shown[1][1]

    def test_a_log_has_a_line_now_and_then(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        out = io.StringIO()
        log = Log(Console(file=out, width=200, markup=False, highlight=False))
        for second in range(36_000):
            now[0] = float(second)
            log.show(lambda: FULL)
        assert 100 < len(out.getvalue().splitlines()) < 1000
        assert out.getvalue().splitlines()[0] == one_line(FULL)
        assert one_line(FULL) == (
            "   72s  38s left  192,000 generated (1052/s)  68,500 trained (19/s)  43% cache hits  "
            "best +0.054 over 12 seeds (the bar: 0)"
        )


class TestAsking:
    def test_a_formula_at_once_and_relatives_from_another_process(self):
        some, text = Asking(), show(reference("lion"))
        some.start()
        assert some.about(text) == Explained(explained(text).formula)
        until = time.monotonic() + 100
        while not (found := some.about(text)).nearest:
            assert time.monotonic() < until
            time.sleep(0.02)
        some.close()
        assert found == explained(text)
        assert found.formula[0].startswith("wₜ = wₜ₋₁ − η")
        assert found.nearest == "It is lion with beta1 = 0.9, beta2 = 0.99."
        assert some.about(text) == found

    def test_nothing_is_asked_without_need(self):
        some = Asking()
        some.start()
        some.about(ADAM, ask=False)
        some._after = time.monotonic() + 1000
        assert some.about(ADAM).formula
        assert not some._waiting
        some.close()

    @pytest.mark.parametrize("serve", ["raise SystemExit", "print('no JSON', flush=True)", "import os; os.abort()"])
    def test_a_process_that_fails_is_not_missed(self, monkeypatch, serve):
        monkeypatch.setattr(asking, "SERVE", serve)
        some = Asking()
        some.start()
        for _ in range(30):
            assert some.about(ADAM).nearest == ""
            time.sleep(0.02)
        some.close()

    def test_what_cannot_be_told_is_left_out(self, monkeypatch):
        monkeypatch.setattr("evosearch.live.explain.formula", lambda program: 1 / 0)
        monkeypatch.setattr("primitives.algebra.relatives.relatives", lambda program, seconds: ())
        assert explained(show(reference("sgd"))) == Explained()


RUN = ["run", "cheap.toml", "--workers", "1", "--out", "run"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "cheap.toml").write_text(to_toml(CHEAP))
    return tmp_path


SEEN = {
    "narrow": (40, 24, {"NO_COLOR": "1"}, ["searching (Ctrl-C saves)", "best score by", "front of", "█", "wₜ = "]),
    "wide": (140, 40, {}, ["searching (Ctrl-C saves)", "best score by", "front of", "█", "wₜ = ", "seeds  program"]),
    "few rows": (30, 8, {}, ["generated", "best ", " over ", "━" * 2]),
}


@pytest.mark.parametrize("name", SEEN)
def test_a_search_in_a_terminal_shows_all_and_ctrl_c_leaves_it_as_it_was(here, name):
    columns, rows, environment, parts = SEEN[name]
    enough = functools.partial(_shows, parts)
    seen = terminal.run([*RUN, "--programs", "100000"], here, columns, rows, environment, interrupt=enough)
    assert seen.code == 130, seen.raw
    assert any(map(enough, seen.screen.pictures))
    assert all("best" in text for text in seen.screen.pictures if "generated" in text)
    alone = terminal.Screen(columns, rows)
    alone.feed(seen.raw.partition("\nStopped")[0])
    assert not alone.wrapped
    assert bool(COLOURS.search(seen.raw)) == ("NO_COLOR" not in environment)
    left = seen.screen.text.replace("\n", " ")
    assert re.search(r"Stopped; \d+ candidates are saved. Go on with: evosearch resume run", left)
    assert "generated" not in left
    assert "Traceback" not in seen.raw
    assert seen.screen.cursor


def _shows(parts: list[str], text: str) -> bool:
    return all(part in text for part in parts)


def test_the_last_table_stands_where_the_view_was(here):
    seen = terminal.run(RUN, here, 100, 40)
    assert seen.code == 0
    assert seen.screen.cursor
    assert "searching" not in seen.screen.text
    for part in ("96 programs generated", "0 (the bar)", "evosearch resume run"):
        assert part in seen.screen.text


def test_a_dumb_terminal_gets_plain_lines(here):
    seen = terminal.run(RUN, here, 80, 24, {"TERM": "dumb"})
    assert seen.code == 0
    assert "\x1b" not in seen.raw
    assert " generated " in seen.raw


def test_a_pipe_gets_plain_lines_whatever_it_is_said_to_bear(here):
    variables = {**os.environ, "PYTHONPATH": str(terminal.ROOT), "FORCE_COLOR": "1", "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "evosearch.cli", *RUN]
    done = subprocess.run(command, cwd=here, env=variables, capture_output=True, timeout=200, check=True)
    text = done.stdout.decode("ascii")
    assert done.stderr == b""
    assert not re.search(r"\x1b\[[0-9;?]*[A-JLSThl]|\r", text), "the cursor is moved"
    assert re.search(r"^ +\d+s  .* generated .* cache hits  best ", text, re.MULTILINE)
    assert "Searching into run (Ctrl-C saves)." in text
    assert "measuring the best programs and the baselines on fresh seeds ..." in text
    assert "(the bar)" in text
    assert "95 % intervals" in text


def entry(number: int, length: int, score: float, believed: float) -> Entry:
    bred = Bred(number, ADAM, length=length, states=2, cost=10.0)
    return Entry(bred, score=score, believed=believed)


def test_the_front_is_of_score_and_length():
    ranked = [entry(1, 9, 0.10, 0.09), entry(2, 9, 0.11, 0.08), entry(3, 7, 0.08, 0.07), entry(4, 6, 0.09, 0.05)]
    known = types.SimpleNamespace(front=lambda: [*ranked, entry(5, 4, 0.0, -0.1)])
    assert [one.number for one in front(known)] == [1, 4, 5]
