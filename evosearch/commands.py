"""What each command does: calls the library and prints. Imported after the arguments are parsed."""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
import time
from datetime import datetime
from keyword import iskeyword
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

import proxies
from evosearch import catalogue, directory
from evosearch import run as running
from evosearch.config import DEFAULT_BUDGET, Config, ConfigError, load
from evosearch.mutate import MutationError
from evosearch.progress import Progress, show_result
from evosearch.resolve import resolve
from evosearch.store import Store, StoreError
from evosearch.workers import WorkerError, open_workers
from primitives.bytecode import UnsupportedError
from primitives.export import source
from primitives.program import ProgramError

MISTAKES = (ConfigError, MutationError, ProgramError, StoreError, UnsupportedError, WorkerError)
"""Errors whose text is a sentence for the user."""
console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


def run(args: argparse.Namespace) -> None:
    """Begin a search and stay until it ends."""
    began = time.monotonic()
    config = _configured(args)
    running.check(config)
    path = Path(args.out) if args.out else Path("runs") / f"{datetime.now():%Y-%m-%d-%H%M%S}"
    store = directory.create(path, config)
    _go(config, path, store, config.programs, config.budget, began)


def resume(args: argparse.Namespace) -> None:
    """Go on with a search."""
    began = time.monotonic()
    path = Path(args.directory)
    config, store = directory.reopen(path)
    try:
        programs, budget = _extended(args, path, config, store.count())
        if args.workers is not None:
            config = dataclasses.replace(config, workers=_workers(args.workers)).check()
    except ConfigError:
        store.close()
        raise
    _go(config, path, store, programs, budget, began)


def _extended(args: argparse.Namespace, path: Path, config: Config, done: int) -> tuple[int, float]:
    """Up to how many candidates, or for how many seconds, a resumed search goes on."""
    programs, budget = config.programs, config.budget
    if args.programs is not None:
        if not re.fullmatch(r"\+?\d+", args.programs):
            raise ConfigError("--programs of resume is +N candidates more, or N in all.")
        programs = int(args.programs) + (done if args.programs.startswith("+") else 0)
        if programs < max(done, 1):
            raise ConfigError(f"{path} has {done} candidates already; --programs can only add to them.")
        budget = 0.0
    if args.budget is not None:
        programs, budget = (programs if args.programs else 0), _seconds(args.budget.removeprefix("+"))
    if args.programs is None and args.budget is None and not budget and programs <= done:
        raise ConfigError(f"{path} is complete with {done} candidates; extend it with --programs +N or --budget +TIME.")
    return programs, budget


def _go(config: Config, path: Path, store: Store, programs: int, budget: float, began: float) -> None:
    """Search with progress; Ctrl-C leaves everything committed and says how to go on."""
    until = began + budget * (1 - running.FINAL_SHARE) if budget else None
    progress = Progress(console, path, store.count(), programs, until, began)
    workers = None
    try:
        with progress:
            workers = open_workers(_processes(config.workers), "evosearch.breed:make_context", (config,))
            result = running.go(
                config, path, store, workers, programs=programs, until=until, say=progress.say, watch=progress.watch
            )
        show_result(console, result, config)
    except KeyboardInterrupt:
        console.print(f"\nStopped; {store.count()} candidates are saved. Go on with: evosearch resume {path}")
        raise
    finally:
        store.close()
        if workers is not None:
            workers.close()


def _configured(args: argparse.Namespace) -> Config:
    """The configuration file, then the options over it."""
    config = load(Path(args.config)) if args.config else Config()
    language = _changed(
        config.language,
        max_states=args.max_states,
        max_length=args.max_length,
        max_cost=args.max_cost,
        only=tuple(args.only) if args.only else None,
        without=tuple(args.without) if args.without else None,
    )
    evolution = _changed(config.evolution, start=tuple(args.start) if args.start else None)
    config = _changed(
        config,
        proxies=_proxies(args.proxy) if args.proxy else None,
        programs=args.programs,
        budget=None if args.budget is None else _seconds(args.budget),
        workers=None if args.workers is None else _workers(args.workers),
        seed=args.seed,
        device=args.device,
        language=language,
        evolution=evolution,
    )
    if args.programs is not None and args.programs < 1:
        raise ConfigError(f"--programs is {args.programs} and must be at least 1.")
    if not config.programs and not config.budget:
        config = dataclasses.replace(config, budget=_seconds(DEFAULT_BUDGET))
    checked: Config = config.check()
    return checked


def _changed(record: Any, **values: Any) -> Any:
    """The record with the values that were given."""
    return dataclasses.replace(record, **{key: value for key, value in values.items() if value is not None})


def _proxies(given: list[str]) -> tuple[str, ...]:
    expanded = [name for item in given for name in (proxies.SUITE if item == "suite" else (item,))]
    return tuple(dict.fromkeys(expanded))


def _workers(text: str) -> int:
    if text == "auto":
        return -1
    if not re.fullmatch(r"\d+", text) or int(text) < 1:
        raise ConfigError(f"--workers is '{text}' and must be a positive number, or 'auto' for one for each core.")
    return int(text)


def _processes(workers: int) -> int:
    """Ray workers to open; 0 runs in this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = cores if workers == -1 else workers
    return 0 if count == 1 else count


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or float(match[1]) <= 0:
        raise ConfigError(f"'{text}' is no time; write it as 90s, 10m or 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def export(args: argparse.Namespace) -> None:
    """Write a program as a stand-alone torch optimizer."""
    program = resolve(args.program)
    if args.class_name is not None and (not args.class_name.isidentifier() or iskeyword(args.class_name)):
        raise ConfigError(f"'{args.class_name}' is no name for a class.")
    path = Path(args.output)
    if path.is_dir():
        raise ConfigError(f"{path} is a directory; name the Python file to write.")
    try:
        text = source(program, args.class_name)
        directory.write(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}.") from error
    found = re.search(r"^class (\w+)\(torch.optim.Optimizer\)", text, re.MULTILINE)
    print(f"Wrote {path}: from {path.stem} import {found[1] if found else program.name}")


def list_proxies(args: argparse.Namespace) -> None:
    """The tasks, their size and cost."""
    table = Table("name", "parameters", "steps", "batch", "ms a training", "what", box=None, pad_edge=False)
    for name, task in proxies.TASKS.items():
        p = proxies.made(task)
        cost = f"{p.microseconds * p.steps / 1000:.2g}"
        table.add_row(name, f"{sum(p.layout.sizes):,}", str(p.steps), str(p.batch), cost, p.summary)
    console.print(table)


COMMANDS = {
    "run": run,
    "resume": resume,
    "list": catalogue.list_programs,
    "inspect": catalogue.inspect,
    "export": export,
    "proxies": list_proxies,
}
