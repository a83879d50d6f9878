"""A search is seen and ended from elsewhere: what is read is what its driver knows, and nothing of it is changed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import pytest

from evosearch import directory, files, run, stopping
from evosearch.cli import main
from evosearch.config import to_toml
from evosearch.live.look import Looking, Seen
from evosearch.live.view import Course, Explained, front, member
from evosearch.meter import Heeding
from evosearch.search import Search
from evosearch.store import Store
from evosearch.workers import open_workers
from tests.evosearch import terminal
from tests.evosearch.siege import CHEAP
from tests.evosearch.small import MAKE_CONTEXT, rows, search

RUN = ["run", "cheap.toml", "--workers", "1", "--out", "run"]


def listing(path: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in sorted([path, *path.rglob("*")])}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> run.Result:
    return search(tmp_path_factory.mktemp("finished") / "run", CHEAP)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cheap.toml").write_text(to_toml(CHEAP))
    return tmp_path


def agree(seen: Seen, found: Search, course: Course) -> None:
    """What was seen is what the search knows."""
    view, t, leader = seen.view, found.tally, found.archive.leader()
    assert (view.generated, view.trained, view.hits, dict(view.refused)) == (t.generated, t.trained, t.hits, t.refused)
    assert view.best == (None if leader is None else member(leader))
    assert view.front == front(found.archive)
    assert view.curve == tuple(course.moments)


def test_a_finished_search(finished, capsys):
    path = finished.directory
    before = listing(path)
    seen = Looking(path).look()
    course = Course()
    course.moments = list(seen.view.curve)
    agree(seen, finished.search, course)
    assert (seen.state, seen.driver, seen.view.left) == ("finished", "", None)
    assert len(seen.view.curve) > 1
    assert seen.view.curve[-1].score == seen.view.best.score
    assert seen.view.explained.formula[0].startswith("wₜ = ")
    assert "on fresh seeds" in seen.view.verdict
    assert main(["status", str(path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for part in ("finished", "96", "best score by candidates", "front of score and length", "wₜ = wₜ₋₁"):
        assert part in out, part
    assert max(map(len, out.splitlines())) <= 110
    assert main(["status", str(path), "--json", "--watch"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["state"], told["driver"], told["generated"]) == ("finished", None, 96)
    assert told["best"]["number"] == seen.view.best.number
    assert told["best"]["formula"] == list(seen.view.explained.formula)
    assert told["curve"][-1] == list(seen.view.curve[-1])
    assert listing(path) == before


def test_a_search_that_is_under_way_is_seen_as_its_driver_sees_it(tmp_path, monkeypatch):
    monkeypatch.setattr("evosearch.live.look.explained", lambda text: Explained())
    path, course, states = tmp_path / "run", Course(), []
    looking = Looking(path)

    def watch(found: Search) -> None:
        course.note(found.tally.generated, found.archive.leader())
        for one in (looking, Looking(path)):
            seen = one.look()
            agree(seen, found, course)
            assert seen.driver == files.this_process()
            states.append((seen.state, seen.view.part, seen.view.left is not None))

    def say(text: str) -> None:
        states.append((Looking(path).look().state, None, False))

    store = directory.create(path, CHEAP)
    workers = open_workers(0, MAKE_CONTEXT, (CHEAP,))
    run.go(CHEAP, path, store, workers, programs=CHEAP.programs, until=None, say=say, watch=watch)
    assert states[0][0] == "preparing"
    assert ("searching", 1.0, False) in [(state, part, False) for state, part, _ in states]
    assert states[-1][0] == "measuring"
    assert sorted({part for _, part, _ in states if part is not None}) == [i / 6 for i in range(7)]
    assert looking.look().state == "finished"
    store.close()
    assert looking.look().driver == ""


def halted(path: Path, programs: int) -> None:
    """Begin a search, or go on with it, that is killed after so many programs; its files are as kill -9 leaves them."""
    script = f"""
import os, sys
from tests.evosearch.siege import CHEAP
from tests.evosearch.small import MAKE_CONTEXT
from evosearch import directory, run
from evosearch.workers import open_workers
from pathlib import Path
path = Path({str(path)!r})
store = directory.reopen(path, drive=True)[1] if path.exists() else directory.create(path, CHEAP)
watch = lambda search: os._exit(9) if search.tally.generated >= {programs} else None
run.go(CHEAP, path, store, open_workers(0, MAKE_CONTEXT, (CHEAP,)), programs=96, until=None, watch=watch)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=terminal.ROOT, check=False)
    assert done.returncode == 9


def test_a_search_that_was_killed(tmp_path, capsys):
    path = tmp_path / "run"
    halted(path, 48)
    assert (path / "driver.lock").exists()
    assert (path / "store.sqlite-wal").exists()
    before = listing(path)
    seen = Looking(path).look()
    assert (seen.state, seen.driver, seen.view.generated) == ("stopped", "", 48)
    assert "evosearch resume" in seen.view.doing
    assert main(["stop", str(path)]) == 0
    assert "No search is under way" in capsys.readouterr().out
    assert {name: size for name, (_, size) in listing(path).items() if "-shm" not in name} == {
        name: size for name, (_, size) in before.items() if "-shm" not in name
    }
    looking = Looking(path)
    looking.look()
    search(path, CHEAP)
    assert looking.look().view.generated == 96
    assert looking.look().view.curve == Looking(path).look().view.curve


def test_before_the_first_commit_there_is_little_to_see(tmp_path):
    path = tmp_path / "run"
    directory.create(path, CHEAP).close()
    seen = Looking(path).look()
    assert (seen.state, seen.view.generated, seen.view.best) == ("stopped", 0, None)


def test_a_look_at_a_lock_does_not_keep_a_driver_out(tmp_path):
    left = tmp_path / "driver.lock"
    left.write_text("process 1 on nowhere\n")
    assert files.holder(left) == ""
    assert files.driver(tmp_path / "none") == ""
    lock = files.Lock(left)
    assert files.holder(left) == files.this_process()
    lock.release()
    assert files.holder(left) == ""


@contextlib.contextmanager
def under_way(here: Path, *arguments: str):
    """A search in a process of its own, once something is committed."""
    command = [sys.executable, "-m", "evosearch.cli", *RUN, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(terminal.ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=here, env=environment, text=True, **pipes) as process:
        try:
            deadline = time.monotonic() + 100
            while not (here / "run" / "best.opt").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process
        finally:
            process.kill()


def test_stop_ends_a_search_and_resume_goes_on(here, finished, capsys):
    with under_way(here, "--programs", "100000") as process:
        assert main(["status", "run", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["state"], told["driver"]) == ("searching", files.driver(here / "run"))
        assert f"process {process.pid} on " in told["driver"]
        assert main(["stop", "run"]) == 0
        out = capsys.readouterr().out
        assert f"Asked process {process.pid} on " in out
        assert "It has ended. Go on with: evosearch resume run" in out
        assert files.driver(here / "run") == ""
        said, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    [saved] = re.findall(r"Stopped; (\d+) candidates are saved. Go on with: evosearch resume run", said)
    kept = rows(here / "run")
    assert len(kept) == int(saved) + 1
    assert kept[:97] == rows(finished.directory)[: len(kept)]
    assert not (here / "run" / "stop").exists()
    (here / "run" / "stop").touch()  # an old request
    assert main(["resume", "run", "--workers", "1", "--programs", "+16"]) == 0
    assert len(rows(here / "run")) == len(kept) + 16
    assert Looking(here / "run").look().state == "finished"


def test_it_waits_for_the_driver_that_it_asked_unless_told_not_to(here, capsys):
    (here / "store.sqlite").touch()
    lock, request = files.Lock(here / "driver.lock"), here / "stop"
    assert main(["stop", ".", "--no-wait"]) == 0
    assert request.exists()
    assert "It has ended" not in capsys.readouterr().out
    request.unlink()  # by a driver that had just begun

    def end() -> None:
        while not request.exists():
            time.sleep(0.01)
        request.unlink()
        while not request.exists():
            time.sleep(0.01)
        lock.release()

    driver = threading.Thread(target=end)
    driver.start()
    assert main(["stop", "."]) == 0
    driver.join()
    assert "It has ended" in capsys.readouterr().out
    assert not request.exists()


def test_a_request_is_heeded_before_each_job(tmp_path):
    workers = Heeding(open_workers(0, "evosearch.contest:make_context"))
    with stopping.heed(tmp_path / "stop"):
        assert workers.next() is None
        (tmp_path / "stop").touch()
        time.sleep(stopping.EVERY)
        with pytest.raises(stopping.Requested):
            workers.next()
    assert not (tmp_path / "stop").exists()
    stopping.check()
    workers.close()


def test_the_chart_ends_where_the_search_does(finished):
    """Also in the middle of a block."""
    looking = Looking(finished.directory)
    with mock.patch.object(Store, "count", return_value=90):
        curve = looking.look().view.curve
    assert max(moment[0] for moment in curve) <= 90


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["status", "."], "not a run directory"),
        (["status", "nowhere"], "not a run directory"),
        (["status", "cheap.toml", "--watch"], "not a run directory"),
        (["stop", "."], "not a run directory"),
        (["stop", "nowhere", "--no-wait"], "not a run directory"),
        (["status"], "required"),
        (["stop"], "required"),
        (["status", "run", "--fast"], "unrecognized"),
    ],
)
def test_a_wrong_input_is_a_sentence(here, capsys, arguments, says):
    try:
        code = main(arguments)
    except SystemExit as end:
        code = end.code
    out, errors = capsys.readouterr()
    assert (code, out) == (2, "")
    assert re.fullmatch(r"evosearch: [^\n]*\.\n", errors)
    assert says in errors


def test_the_control_of_a_validation_is_not_stopped_or_gone_on_with_from_here(here, finished, capsys):
    (here / "random").mkdir()
    for place in (here, here / "random"):
        (place / "store.sqlite").touch()
    lock = files.Lock(here / "random" / "driver.lock")
    assert main(["stop", "random"]) == 2
    lock.release()
    assert "the control of a validation" in capsys.readouterr().err
    assert main(["resume", str(here / "random")]) == 2
    assert f"`evosearch validate {here}` goes on" in capsys.readouterr().err


def test_a_watch_ends_with_the_search(finished, capsys, monkeypatch):
    one = Looking(finished.directory).look()
    seen = [dataclasses.replace(one, driver="process 1 on x", state="searching")] * 3 + [one]
    monkeypatch.setattr("evosearch.status.EVERY", 0.0)
    monkeypatch.setattr(Looking, "look", lambda self: seen.pop(0))
    assert main(["status", str(finished.directory), "--watch", "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["state"] for one in told] == ["searching"] * 3 + ["finished"]
    assert seen == []


def test_in_a_terminal(finished):
    seen = terminal.run(["status", str(finished.directory), "--watch"], terminal.ROOT, 40, 60)
    assert seen.code == 0
    assert seen.screen.wrapped == 0
    for part in ("finished", "best score by candidates", "front of score and length", "best "):
        assert part in seen.screen.text, part


@pytest.mark.parametrize("command", ["status", "stop"])
def test_help_and_stop_import_nothing_heavy(tmp_path, command):
    (tmp_path / "store.sqlite").touch()
    script = (
        "import sys\nfrom evosearch.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numba', 'ray', 'scipy', 'sklearn'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    for arguments in ([command, "--help"], ["stop", str(tmp_path)]):
        subprocess.run([sys.executable, "-c", script, *arguments], check=True, stdout=subprocess.DEVNULL)
