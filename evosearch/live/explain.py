"""What the best program of a search is: as mathematics, and of what family."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from functools import lru_cache

from evosearch.live.view import Explained
from primitives import own
from primitives.analysis.formula import formula
from primitives.readable import readable, without_zeros
from primitives.reference import reference
from primitives.text import parse, show

SECONDS = 2.0  # for the search for relatives
NICE = 5  # priority given away by a process that does nothing else


def explained(text: str) -> Explained:
    """All that a view tells of a program."""
    return Explained(equations(text), nearest(text))


@lru_cache(maxsize=64)
def equations(text: str) -> tuple[str, ...]:
    """The formula of a program, its update first; nothing where there is none."""
    with contextlib.suppress(Exception):
        *others, update = [equation.text for equation in formula(readable(without_zeros(parse(text)))).equations]
        return (update, *others)
    return ()


def nearest(text: str, seconds: float = SECONDS) -> str:
    """The reference program that a program is or is nearest to, as a sentence; nothing where none is found in time."""
    from primitives.algebra.relatives import relatives

    with contextlib.suppress(Exception):
        return " ".join(relatives(readable(without_zeros(parse(text))), seconds)[0].lines())
    return ""


def serve() -> None:
    """Say what programs are nearest to, [text, own primitives] in a line of JSON each, until none come."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks
    os.nice(NICE)
    nearest(show(reference("adamw")))  # what the first answer takes most of its time for
    for line in sys.stdin:
        began, (text, files) = time.process_time(), json.loads(line)
        with contextlib.suppress(Exception):
            own.use(files)
        found = nearest(text, SECONDS * 3)  # who yields to others waits for a core
        print(json.dumps([text, found, time.process_time() - began]), flush=True)
