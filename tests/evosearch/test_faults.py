"""Whatever happens to disk, clock or process: nothing that was committed is lost, and one sentence says what to do."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from evosearch import directory, files, stopping, store
from evosearch.cli import main
from evosearch.config import to_toml
from evosearch.mistakes import StoreError
from tests.evosearch import terminal
from tests.evosearch.siege import CHEAP, Siege, committed, plan, rows_or_none
from tests.evosearch.small import rows, search

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The rows of an undisturbed search."""
    path = tmp_path_factory.mktemp("whole") / "run"
    search(path, CHEAP)
    return rows(path)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cheap.toml").write_text(to_toml(CHEAP))
    return tmp_path


def sentence(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command says before it ends with 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch(r"evosearch: [^\n]*\.\n", errors), errors
    return errors


def resumed(capsys: pytest.CaptureFixture[str]) -> list[tuple[object, ...]]:
    """The rows of the run after it has been resumed."""
    code = main(["resume", "run", "--workers", "1"])
    assert code == 0, capsys.readouterr().err
    return rows(Path("run"))


RUN = ["run", "cheap.toml", "--workers", "1", "--out", "run"]


class TestDisk:
    def test_full_in_mid_run(self, here, capsys, monkeypatch, whole):
        def small(path: Path, check: bool) -> store.sqlite3.Connection:
            connection = opened(path, check)
            connection.execute("PRAGMA max_page_count = 16")
            return connection

        opened = store._open
        with monkeypatch.context() as patch:
            patch.setattr(store, "_open", small)
            said = sentence(capsys, *RUN)
        assert "is full; what was committed is safe: make room, then `evosearch resume run` goes on" in said
        kept = rows(here / "run")
        assert 1 < len(kept) < len(whole)
        assert kept == whole[: len(kept)]
        assert not (here / "run" / "driver.lock").exists()
        assert resumed(capsys) == whole

    def test_full_when_the_best_program_is_written(self, here, capsys, monkeypatch, whole):
        def full(file: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        made = directory.create(here / "run", CHEAP)
        made.close()
        with monkeypatch.context() as patch:
            patch.setattr(files.os, "fsync", full)
            said = sentence(capsys, "resume", "run", "--workers", "1")
        assert "cannot write to run: No space left on device; what was committed is safe" in said
        assert not list((here / "run").glob("*.partial"))
        assert resumed(capsys) == whole

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
    def test_a_file_system_that_is_full_and_one_that_is_read_only(self, here, capsys, whole):
        with mounted(here / "disk", "100k"):
            said = sentence(capsys, *RUN[:-1], "disk/run")
            assert "No space left" in said or "is full" in said
            kept = rows_or_none(here / "disk" / "run")
            assert kept == whole[: len(kept)]
            mount("-o", "remount,size=10m", here / "disk")
            if kept:
                assert main(["resume", "disk/run", "--workers", "1"]) == 0
            else:
                assert main([*RUN[:-1], "disk/other"]) == 0
            [run] = (here / "disk").glob("*/best.opt")
            assert rows(run.parent) == whole
            mount("-o", "remount,ro", here / "disk")
            assert main(["inspect", f"{run.parent}:17"]) == 0
            assert main(["inspect", f"{run.parent}:best"]) == 0
            assert "Read-only file system" in sentence(capsys, "resume", str(run.parent), "--programs", "+16")


@contextlib.contextmanager
def mounted(place: Path, size: str) -> Iterator[None]:
    """A small file system in memory."""
    place.mkdir()
    if mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", place):
        pytest.skip("mounting is not allowed here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def mount(*arguments: object) -> int:
    return subprocess.run(["mount", *map(str, arguments)], stderr=subprocess.DEVNULL).returncode


class TestDirectory:
    @pytest.fixture
    def part(self, here, whole):
        """A run that has been stopped."""
        search(here / "run", CHEAP, programs=40)
        return here / "run"

    def test_config_lost_or_spoilt_or_changed(self, part, capsys, whole):
        text = (part / "config.toml").read_text()
        (part / "config.toml").write_text(text.replace("population = 30", "population = 31"))
        assert "evolution is not what the search was begun with" in sentence(capsys, "resume", "run")
        (part / "config.toml").write_text(text[: text.index("copies") + 3])
        assert "config.toml is not a TOML file" in sentence(capsys, "resume", "run")
        (part / "config.toml").write_text(text.replace("batch = 32", "batch = 5"))
        assert main(["resume", "run", "--workers", "1", "--programs", "60"]) == 0
        (part / "config.toml").unlink()
        assert resumed(capsys) == whole

    def test_files_lost(self, part, capsys):
        (part / "best.opt").unlink(missing_ok=True)
        (part / "front.csv").unlink(missing_ok=True)
        assert "`evosearch resume run` writes it again" in sentence(capsys, "inspect", "run:best")
        assert "`evosearch resume run` writes it again" in sentence(capsys, "inspect", "run:front[0]")
        resumed(capsys)
        assert main(["inspect", "run:best"]) == 0
        (part / "store.sqlite").unlink()
        assert "is not a run directory" in sentence(capsys, "resume", "run")

    def test_a_second_driver(self, part, capsys, whole):
        _, held = directory.reopen(part, drive=True)
        before = {p: p.read_bytes() for p in part.iterdir()}
        assert f"under way (process {os.getpid()} on " in sentence(capsys, "resume", "run")
        assert {p: p.read_bytes() for p in part.iterdir()} == before
        held.close()
        assert resumed(capsys) == whole


def test_jumps_of_the_clock_change_nothing(here, capsys, monkeypatch, whole):
    """Time is measured by the monotonic clock: neither budget nor rows know what day it is."""
    jumps, real = iter(range(10**9)), time.time
    monkeypatch.setattr(time, "time", lambda: real() + (-1) ** next(jumps) * 3e7 * (next(jumps) % 7))
    assert main(RUN) == 0
    assert rows(Path("run")) == whole
    assert main(["resume", "run", "--budget", "+1s", "--workers", "1"]) == 0
    assert rows(Path("run"))[: len(whole)] == whole


@contextlib.contextmanager
def all_again() -> Iterator[None]:
    """Every signal comes while what is inside is ended."""
    try:
        yield
    finally:
        for number in stopping.SIGNALS:
            signal.raise_signal(number)


class TestSignals:
    def test_one_stops_and_a_second_changes_nothing(self):
        with terminal.heard():
            before = {s: signal.getsignal(s) for s in stopping.SIGNALS}
            for number in stopping.SIGNALS:
                with pytest.raises(stopping.Stopped), stopping.orderly(), all_again():
                    signal.raise_signal(number)
                assert stopping.exit_code() == 128 + number
            assert {s: signal.getsignal(s) for s in stopping.SIGNALS} == before

    def test_a_later_one_ends_what_hangs(self, monkeypatch):
        monkeypatch.setattr(stopping, "GRACE", 0.0)
        with stopping.orderly():
            for _ in range(2):
                with pytest.raises(stopping.Stopped):
                    signal.raise_signal(signal.SIGTERM)

    def test_one_waits_until_what_is_open_is_closed(self, monkeypatch):
        closed = []

        def close():
            with stopping.closing():
                signal.raise_signal(signal.SIGTERM)
                with stopping.closing():
                    closed.append("workers")
                signal.raise_signal(signal.SIGINT)
                closed.append("cluster")
            closed.append("never")

        with pytest.raises(stopping.Stopped), stopping.orderly():
            close()
        assert closed == ["workers", "cluster"]
        assert stopping.exit_code() == 128 + signal.SIGTERM
        monkeypatch.setattr(stopping, "GRACE", 0.0)  # the second one ends what hangs
        with pytest.raises(stopping.Stopped), stopping.orderly():
            close()
        assert closed == ["workers", "cluster", "workers"]

    def test_a_hangup_that_was_ignored_stays_so(self):
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with stopping.orderly():
                signal.raise_signal(signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)

    @pytest.mark.parametrize(
        ("workers", "number", "code"),
        [
            pytest.param("1", signal.SIGTERM, 143, id="SIGTERM"),
            pytest.param("2", signal.SIGTERM, 143, id="SIGTERM, Ray", marks=pytest.mark.ray),
            pytest.param("2", signal.SIGHUP, 129, id="SIGHUP, Ray", marks=pytest.mark.ray),
        ],
    )
    def test_a_search_saves_and_says_how_to_go_on(self, here, workers, number, code):
        """However often it is asked to, and while Ray is taken down, too."""
        out, errors, returned = ended(here, workers, number)
        assert (returned, errors) == (code, "")
        saved = re.search(r"(\d+) candidates are saved. Go on with: evosearch resume run", out)
        assert saved
        assert int(saved[1]) == len(rows(here / "run")) - 1
        assert not (here / "run" / "driver.lock").exists()
        assert not list((here / "run").glob("*-wal"))

    @pytest.mark.ray
    def test_to_all_processes_of_a_search(self, here, whole):
        """As SLURM and systemd do."""
        _, errors, returned = ended(here, "2", signal.SIGTERM, everyone=True)
        assert (returned, errors) == (143, "")
        kept = rows(here / "run")
        assert kept[: len(whole)] == whole[: len(kept)]


def ended(here: Path, workers: str, number: int, *, everyone: bool = False) -> tuple[str, str, int]:
    """What a search prints that gets a signal, again and again until it ends, and its exit code."""
    command = [sys.executable, "-m", "evosearch.cli", *RUN, "--programs", "100000", "--workers", workers]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with terminal.heard():
        process = subprocess.Popen(command, cwd=here, env=environment, text=True, start_new_session=True, **pipes)
    with process:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None and committed(here / "run") < 100:
            time.sleep(0.05)
        deadline = time.monotonic() + 90
        while process.poll() is None and time.monotonic() < deadline:
            (os.killpg if everyone else os.kill)(process.pid, number)
            time.sleep(0.1)
        try:
            out, errors = process.communicate(timeout=10)
        finally:
            process.kill()
    return out, errors, process.returncode


def test_a_closed_terminal_stops_a_search_in_good_order(here):
    """The driver leads a session on a terminal that goes away."""
    import pty

    with terminal.heard():
        child, window = pty.fork()
        if not child:
            os.environ["PYTHONPATH"] = str(ROOT)
            os.execv(sys.executable, [sys.executable, "-m", "evosearch.cli", *RUN, "--programs", "100000"])
    deadline = time.monotonic() + 90
    late = threading.Timer(150, os.kill, [child, signal.SIGKILL])  # it is not to outlive this test
    late.start()
    try:
        while time.monotonic() < deadline and committed(here / "run") < 100:
            os.set_blocking(window, False)
            with contextlib.suppress(BlockingIOError):
                os.read(window, 100_000)
            time.sleep(0.05)
        os.close(window)
        _, status = os.waitpid(child, 0)
    finally:
        late.cancel()
    assert os.waitstatus_to_exitcode(status) in (1, 129)
    assert not (here / "run" / "driver.lock").exists()
    assert len(rows(here / "run")) >= 100


@pytest.mark.parametrize("workers", [pytest.param("1"), pytest.param("2", marks=pytest.mark.ray)])
def test_a_search_whose_directory_is_removed_ends_with_a_sentence(here, workers):
    command = [sys.executable, "-m", "evosearch.cli", *RUN, "--programs", "100000", "--workers", workers]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=here, env=environment, text=True, **pipes) as process:
        try:
            deadline = time.monotonic() + 90
            while time.monotonic() < deadline and process.poll() is None and committed(here / "run") < 100:
                time.sleep(0.05)
            (here / "run").rename(here / "removed")
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 2
    assert re.fullmatch(r"evosearch: run was removed or renamed while the search ran[^\n]*\.\n", errors), errors
    kept = rows(here / "removed")
    assert main(["resume", "removed", "--workers", "1", "--programs", "+16"]) == 0
    assert rows(here / "removed")[: len(kept)] == kept


BESIEGED = dataclasses.replace(CHEAP, programs=300)


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_workers_and_a_driver_are_lost_and_the_rows_are_those_of_an_undisturbed_run(tmp_path):
    """The long form, with a lost node, is in test_long.py."""
    with Siege(tmp_path / "run", "tests.evosearch.test_faults:BESIEGED") as siege:
        siege.go(plan(seed=1, programs=BESIEGED.programs, losses=["worker", "worker", "driver"]))
    assert Counter(siege.done) == {"worker": 2, "driver": 1}
    search(tmp_path / "whole", BESIEGED)
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_a_reader_is_told_of_a_store_that_is_damaged(here, capsys):
    search(here / "run", CHEAP, programs=40)
    whole = (here / "run" / "store.sqlite").read_bytes()
    (here / "run" / "store.sqlite").write_bytes(whole[: len(whole) // 2])
    for arguments in (["inspect", "run:17"], ["resume", "run"], ["export", "run:17", "-o", "x.py"]):
        assert "damaged" in sentence(capsys, *arguments)
    with pytest.raises(StoreError, match="damaged"):
        directory.reopen(here / "run", drive=True)
    assert (here / "run" / "store.sqlite").read_bytes() == whole[: len(whole) // 2]
