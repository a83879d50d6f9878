"""The command `baselines`: what is stored of the tuned baselines, and how to tune them again on another machine."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import proxies
from evosearch import arguments, directory
from evosearch.baseline import FOLDER, NAMES, SETS, bar, path_of, read, stored, to_record
from evosearch.config import Config, ConfigError
from evosearch.console import fitted, printer
from evosearch.measure import rate
from evosearch.run import Prologue
from evosearch.tuning import tune
from evosearch.workers import open_workers
from primitives.reference import reference

DEADLINE = 1800.0  # seconds of one job; the longest tasks are tuned half a dozen sets at a time


def stored_sets() -> list[tuple[str, ...]]:
    """The sets of tasks whose baselines ship with the package: the default suite, each search and selection task."""
    singles = (*proxies.of_tier("search"), *proxies.of_tier("selection"))
    return list(dict.fromkeys([proxies.SUITE, *((name,) for name in singles)]))


def show(console: Console, folder: Path = FOLDER) -> None:
    """A row for each stored tuning: losses as geometric means, what is best, what was spent."""
    table = Table(box=None, pad_edge=False)
    table.add_column("tasks", overflow="fold", min_width=max(map(len, proxies.TASKS)))
    for name in (*NAMES, "bar", "warm-up", "rates"):
        table.add_column(name, no_wrap=name in NAMES)
    processors, spent = set(), []
    for path in sorted(folder.glob("*.json")):
        record, found = read(path)
        best = found[bar(found)]
        rates = ", ".join(f"{rate(e):.2g}" for e in best.exponents.values())
        spent.append(sum(t.trainings for t in found.values()) * len(record["tasks"]))
        table.add_row(
            " ".join(record["tasks"]), *(f"{math.exp(found[name].loss):.3g}" for name in NAMES), bar(found),
            f"{best.warmup:.2g}", rates,
        )  # fmt: skip
        processors.add(record["machine"].get("processor", "an unknown processor"))
    console.print(fitted(console, table, ("rates", "warm-up", "lion", "bar"), wraps=True))
    if spent:
        console.print(
            "\nValidation losses are geometric means; warm-up and learning rates are the bar's. A row took "
            f"{min(spent):,} to {max(spent):,} trainings on {', '.join(sorted(processors))}.",
            soft_wrap=True, markup=False,
        )  # fmt: skip


def rerun(sets: Sequence[tuple[str, ...]], workers: int, console: Console, folder: Path = FOLDER) -> None:
    """Tune the baselines of each set of tasks and store them, one file at a time."""
    folder.mkdir(exist_ok=True)
    pool = open_workers(workers, "evosearch.breed:make_context", (Config(),))
    try:
        run = Prologue(pool, DEADLINE).train
        for tasks in sets:
            began = time.monotonic()
            tuned = {name: tune(reference(name), tasks, run, SETS) for name in NAMES}
            seconds = time.monotonic() - began
            record = to_record(tasks, tuned, seconds)
            directory.write(folder / path_of(tasks).name, json.dumps(record, separators=(",", ":")) + "\n")
            losses = ", ".join(f"{name} {math.exp(t.loss):.4f}" for name, t in tuned.items())
            console.print(f"{' '.join(tasks)}: {losses} ({seconds:.0f} s)", soft_wrap=True)
    finally:
        pool.close()


def baselines(args: argparse.Namespace) -> None:
    """Show what is stored, or tune again."""
    console = printer(160)
    if not args.rerun:
        if args.proxy or args.all:
            raise ConfigError(f"--{'proxy' if args.proxy else 'all'} says what to tune again; add --rerun.")
        show(console)
        return
    sets = [arguments.tasks(args.proxy)] if args.proxy else stored_sets()
    for name in dict.fromkeys(name for tasks in sets for name in tasks):
        proxies.get(name)  # refuses what is sealed or unknown before anything is trained
    workers = arguments.workers(args.workers)
    todo = sets if args.proxy or args.all else [tasks for tasks in sets if stored(tasks) is None]
    if not todo:
        console.print("All stored baselines are those of today's tasks; --all tunes them again all the same.")
        return
    rerun(todo, arguments.processes(workers), console)
