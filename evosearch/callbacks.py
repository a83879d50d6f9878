"""What a search calls after each block: any function of a Moment. One that returns True ends it in good order."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evosearch.config import ConfigError
from primitives.program import Program
from primitives.text import parse

if TYPE_CHECKING:
    from evosearch.search import Search


@dataclass(frozen=True)
class Moment:
    """How a search stands after a block."""

    generated: int  # candidates
    trained: int  # distinct programs
    hits: int  # candidates that do what one before did
    refused: Mapping[str, int]  # candidates without a score, by status
    restarts: int
    seconds: float  # since this session began
    number: int | None  # of the best program; None as long as none has passed every hurdle
    score: float | None  # its score
    seeds: int  # on which it was measured
    text: str  # in canonical form

    @property
    def best(self) -> Program | None:
        """The best program so far, in canonical form."""
        return parse(self.text) if self.text else None


Callback = Callable[[Moment], bool | None]


class Watch:
    """What a search calls after each block: its display, then callbacks, but for what is only gone through again."""

    def __init__(self, display: Callable[[Search], None], callbacks: Sequence[Callback]) -> None:
        self.display, self.callbacks, self.began, self.ended = display, callbacks, time.monotonic(), False

    def __call__(self, search: Search) -> None:
        """Called after each block."""
        self.display(search)
        if self.callbacks and search.tally.generated > search.stored:
            now = moment(search, time.monotonic() - self.began)
            for callback in self.callbacks:  # each is called, whatever another one says
                self.ended |= callback(now) is True

    def asked(self) -> bool:
        """Whether a callback asked to end the search."""
        return self.ended

    def close(self) -> None:
        """Call `close` of those that have it."""
        for callback in self.callbacks:
            close = getattr(callback, "close", None)
            if close is not None:
                close()


def check(callbacks: Sequence[Callback]) -> None:
    """ConfigError where they are no list, or one cannot be called."""
    if not isinstance(callbacks, Sequence):
        raise ConfigError(f"callbacks is a list of functions of a Moment, not {callbacks!r:.60}.")
    for callback in callbacks:
        if not callable(callback) or isinstance(callback, type):
            raise ConfigError(f"a callback is a function of a Moment, and {callback!r:.60} is none.")


def moment(search: Search, seconds: float) -> Moment:
    """How a search stands."""
    t, best = search.tally, search.archive.leader()
    known = (None, None, 0, "") if best is None else (best.bred.number, best.score, best.seeds, best.bred.text)
    return Moment(t.generated, t.trained, t.hits, dict(t.refused), t.restarts, seconds, *known)


class TensorBoard:
    """A callback that writes curves for TensorBoard: score, candidates by what became of them; the best as text."""

    def __init__(self, directory: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError(f"TensorBoard cannot be written ({error}); pip install tensorboard.") from error
        self.writer: Any = SummaryWriter(str(directory))
        self.shown: int | None = None

    def __call__(self, now: Moment) -> None:
        """Add a point to each curve; the horizontal axis is the number of candidates."""
        add, step = self.writer.add_scalar, now.generated
        if now.score is not None:
            add("best/score", now.score, step)
            add("best/seeds", now.seeds, step)
        for name in ("trained", "hits", "restarts"):
            add(f"candidates/{name}", getattr(now, name), step)
        for status, count in now.refused.items():
            add(f"refused/{status}", count, step)
        add("seconds", now.seconds, step)
        if now.number != self.shown:
            self.shown = now.number
            self.writer.add_text("best/program", "".join(f"    {line}\n" for line in now.text.splitlines()), step)

    def close(self) -> None:
        """Write what is left."""
        self.writer.close()
