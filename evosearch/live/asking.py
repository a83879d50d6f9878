"""Asks another process what programs are nearest to, and never waits: so much arithmetic would be the driver's time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time

from evosearch.live.explain import equations
from evosearch.live.view import Explained
from primitives import own

SHARE = 0.1  # of one core, at low priority, that goes into this while the best keeps changing
SERVE = "from evosearch.live.explain import serve; serve()"


class Asking:
    """One question at a time, each about the newest program; a process that fails is not missed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = False
        self._partial = b""  # of an answer
        self._after = 0.0  # time.monotonic, before which nothing is asked
        self._known: dict[str, str] = {}  # by text; nothing until the answer comes
        self._failed = False

    def start(self) -> None:
        """Start the process, which takes a second or two until it answers."""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SERVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        except OSError:
            self._failed = True

    def about(self, text: str, ask: bool = True) -> Explained:
        """The formula of a program, and as soon as it is known what it is nearest to."""
        if not self._failed and self._process is not None:
            try:
                self._take()
                if ask and not self._waiting and text not in self._known and time.monotonic() >= self._after:
                    self._ask(text)
            except (OSError, ValueError):
                self._failed = True
        return Explained(equations(text), self._known.get(text, ""))

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

    def _ask(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([text, own.used()]).encode() + b"\n")
        self._process.stdin.flush()
        self._waiting, self._known[text] = True, ""

    def _take(self) -> None:
        if self._process is None or not self._waiting:
            return
        assert self._process.stdout is not None
        self._partial += self._process.stdout.read() or b""
        if not self._partial.endswith(b"\n"):
            return
        text, nearest, seconds = json.loads(self._partial)
        self._known[text] = nearest
        self._partial, self._waiting = b"", False
        self._after = time.monotonic() + seconds / SHARE
