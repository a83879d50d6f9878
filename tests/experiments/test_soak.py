"""The short form of the soak: it tells how a search ends, and finds what is left behind."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "experiments" / "benchmarks" / "soak.py"


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and processes are read from /proc")


@pytest.mark.ray
def test_nothing_is_left_of_a_search_however_it_ends():
    command = [sys.executable, "-W", "error", str(SCRIPT), "--programs", "300", "--ended", "100"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("300 candidates in")
    for name, code in (("to its end", 0), ("Ctrl-C", 130), ("SIGTERM", 143)):
        [line] = [line for line in lines if line.startswith(name)]
        assert f"exit code {code}, " in line
        assert line.endswith("left behind: nothing")


def test_a_process_that_ends_while_it_is_listed_is_not_left_behind(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    soak = importlib.import_module("soak")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setattr(soak, "descendants", lambda pid: [gone.pid])
    seen = soak.Soak()
    soak.watch(gone.pid, tmp_path / "store.sqlite", seen)
    assert not [pid for pid, start in seen.processes if soak.started(pid) == start]


def test_a_semaphore_in_use_is_found_by_its_inode(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    soak = importlib.import_module("soak")
    before = set(os.listdir("/dev/shm"))
    lock = multiprocessing.get_context("spawn").Lock()
    inodes = {soak.inode(name) for name in set(os.listdir("/dev/shm")) - before}
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    assert inodes & {words[4] for words in maps if len(words) > 5 and words[5].startswith("/dev/shm/")}
    assert lock.acquire(timeout=0)
    assert soak.inode("no such file") == ""
