"""What the best program of a search is: as mathematics, and of what family."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from evosearch.live.view import Explained
from primitives import own
from primitives.algebra.relatives import relatives
from primitives.analysis.formula import formula
from primitives.readable import readable
from primitives.text import parse

SECONDS = 2.0  # for the search for relatives
NICE = 10  # priority given away by a process that does nothing else


def explained(text: str, nearest: bool = True, seconds: float = SECONDS) -> Explained:
    """The formula of a program, its update first, and with `nearest` the reference program that it is or is nearest to.

    What cannot be told, or is not found in time, is left out: a view does without.
    """
    program = readable(parse(text))
    lines: tuple[str, ...] = ()
    with contextlib.suppress(Exception):
        *others, update = [equation.text for equation in formula(program).equations]
        lines = (update, *others)
    family = ""
    if nearest:
        with contextlib.suppress(Exception):
            family = " ".join(relatives(program, seconds)[0].lines())
    return Explained(lines, family)


def serve() -> None:
    """Answer questions, [text, nearest, own primitives] in a line of JSON each, at low priority, until none come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    os.nice(NICE)
    for line in sys.stdin:
        began, (text, nearest, files) = time.process_time(), json.loads(line)
        found = Explained()
        with contextlib.suppress(Exception):
            own.use(files)
            found = explained(text, nearest, SECONDS * 3)  # who yields to others waits for a core
        answer = [text, found.formula, found.nearest, time.process_time() - began if nearest else 0.0]
        print(json.dumps(answer), flush=True)
