"""A run directory begun by several at once, and files written over what is no plain file."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evosearch import directory, files
from evosearch.config import Config
from evosearch.mistakes import StoreError


def test_of_several_that_begin_in_one_directory_one_does(tmp_path: Path) -> None:
    for attempt in range(5):
        path = tmp_path / str(attempt)
        with ThreadPoolExecutor(4) as pool:
            begun = list(pool.map(lambda seed, path=path: began(path, seed), range(1, 5)))
        [seed] = [seed for seed in begun if seed]
        assert directory.configuration(path).seed == seed


def began(path: Path, seed: int) -> int:
    """The seed where the directory was begun with it, else 0."""
    try:
        directory.create(path, Config(programs=5, seed=seed)).close()
    except StoreError:
        return 0
    return seed


def test_each_unnamed_run_has_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = [directory.unnamed() for _ in range(5)]
    assert len(set(made)) == 5
    assert all(path.is_dir() and path.parent == Path("runs") for path in made)


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.write(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    files.write(tmp_path / "pipe", "text")
    reader.join()
    assert read == ["text"]
    assert (tmp_path / "pipe").is_fifo()
