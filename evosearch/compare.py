"""The command `compare`: programs side by side, each tuned at the same budget, with intervals; runs of searches too."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

import proxies
from evosearch import arguments, directory, pictures, tables
from evosearch.cautions import cautions
from evosearch.config import ConfigError
from evosearch.console import fitted, printer
from evosearch.contest import COMPARISONS, MOST_REPLICATES, Entrant, Results, contest
from evosearch.machine import this_machine
from evosearch.meter import Counted, Meter
from evosearch.plain import plain
from evosearch.resolve import resolve, shown
from evosearch.run import Prologue
from evosearch.verdicts import PRIMARY, Verdict, verdicts
from evosearch.warm import compile_machines
from evosearch.workers import open_workers
from primitives import own
from primitives.text import show

DEADLINE = 600.0  # seconds of one job
LEAST_SEEDS = 3
LIBRARIES = ("evosearch", "scipy")  # beside those of machine.py


def compare(args: argparse.Namespace) -> None:
    """Tune, train, judge, print; write what was asked for."""
    began = time.monotonic()
    console = printer()
    tasks = _tasks(args)
    runs = [Path(text) for text in args.programs if _is_run(text)]
    specs = [f"{text}:best" if _is_run(text) else text for text in args.programs]
    entrants = named(specs, args.constants)
    searches = [tables.search_facts(path) for path in runs]
    outputs = _outputs(args)
    if len(searches) > 1:
        console.print(tables.searches(searches))
        console.print()
    console.print(
        f"{len(entrants)} programs on {', '.join(map(proxies.shown, tasks))}: {args.seeds} replicates of a tuning "
        f"(the best of {args.trials} trial{'s' * (args.trials > 1)} by validation loss) and a training on a fresh "
        "seed, reported by test loss.",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    results = _measured(entrants, tasks, args, Meter(console, began))
    found = verdicts(results)
    sentences = cautions(results, found, args.trials)
    _print(console, results, found, sentences)
    record = {
        "primary_metric": PRIMARY,
        "options": {key: value for key, value in vars(args).items() if key != "command"},
        "machine": {**this_machine(), **{name: version(name) for name in LIBRARIES}},
        "programs": {entrant.name: show(entrant.program) for entrant in entrants},
        "searches": searches,
        "results": results,
        "verdicts": found,
        "cautions": sentences,
    }
    _write(outputs, record, results, found)
    for path in outputs.values():
        console.print(f"Wrote {path}.", soft_wrap=True, markup=False)


def named(specs: Sequence[str], constants: bool = False) -> list[Entrant]:
    """The entrants that are named, the same program told apart by a number; an error is one sentence."""
    if len(specs) < 2:
        raise ConfigError("compare sets programs side by side; name at least two.")
    met: Counter[str] = Counter()
    entrants = []
    for spec in specs:
        program, name = resolve(spec), shown(spec)
        met[name] += 1
        name = name if met[name] == 1 else f"{name} ({met[name]})"
        entrants.append(Entrant(name, program, "all") if constants else Entrant(name, program))
    return entrants


def _is_run(text: str) -> bool:
    try:
        return (Path(text) / "store.sqlite").is_file()
    except (OSError, ValueError):  # too long for a path: an expression
        return False


def _tasks(args: argparse.Namespace) -> tuple[str, ...]:
    """The tasks; ConfigError for the first number or name that cannot be used."""
    for option, value, least, most in (
        ("--seeds", args.seeds, LEAST_SEEDS, MOST_REPLICATES),
        ("--trials", args.trials, 1, 10_000),
        ("--seed", args.seed, 0, COMPARISONS - 1),
    ):
        if not least <= value <= most:
            raise ConfigError(f"{option} is {value} and must be from {least} to {most}.")
    arguments.workers(args.workers)
    tasks = arguments.tasks(args.proxy or ["suite"])
    for name in tasks:
        try:
            proxies.get(name)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    if not tasks:
        raise ConfigError(f"there is no task of the tier {' or '.join(args.proxy)}; see `evosearch proxies`.")
    return tasks


def _outputs(args: argparse.Namespace) -> dict[str, Path]:
    """The files to write, "json" and "figure", --out made for them; ConfigError where one cannot be."""
    if args.figure:
        pictures.check(Path(args.figure))
    found = {}
    if args.out:
        out = Path(args.out)
        if out.exists() and not out.is_dir():
            raise ConfigError(f"{out} is a file; --out names a directory.")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the directory {out}: {error.strerror}.") from error
        found = {"json": out / "compare.json", "figure": out / "compare.png"}
    found |= {key: Path(text) for key, text in (("json", args.json), ("figure", args.figure)) if text}
    return {key: arguments.output(str(path)) for key, path in found.items()}


def _measured(entrants: list[Entrant], tasks: tuple[str, ...], args: argparse.Namespace, meter: Meter) -> Results:
    """The contest, on workers and with progress."""
    workers = None
    try:
        with meter:
            compile_machines(tasks, meter.say)
            workers = open_workers(
                arguments.processes(arguments.workers(args.workers)), "evosearch.contest:make_context", (own.used(),)
            )
            run = Prologue(Counted(workers, meter), DEADLINE).call
            return contest(
                entrants, tasks, seeds=args.seeds, trials=args.trials, seed=args.seed, run=run, say=meter.say
            )
    finally:
        if workers is not None:
            workers.close()


def _print(console: Console, results: Results, found: tuple[Verdict, ...], sentences: Sequence[str]) -> None:
    console.print(f"\nGain over {results.names[0]}: {PRIMARY}; positive is better.\n", soft_wrap=True, markup=False)
    console.print(fitted(console, tables.verdicts(results, found), tables.SPARED))
    console.print()
    console.print(fitted(console, tables.by_task(results, found), tables.SPARED))
    console.print(f"\n{results.trainings:,} trainings. What to keep in mind:")
    for sentence in sentences:
        console.print(f"- {sentence}", soft_wrap=True, markup=False)


def _write(outputs: Mapping[str, Path], record: Any, results: Results, found: tuple[Verdict, ...]) -> None:
    try:
        if "json" in outputs:
            directory.write(outputs["json"], json.dumps(plain(record), indent=1, allow_nan=False) + "\n")
        if "figure" in outputs:
            pictures.contest(results, found, outputs["figure"])
    except OSError as error:
        raise ConfigError(f"cannot write {error.filename}: {error.strerror}.") from error
