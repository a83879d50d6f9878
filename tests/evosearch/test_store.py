"""The store: rows come back as they went in, whole blocks or nothing; other and damaged files are refused untouched."""

from __future__ import annotations

import contextlib
import math
import os
import random
import shutil
import sqlite3
import subprocess
import sys
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
    again.close()
    again = Store(store.path, drive=True)
    again.add([Row(ROWS[2].bred.__class__(4, TEXT, "again", "ab"), -1, True, Measured(STAGES))])
    assert again.trained() == 2  # distinct programs
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

    @pytest.mark.parametrize(("version", "says"), [(VERSION + 1, "a newer evosearch"), (VERSION - 1, "an older")])
    def test_another_version(self, version: int, says: str, store: Store) -> None:
        store.connection.execute(f"PRAGMA user_version = {version}")
        store.close()
        assert says in self.message(store.path)

    def test_a_directory_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "run" / "store.sqlite").mkdir(parents=True)
        with pytest.raises(StoreError, match=r"is not a run directory .*\.$"):
            Store(tmp_path / "run" / "store.sqlite")


class TestDamaged:
    @pytest.fixture
    def path(self, store: Store) -> Path:
        """A closed store of a few dozen pages."""
        store.add(Row(Bred(n, TEXT * 20, fingerprint=f"{n:016x}"), None, False, None) for n in range(200))
        store.close()
        return store.path

    @pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
    def test_truncated(self, part: float, path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))])
        self.refused(path)

    @pytest.mark.parametrize("seed", range(4))
    def test_pages_overwritten(self, seed: int, path: Path) -> None:
        whole = bytearray(path.read_bytes())
        rng = random.Random(seed)
        for page in rng.sample(range(1, len(whole) // 4096), 3):
            whole[4096 * page : 4096 * page + 4096] = rng.randbytes(4096)
        path.write_bytes(whole)
        self.refused(path)

    def refused(self, path: Path) -> None:
        """Neither a driver nor a reader gets a row that is not as it was written, and the file stays as it is."""
        before = path.read_bytes()
        with pytest.raises(StoreError, match=r"^[^\n]*nothing was changed[^\n]*\.$"):
            Store(path, drive=True)
        with pytest.raises(StoreError, match=r"^[^\n]*nothing was changed[^\n]*\.$"):
            list(Store(path).rows())
        assert path.read_bytes() == before
        assert not path.with_name("driver.lock").exists()

    def test_a_digit(self, path: Path) -> None:
        """SQLite itself does not notice."""
        whole = path.read_bytes()
        assert whole.count(b"lr=1") > 100
        path.write_bytes(whole.replace(b"lr=1", b"lr=2", 1))
        store = Store(path, drive=True)
        with pytest.raises(StoreError, match=r"damaged .* nothing was changed"):
            list(store.rows())
        store.close()

    @pytest.mark.parametrize("column", ["text", "status", "stages", "fingerprint"])
    def test_bytes_that_are_no_text(self, column: str, store: Store) -> None:
        store.add([Row(Bred(7, TEXT, fingerprint="7" * 16), None, False, None)])
        store.connection.execute(f"UPDATE candidates SET {column} = CAST(x'ff80fe' AS TEXT)")
        store.connection.commit()
        store.close()
        for look in (False, True):
            reader = Store(store.path, look=look)
            with pytest.raises(StoreError, match=r"^[^\n]*is damaged [^\n]*nothing was changed[^\n]*\.$"):
                list(reader.rows())
            if column == "status":
                with pytest.raises(StoreError, match="is damaged"):
                    reader.tally(0, 100)
            reader.close()

    def test_names_of_tables_that_are_no_text(self, path: Path) -> None:
        """What SQLite says of them is no text either."""
        whole = path.read_bytes()
        for name, spoilt in (
            (b"candidates", b"candid\xff\xfees"),
            (b"meta", b"m\xff\xfea"),
            (b"number INT", b"\xff\xfember I"),
        ):
            path.write_bytes(whole.replace(name, spoilt))
            for drive, look in ((False, False), (False, True), (True, False)):
                with pytest.raises(StoreError, match=r"^[^\n]+\.$"):
                    reads_all(Store(path, drive=drive, look=look))

    def test_what_stands_under_a_key(self, store: Store) -> None:
        store.put("a", "value")
        store.connection.execute("UPDATE meta SET value = '[' WHERE key = 'a'")
        with pytest.raises(StoreError, match="damaged"):
            store.get("a")


class TestADirectoryThatGoes:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        (tmp_path / "run").mkdir()
        return Store(tmp_path / "run" / "store.sqlite", create=True)

    def test_removed(self, store: Store) -> None:
        shutil.rmtree(store.path.parent)
        with pytest.raises(StoreError, match=r"was removed or renamed while the search ran[^\n]*\.$"):
            store.put("a", 1)
        store.close()

    def test_renamed(self, store: Store, tmp_path: Path) -> None:
        store.put("a", 1)
        store.path.parent.rename(tmp_path / "elsewhere")
        with pytest.raises(StoreError, match="removed or renamed"):
            store.put("a", 2)
        store.close()
        again = Store(tmp_path / "elsewhere" / "store.sqlite", drive=True)
        assert again.get("a") == 1
        again.put("a", 3)
        again.close()


def reads_all(store: Store) -> None:
    with contextlib.closing(store):
        store.get("a")
        store.count()
        store.tally(0, 100)
        assert len(list(store.rows())) == 200


class TestOneDriver:
    def test_a_second_is_refused_at_once_and_readers_are_not(self, store: Store) -> None:
        with pytest.raises(StoreError, match=rf"under way \(process {os.getpid()} on .*stop it first\.$"):
            Store(store.path, drive=True)
        Store(store.path).close()
        store.close()
        store.close()
        Store(store.path, drive=True).close()
        assert [p.name for p in store.path.parent.iterdir()] == ["store.sqlite"]

    def test_after_kill_nine_the_next_one_drives(self, store: Store) -> None:
        store.add(ROWS)
        store.close()
        script = "import sys, time; from pathlib import Path; from evosearch.store import Store\n"
        script += "store = Store(Path(sys.argv[1]), drive=True); print('driving', flush=True); time.sleep(600)"
        command = [sys.executable, "-c", script, str(store.path)]
        other = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
        assert other.stdout is not None
        assert other.stdout.readline() == b"driving\n"
        with pytest.raises(StoreError, match=f"process {other.pid} "):
            Store(store.path, drive=True)
        other.kill()
        other.communicate()
        again = Store(store.path, drive=True)
        assert list(again.rows()) == ROWS
        again.close()


class TestNothingIsLost:
    def test_on_a_full_disk(self, store: Store) -> None:
        store.add(ROWS[:2])
        store.connection.execute("PRAGMA max_page_count = 10")
        more = [Row(Bred(n, TEXT * 20), None, False, None) for n in range(1, 200)]
        with pytest.raises(StoreError, match=r"^the disk of .* is full; .* make room, then `evosearch resume .*\.$"):
            store.add(more)
        assert list(store.rows()) == ROWS[:2]
        store.connection.execute("PRAGMA max_page_count = 10000")
        store.add(more)
        assert store.count() == 200

    @pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
    def test_while_another_process_has_it_locked(
        self, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("evosearch.store.PATIENCE", 0.05)
        store = Store(tmp_path / "store.sqlite", create=True)
        store.add(ROWS[:2])
        other = sqlite3.connect(store.path)
        other.execute(f"BEGIN {mode}")
        with pytest.raises(StoreError, match="is locked by another process; what was committed is safe"):
            store.add(ROWS[2:])
        other.rollback()
        other.close()
        store.add(ROWS[2:])
        assert list(store.rows()) == ROWS
        store.close()

    def test_where_nothing_can_be_written_it_can_be_read(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        store.add(ROWS)
        store.close()
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        reader = Store(store.path)
        assert list(reader.rows()) == ROWS
        with pytest.raises(StoreError, match="cannot be opened for writing"):
            reader.put("a", 1)
        reader.close()

    def test_a_store_is_made_whole_or_not_at_all(self, tmp_path: Path) -> None:
        path = tmp_path / "store.sqlite"
        path.with_name("store.sqlite.partial").write_bytes(b"of one that was killed")
        Store(path, create=True).close()
        assert [p.name for p in tmp_path.iterdir()] == ["store.sqlite"]
