"""How many workers one driver feeds: real ones, then simulated ones up to 2,000. Last line: the figure.

    python experiments/benchmarks/scaling.py [--proxy suite] [--programs 3000] [--no-ray]

First a search really runs, in this process and with one and two Ray workers: candidates per second, what breeding takes
in a worker, what Ray takes in the driver. Then workers that answer at once, with what that search found, show the
driver's own CPU time for each candidate, by part. Then up to 2,000 workers that answer after the times that jobs took
(simulated.py: the driver's work is real, waiting is leapt over, Ray's share is added as measured). The driver is given
a core of its own there, which a cluster should give it too.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import contextlib  # noqa: E402
import dataclasses  # noqa: E402
import os  # noqa: E402
import sqlite3  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable, Iterator, Sequence  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))

from simulated import BREED, EVALUATE, MAKE_CONTEXT, AtOnce, Clock, Pretended, Tape, Toll, record, search_on  # noqa: E402

import proxies  # noqa: E402
from evosearch import breed, mutate  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.crew import Crew  # noqa: E402
from evosearch.machine import this_machine  # noqa: E402
from evosearch.parents import Parents  # noqa: E402
from evosearch.population import Population  # noqa: E402
from evosearch.search import Search  # noqa: E402
from evosearch.store import Store  # noqa: E402
from evosearch.workers import open_workers  # noqa: E402

IN_WORKERS = [
    (breed, "mutate", "mutate"),
    (mutate, "canonical", "canonical form"),
    (breed, "compile_program", "compile"),
    (breed, "fingerprints", "fingerprint"),
]
IN_DRIVER = [
    (Parents, "choose", "choose parents"),
    (Search, "_breed", "order: jobs of breeding"),
    (Search, "_send", "look up and order: jobs of measuring"),
    (Population, "thresholds", "hurdles"),
    (Search, "_take", "take results"),
    (Search, "_commit", "archive and population"),
    (Store, "add", "store"),
]
BLOCK, LAG, SMALL_BATCH = 4096, 24, 8  # of evolution and scoring: what a thousand workers need
FED = 0.9  # of its time a worker that is fed is busy


class Parts:
    """CPU seconds by part, each without the parts inside it, while functions are replaced by timed ones."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.open: list[str] = []
        self.since = 0.0

    @contextmanager
    def of(self, places: Sequence[tuple[Any, str, str]]) -> Iterator[None]:
        """Time the functions given by owner, name and part."""
        before = [getattr(owner, name) for owner, name, _ in places]
        for (owner, name, part), function in zip(places, before, strict=True):
            setattr(owner, name, self._timed(function, part))
        try:
            yield
        finally:
            for (owner, name, _), function in zip(places, before, strict=True):
                setattr(owner, name, function)

    def _timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **named: Any) -> Any:
            self._count()
            self.open.append(part)
            try:
                return function(*args, **named)
            finally:
                self._count()
                self.open.pop()

        return timed

    def _count(self) -> None:
        """What has passed belongs to the innermost part."""
        now = time.thread_time()
        if self.open:
            self.seconds[self.open[-1]] = self.seconds.get(self.open[-1], 0.0) + now - self.since
        self.since = now

    def show(self, count: int, what: str) -> float:
        """Print microseconds for each of `count`; their sum."""
        for part, seconds in sorted(self.seconds.items(), key=lambda item: -item[1]):
            print(f"    {part:38}{1e6 * seconds / count:8.1f} us a {what}")
        return 1e6 * sum(self.seconds.values()) / count


def on_ray(tape: Tape, config: Config, count: int, path: Path) -> float:
    """Candidates per second on so many Ray workers, once they have compiled what they need in a first short search."""
    pool = open_workers(count, MAKE_CONTEXT, (config,))
    seconds = 0.0
    for name, programs in (("first", config.evolution.block * count), ("timed", config.programs)):
        found, close = search_on(tape, config, pool, path / name)
        began = time.perf_counter()
        found.run(programs, lambda: False, lambda s: None)
        seconds = time.perf_counter() - began
        close()
    pool.close()
    return config.programs / seconds


def ray_toll(tape: Tape, jobs: int = 100, many: int = 2000) -> Toll:
    """What Ray takes in the driver for jobs of breeding, which are larger than the others, and for a look at many."""
    from evosearch.ray_workers import RayCluster

    cluster, items = RayCluster(1, {"CPU": 1}), tuple((i, tape.bar.text, 0.0) for i in range(32))
    actor = cluster.hire(())
    cluster.result(cluster.call(actor, "introduce"))
    cluster.result(cluster.call(actor, "start", MAKE_CONTEXT, (tape.config,)))
    clock = time.thread_time
    for count in (5, jobs):  # the first calls take what later ones do not
        began = clock()
        references = [cluster.call(actor, "run", BREED, None, items) for _ in range(count)]
        sent = clock() - began
        while len(cluster.wait(references, 1.0)) < count:
            time.sleep(0.1)
        began = clock()
        for reference in references:
            cluster.result(reference)
        taken = clock() - began
    waiting = [cluster.call(actor, "run", BREED, None, items) for _ in range(many)]
    began = clock()
    for _ in range(10):
        cluster.wait(waiting[-many // 2 :], 0.0)
    looked = (clock() - began) / 10 / (many // 2)
    cluster.dismiss(actor)
    cluster.close()
    return Toll(sent / jobs, taken / jobs, looked)


def driver(tape: Tape, config: Config, programs: int, path: Path) -> float:
    """Print the driver's CPU time for a candidate, by part, where workers answer at once; the sum in microseconds."""
    pool, parts = AtOnce(tape), Parts()
    found, close = search_on(tape, config, pool, path)
    places = [*IN_DRIVER, (AtOnce, "submit", "simulation"), (AtOnce, "next", "simulation")]
    with parts.of(places):
        found.run(programs, lambda: False, lambda s: None)
    close()
    del parts.seconds["simulation"]
    return parts.show(programs, "candidate")


@dataclasses.dataclass(frozen=True)
class Rate:
    """What so many simulated workers do."""

    rate: float  # candidates a second
    busy: float  # part of the workers' time
    search: float  # microseconds of the driver for a candidate: the search itself,
    crew: float  # who runs what,
    ray: float  # and Ray

    @property
    def driver(self) -> float:
        """All of the driver's microseconds for a candidate."""
        return self.search + self.crew + self.ray


def simulate(tape: Tape, config: Config, count: int, programs: int, toll: Toll, times: float, path: Path) -> Rate:
    """So many simulated workers; the first blocks, in which the pipeline fills, and the last do not count."""
    clock, parts, marks = Clock(), Parts(), list[tuple[float, int, float]]()
    cluster = Pretended(count, tape, clock, toll, times)
    pool = Crew(cluster, count, MAKE_CONTEXT, (config,))
    found, close = search_on(tape, config, pool, path)

    def watch(s: Search) -> None:
        with clock.outside():
            marks.append((clock.now(), s.tally.generated, cluster.busy))

    places = [(Pretended, name, "simulation") for name in ("call", "wait", "result")]
    with parts.of([(Search, "run", "search"), (Crew, "submit", "crew"), (Crew, "next", "crew"), *places]):
        found.run(programs, lambda: False, watch)
    close()
    lag = config.evolution.lag
    (began, first, busy), (end, last, busy_end) = marks[lag], marks[-lag - 1]
    each = {part: 1e6 * seconds / programs for part, seconds in parts.seconds.items()}
    tolls = 1e6 * cluster.paid / programs
    rate = (last - first) / (end - began)
    return Rate(rate, (busy_end - busy) / (end - began) / count, each["search"], each["crew"], tolls)


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print all of it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--proxy", default="suite", help="tasks of the search (default: the default suite)")
    options.add_argument("--programs", type=int, default=3000, help="candidates of the real searches")
    options.add_argument("--simulated", type=int, nargs="*", default=[1, 2, 8, 32, 128, 500, 1000, 2000])
    options.add_argument("--at-once", type=int, default=30_000, help="candidates of workers that answer at once")
    options.add_argument("--laps", type=int, default=12, help="blocks of a simulated search beside those in flight")
    options.add_argument("--block", type=int, default=BLOCK, help="evolution.block of the simulated searches")
    options.add_argument("--lag", type=int, default=LAG, help="evolution.lag of the simulated searches")
    options.add_argument("--times", type=float, default=1.0, help="simulated tasks that take so many times as long")
    options.add_argument("--no-ray", action="store_true", help="neither real Ray workers nor Ray's share")
    args = options.parse_args(words)
    warnings.simplefilter("ignore")
    os.environ["RAY_ADDRESS"] = "local"  # the figures are of this machine, whatever cluster it is in
    tasks = proxies.SUITE if args.proxy == "suite" else tuple(args.proxy.split(","))
    print(", ".join(f"{name} {value}" for name, value in this_machine().items()))
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Config(proxies=tasks, programs=args.programs), Path(folder))


def measure(args: argparse.Namespace, config: Config, path: Path) -> None:
    """All of it, into an empty folder."""
    inside = Parts()
    with inside.of(IN_WORKERS):
        tape = record(batches(config, SMALL_BATCH), path / "real")
    rate = config.programs / tape.took
    print(f"in this process: {rate:.0f} candidates per CPU second on {', '.join(config.proxies)}; of that, breeding:")
    inside.show(config.programs, "candidate")
    print(f"    {'all of it':38}{1e6 * tape.cost(BREED):8.1f} us a candidate")
    print(f"    {'measuring':38}{1e3 * tape.cost(EVALUATE):8.1f} ms a new program")
    toll = Toll()
    if not args.no_ray:
        for count in (1, 2):
            rate = on_ray(tape, config, count, path / f"ray{count}")
            print(f"{count} Ray worker{'s' * (count > 1)}: {rate:.0f} candidates/s of wall time", flush=True)
        toll = ray_toll(tape)
        print(
            f"Ray in the driver: {1e6 * toll.call:.0f} us to send a job, {1e6 * toll.result:.0f} us to take it, ",
            end="",
        )
        print(f"{1e6 * toll.look:.2f} us for each worker looked at")
    evolution = dataclasses.replace(config.evolution, block=args.block, lag=args.lag)
    large = dataclasses.replace(batches(config, SMALL_BATCH), evolution=evolution)
    for name, settings in (("by default", config), ("many", large)):
        e = settings.evolution
        print(f"driver, workers that answer at once, block {e.block}, lag {e.lag}:")
        own = driver(tape, settings, max(args.at_once, 2 * e.block), path / name)
        print(f"    {'sum':38}{own:8.1f} us a candidate")
    database = path / "many" / "store.sqlite"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        [(rows,)] = connection.execute("SELECT COUNT(*) FROM candidates")
    print(f"store: {database.stat().st_size / rows * 1e5 / 2**20:.0f} MB per 100,000 candidates")
    simulate_all(tape, large, args, toll, path)


def batches(config: Config, size: int) -> Config:
    """The same search, with batches of that size."""
    return dataclasses.replace(config, scoring=dataclasses.replace(config.scoring, batch=size))


def simulate_all(tape: Tape, config: Config, args: argparse.Namespace, toll: Toll, path: Path) -> None:
    """A row for each number of simulated workers, and the figure."""
    e = config.evolution
    print(f"simulated, in virtual time: block {e.block}, lag {e.lag}, batch {config.scoring.batch}")
    print(f"{'workers':>10}{'candidates/s':>15}{'workers busy':>15}{'driver busy':>13}", end="")
    print(f"{'us a candidate: search':>25}{'crew':>8}{'Ray':>8}")
    found: dict[int, Rate] = {}
    for count in args.simulated:
        programs = e.block * (2 * e.lag + args.laps)
        rate = found[count] = simulate(tape, config, count, programs, toll, args.times, path / f"simulated{count}")
        print(f"{count:10}{rate.rate:15.0f}{rate.busy:15.0%}{1e-6 * rate.driver * rate.rate:13.0%}", end="")
        print(f"{rate.search:25.1f}{rate.crew:8.1f}{rate.ray:8.1f}", flush=True)
    fed = max((count for count, rate in found.items() if rate.busy >= FED), default=0)
    best = max(rate.rate for rate in found.values())
    print(f"one driver keeps {fed} workers {FED:.0%} busy; the most it reached is {best:.0f} candidates/s")


if __name__ == "__main__":
    main()
