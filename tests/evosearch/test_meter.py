"""The meter counts jobs, tells the time left, and loses no Ctrl-C."""

from __future__ import annotations

import ctypes
import io
import signal
import sys

import pytest
from rich.console import Console

from evosearch import meter
from evosearch.meter import Counted, Meter
from evosearch.workers import Job, open_workers


def echo(context: None, shared: None, items: tuple[int, ...]) -> list[int]:
    return list(items)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> tuple[io.StringIO, Meter]:
    monkeypatch.setattr(meter, "EVERY", {True: 0.0, False: 0.0})
    out = io.StringIO()
    return out, Meter(Console(file=out, width=100), 0.0)


def test_jobs_are_counted_and_pass_unchanged(shown: tuple[io.StringIO, Meter]) -> None:
    out, some = shown
    counted = Counted(open_workers(0, "evosearch.contest:make_context"), some)
    with some:
        for i in range(3):
            counted.submit(Job(i, echo, (i,)))
        results = [counted.next().results for _ in range(3)]
        counted.submit(Job(3, echo, (3,)))
        counted.next()
    assert results == [[0], [1], [2]]
    said = out.getvalue()
    assert [part in said for part in ("1 of 3 jobs", "3 of 3 jobs, about 0s left", "1 of 1 jobs")] == [True] * 3
    counted.close()


def test_an_interrupt_that_was_lost_is_raised_at_the_next_job_and_told_once(
    shown: tuple[io.StringIO, Meter], capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    with shown[1] as some:
        counted = Counted(open_workers(0, "evosearch.contest:make_context"), some)
        counted.submit(Job(0, echo, (0,)))
        ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))()  # a callback of C code cannot raise
        with pytest.raises(KeyboardInterrupt):
            counted.next()
    assert (signal.getsignal(signal.SIGINT), sys.unraisablehook) == before
    assert capsys.readouterr().err == ""
