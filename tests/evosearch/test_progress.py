"""Ctrl-C ends a search even where Python loses the exception that it raises."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from rich.console import Console

from evosearch.progress import Progress


def test_a_lost_interrupt_is_raised_again_after_the_block():
    before = signal.getsignal(signal.SIGINT)
    with Progress(Console(quiet=True), Path("run"), 0, 100, None, 0.0) as progress:
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            progress.watch(None)
    assert signal.getsignal(signal.SIGINT) is before
