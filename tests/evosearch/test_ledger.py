"""The ledger loses no look and forgets none."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from evosearch import ledger
from evosearch.mistakes import StoreError


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The user's ledger, in a directory that is not there yet."""
    path = tmp_path / "data" / "ledger.jsonl"
    monkeypatch.setenv(ledger.VARIABLE, str(path))
    return path


def look(run: str = "run", seed: int = 0, tasks: tuple[str, ...] = ("one", "two")) -> ledger.Look:
    return ledger.look(f"evosearch validate {run}", Path(run), seed, {"lion": "text"}, tasks, "test")


def test_a_look_is_read_back_as_it_was_written_and_lines_are_never_touched(mine):
    ledger.write(look(), mine)
    first = mine.read_bytes()
    ledger.write(look(seed=1), mine)
    assert mine.read_bytes().startswith(first)
    assert [one.seed for one in ledger.looks(mine)] == [0, 1]
    [one, _] = ledger.looks(mine)
    assert one == dataclasses.replace(look(), time=one.time)
    assert one.programs == {"lion": "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"}


def test_past_looks_are_counted_by_task_and_by_search(mine):
    assert ledger.before(["one"]) == ledger.Past(0, 0)
    for one in (look("a"), look("a"), look("a", seed=1), look("b"), look("c", tasks=("three",))):
        ledger.write(one, mine)
    assert ledger.before(["one", "three"]) == ledger.Past(5, 4)
    assert ledger.before(["two"]) == ledger.Past(4, 3)
    assert ledger.before(["four"]).shown() == "no look at these tasks before"
    assert ledger.before(["three"]).shown() == "1 look at these tasks before, by 1 search"
    assert ledger.before(["two"]).shown() == "4 looks at these tasks before, by 3 searches"


WRITER = """
import sys
from pathlib import Path
from evosearch import ledger
for i in range(100):
    ledger.write(ledger.look("x" * 5000, Path("run"), int(sys.argv[1]), {}, ["one"], str(i)), Path(sys.argv[2]))
"""


def test_writers_at_the_same_time_lose_nothing(mine):
    root = Path(__file__).parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(k), str(mine)], cwd=root) for k in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    found = ledger.looks(mine)
    for k in range(3):
        assert [one.purpose for one in found if one.seed == k] == [str(i) for i in range(100)]
    assert len(mine.read_text().splitlines()) == 300


def test_a_torn_line_harms_no_other(mine):
    ledger.write(look(), mine)
    with open(mine, "ab") as file:
        file.write(b'{"time": "2026-')
    ledger.write(look(seed=1), mine)
    assert [one.seed for one in ledger.looks(mine)] == [0, 1]


def test_where_the_ledger_cannot_be_written_nothing_is_opened(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="no task is opened"):
        ledger.write(look(), tmp_path / "file" / "ledger.jsonl")


def test_the_ledger_is_the_users(monkeypatch):
    monkeypatch.delenv(ledger.VARIABLE, raising=False)
    assert ledger.place().name == "ledger.jsonl"
    assert "evosearch" in ledger.place().parts
