"""The store: rows come back as they went in, whole blocks or nothing, and other files are refused untouched."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from evosearch.breed import Bred
from evosearch.evaluate import Measured
from evosearch.mistakes import StoreError
from evosearch.score import Stage
from evosearch.store import VERSION, Row, Store

LOSSES = ((0.1, math.inf, 1e-300), (math.pi, 1 / 3, 0.1 + 0.2))
STAGES = (
    Stage("digits", "gate", (4,), (-3, -1, 1), (LOSSES[0],)),
    Stage("digits", "full", (4, 5), (-2, -1, 0), LOSSES),
)
TEXT = 'def found(w, g, *, lr=1):\n    """Ünïcode, "quotes"."""\n    return w - lr * g\n'
ROWS = [
    Row(Bred(-1, TEXT, "start", "ff00", 0.125, (100.0, 0.01), 2, 1, 7.5), None, False, Measured(STAGES)),
    Row(Bred(0, TEXT, "insert", "ab", 1 / 3, (math.inf, 0.0), 3, 0, 1e3), -1, False, Measured(STAGES[:1], "ok", "low")),
    Row(Bred(1, TEXT, "again", "ab", 1e-9, (1.0, 1.0), 3, 0, 4.0), -1, True, None),
    Row(Bred(2, status="invalid", reason="no valid child was found."), 1, False, None),
    Row(Bred(3, TEXT, "delete", "cd", 2.0, (1.0, 1.0), 1, 2, 1.0), 0, False, Measured((), "crash", "it's broken")),
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "store.sqlite", create=True)
    yield made
    made.close()


def test_rows_come_back_exactly(store: Store) -> None:
    store.add(ROWS)
    store.close()
    again = Store(store.path)
    assert list(again.rows()) == ROWS
    assert [again.row(row.bred.number) for row in ROWS] == ROWS
    assert again.row(99) is None
    assert again.count() == 4  # founders are not candidates
    assert again.trained() == 2
    assert [row.bred.number for row in again.rows(1, 3)] == [1, 2]
    assert [row.bred.number for row in again.rows(end=0)] == [-1]
    again.close()


def test_a_program_without_a_size(store: Store) -> None:
    store.add([Row(Bred(0, size=math.nan, responses=(math.nan, math.inf), status="nan"), None, False, None)])
    found = store.row(0)
    assert found is not None
    assert found.bred.size == 0
    assert math.isnan(found.bred.responses[0])


def test_a_block_is_added_whole_or_not_at_all(store: Store) -> None:
    store.add(ROWS[:2])
    with pytest.raises(sqlite3.IntegrityError):
        store.add([*ROWS[2:], ROWS[0]])  # the last is there already
    assert list(store.rows()) == ROWS[:2]

    def interrupted() -> Iterator[Row]:
        yield ROWS[2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add(interrupted())
    assert list(store.rows()) == ROWS[:2]


def test_values_are_added_with_rows_or_not_at_all(store: Store) -> None:
    store.add(ROWS[:1], a=1)
    assert (store.get("a"), list(store.rows())) == (1, ROWS[:1])
    with pytest.raises(sqlite3.IntegrityError):
        store.add(ROWS[:1], a=2)
    assert store.get("a") == 1


def test_others_read_while_the_driver_writes(store: Store) -> None:
    store.add(ROWS[:2])
    reader = Store(store.path)
    rows = reader.rows()
    assert next(rows) == ROWS[0]
    store.add(ROWS[2:])
    assert [next(rows)] == ROWS[1:2]
    rows.close()  # type: ignore[attr-defined]
    assert list(reader.rows()) == ROWS
    reader.close()


def test_values_are_kept_by_key(store: Store) -> None:
    assert store.get("a") is None
    for value in ({"x": [1, 0.1, None, "ü"]}, 3):
        store.put("a", value)
        assert store.get("a") == value


class TestRefused:
    def message(self, path: Path, *, create: bool = False) -> str:
        """The sentence, having checked that nothing was touched."""
        before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()}
        with pytest.raises(StoreError) as caught:
            Store(path, create=create)
        assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in path.parent.iterdir()} == before
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        assert "is not a run directory" in self.message(tmp_path / "store.sqlite")

    def test_there_already(self, store: Store) -> None:
        store.close()
        assert "resume" in self.message(store.path, create=True)

    @pytest.mark.parametrize("content", [b"", b"hello\n", bytes(range(256)) * 20], ids=["empty", "text", "binary"])
    def test_not_a_database(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "store.sqlite").write_bytes(content)
        assert "store.sqlite" in self.message(tmp_path / "store.sqlite")

    def test_a_database_of_something_else(self, tmp_path: Path) -> None:
        other = sqlite3.connect(tmp_path / "store.sqlite")
        other.execute("CREATE TABLE songs (name TEXT)")
        other.close()
        assert "store" in self.message(tmp_path / "store.sqlite")

    def test_another_version(self, store: Store) -> None:
        store.connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        store.close()
        assert "version" in self.message(store.path)
