"""Asks another process what programs are, and never waits for it: the arithmetic would be the driver's time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

from evosearch.live.view import Explained
from primitives import own

SHARE = 0.05  # of one core, at low priority, that goes into the search for relatives
SERVE = "from evosearch.live.explain import serve; serve()"


class Asking:
    """One question at a time, each about the newest program; a process that fails is not missed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = False
        self._partial = b""  # of an answer
        self._after = 0.0  # time.monotonic, before which no relatives are asked for
        self._tried: set[str] = set()  # programs whose relatives were asked for
        self._known: dict[str, Explained] = {}
        self._failed = False

    def about(self, text: str) -> Explained | None:
        """What is known of a program now; where nothing is, it is asked for as soon as that is cheap enough."""
        if not self._failed:
            try:
                self._take()
                if not self._waiting and text not in self._known:
                    self._ask(text, False)
                elif not self._waiting and text not in self._tried and time.monotonic() >= self._after:
                    self._ask(text, True)
            except (OSError, ValueError):
                self._failed = True
        return self._known.get(text)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None
        self._failed = True

    def _ask(self, text: str, nearest: bool) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([text, nearest, own.used()]).encode() + b"\n")
        self._process.stdin.flush()
        self._waiting = True
        if nearest:
            self._tried.add(text)

    def _take(self) -> None:
        if self._process is None or not self._waiting:
            return
        assert self._process.stdout is not None
        self._partial += self._process.stdout.read() or b""
        if not self._partial.endswith(b"\n"):
            return
        text, formula, nearest, seconds = json.loads(self._partial)
        self._known[text] = Explained(tuple(formula), nearest)
        self._partial, self._waiting = b"", False
        self._after = max(self._after, time.monotonic() + seconds / SHARE)
