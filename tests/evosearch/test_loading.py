"""What a terminal shows while a command is being loaded, and that nothing is drawn once it has ended."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import pytest
from rich.console import Console

from evosearch.live import screen
from evosearch.live.view import View
from evosearch.loading import ERASE, TEXT, loading


class Terminal(io.StringIO):
    """Says that it is a terminal, and when something was flushed."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = threading.Event()

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.flushed.set()


@pytest.fixture
def terminal(monkeypatch):
    found = Terminal()
    monkeypatch.setattr("evosearch.loading.sys", SimpleNamespace(stderr=found))
    monkeypatch.setenv("TERM", "xterm")
    return found


def test_what_takes_long_is_named_and_taken_away_again(terminal):
    with loading(after=0.0):
        assert terminal.flushed.wait(10)
        assert terminal.getvalue() == TEXT
    assert terminal.getvalue() == TEXT + ERASE


def test_what_is_quick_shows_nothing(terminal):
    with loading(after=60.0):
        pass
    assert terminal.getvalue() == ""


def test_a_dumb_terminal_and_a_pipe_get_nothing(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with loading(after=0.0):
        assert not terminal.flushed.wait(0.05)
    pipe = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("evosearch.loading.sys", SimpleNamespace(stderr=pipe))
    with loading(after=0.0):
        pass
    assert pipe.getvalue() == terminal.getvalue() == ""


def test_a_terminal_that_is_gone_is_no_error(terminal):
    with loading(after=0.0):
        assert terminal.flushed.wait(10)
        terminal.close()


def test_a_view_that_is_ready_too_late_is_not_drawn():
    file, asked, ready = io.StringIO(), threading.Event(), threading.Event()

    def slow() -> View:
        asked.set()
        ready.wait(10)
        return View("too late", generated=1)

    shown = screen.Terminal(Console(file=file, force_terminal=True, width=60))
    shown.start()
    shown.show(slow)
    assert asked.wait(10)
    threading.Timer(0.1, ready.set).start()
    shown.stop()
    assert ready.wait(10)
    assert "too late" not in file.getvalue()
