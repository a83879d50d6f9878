"""What is shown of a search at one moment, and what follows from an archive of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from evosearch.archive import Archive, Entry

RECENT = 60.0  # seconds over which candidates per second are counted
MOST_MEMBERS = 8  # of the front


class Moment(NamedTuple):
    """From so many candidates on, the program that is believed best had this score."""

    candidates: int
    score: float


@dataclass(frozen=True)
class Member:
    """A program that passed every hurdle."""

    number: int  # negative: a start
    score: float
    seeds: int
    length: int
    states: int
    cost: float
    text: str

    @property
    def name(self) -> str:
        """How a view calls it."""
        return f"candidate {self.number}" if self.number >= 0 else f"start {-self.number}"


@dataclass(frozen=True)
class Explained:
    """A program as mathematics, a line for each equation, and the reference program that it is or is nearest to."""

    formula: tuple[str, ...] = ()
    nearest: str = ""


@dataclass(frozen=True)
class View:
    """A search at one moment; None stands for what is not known."""

    place: str
    doing: str = ""
    gone: float | None = None  # seconds
    left: float | None = None  # seconds
    part: float | None = None  # of what is to be done, 0 to 1
    generated: int = 0
    trained: int = 0  # distinct programs
    hits: int = 0  # met before
    speed: tuple[float, float] | None = None  # generated and trained, a second
    refused: Mapping[str, int] = field(default_factory=dict)  # by kind
    curve: tuple[Moment, ...] = ()
    front: tuple[Member, ...] = ()  # the best first, then the best of the shorter ones
    best: Member | None = None
    explained: Explained | None = None  # the best program
    verdict: str = ""  # of the last table on the best program

    @property
    def hit_rate(self) -> float:
        """The part of the candidates that were met before, of those that passed the checks."""
        return self.hits / max(1, self.trained + self.hits)


def member(entry: Entry) -> Member:
    """What is shown of an entry."""
    b = entry.bred
    return Member(b.number, entry.score, entry.seeds, b.length, b.states, b.cost, b.text)


def front(archive: Archive) -> tuple[Member, ...]:
    """The best program, then the best of those that are shorter, and so on.

    What is best is what is believed so; but for the first, none is shown beside a shorter one of a higher score.
    """
    found: list[Member] = []
    for entry in archive.front():
        if not found or entry.bred.length < found[-1].length:
            while len(found) > 1 and found[-1].score <= entry.score:
                found.pop()
            found.append(member(entry))
    return tuple(found[:MOST_MEMBERS])


class Course:
    """The best score as a search goes on."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def note(self, candidates: int, best: Entry | None) -> None:
        """The best after so many candidates."""
        if best is not None and (not self.moments or self.moments[-1].score != best.score):
            self.moments.append(Moment(candidates, best.score))


class Speed:
    """Candidates per second in the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def note(self, now: float, generated: int, trained: int) -> None:
        """So many there are at a time."""
        self._seen.append((now, generated, trained))
        while len(self._seen) > 2 and self._seen[1][0] <= now - RECENT:
            self._seen.popleft()

    def rates(self) -> tuple[float, float] | None:
        """Generated and trained, a second; None where nothing has come yet."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return None
        (then, *before), (now, *after) = self._seen[0], self._seen[-1]
        generated, trained = ((b - a) / (now - then) for a, b in zip(before, after, strict=True))
        return (generated, trained) if generated > 0 else None


def ahead(
    done: float, programs: int, speed: tuple[float, float] | None, gone: float, until: float | None
) -> tuple[float | None, float | None]:
    """Seconds left, and the part that is done, of `programs` (0: no end) or of the time `gone` and still to go."""
    left, part = None, None
    if programs:
        part = min(1.0, done / programs)
        left = None if speed is None else max(0.0, (programs - done) / speed[0])
    if until is not None:
        left = max(0.0, until if left is None else min(left, until))
        part = max(part or 0.0, gone / max(1e-3, gone + until))
    return left, part


def sampled(moments: Sequence[Moment], candidates: int, columns: int) -> list[float | None]:
    """The best score at the end of each of `columns` equal parts of the candidates; None before there was one."""
    values: list[float | None] = []
    i, value = 0, None
    for column in range(columns):
        end = candidates * (column + 1) / columns
        while i < len(moments) and moments[i].candidates <= end:
            value = moments[i].score
            i += 1
        values.append(value)
    return values
