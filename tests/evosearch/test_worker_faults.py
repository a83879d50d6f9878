"""Workers that are killed, crash, hang, run out of memory or sleep; and what a signal to the driver leaves behind."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from evosearch import directory, run
from evosearch.config import Config, to_toml
from evosearch.workers import Done, Failure, Job, Workers, open_workers
from tests.evosearch.fake_cluster import FakeCluster, crew_on
from tests.evosearch.faults import FAULTS, fragile, noted, poisoned
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows, scoring

LONG = 120.0  # seconds; no test waits so long


def drain(workers: Workers) -> dict[int, Done]:
    done = {}
    while one := workers.next(LONG):
        done[one.ticket] = one
    return done


class TestTime:
    """Deadlines, on a cluster whose clock we move."""

    def test_a_stuck_worker_is_ended_at_its_deadline_and_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=1)
        workers = crew_on(cluster, 1, monkeypatch)
        workers.submit(Job(0, fragile, (2,)))
        assert drain(workers)[0].results == [4]
        [stuck] = cluster.placed()
        stuck.stuck = True
        began = cluster.clock
        workers.submit(Job(1, fragile, (3,), deadline=50.0))
        assert drain(workers)[1].results == [9]
        assert stuck.dead
        assert 50.0 <= cluster.clock - began < 52.0

    def test_a_machine_that_slept_is_given_its_time_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=1)
        workers = crew_on(cluster, 1, monkeypatch)
        workers.submit(Job(0, fragile, (2,)))
        drain(workers)
        [worker] = cluster.placed()
        worker.stuck = True
        workers.submit(Job(1, fragile, (3,), deadline=50.0))
        cluster.late = 8 * 3600.0
        assert workers.next(30.0) is None  # the lid is closed in this wait
        assert not worker.dead
        worker.stuck = False
        assert drain(workers)[1].results == [9]
        assert cluster.living() == [worker]

    def test_a_driver_that_was_busy_for_long_takes_what_is_finished(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=2)
        workers = crew_on(cluster, 2, monkeypatch)
        workers.submit(Job(0, fragile, (2,)))
        drain(workers)
        for ticket in range(1, 5):
            workers.submit(Job(ticket, fragile, (ticket,), deadline=50.0))
        cluster.clock += 10_000.0
        assert {t: d.results for t, d in drain(workers).items()} == {t: [t * t] for t in range(1, 5)}
        assert len(cluster.actors) == 2

    def test_the_clock_on_the_wall_is_never_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def jumps() -> float:
            raise AssertionError("somebody asked for the time of day")

        workers = crew_on(FakeCluster(a=2), 2, monkeypatch)
        monkeypatch.setattr(time, "time", jumps)
        workers.submit(Job(0, fragile, (2, 3)))
        assert drain(workers)[0].results == [4, 9]


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """Ray as a user begins it in a notebook."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def two(ray_here: None) -> Iterator[Workers]:
    workers = open_workers(2, "builtins:dict")
    yield workers
    workers.close()


@pytest.mark.ray
class TestFaults:
    @pytest.mark.parametrize("fault", ["kill", "segfault", "loop", "memory"])
    def test_the_culprit_alone_is_condemned(self, fault: str, two: Workers) -> None:
        for ticket in range(1, 7):
            two.submit(Job(ticket, fragile, (ticket, ticket + 1), priority=1))
        two.submit(Job(0, fragile, (5, fault, 7), deadline=10.0))
        results = {ticket: done.results for ticket, done in drain(two).items()}
        first, culprit, last = results.pop(0)
        assert (first, culprit.status, last) == (25, FAULTS[fault][1], 49)
        assert results == {t: [t * t, (t + 1) ** 2] for t in range(1, 7)}

    def test_a_process_that_hears_nothing_is_gone(self, two: Workers, tmp_path: Path) -> None:
        two.submit(Job(0, noted, (0,), shared=(str(tmp_path / "pids"), "freeze"), deadline=2.0))
        assert drain(two)[0].results == [Failure("timeout", "no answer in 2 seconds")]
        tried = (tmp_path / "pids").read_text().split()
        assert len(tried) == 2  # once more before the verdict
        end = time.monotonic() + LONG
        while any(Path("/proc", process).exists() for process in tried):
            assert time.monotonic() < end
            time.sleep(0.1)


@dataclass
class Poisoned:
    """Workers on which evaluating some programs, by text, is fatal."""

    workers: Workers
    poison: Mapping[str, str]

    @property
    def size(self) -> int:
        return self.workers.size

    def submit(self, job: Job) -> None:
        if job.handler == "evosearch.evaluate:evaluate":
            shared = (job.shared, self.poison, os.getpid())
            job = Job(job.ticket, poisoned, job.items, shared, job.priority, 10.0)
        self.workers.submit(job)

    def next(self, timeout: float | None = None) -> Done | None:
        return self.workers.next(timeout)

    def close(self) -> None:
        self.workers.close()


def searched(
    path: Path, workers: Workers, config: Config = SMALL, watch: Callable[[Any], None] = lambda search: None
) -> dict[int, Any]:
    """The rows of a small search by number."""
    store = directory.create(path, config)
    try:
        run.go(config, path, store, workers, programs=config.programs, until=None, watch=watch)
    finally:
        store.close()
        workers.close()
    return {row[0]: row for row in rows(path)}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_here")
class TestSearch:
    """Faults in a whole search; what is compared is every value of every row."""

    def test_culprits_get_their_verdict_and_all_else_is_as_it_was(self, tmp_path: Path) -> None:
        config = scoring(batch=2)  # few to split
        healthy = searched(tmp_path / "healthy", open_workers(0, MAKE_CONTEXT, (config,)), config)
        early = range(config.evolution.lag * config.evolution.block)  # bred from the start, whatever becomes of others
        trained = [number for number in early if '"digits", "gate"' in str(healthy[number]) and not healthy[number][12]]
        numbers = dict(zip(trained[2::3], ("kill", "segfault", "loop", "memory"), strict=False))
        poison = {healthy[number][4]: fault for number, fault in numbers.items()}
        assert len(poison) == 4
        alone = searched(tmp_path / "alone", Poisoned(open_workers(0, MAKE_CONTEXT, (config,)), poison), config)
        on_ray = searched(tmp_path / "ray", Poisoned(open_workers(2, MAKE_CONTEXT, (config,)), poison), config)
        for number, fault in numbers.items():
            assert f'"end": ["{FAULTS[fault][1]}", ' in str(on_ray.pop(number))
            assert '"end": ["crash", "RuntimeError: ' in str(alone.pop(number))
        assert on_ray == alone
        assert len(alone) == config.programs + 1 - 4

    def test_workers_killed_at_random_change_nothing(self, tmp_path: Path) -> None:
        self.kills(tmp_path, programs=SMALL.programs, kills=4)

    @pytest.mark.slow
    def test_many_workers_killed_at_random_change_nothing(self, tmp_path: Path) -> None:
        self.kills(tmp_path, programs=3000, kills=25)

    def kills(self, path: Path, programs: int, kills: int) -> None:
        """A search whose workers are killed every so many candidates, against one in this process."""
        import psutil

        config = dataclasses.replace(SMALL, programs=programs)
        alone = searched(path / "alone", open_workers(0, MAKE_CONTEXT, (config,)), config)
        rng, at = random.Random(0), [programs * (i + 1) // (kills + 1) for i in range(kills)]

        def watch(search: Any) -> None:
            while at and search.tally.generated >= at[0]:
                mine = [p for p in psutil.Process().children(recursive=True) if "ray::Actor" in p.name()]
                if not mine:
                    return
                at.pop(0)
                rng.choice(mine).kill()

        assert searched(path / "ray", open_workers(2, MAKE_CONTEXT, (config,)), config, watch) == alone
        assert not at


def of(mark: str) -> list[int]:
    """Processes, zombies left out, whose environment has this mark."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and mark.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


@pytest.mark.ray
@pytest.mark.parametrize("number", [0, signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_nothing_is_left_behind(number: int, tmp_path: Path) -> None:
    """No process, no shared memory, no file of Ray's: after the end, Ctrl-C and SIGTERM; after kill -9 no process."""
    mark, shared = uuid.uuid4().hex, set(os.listdir("/dev/shm"))
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        config = tmp_path / "small.toml"
        config.write_text(to_toml(dataclasses.replace(SMALL, programs=0 if number else 48)))
        command = [sys.executable, "-m", "evosearch.cli", "run", str(config), "--workers", "2", "--budget", "10m"]
        command += ["--out", str(tmp_path / "run")]
        environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
        environment |= {"RAY_TMPDIR": folder, "EVOSEARCH_TEST": mark}
        driver = subprocess.Popen(command if number else command[:-4] + command[-2:], env=environment)
        try:
            if number:
                begun(tmp_path / "run", driver)
                driver.send_signal(number)
            assert driver.wait(LONG) == {0: 0, signal.SIGKILL: -signal.SIGKILL}.get(number, 128 + number)
            end = time.monotonic() + LONG
            while of(mark) and time.monotonic() < end:
                time.sleep(0.2)
            assert not of(mark)
        finally:
            for process in of(mark):
                os.kill(process, signal.SIGKILL)
        assert set(os.listdir("/dev/shm")) <= shared
        if number != signal.SIGKILL:
            left = [str(path) for path in Path(folder).rglob("*") if not path.is_dir()]
            assert left == []


def begun(path: Path, driver: subprocess.Popen[bytes]) -> None:
    """Wait until a run has committed some candidates."""
    end = time.monotonic() + LONG
    while driver.poll() is None and time.monotonic() < end:
        if (path / "store.sqlite").exists() and len(rows(path)) > 32:
            return
        time.sleep(0.2)
    raise AssertionError("the run has ended, or hangs")
