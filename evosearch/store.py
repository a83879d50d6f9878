"""The store of a run: one SQLite file in WAL mode, written by the driver alone, rows only ever added."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evosearch.breed import Bred
from evosearch.evaluate import Measured
from evosearch.mistakes import StoreError
from evosearch.score import Stage

VERSION = 1
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE candidates (
    number INTEGER PRIMARY KEY,   -- founders are negative
    parent INTEGER,               -- number of the candidate it was bred from
    mutation TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    text TEXT NOT NULL,
    size REAL NOT NULL,           -- of the update over lr, in the fingerprint's steps
    responses TEXT NOT NULL,
    length INTEGER NOT NULL,
    states INTEGER NOT NULL,
    cost REAL NOT NULL,
    status TEXT NOT NULL,         -- ok, or why there is no score
    reason TEXT NOT NULL,
    known INTEGER NOT NULL,       -- 1 where the fingerprint had been met before
    stages TEXT NOT NULL          -- the trainings paid for with this candidate, as JSON
);
"""


@dataclass(frozen=True)
class Row:
    """One candidate as it was committed."""

    bred: Bred
    parent: int | None
    known: bool
    measured: Measured | None  # None where nothing was trained


class Store:
    """The file `store.sqlite` of a run directory."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create and path.exists():
            raise StoreError(f"{path} exists already; use `evosearch resume`.")
        if not create and not path.exists():
            raise StoreError(f"{path.parent} is not a run directory (it has no {path.name}).")
        self.path = path
        self.connection = sqlite3.connect(path)
        try:
            if create:
                self.connection.executescript(f"{SCHEMA}; PRAGMA user_version = {VERSION}")
            [(version,)] = self.connection.execute("PRAGMA user_version")
            if version != VERSION:
                what = f"has version {version} of the store" if version else "is not a store of evosearch"
                raise StoreError(f"{path} {what}; version {VERSION} is what can be read.")
            self.connection.execute("PRAGMA journal_mode = WAL")
            self.connection.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.DatabaseError, StoreError) as error:
            self.connection.close()
            wrong = isinstance(error, StoreError)
            raise error if wrong else StoreError(f"{path} is not a store of evosearch ({error}).") from error

    def close(self) -> None:
        """Close the file; everything committed is in it."""
        self.connection.close()

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key."""
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def get(self, key: str) -> Any:
        """The JSON value of a key, or None."""
        found = self.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    def add(self, rows: Iterable[Row], **values: Any) -> None:
        """Add rows in one transaction, and with them JSON values under their keys."""
        with self.connection:
            pairs = [(key, json.dumps(value)) for key, value in values.items()]
            self.connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", pairs)
            self.connection.executemany(f"INSERT INTO candidates VALUES ({', '.join('?' * 14)})", map(_to_sql, rows))

    def rows(self, first: int = -(2**62), end: int = 2**62) -> Iterator[Row]:
        """Rows with numbers from `first` to before `end`, in order."""
        query = "SELECT * FROM candidates WHERE number >= ? AND number < ? ORDER BY number"
        for values in self.connection.execute(query, (first, end)):
            yield _from_sql(values)

    def founders(self) -> list[tuple[Bred, Measured]]:
        """The starting programs as they were measured, in their order: the first has number -1."""
        rows = reversed(list(self.rows(end=0)))
        return [(row.bred, row.measured) for row in rows if row.measured is not None]

    def row(self, number: int) -> Row | None:
        """The row of a candidate, or None."""
        found = self.connection.execute("SELECT * FROM candidates WHERE number = ?", (number,)).fetchone()
        return None if found is None else _from_sql(found)

    def alike(self, fingerprints: Collection[str]) -> Iterator[Row]:
        """All candidates with one of these fingerprints, in order; founders left out."""
        places = ", ".join("?" * len(fingerprints))
        query = f"SELECT * FROM candidates WHERE number >= 0 AND fingerprint IN ({places}) ORDER BY number"
        for values in self.connection.execute(query, tuple(fingerprints)):
            yield _from_sql(values)

    def count(self) -> int:
        """How many candidates were committed, founders left out."""
        [(count,)] = self.connection.execute("SELECT COUNT(*) FROM candidates WHERE number >= 0")
        return int(count)

    def trained(self) -> int:
        """How many of them were trained: those not met before, or measured again."""
        query = "SELECT COUNT(*) FROM candidates WHERE number >= 0 AND stages != ''"
        [(count,)] = self.connection.execute(query)
        return int(count)


def _to_sql(row: Row) -> tuple[Any, ...]:
    b, m = row.bred, row.measured
    stages = "" if m is None else json.dumps({"stages": [_short(s) for s in m.stages], "end": [m.status, m.reason]})
    return (
        b.number, row.parent, b.mutation, b.fingerprint, b.text, _plain(b.size), json.dumps(b.responses), b.length,
        b.states, b.cost, b.status, b.reason, int(row.known), stages,
    )  # fmt: skip


def _plain(size: float) -> float:
    """SQLite keeps NaN as NULL; a program without a size has 0."""
    return size if size == size else 0.0


def _short(stage: Stage) -> list[Any]:
    return [*asdict(stage).values()]


def _from_sql(values: tuple[Any, ...]) -> Row:
    number, parent, mutation, fingerprint, text, size, responses, length, states, cost, status, reason = values[:12]
    large, small = json.loads(responses)
    bred = Bred(number, text, mutation, fingerprint, size, (large, small), length, states, cost, status, reason)
    measured = None
    if values[13]:
        data = json.loads(values[13])
        stages = [
            Stage(proxy, kind, tuple(seeds), tuple(exponents), tuple(tuple(row) for row in losses))
            for proxy, kind, seeds, exponents, losses in data["stages"]
        ]
        measured = Measured(tuple(stages), *data["end"])
    return Row(bred, parent, bool(values[12]), measured)
