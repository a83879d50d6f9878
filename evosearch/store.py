"""The store of a run: one SQLite file in WAL mode, written by the driver alone, rows only ever added.

Each row carries its checksum, so that what a disk has damaged is never taken for a measurement.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evosearch.breed import Bred
from evosearch.evaluate import Measured
from evosearch.files import DRIVER, Lock, driver
from evosearch.mistakes import StoreError
from evosearch.rows import Row, from_sql, sealed, to_sql, whole
from evosearch.shell import command

__all__ = ["VERSION", "Row", "Store"]

VERSION = 2
PATIENCE = 20.0  # seconds to wait for another process that has the file locked
REMEDY = "nothing was changed; put a copy in its place, or begin a new search."
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, checksum INTEGER NOT NULL);
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
    stages TEXT NOT NULL,         -- the trainings paid for with this candidate, as JSON
    checksum INTEGER NOT NULL     -- of all the others
);
"""
META = "INSERT OR REPLACE INTO meta VALUES (?, ?, ?)"
CANDIDATES = f"INSERT INTO candidates VALUES ({', '.join('?' * 15)})"


class Store:
    """The file `store.sqlite` of a run directory. Whatever is wrong with it is a StoreError, and it is left as it is.

    One driver alone may write: it makes the store (`create`) or takes it over (`drive`), and holds a lock until it
    closes the store or dies. Others read meanwhile; who only looks (`look`) leaves no trace of it.
    """

    def __init__(self, path: Path, *, create: bool = False, drive: bool = False, look: bool = False) -> None:
        if not create and not path.is_file():
            raise StoreError(f"{path.parent} is not a run directory (it has no file {path.name}).")
        self.path = path
        self.lock = _driver_lock(path) if create or drive else None
        try:
            if create and path.exists():
                raise StoreError(f"{path} exists already; use `evosearch resume`.")
            if create:
                _create(path)
            self.connection = _look(path) if look else _open(path, drive)
        except BaseException:
            if self.lock is not None:
                self.lock.release()
            raise

    def close(self) -> None:
        """Close the file; everything committed is in it."""
        with contextlib.suppress(sqlite3.Error):  # on a full disk, what was committed stays in the log beside the file
            self.connection.close()
        if self.lock is not None:
            self.lock.release()

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key."""
        self.add([], **{key: value})

    def get(self, key: str) -> Any:
        """The JSON value of a key, or None."""
        with _sentences(self.path), _readable(self.path):
            query = "SELECT key, value, checksum FROM meta WHERE key = ?"
            found = self.connection.execute(query, (key,)).fetchone()
            return None if found is None else json.loads(whole(found)[1])

    def add(self, rows: Iterable[Row], **values: Any) -> None:
        """Add rows in one transaction, and with them JSON values under their keys."""
        if not self.path.exists():  # SQLite would go on to write what nobody can find
            raise StoreError(
                f"{self.path.parent} was removed or renamed while the search ran; if it was renamed, "
                "`evosearch resume` of its new name goes on."
            )
        with _sentences(self.path), self.connection:
            pairs = [(key, json.dumps(value)) for key, value in values.items()]
            self.connection.executemany(META, map(sealed, pairs))
            self.connection.executemany(CANDIDATES, map(sealed, map(to_sql, rows)))

    def rows(self, first: int = -(2**62), end: int = 2**62) -> Iterator[Row]:
        """Rows with numbers from `first` to before `end`, in order."""
        return self._rows("number >= ? AND number < ?", (first, end))

    def founders(self) -> list[tuple[Bred, Measured]]:
        """The starting programs as they were measured, in their order: the first has number -1."""
        rows = reversed(list(self.rows(end=0)))
        return [(row.bred, row.measured) for row in rows if row.measured is not None]

    def row(self, number: int) -> Row | None:
        """The row of a candidate, or None."""
        return next(self.rows(number, number + 1), None) if abs(number) < 2**62 else None

    def alike(self, fingerprints: Collection[str]) -> Iterator[Row]:
        """All candidates with one of these fingerprints, in order; founders left out."""
        places = ", ".join("?" * len(fingerprints))
        return self._rows(f"number >= 0 AND fingerprint IN ({places})", tuple(fingerprints))

    def count(self) -> int:
        """How many candidates were committed, founders left out."""
        return self._count("number >= 0")

    def trained(self) -> int:
        """How many distinct programs of them were trained."""
        return self._count("number >= 0 AND stages != '' AND NOT known")

    def passed(self, first: int, end: int) -> Iterator[Row]:
        """Of these rows those that a ranking needs: programs that passed every hurdle, and known ones on more seeds."""
        ended = """stages LIKE '%"end": ["ok", ""]}' OR (known AND stages LIKE '%"end": ["ok"%')"""
        return self._rows(f"number >= ? AND number < ? AND ({ended})", (first, end))

    def tally(self, first: int, end: int) -> list[tuple[str, bool, str, int]]:
        """How many of these rows are alike in status, in whether they were known, and in how their trainings ended."""
        ended = """IIF(known OR stages = '', 'ok', substr(stages, instr(stages, '"end": ["') + 9))"""
        query = f"""
            SELECT status, known, substr(ended, 1, instr(ended || '"', '"') - 1) AS ended, COUNT(*)
            FROM (SELECT status, known, {ended} AS ended FROM candidates WHERE number >= ? AND number < ?)
            GROUP BY 1, 2, 3"""
        with _sentences(self.path), _readable(self.path):
            return [(a, bool(b), c, n) for a, b, c, n in self.connection.execute(query, (first, end))]

    def _rows(self, where: str, values: tuple[Any, ...]) -> Iterator[Row]:
        with _sentences(self.path), _readable(self.path):
            found = self.connection.execute(f"SELECT * FROM candidates WHERE {where} ORDER BY number", values)
            for row in found:
                yield from_sql(whole(row))

    def _count(self, where: str) -> int:
        with _sentences(self.path), _readable(self.path):
            [(count,)] = self.connection.execute(f"SELECT COUNT(*) FROM candidates WHERE {where}")
            return int(count)


def _driver_lock(path: Path) -> Lock:
    """The lock of a run directory; StoreError at once where another process drives it."""
    try:
        return Lock(path.with_name(DRIVER))
    except BlockingIOError as error:
        raise StoreError(
            f"{path.parent} belongs to a search that is under way ({error.strerror}); wait for it or stop it first."
        ) from error
    except OSError as error:
        raise StoreError(f"cannot write to {path.parent}: {error.strerror}.") from error


def _create(path: Path) -> None:
    """Make an empty store, whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with _sentences(path):
        partial.unlink(missing_ok=True)
        connection = sqlite3.connect(partial)
        try:
            connection.executescript(f"BEGIN; {SCHEMA}; PRAGMA user_version = {VERSION}; COMMIT")
        finally:
            connection.close()
        os.replace(partial, path)


def _open(path: Path, check: bool) -> sqlite3.Connection:
    """A connection to a store of this version, whose pages are read through where `check` says so."""
    with _sentences(path), _readable(path):
        # Where nothing can be written SQLite cannot even read, unless it is told that nobody else writes.
        still = not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists()
        name = f"{path.absolute().as_uri()}?{'immutable=1' if still else 'mode=rw'}"
        connection = sqlite3.connect(name, uri=True, timeout=PATIENCE)
        try:
            [(version,)] = connection.execute("PRAGMA user_version")
            if version != VERSION:
                raise StoreError(_of_another(path, version))
            if not still:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
            if check:
                [(found,)] = connection.execute("PRAGMA quick_check(1)")
                if found != "ok":
                    raise sqlite3.DatabaseError(" ".join(found.split()))
        except BaseException:
            connection.close()
            raise
        return connection


def _look(path: Path) -> sqlite3.Connection:
    """A connection that cannot write; where nobody else has the file open, one that does not even lock it."""
    with _sentences(path), _readable(path):
        alone = not path.with_name(path.name + "-wal").exists() and not driver(path.parent)
        name = f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}"
        connection = sqlite3.connect(name, uri=True, timeout=PATIENCE)
        try:
            [(version,)] = connection.execute("PRAGMA user_version")
            if version != VERSION:
                raise StoreError(_of_another(path, version))
        except BaseException:
            connection.close()
            raise
        return connection


def _of_another(path: Path, version: int) -> str:
    if not version:
        return f"{path} is not a store of evosearch."
    age = "a newer" if version > VERSION else "an older"
    return (
        f"{path} was written by {age} evosearch (version {version} of the store, not {VERSION}); use that one for it."
    )


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Whatever the file or the disk refuses is a StoreError that says what to do."""
    try:
        yield
    except sqlite3.IntegrityError:  # a mistake of ours
        raise
    except sqlite3.Error as error:
        raise StoreError(_sentence(path, getattr(error, "sqlite_errorcode", 0) & 0xFF, str(error))) from error
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}.") from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """A row that does not read as one that was written is a StoreError."""
    try:
        yield
    except StoreError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({type(error).__name__} in a row); {REMEDY}") from error


def _sentence(path: Path, code: int, text: str) -> str:
    again = f"`{command('resume', path.parent)}` goes on"
    if code == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full; what was committed is safe: make room, then {again}."
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} is locked by another process; what was committed is safe: end that one, then {again}."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{path} cannot be opened for writing ({text}); make its directory writable, then {again}."
    if code == sqlite3.SQLITE_IOERR:
        return f"the disk of {path} fails ({text}); what was committed is safe: mend that, then {again}."
    if code == sqlite3.SQLITE_NOTADB:
        return f"{path} is not a store of evosearch ({text})."
    return f"{path} is damaged ({text}); {REMEDY}"
