"""Workers: one contract for both twins, and what only separate processes must survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evosearch.workers import Done, Failure, Job, WorkerError, Workers, open_workers
from proxies.threads import ENVIRONMENT
from tests.evosearch import terminal

ON_RAY = pytest.param(2, marks=pytest.mark.ray, id="ray")
LONG = 120.0  # seconds; no test waits so long


# Handlers and contexts: top-level functions, imported by name in the workers.


def new_context(start: int) -> dict[str, int]:
    return {"start": start, "calls": 0}


def no_context() -> None:
    raise ValueError("no such data set")


def add(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    return [context["start"] + shared + item for item in items]


def calls(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    context["calls"] += 1
    return [(os.getpid(), context["calls"])]


def nap(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    time.sleep(shared)
    return list(items)


def fragile(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """Squares, but some items are fatal to the whole call."""
    if "raise" in items:
        raise ValueError("a bad\nitem")
    if "memory" in items:
        raise MemoryError
    if "exit" in items:
        os._exit(1)
    if "hang" in items:
        time.sleep(3600)
    return [item * item for item in items]


def short(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    return list(items)[1:]


def environment(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    import torch

    variables = {name: os.environ.get(name) for name in ENVIRONMENT}
    denormal = float(torch.tensor([1e-40]) * 1.0)
    return [(os.getpid(), variables, torch.get_num_threads(), denormal)]


def suicide_once(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """Dies of something that is no item's fault: the first call only."""
    if not Path(shared).exists():
        Path(shared).touch()
        os._exit(1)
    return list(items)


def drain(workers: Workers) -> dict[int, Done]:
    done = {}
    while one := workers.next(LONG):
        done[one.ticket] = one
    return done


def run(workers: Workers, *args: Any, **fields: Any) -> list[Any]:
    workers.submit(Job(0, *args, **fields))
    return drain(workers)[0].results


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A cluster that the workers did not start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        ray.init(address="local", num_cpus=8, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def opened(n: int, request: pytest.FixtureRequest) -> Iterator[Workers]:
    if n:
        request.getfixturevalue("cluster")
    workers = open_workers(n, new_context, (100,))
    yield workers
    workers.close()


@pytest.fixture(scope="module", params=[pytest.param(0, id="in process"), ON_RAY])
def workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    yield from opened(request.param, request)


@pytest.fixture(scope="module", params=[ON_RAY])
def ray_workers(request: pytest.FixtureRequest) -> Iterator[Workers]:
    yield from opened(request.param, request)


class TestContract:
    def test_results_in_the_order_of_the_items(self, workers: Workers) -> None:
        for ticket in range(20):
            workers.submit(Job(ticket, add, tuple(range(ticket)), shared=ticket * 1000))
        done = drain(workers)
        assert {t: d.results for t, d in done.items()} == {t: [100 + 1000 * t + i for i in range(t)] for t in range(20)}

    def test_nothing_under_way_is_none(self, workers: Workers) -> None:
        assert workers.next() is None
        assert workers.next(0.0) is None

    def test_handler_by_name(self, workers: Workers) -> None:
        assert run(workers, f"{__name__}:add", (1, 2), shared=0) == [101, 102]

    def test_seconds_are_the_busy_time(self, workers: Workers) -> None:
        workers.submit(Job(0, nap, (1,), shared=0.05))
        assert 0.05 <= drain(workers)[0].seconds < 1.0

    def test_context_is_built_once_per_worker(self, workers: Workers) -> None:
        for ticket in range(30):
            workers.submit(Job(ticket, calls, (0,)))
        counts: dict[int, list[int]] = {}
        for done in drain(workers).values():
            counts.setdefault(done.results[0][0], []).append(done.results[0][1])
        assert len(counts) <= workers.size
        assert all(sorted(c) == list(range(min(c), min(c) + len(c))) for c in counts.values())

    def test_lower_priority_number_overtakes(self, workers: Workers) -> None:
        for ticket in range(12):
            workers.submit(Job(ticket, nap, (0,), shared=0.02, priority=1))
        workers.submit(Job(99, nap, (0,), shared=0.0, priority=0))
        order = [done.ticket for _ in range(13) if (done := workers.next(LONG))]
        assert order.index(99) <= 2 * workers.size  # at most what the actors hold already
        assert len(order) == 13

    @pytest.mark.parametrize("place", range(5))
    def test_the_culprit_is_found_and_its_neighbours_live(self, workers: Workers, place: int) -> None:
        items: list[Any] = [1, 2, 3, 4]
        items.insert(place, "raise")
        results = run(workers, fragile, tuple(items))
        culprit = results.pop(place)
        assert results == [1, 4, 9, 16]
        assert culprit.status == "crash"
        assert culprit.reason.startswith("ValueError: a bad item (test_workers.py:")

    def test_several_culprits(self, workers: Workers) -> None:
        results = run(workers, fragile, (2, "raise", 3, "memory", "raise"))
        assert [r.status if isinstance(r, Failure) else r for r in results] == [4, "crash", 9, "oom", "crash"]

    def test_wrong_number_of_results_is_a_crash(self, workers: Workers) -> None:
        (failure,) = run(workers, short, (1,))
        assert failure.status == "crash"
        assert "gave 0 results for 1 items" in failure.reason

    def test_unknown_handler_is_a_crash(self, workers: Workers) -> None:
        (failure,) = run(workers, "evosearch.workers:nothing", (1,))
        assert "nothing" in failure.reason

    def test_a_handler_that_no_worker_could_import_is_refused(self, workers: Workers) -> None:
        with pytest.raises(ValueError, match="top level"):
            workers.submit(Job(0, lambda context, shared, items: [], (1,)))
        assert workers.next() is None

    def test_environment_is_pinned(self, workers: Workers) -> None:
        _, variables, threads, denormal = run(workers, environment, (0,))[0]
        assert variables == {name: os.environ[name] for name in ENVIRONMENT}
        assert threads == 1
        assert denormal == 0.0  # flushed in the very thread that runs the handlers

    @pytest.mark.parametrize("n", [0, ON_RAY])
    def test_a_context_that_cannot_be_built_is_one_sentence(self, n: int, request: pytest.FixtureRequest) -> None:
        if n:
            request.getfixturevalue("cluster")
        broken = open_workers(n, no_context)
        broken.submit(Job(0, add, (1,)))
        with pytest.raises(WorkerError, match=r"context cannot be built: ValueError: no such data set.*$"):
            broken.next(LONG)
        broken.close()


class TestProcesses:
    """What only separate processes must survive."""

    def pids(self, workers: Workers) -> set[int]:
        for ticket in range(20):
            workers.submit(Job(ticket, nap, (0,), shared=0.01))
            workers.submit(Job(100 + ticket, calls, (0,)))
        return {d.results[0][0] for t, d in drain(workers).items() if t >= 100}

    def both(self, workers: Workers) -> set[int]:
        """The processes of both workers; new ones take a moment."""
        end = time.monotonic() + LONG
        while len(found := self.pids(workers)) < 2:
            assert time.monotonic() < end
        return found

    def test_timeout_of_next(self, ray_workers: Workers) -> None:
        ray_workers.submit(Job(0, nap, (7,), shared=0.5))
        assert ray_workers.next(0.05) is None
        assert ray_workers.next(LONG).results == [7]

    def test_both_workers_work_and_neither_is_the_driver(self, ray_workers: Workers) -> None:
        assert len(self.both(ray_workers) - {os.getpid()}) == 2

    @pytest.mark.parametrize(
        ("fatal", "status", "deadline"), [("exit", "crash", LONG), ("hang", "timeout", 1.0)], ids=["exit", "hang"]
    )
    def test_a_fatal_item(self, ray_workers: Workers, fatal: str, status: str, deadline: float) -> None:
        before = self.both(ray_workers)
        for ticket in range(1, 9):
            ray_workers.submit(Job(ticket, nap, (ticket,), shared=0.01))
        results = run(ray_workers, fragile, (1, 2, 3, fatal), priority=-1, deadline=deadline)
        assert results[:3] == [1, 4, 9]
        assert (results[3].status, "\n" in results[3].reason) == (status, False)
        assert self.both(ray_workers) != before

    @pytest.mark.ray
    @pytest.mark.usefixtures("cluster")
    def test_a_result_lost_in_anothers_death_is_no_verdict(self) -> None:
        """A process that ends takes along what it has not sent yet, the result of the job before for one."""
        one = open_workers(1, new_context, (100,))
        for ticket in range(8):
            one.submit(Job(ticket, fragile, (("exit" if ticket % 2 else ticket),)))
        results = {ticket: done.results[0] for ticket, done in drain(one).items()}
        one.close()
        assert [results[t] for t in range(0, 8, 2)] == [0, 4, 16, 36]
        assert {results[t].status for t in range(1, 8, 2)} == {"crash"}

    def test_jobs_behind_a_hanging_one_are_done_elsewhere(self, ray_workers: Workers) -> None:
        ray_workers.submit(Job(0, fragile, ("hang",), deadline=0.5))
        for ticket in range(1, 9):
            ray_workers.submit(Job(ticket, nap, (ticket,), shared=0.01))
        done = drain(ray_workers)
        assert [done[t].results for t in range(1, 9)] == [[t] for t in range(1, 9)]
        assert done[0].results[0].status == "timeout"

    def test_the_deadline_does_not_count_waiting(self, ray_workers: Workers) -> None:
        for ticket in range(6):
            ray_workers.submit(Job(ticket, nap, (ticket,), shared=0.4, deadline=1.0))
        time.sleep(1.5)  # nor what a busy driver has not collected
        assert all(d.results == [t] for t, d in drain(ray_workers).items())

    def test_a_death_that_is_no_items_fault(self, ray_workers: Workers, tmp_path: Path) -> None:
        assert run(ray_workers, suicide_once, (1,), shared=str(tmp_path / "flag")) == [1]

    def test_workers_ignore_ctrl_c(self, ray_workers: Workers) -> None:
        before = self.both(ray_workers)
        for pid in before:
            os.kill(pid, signal.SIGINT)
        assert self.both(ray_workers) == before

    def test_close_leaves_a_foreign_cluster_up(self, ray_workers: Workers) -> None:
        import ray

        second = open_workers(1, new_context, (100,))
        assert run(second, add, (1,), shared=0) == [101]
        second.close()
        second.close()
        assert ray.is_initialized()
        assert ray.cluster_resources()["CPU"] == 8
        assert run(ray_workers, add, (1,), shared=0) == [101]


OWN_CLUSTER = """
import signal, os, sys
from evosearch.workers import Job, open_workers
from tests.evosearch import test_workers as t
workers = open_workers(2, t.new_context, (100,))
variables = t.run(workers, t.environment, (0,))[0][1]
assert variables == t.ENVIRONMENT, variables
assert variables["MKL_CBWR"].startswith("AVX2") and variables["OMP_NUM_THREADS"] == "1"
assert "MKL_CBWR" not in os.environ
workers.submit(Job(0, t.nap, (0,), shared=60))
signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGINT))  # as a terminal does
signal.alarm(1)
try:
    workers.next()
except KeyboardInterrupt:
    assert workers.next(0.5) is None  # the workers go on
    workers.submit(Job(1, t.add, (1,), shared=0))
    assert workers.next(60).results == [101]
    workers.close()
    import ray
    print("closed", ray.is_initialized())
"""


@pytest.mark.ray
def test_own_cluster_is_quiet_pinned_and_closed_after_ctrl_c() -> None:
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT and name != "RAY_ADDRESS"}
    command = [sys.executable, "-W", "error", "-c", OWN_CLUSTER]
    with terminal.heard():
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=LONG, start_new_session=True)
    assert (done.stdout, done.stderr) == ("closed False\n", "")


JOINED_CLUSTER = """
from evosearch.workers import open_workers
from tests.evosearch import test_workers as t
workers = open_workers(1, t.new_context, (100,))
print(t.run(workers, t.add, (1, 2), shared=0))
workers.close()
"""


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_the_cluster_of_ray_address_is_joined_and_left_up() -> None:
    import ray

    joined = os.environ | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", JOINED_CLUSTER], env=joined, capture_output=True, text=True)
        assert (done.stdout, done.stderr) == ("[101, 102]\n", "")


@pytest.mark.ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_a_cluster_that_is_not_there_is_one_sentence(address: str) -> None:
    script = (
        "from evosearch.workers import *\ntry: open_workers(1, 'math:sqrt')\nexcept WorkerError as error: print(error)"
    )
    environment = os.environ | {"RAY_ADDRESS": address}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=LONG)
    assert done.stdout.startswith(f"Ray ({address}) cannot be started or reached: ")
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_the_in_process_twin_imports_neither_ray_nor_torch() -> None:
    script = "import sys; from evosearch.workers import *; open_workers(0, 'math:sqrt'); print('ray' in sys.modules, "
    script += "'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
