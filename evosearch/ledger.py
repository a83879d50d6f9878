"""The ledger of looks at tasks that nothing may be bred or chosen on: only ever appended to, a JSON line for each look.

It belongs to the user, not to a run, so that many searches cannot be tried on the same held-out tasks unseen. A line is
on the disk before a task is opened; so a line that is not whole is of a look that never took place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from platformdirs import user_data_path

from evosearch.mistakes import StoreError

VARIABLE = "EVOSEARCH_LEDGER"  # names another file
NAME = "ledger.jsonl"


@dataclass(frozen=True)
class Look:
    """Who looked at which tasks, with which programs, and why."""

    time: str  # UTC
    command: str  # as it was typed
    run: str  # directory of the run whose programs they are
    seed: int  # of that run
    programs: Mapping[str, str]  # SHA-256 of each text, by name
    tasks: tuple[str, ...]
    purpose: str


@dataclass(frozen=True)
class Past:
    """How often some tasks have been looked at."""

    looks: int
    searches: int  # different ones: by directory and seed

    def shown(self) -> str:
        """In words."""
        if not self.looks:
            return "no look at these tasks before"
        plural, searches = "s" * (self.looks > 1), "es" * (self.searches > 1)
        return f"{self.looks} look{plural} at these tasks before, by {self.searches} search{searches}"


def look(command: str, run: Path, seed: int, texts: Mapping[str, str], tasks: Iterable[str], purpose: str) -> Look:
    """A look that is about to be taken, now."""
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Look(now, command, str(run.resolve()), seed, hashes, tuple(tasks), purpose)


def place() -> Path:
    """The user's ledger."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else user_data_path("evosearch") / NAME


def write(look: Look, *paths: Path) -> None:
    """Append a look to each ledger and wait until the disk has it; StoreError where that fails."""
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _append(path, json.dumps(asdict(look)).encode())
        except OSError as error:
            raise StoreError(
                f"cannot write the ledger {path} ({error.strerror or error}), so no task is opened."
            ) from error


def _append(path: Path, line: bytes) -> None:
    """One write at the end of the file, one writer at a time; after a torn line it begins a new one."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
        end = os.fstat(file).st_size
        torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"
        whole = b"\n" * torn + line + b"\n"
        if os.write(file, whole) != len(whole):
            raise OSError("the disk is full")
        os.fsync(file)
    finally:
        os.close(file)


def looks(path: Path) -> list[Look]:
    """All looks of a ledger, in order; none where there is no ledger yet."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
            one = Look(**{**record, "tasks": tuple(record["tasks"])})
            if all(isinstance(text, str) for text in (one.run, *one.tasks)) and isinstance(one.seed, int):
                found.append(one)
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return found


def before(tasks: Iterable[str]) -> Past:
    """The looks at any of these tasks that the user's ledger holds."""
    some = set(tasks)
    mine = [look for look in looks(place()) if some & set(look.tasks)]
    return Past(len(mine), len({(look.run, look.seed) for look in mine}))
