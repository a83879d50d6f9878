"""Searches on the cheapest task, for tests that disturb them; and the disturbing: workers, drivers and nodes are lost.

A `Siege` runs a search in a process of its own and goes through a plan of losses. Each is due at a number of committed
rows that is drawn from a seed, so that a plan is the same in every run, and happens a random moment after that.
"""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from tests.evosearch.small import SMALL, rows

ROOT = Path(__file__).parents[2]
CHEAP = dataclasses.replace(SMALL, proxies=("least_squares",))
LONG = 300.0  # seconds without a new row after which a search counts as stuck

Loss = Literal["worker", "driver", "node"]


def rows_or_none(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a run, none where its store is not there yet."""
    if not (path / "store.sqlite").exists():
        return []
    try:
        return rows(path)
    except sqlite3.OperationalError:  # locked for a moment, or of a full disk
        return []


def committed(path: Path) -> int:
    """How many rows a run has, as seen from outside."""
    try:
        connection = sqlite3.connect(f"{(path / 'store.sqlite').absolute().as_uri()}?mode=ro", uri=True)
        [(count,)] = connection.execute("SELECT COUNT(*) FROM candidates")
        connection.close()
    except sqlite3.Error:
        return 0
    return int(count)


def plan(seed: int, programs: int, losses: Sequence[Loss]) -> list[tuple[int, Loss]]:
    """When each loss is due, in committed rows, in order."""
    rng = random.Random(seed)
    due = sorted(rng.sample(range(programs // 50, programs - programs // 10), len(losses)))
    return list(zip(due, rng.sample(losses, len(losses)), strict=True))


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have; Linux only."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]


def title(pid: int) -> str:
    """The command line of a process, which Ray's workers change as they go."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@dataclass
class Siege:
    """A search under losses, on Ray's own cluster or, with `nodes`, on one of several nodes that a process keeps."""

    path: Path
    config: str  # "package.module:NAME" of the search's configuration
    nodes: bool = False
    seed: int = 0
    done: list[Loss] = field(default_factory=list)

    def __enter__(self) -> Siege:
        self.rng = random.Random(self.seed)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.cluster = None
        if self.nodes:
            command = [sys.executable, "-c", CLUSTER]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            self.cluster = subprocess.Popen(command, env=self.environment, text=True, **pipes)
            self.environment["RAY_ADDRESS"] = self._said()
        self._drive()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.driver.kill()
        self.driver.communicate()
        if self.cluster is not None:
            self.cluster.communicate("end\n")

    def go(self, losses: Sequence[tuple[int, Loss]]) -> None:
        """Go through a plan, then wait for the search to end."""
        for due, loss in losses:
            self._until(due)
            time.sleep(self.rng.uniform(0, 0.3))
            getattr(self, f"_lose_{loss}")()
            self.done.append(loss)
        out, errors = self.driver.communicate(timeout=LONG)
        assert self.driver.returncode == 0, out + errors

    def _drive(self) -> None:
        command = [sys.executable, "-c", DRIVER, str(self.path), *self.config.split(":")]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.driver = subprocess.Popen(command, env=self.environment, cwd=ROOT, text=True, **pipes)

    def _until(self, count: int) -> None:
        """Wait until so many rows are committed."""
        seen, since = 0, time.monotonic()
        while (now := committed(self.path)) < count:
            if self.driver.poll() is not None:
                raise AssertionError("".join(self.driver.communicate()))
            if now > seen:
                seen, since = now, time.monotonic()
            if time.monotonic() - since > LONG:
                raise AssertionError(f"no row after {now} in {LONG:g} seconds, after {self.done}; {self._where()}")
            time.sleep(0.05)

    def _where(self) -> str:
        """Where the driver stands, and what its workers do."""
        self.driver.send_signal(signal.SIGUSR1)
        time.sleep(1)
        root = self.driver if self.cluster is None else self.cluster
        titles = [title(pid)[:60] for pid in descendants(root.pid)]
        self.driver.kill()
        return "\n".join([*titles, *self.driver.communicate()])

    def _lose_worker(self) -> None:
        """Kill one that is at work."""
        root = self.driver if self.cluster is None else self.cluster
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            busy = [pid for pid in descendants(root.pid) if title(pid).startswith("ray::Actor.run")]
            if busy:
                os.kill(self.rng.choice(busy), signal.SIGKILL)
                return
            time.sleep(0.01)
        raise AssertionError("no worker is at work")

    def _lose_driver(self) -> None:
        """Kill it and begin another, which resumes."""
        self.driver.kill()
        self.driver.communicate()
        self._drive()

    def _lose_node(self) -> None:
        """A node goes with all that runs on it; another one joins."""
        assert self.cluster is not None
        assert self.cluster.stdin is not None
        self.cluster.stdin.write("lose\n")
        self.cluster.stdin.flush()
        assert self._said() == "lost"

    def _said(self) -> str:
        assert self.cluster is not None
        assert self.cluster.stdout is not None
        return self.cluster.stdout.readline().strip()


DRIVER = """
import faulthandler, importlib, signal, sys
from pathlib import Path
from proxies.threads import pin_environment
pin_environment()
faulthandler.register(signal.SIGUSR1)
from tests.evosearch.small import search
search(Path(sys.argv[1]), getattr(importlib.import_module(sys.argv[2]), sys.argv[3]), workers=2)
"""

CLUSTER = """
import logging, os, sys, warnings
warnings.simplefilter("ignore")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
said = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)  # Ray prints what it likes
from ray.cluster_utils import Cluster
options = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
cluster = Cluster(initialize_head=True, head_node_args={**options, "include_dashboard": False})
other = cluster.add_node(**options)
print(cluster.address, file=said)
for line in sys.stdin:
    if line.strip() == "lose":
        cluster.remove_node(other, allow_graceful=False)
        other = cluster.add_node(**options)
        print("lost", file=said)
    else:
        break
cluster.shutdown()
"""
