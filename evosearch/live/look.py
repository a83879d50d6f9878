"""A search as its directory tells of it to other processes: each row is read once, nothing is written."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import proxies
from evosearch import shell, told
from evosearch.archive import Archive
from evosearch.config import Config
from evosearch.directory import reopen
from evosearch.evaluate import Measured
from evosearch.files import CONTROL, DRIVER, driver
from evosearch.final import Line
from evosearch.live.explain import explained
from evosearch.live.view import Course, Explained, Speed, View, ahead, front, member
from evosearch.run import DONE, MEASURING, SEARCHING, kept_references
from evosearch.store import Row, Store

FIRST = "compiling where that was never done, then measuring the bar"
CHUNK = 20_000  # candidates read at a time, so that no reading lasts long enough to hold up the driver's log


@dataclass(frozen=True)
class Seen:
    """A look at a run's directory."""

    view: View
    driver: str  # the process that is at work; empty: none
    state: str  # "preparing", "searching", "measuring", "stopped" or "finished"


class Looking:
    """Looks again and again at one directory; StoreError where that is no run's, TaskError where a task is gone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.course, self.speed = Course(), Speed()
        self.archive: Archive | None = None
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.read = 0  # candidates
        self.told: tuple[str, Explained] | None = None

    def look(self) -> Seen:
        """How the search stands now."""
        who = driver(self.path)
        config, store = reopen(self.path, look=True)
        try:
            told.refuse(self.path, store)
            self._read(config, store)
            session, final = store.get("session") or {}, store.get("final")
            seconds = store.get("seconds")
            since = self._since(store, session)
        finally:
            store.close()
        state = _state(who, session, final is not None)
        now = time.time()
        self.speed.note(time.monotonic(), self.read, self.counts["trained"])
        gone = seconds if not who else (seconds or 0.0) + max(0.0, now - _began(self.path, now))
        speed, left, part = None, None, None
        if state == SEARCHING:
            speed = self.speed.rates() or since
            until = session["ends"] and session["ends"] - now
            left, part = ahead(self.read, session["programs"], speed, now - session["at"], until)
        best = None if self.archive is None else self.archive.leader()
        view = View(
            str(self.path), _doing(state, who, session, self.path), gone, left, part, self.read, self.counts["trained"],
            self.counts["hits"], speed, dict(self.refused), tuple(self.course.moments),
            () if self.archive is None else front(self.archive),
            None if best is None else member(best),
            None if best is None else self._explained(best.bred.text),
            _verdict(final) if state == DONE else "",
        )  # fmt: skip
        return Seen(view, who, state)

    def _read(self, config: Config, store: Store) -> None:
        """What was committed since the last look."""
        kept = store.get("prologue")
        if kept is None:
            return
        if self.archive is None:
            bounds = {name: proxies.get(name).bounds for name in config.proxies}
            self.archive = Archive(config.scoring, bounds, kept_references(kept).bar)
            for bred, measured in store.founders():
                self.archive.add(bred, measured)
            self.course.note(0, self.archive.leader())
        count = store.count()
        for first in range(self.read, count, CHUNK):
            end = min(count, first + CHUNK)
            self._tally(store, first, end)
            self._enter(self.archive, list(store.passed(first, end)), config.evolution.block, end)
        self.read = count
        self.course.note(count, self.archive.leader())

    def _tally(self, store: Store, first: int, end: int) -> None:
        for status, known, ended, count in store.tally(first, end):
            if status != "ok":
                self.refused[status] += count
            elif known:
                self.counts["hits"] += count
            else:
                self.counts["trained"] += count
                self.refused.update({ended: count} if ended != "ok" else {})

    def _enter(self, archive: Archive, rows: list[Row], block: int, end: int) -> None:
        """Rows that passed every hurdle, in order; what was best is noted after each block, as the driver does."""
        last = -1
        for row in rows:
            if row.bred.number // block != last:
                self.course.note(min((last + 1) * block, end), archive.leader() if last >= 0 else None)
                last = row.bred.number // block
            assert row.measured is not None
            if not row.known:
                archive.add(row.bred, _full(row.measured))
            elif (entry := archive.find(row.bred.fingerprint)) is not None:
                archive.more(entry, row.measured, row.bred.number)
        self.course.note(min((last + 1) * block, end), archive.leader() if last >= 0 else None)

    def _since(self, store: Store, session: Any) -> tuple[float, float] | None:
        """Candidates generated and trained a second since the search began or went on."""
        took = time.time() - session.get("at", time.time())
        first = session.get("from", self.read)
        if took < 1 or self.read <= first:
            return None
        trained = sum(n for status, known, _, n in store.tally(first, self.read) if status == "ok" and not known)
        return (self.read - first) / took, trained / took

    def _explained(self, text: str) -> Explained:
        if self.told is None or self.told[0] != text:
            self.told = text, explained(text)
        return self.told[1]


def _full(measured: Measured) -> Measured:
    """Only the full trainings: of who passed every hurdle the score follows from them."""
    return replace(measured, stages=tuple(stage for stage in measured.stages if stage.kind == "full"))


def _state(who: str, session: Any, final: bool) -> str:
    if who:
        return str(session["doing"]) if session.get("driver") == who else "preparing"
    ended = session.get("doing") == DONE if session else final
    return DONE if ended else "stopped"


def _doing(state: str, who: str, session: Any, path: Path) -> str:
    """The state as a line."""
    by = f", {who}"
    if not session and path.name == CONTROL:
        return f"random search, the control of a validation{by if who else ''}"
    return {
        "preparing": f"preparing: {'going through what is stored' if session else FIRST}{by}",
        SEARCHING: f"searching{by}",
        MEASURING: f"measuring the best programs on fresh seeds{by}",
        "stopped": f"stopped; {shell.command('resume', path)} goes on",
        DONE: f"finished; evosearch inspect {shell.program(path, 'best')} explains the best",
    }[state]


def _verdict(final: Any) -> str:
    """What the last table says of the best program."""
    for line in (Line(**values) for values in final or ()):
        if line.search_score is not None:
            return f"Candidate {line.name} is {line.verdict}: {line.score:+.3f} ± {line.half:.3f}."
    return ""


def _began(path: Path, now: float) -> float:
    """When the driver took its lock."""
    try:
        return (path / DRIVER).stat().st_mtime
    except OSError:
        return now
