"""Ray, on this machine or a cluster, as a crew of workers needs it; the only file that imports Ray."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from evosearch import address
from evosearch.workers import AUTO, Died, Failure, Raised, WorkerError, one_line
from proxies.threads import ENVIRONMENT

# Both are read when Ray is imported. It prints a page on stdout for each dead worker and node, even if told not to; and
# its own handler of signals, when it is taken down, lets SIGTERM kill a driver that is still closing.
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed|Raylet is terminated|marked dead")
os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # announcements of its own
    import ray
    from ray import cloudpickle
    from ray.exceptions import ActorUnavailableError, OutOfMemoryError, RayError, RayTaskError

logger = logging.getLogger(__name__)

SLOW_SECONDS = 30.0  # before a warning that Ray is slow to start
OBJECT_STORE = 200 * 2**20  # bytes; jobs and results are text and a few numbers


class Actor:
    """What runs in a worker process. It travels by value: a node without evosearch can say so. Imports stand inside."""

    def introduce(self) -> tuple[str, dict[str, str]]:
        """The node, and what it is and runs, or the fault that it cannot say so."""
        import signal
        import socket

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the driver alone decides
        try:
            from evosearch.handshake import introduction

            facts = introduction("cuda" if ray.get_gpu_ids() else "cpu")
        except Exception as error:
            facts = {"host": socket.gethostname(), "fault": " ".join(f"{type(error).__name__}: {error}".split())}
        return ray.get_runtime_context().get_node_id(), facts

    def start(self, make_context: str, args: tuple[Any, ...]) -> None:
        from evosearch.workers import build

        self.context = build(make_context, args)

    def run(self, handler: str, shared: Any, items: tuple[Any, ...]) -> Any:
        from evosearch.workers import attempt

        return attempt(handler, self.context, shared, items)

    def answer(self) -> tuple[None, float]:
        """In the place of a lost answer."""
        return None, 0.0


cloudpickle.register_pickle_by_value(sys.modules[__name__])


class RayCluster:
    """The cluster that this process is on, or the one that it is told to join, or a new one of this machine alone.

    A cluster that was there before is never shut down; only the connection to it, if it is made here, ends by `close`.
    """

    def __init__(self, n: int, resources: Mapping[str, float]) -> None:
        self._resources = dict(resources)
        self._session = ""  # the folder of a cluster of our own
        self._ours = not ray.is_initialized()
        environment = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
        try:
            if self._ours:
                self._session = _connect(n, environment)
        except BaseException:
            self.close()
            raise
        self._actor = ray.remote(Actor)
        self._options: dict[str, Any] = {
            "num_cpus": resources.get("CPU", 0),
            "num_gpus": resources.get("GPU", 0),
            "resources": {name: amount for name, amount in resources.items() if name not in ("CPU", "GPU")},
        }
        if not self._session:  # a cluster of our own hands its environment down, which saves 0.3 s per worker
            self._options["runtime_env"] = {"env_vars": environment}

    def room(self, barred: Collection[str]) -> int:
        """How many workers the living nodes hold at most, whoever else uses them."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in barred]
        return sum(int(min(node.get(name, 0) / amount for name, amount in self._resources.items())) for node in nodes)

    def hire(self, barred: Collection[str]) -> Any:
        """A new actor, on any node but the barred ones."""
        avoid = {"label_selector": {"ray.io/node-id": f"!in({','.join(sorted(barred))})"}} if barred else {}
        return self._actor.options(**self._options, **avoid).remote()

    def call(self, actor: Any, method: str, *args: Any) -> Any:
        return getattr(actor, method).remote(*args)

    def wait(self, references: Sequence[Any], timeout: float) -> list[Any]:
        """All that are there, as soon as one is."""
        if not references:
            time.sleep(timeout)
            return []
        ready: list[Any] = ray.wait(references, timeout=timeout)[0]
        return ray.wait(references, num_returns=len(references), timeout=0)[0] if ready else []

    def result(self, reference: Any) -> Any:
        try:
            return ray.get(reference)
        except RayTaskError as error:
            raise Raised(error.cause if isinstance(error.cause, BaseException) else error) from error
        except OutOfMemoryError as error:
            raise Died(Failure("oom", "the worker was ended for lack of memory"), error, "worker") from error
        except RayError as error:
            what: Literal["worker", "node", "unknown"] = "node" if "node has died" in str(error) else "worker"
            if isinstance(error, ActorUnavailableError):
                what = "unknown"
            # Ray's own text names processes and addresses; a stored reason is the same in every run.
            raise Died(Failure("crash", "the worker process died"), error, what) from error

    def dismiss(self, actor: Any) -> None:
        if ray.is_initialized():
            ray.kill(actor)

    def cores(self) -> str:
        """How many the cluster has and how many are free."""
        cores, free = (resources().get("CPU", 0) for resources in (ray.cluster_resources, ray.available_resources))
        return f"of the cluster's {cores:g} cores {free:g} are free"

    def close(self) -> None:
        """Leave the cluster, or end it with all that it left on the disk, if we made the connection."""
        if self._ours:
            self._ours = False
            ray.shutdown()
            if self._session:
                shutil.rmtree(self._session, ignore_errors=True)
                latest = Path(self._session).with_name("session_latest")
                if not latest.exists():  # the link to what was removed
                    latest.unlink(missing_ok=True)


def _connect(n: int, environment: Mapping[str, str]) -> str:
    """Join the cluster that there is, or start one on this machine; the folder of the latter."""
    where = address.address()
    local = where == address.LOCAL
    # More workers than cores are allowed: the number of workers never changes a result, so it must not fail.
    cores = {} if n == AUTO else {"num_cpus": n}
    options = {"include_dashboard": False, "object_store_memory": OBJECT_STORE, **cores} if local else {}
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    slow = threading.Timer(SLOW_SECONDS, logger.warning, [f"Ray ({where}) is slow to start; still waiting"])
    slow.daemon = True
    slow.start()
    before = signal.getsignal(signal.SIGTERM)
    try:
        address.knock(where)
        with _environment({**quiet, **environment}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context = ray.init(address=where, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (RayError, RuntimeError, ValueError, OSError) as error:
        alone = "" if local else "; RAY_ADDRESS=local starts one on this machine alone"
        raise WorkerError(f"Ray ({where}) cannot be started or reached: {one_line(error)}{alone}") from error
    finally:
        slow.cancel()
        _answer(before)
    return str(context.address_info["session_dir"]) if local else ""


def _answer(handler: Any) -> None:
    """Ray takes SIGTERM for itself; who minded it before goes on to."""
    if handler not in (None, signal.SIG_DFL) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
