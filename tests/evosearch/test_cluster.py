"""Workers on several nodes that come, go, differ, or hold GPUs: on a real cluster of this machine, and without."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import evosearch
from evosearch import address, arguments, crew, directory, run
from evosearch.handshake import introduction, objection
from evosearch.workers import AUTO, RESOURCES, Done, Job, WorkerError, Workers, open_workers
from tests.evosearch.fake_cluster import FakeCluster, crew_on
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows, search

LONG = 120.0  # seconds; no test waits so long


# Handlers: top-level functions, imported by name in the workers.


def where(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    """The node, and the GPUs that it may see, after a while."""
    import ray

    time.sleep(shared)
    return [(ray.get_runtime_context().get_node_id(), os.environ.get("CUDA_VISIBLE_DEVICES")) for _ in items]


def echo(context: Any, shared: Any, items: tuple[Any, ...]) -> list[Any]:
    return list(items)


def drain(workers: Workers) -> dict[int, Done]:
    done = {}
    while one := workers.next(LONG):
        done[one.ticket] = one
    return done


def echoes(workers: Workers, count: int) -> bool:
    """Whether so many jobs come back as they should."""
    for ticket in range(count):
        workers.submit(Job(ticket, echo, (ticket, -ticket)))
    return {ticket: done.results for ticket, done in drain(workers).items()} == {t: [t, -t] for t in range(count)}


class TestNodesComeAndGo:
    """The driver's part, on a cluster without processes."""

    def test_auto_is_all_there_is_room_for_and_grows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=2, b=3)
        workers = crew_on(cluster, AUTO, monkeypatch)
        assert workers.size == len(cluster.placed()) == 5
        assert echoes(workers, 20)
        cluster.join("c", 4)
        cluster.clock += crew.LOOK_SECONDS + 1
        assert echoes(workers, 20)
        assert workers.size == len(cluster.placed()) == 9

    def test_a_number_stays_that_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=8)
        workers = crew_on(cluster, 3, monkeypatch)
        cluster.clock += crew.LOOK_SECONDS + 1
        assert echoes(workers, 20)
        assert workers.size == len(cluster.living()) == 3

    def test_those_that_live_go_on_and_a_new_node_is_filled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=2, b=2)
        workers = crew_on(cluster, 4, monkeypatch)
        for ticket in range(30):
            workers.submit(Job(ticket, echo, (ticket,)))
        done = [workers.next() for _ in range(5)]
        cluster.lose("b")
        done += drain(workers).values()
        assert sorted(one.results[0] for one in done if one) == list(range(30))
        assert (len(cluster.placed()), len(cluster.living())) == (2, 4)
        cluster.join("c", 2)
        assert echoes(workers, 9)
        assert [actor.node for actor in cluster.placed()].count("c") == 2

    def test_no_node_left_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=1, b=1)
        workers = crew_on(cluster, AUTO, monkeypatch)
        assert echoes(workers, 3)
        began = cluster.clock
        cluster.lose("a")
        cluster.lose("b")
        workers.submit(Job(0, echo, (1,)))
        with pytest.raises(WorkerError, match=r"^no worker is ready after 30\d seconds; of the cluster's 0 cores"):
            workers.next()
        assert cluster.clock - began < crew.START_SECONDS + 10

    def test_an_empty_cluster_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster()
        workers = crew_on(cluster, AUTO, monkeypatch)
        assert len(cluster.living()) == 1  # what an autoscaler wants to see
        workers.submit(Job(0, echo, (1,)))
        assert workers.next(100.0) is None
        cluster.join("a", 3)
        assert [done.results for done in drain(workers).values()] == [[1]]
        cluster.clock += crew.LOOK_SECONDS + 1
        assert echoes(workers, 9)
        assert workers.size == 3

    def test_a_node_that_is_lost_while_its_workers_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=8)
        workers = crew_on(cluster, 8, monkeypatch)
        cluster.lose("a")
        cluster.join("b", 8)
        assert echoes(workers, 20)

    def test_workers_that_die_at_their_start_are_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=2)
        cluster.on_start = cluster.dismiss
        workers = crew_on(cluster, 2, monkeypatch)
        workers.submit(Job(0, echo, (1,)))
        with pytest.raises(WorkerError, match=r"^3 workers in a row died at their start: RuntimeError: killed$"):
            workers.next()

    def test_work_in_flight_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=3)
        workers = crew_on(cluster, AUTO, monkeypatch)
        for ticket in range(100):
            workers.submit(Job(ticket, echo, (ticket,)))
        most = 0
        while workers.next():
            most = max(most, *(len(actor.calls) for actor in cluster.living()))
        assert most == crew.AHEAD


MINE = {"host": "head", "root": "/env", "evosearch": "0.1.0", "code": "aa", "processor": "Xeon", "torch": "2.9"}


class TestHandshake:
    @pytest.mark.parametrize(
        ("theirs", "sentence"),
        [
            ({}, ""),
            ({"root": "/other"}, ""),
            ({"fault": "ModuleNotFoundError: No module named 'evosearch'"}, r"n1 cannot import .*; install the same"),
            ({"evosearch": "0.2.0"}, r"n1 has evosearch 0.2.0 and the driver 0.1.0; install the same version"),
            ({"code": "bb"}, r"n1 has other sources of evosearch 0.1.0 than the driver; install"),
            ({"processor": "EPYC"}, r"n1 has processor EPYC \(not Xeon\), unlike n0: .*; use nodes of one kind"),
            ({"torch": "2.8"}, r"n1 has torch 2.8 \(not 2.9\)"),
        ],
    )
    def test_objections(self, theirs: dict[str, str], sentence: str) -> None:
        first = MINE | {"host": "n0"}
        found = objection(MINE | {"host": "n1"} | theirs, MINE, first)
        assert re.match(sentence, found) if sentence else found == ""

    def test_the_drivers_own_processor_does_not_matter(self) -> None:
        first = MINE | {"host": "n0", "processor": "EPYC"}
        assert not objection(first | {"host": "n1"}, MINE, first)

    def test_an_installation_that_is_edited_while_it_runs_is_still_the_drivers(self) -> None:
        assert not objection(MINE | {"code": "bb"}, MINE, MINE)

    def test_this_process_has_no_objection_to_itself(self) -> None:
        assert not objection(introduction(), introduction(), introduction())

    def test_a_mixed_cluster_is_refused_before_the_run_begins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cluster = FakeCluster(a=1)
        cluster.join("b", 1, processor="another")
        workers = crew_on(cluster, AUTO, monkeypatch)
        workers.submit(Job(0, echo, (1,)))
        with pytest.raises(WorkerError, match=r"^b has processor another \(not .*\), unlike a: "):
            workers.next()

    def test_a_stranger_that_joins_later_is_left_out(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        cluster = FakeCluster(a=2)
        workers = crew_on(cluster, AUTO, monkeypatch)
        assert echoes(workers, 5)
        cluster.join("b", 3, code="another")
        cluster.clock += crew.LOOK_SECONDS + 1
        with caplog.at_level(logging.WARNING):
            assert echoes(workers, 20)
        assert [record.getMessage().split(" than ")[0] for record in caplog.records] == [
            f"a node is left out: b has other sources of evosearch {evosearch.__version__}"
        ]
        for _ in range(4):
            cluster.placed()[0].dead = True
            cluster.clock += crew.LOOK_SECONDS + 1
            assert echoes(workers, 20)
        assert workers.size == 2
        assert {actor.node for actor in cluster.living()} == {"a"}


class TestAddress:
    """Whose cluster it is, by Ray's rules."""

    def noted(self, folder: Path, text: str) -> None:
        (folder / "ray").mkdir()
        (folder / "ray" / "ray_current_cluster").write_text(text)

    @pytest.fixture(autouse=True)
    def _alone(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    def test_alone(self) -> None:
        assert address.address() == address.LOCAL

    def test_what_ray_start_left_running_is_joined(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            place = f"127.0.0.1:{server.getsockname()[1]}"
            self.noted(tmp_path, place)
            assert address.address() == place
        assert address.address() == address.LOCAL  # it answers no more

    def test_ray_address_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
        assert address.address() == "10.0.0.1:6379"
        assert address.joins()
        monkeypatch.setenv("RAY_ADDRESS", "local")
        assert address.address() == address.LOCAL

    def test_auto_is_the_clusters_to_say_where_there_is_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        monkeypatch.setattr(address, "joins", lambda: False)
        assert arguments.processes(AUTO) == (0 if cores == 1 else cores)
        monkeypatch.setattr(address, "joins", lambda: True)
        assert [arguments.processes(n) for n in (AUTO, 1, 7)] == [AUTO, 0, 7]


class Nodes:
    """A real cluster on this machine: a head without cores, and nodes that are added and killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.address: str = self.cluster.address

    def add(self, cores: int, **options: Any) -> Any:
        return self.cluster.add_node(num_cpus=cores, **options)

    def kill(self, node: Any) -> None:
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    """A cluster that RAY_ADDRESS names."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")  # sockets lie there, whose paths are short
    monkeypatch.setenv("RAY_TMPDIR", folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import evosearch.ray_workers  # noqa: F401  # before Ray itself, which reads a setting at its import

        found = Nodes()
        monkeypatch.setenv("RAY_ADDRESS", found.address)
        yield found
        found.cluster.shutdown()
    shutil.rmtree(folder, ignore_errors=True)


def until(workers: Workers, condition: Callable[[set[str]], bool]) -> set[str]:
    """The nodes of the workers that answer, as soon as they are as they should be."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        for ticket in range(2 * workers.size):
            workers.submit(Job(ticket, where, (0,), shared=0.05))
        found = {done.results[0][0] for done in drain(workers).values()}
        if condition(found):
            return found
    raise TimeoutError


@pytest.mark.ray
class TestRealCluster:
    def test_auto_spans_the_nodes_uses_one_that_joins_and_leaves_the_cluster_up(
        self, nodes: Nodes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import ray

        monkeypatch.setattr(crew, "LOOK_SECONDS", 0.5)
        first, second = nodes.add(1), nodes.add(1)
        workers = open_workers(AUTO, "builtins:dict")
        assert workers.size == 2
        until(workers, {first.node_id, second.node_id}.__eq__)
        third = nodes.add(1)
        until(workers, {first.node_id, second.node_id, third.node_id}.__eq__)
        nodes.kill(second)
        until(workers, {first.node_id, third.node_id}.__eq__)
        workers.close()
        assert not ray.is_initialized()
        assert len([n for n in nodes.cluster.list_all_nodes() if n.any_processes_alive()]) == 3
        again = open_workers(1, "builtins:dict")
        assert echoes(again, 3)
        again.close()

    def test_a_worker_for_each_gpu(self, nodes: Nodes) -> None:
        nodes.add(4, num_gpus=2)
        workers = open_workers(AUTO, "builtins:dict", resources=RESOURCES["cuda"])
        assert workers.size == 2
        for ticket in range(8):
            workers.submit(Job(ticket, where, (0,), shared=0.3))
        assert {done.results[0][1] for done in drain(workers).values()} == {"0", "1"}
        workers.close()

    def test_all_nodes_lost_is_one_sentence(self, nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
        both = nodes.add(1), nodes.add(1)
        workers = open_workers(AUTO, "builtins:dict")
        until(workers, {node.node_id for node in both}.__eq__)
        monkeypatch.setattr(crew, "START_SECONDS", 5.0)
        for node in both:
            nodes.kill(node)
        for ticket in range(100):
            workers.submit(Job(ticket, where, (0,), shared=0.5))
        with pytest.raises(WorkerError, match=r"^no worker is ready after \d+ seconds; of the cluster's \d cores"):
            drain(workers)
        workers.close()

    def test_rows_are_those_of_one_process_though_a_node_is_lost_and_one_joins(
        self, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(crew, "LOOK_SECONDS", 0.5)
        search(tmp_path / "alone")
        nodes.add(1)
        second = nodes.add(1)
        events = {32: lambda: nodes.kill(second), 64: lambda: nodes.add(2)}

        def watch(search: Any) -> None:
            if event := events.pop(search.tally.generated, None):
                event()

        store = directory.create(tmp_path / "run", SMALL)
        workers = open_workers(AUTO, MAKE_CONTEXT, (SMALL,))
        run.go(SMALL, tmp_path / "run", store, workers, programs=SMALL.programs, until=None, watch=watch)
        store.close()
        assert not events
        until(workers, lambda found: len(found) == 2)
        workers.close()
        assert rows(tmp_path / "run") == rows(tmp_path / "alone")


PACKAGES = ("evosearch", "primitives", "proxies")


def missing(folder: Path) -> None:
    """A node on which evosearch is not installed."""
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent("""
        import sys
        class Nothing:
            def find_spec(self, name, path=None, target=None):
                if name == "evosearch":
                    raise ModuleNotFoundError(f"No module named {name!r}")
        sys.meta_path.insert(0, Nothing())
        """)
    )


def edited(folder: Path) -> None:
    """A node with a checkout of its own, in which somebody has changed a line."""
    for package in PACKAGES:
        shutil.copytree(Path(evosearch.__file__).parents[1] / package, folder / package)
    with (folder / "proxies" / "data.py").open("a") as file:
        file.write("\n# another line\n")
    (folder / "sitecustomize.py").write_text(f"import {', '.join(PACKAGES)}\n")


def of_another_kind(folder: Path) -> None:
    """A node with another processor."""
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent("""
        import pathlib
        real = pathlib.Path.read_text
        def read_text(self, *args, **options):
            if str(self) == "/proc/cpuinfo":
                return "model name\\t: Abacus\\n"
            return real(self, *args, **options)
        pathlib.Path.read_text = read_text
        """)
    )


@pytest.mark.ray
class TestStrangers:
    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (
                missing,
                r"cannot import evosearch \(ModuleNotFoundError: No module named 'evosearch'\); install the same",
            ),
            (edited, r"has other sources of evosearch \S+ than the driver; install the same version on every node, or"),
        ],
    )
    def test_another_installation_is_one_sentence(
        self, make: Callable[[Path], None], sentence: str, nodes: Nodes, tmp_path: Path
    ) -> None:
        make(tmp_path)
        nodes.add(1, env_vars={"PYTHONPATH": str(tmp_path)})
        workers = open_workers(AUTO, MAKE_CONTEXT, (SMALL,))
        workers.submit(Job(0, echo, (1,)))
        with pytest.raises(WorkerError, match=sentence):
            workers.next(LONG)
        workers.close()

    def test_another_processor_that_joins_is_left_out(
        self, nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(crew, "LOOK_SECONDS", 0.5)
        of_another_kind(tmp_path)
        first = nodes.add(1)
        workers = open_workers(AUTO, "builtins:dict")
        assert echoes(workers, 3)
        nodes.add(2, env_vars={"PYTHONPATH": str(tmp_path)})
        until(workers, lambda found: bool(caplog.records))
        assert "has processor Abacus (not " in caplog.text
        until(workers, lambda found: workers.size == 1)
        until(workers, {first.node_id}.__eq__)
        workers.close()
