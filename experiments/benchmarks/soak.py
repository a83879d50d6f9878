"""A long search on the cheapest task: does memory stay flat, and is anything left when it ends? Linux only.

    python experiments/benchmarks/soak.py [--programs 200000] [--workers 2] [--ended 3000]

Samples the memory of the driver and of each worker (proportional set size, so that shared pages count once) while the
search runs, and prints how it grows with the number of candidates after the first quarter, in which caches fill. What a
search must remember is its distinct programs: so the driver's growth is also given for each of these. Then two more
searches are ended by Ctrl-C and by SIGTERM after `--ended` candidates. After each, processes, files in the temporary
folder and shared memory that it has left are counted.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evosearch.config import Config, Scoring, to_toml
from primitives.machines.kernels import cache_folder

CONFIG = Config(
    proxies=("least_squares",),
    scoring=Scoring(tune=4, seeds=2, seed_pool=8, max_seeds=6, gate_lrs=3, gate_steps=0.2, lrs=2, final_seeds=4),
)
EVERY = 2.0  # seconds between samples
PATIENCE = 20.0  # seconds in which Ray's processes have to end
KINDS = ("driver", "worker", "Ray")
FLAT = 0.02  # of a worker's memory, in 100,000 candidates: less is noise


@dataclass
class Sample:
    """MB of each process at a number of committed candidates."""

    candidates: int
    memory: dict[str, list[float]]  # by kind


@dataclass
class Soak:
    """What was seen of a search."""

    samples: list[Sample] = field(default_factory=list)
    processes: set[tuple[int, str]] = field(default_factory=set)  # with their starting times
    seconds: float = 0.0
    code: int = 0
    left: list[str] = field(default_factory=list)


def soak(path: Path, programs: int, workers: int, *, end: int = 0, after: int = 0) -> Soak:
    """Run a search, or end it by a signal `after` so many candidates, and watch it from outside."""
    seen, began = Soak(), time.monotonic()
    shared = set(os.listdir("/dev/shm"))
    with tempfile.TemporaryDirectory(prefix="soak") as temporary:
        (path / "config.toml").write_text(to_toml(CONFIG))
        command = [sys.executable, "-m", "evosearch.cli", "run", str(path / "config.toml"), "--out", str(path / "run")]
        command += ["--programs", str(programs), "--workers", str(workers)]
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        environment |= {"TMPDIR": temporary, "RAY_TMPDIR": temporary, "EVOSEARCH_CACHE": str(cache_folder())}
        with open(path / "log", "w") as log:
            driver = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        while driver.poll() is None:
            sample = watch(driver.pid, path / "run" / "store.sqlite", seen)
            if end and sample.candidates >= after:
                driver.send_signal(end)
                end = 0
            time.sleep(EVERY)
        seen.seconds, seen.code = time.monotonic() - began, driver.returncode
        until = time.monotonic() + PATIENCE
        while (alive := [pid for pid, start in seen.processes if started(pid) == start]) and time.monotonic() < until:
            time.sleep(0.2)
        seen.left = [f"process {title(pid)}" for pid in alive]
        seen.left += [f"file {file.relative_to(temporary)}" for file in Path(temporary).rglob("*") if file.is_file()]
    maps = "".join(map(readable, Path("/proc").glob("[0-9]*/maps"))).splitlines()
    used = {line.split()[4] for line in maps if "/dev/shm/" in line}  # inodes, as semaphores are mapped by other names
    now = {name: inode(name) for name in set(os.listdir("/dev/shm")) - shared}
    seen.left += [f"/dev/shm/{name}" for name, number in now.items() if number and number not in used]
    return seen


def watch(driver: int, store: Path, seen: Soak) -> Sample:
    """Look once at all processes of a search."""
    memory: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for pid in [driver, *descendants(driver)]:
        if not (start := started(pid)):  # it has ended since it was listed, and would be found so for ever
            continue
        seen.processes.add((pid, start))
        kind = "driver" if pid == driver else "worker" if title(pid).startswith("ray::Actor") else "Ray"
        memory[kind].append(megabytes(pid))
    sample = Sample(committed(store), memory)
    seen.samples.append(sample)
    return sample


def committed(store: Path) -> int:
    """How many candidates a store holds."""
    try:
        connection = sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True)
        [(last,)] = connection.execute("SELECT MAX(number) FROM candidates")
        connection.close()
    except sqlite3.Error:  # not there yet
        return 0
    return 0 if last is None else last + 1


def distinct(store: Path) -> np.ndarray[Any, Any]:
    """How many distinct programs were trained up to each candidate."""
    connection = sqlite3.connect(store)
    query = "SELECT known = 0 AND stages != '' FROM candidates WHERE number >= 0 ORDER BY number"
    found = np.cumsum([new for (new,) in connection.execute(query)])
    connection.close()
    return found


def slope(x: list[float], y: list[float]) -> float:
    """The growth of y for one x, by least squares."""
    return float(np.polyfit(x, y, 1)[0]) if len(set(x)) > 1 else float("nan")


def report(seen: Soak, path: Path) -> None:
    """Print how memory grew."""
    count, new = committed(path / "run" / "store.sqlite"), distinct(path / "run" / "store.sqlite")
    size = (path / "run" / "store.sqlite").stat().st_size
    print(
        f"{count:,} candidates in {seen.seconds / 60:.1f} min ({count / seen.seconds:.0f}/s), {new[-1]:,} trained; ",
        end="",
    )
    print(f"store {size / 2**20:.0f} MB ({size / count * 1e5 / 2**20:.0f} MB for 100,000)")
    late = [s for s in seen.samples if s.candidates > count / 4 and all(s.memory[kind] for kind in KINDS[:2])]
    print(f"{'':8}  {'first quarter':>14}  {'end':>8}  {'peak':>8}  MB for 100,000 candidates")
    for kind in KINDS:
        some = [s for s in late if s.memory[kind]]
        means = [float(np.mean(s.memory[kind])) for s in some]
        if not means:
            continue
        grown = 1e5 * slope([s.candidates for s in some], means)
        verdict = "" if kind != "worker" else "  flat" if grown < FLAT * means[0] else "  NOT FLAT"
        print(f"{kind:8}  {means[0]:11.0f} MB  {means[-1]:5.0f} MB  {max(means):5.0f} MB  {grown:+.1f}{verdict}")
    known = [float(new[min(s.candidates, count) - 1]) for s in late]
    each = 2**20 * slope(known, [s.memory["driver"][0] for s in late])
    print(f"the driver grows by {each:,.0f} bytes for each distinct program that it knows")


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        if text := readable(stat):
            parents.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found[1:]


def title(pid: int) -> str:
    """The command line of a process."""
    return readable(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()


def started(pid: int) -> str:
    """When a process was started, which tells it from a later one of its number; empty where it has ended."""
    values = readable(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return values[19] if values and values[0] != "Z" else ""


def megabytes(pid: int) -> float:
    """The proportional set size of a process."""
    text = readable(Path(f"/proc/{pid}/smaps_rollup"))
    return next((float(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("Pss:")), 0.0)


def inode(name: str) -> str:
    """The number of a file of shared memory; empty where it has gone."""
    try:
        return str(os.stat(f"/dev/shm/{name}").st_ino)
    except OSError:
        return ""


def readable(path: Path) -> str:
    """The text of a file that may have gone."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def main() -> None:
    """Three searches: to the end, ended by Ctrl-C, ended by SIGTERM."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--programs", type=int, default=200_000)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--ended", type=int, default=3000, help="candidates after which the other two are ended")
    args = options.parse_args()
    endings = {"to its end": 0, "Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
    for name, number in endings.items():
        with tempfile.TemporaryDirectory(prefix="soaked") as folder:
            programs = 10 * args.ended if number else args.programs
            seen = soak(Path(folder), programs, args.workers, end=number, after=args.ended)
            if not number:
                report(seen, Path(folder))
            left = "; ".join(seen.left) or "nothing"
            print(f"{name}: exit code {seen.code}, {len(seen.processes)} processes were seen, left behind: {left}")


if __name__ == "__main__":
    main()
