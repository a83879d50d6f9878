"""The commands run and resume: each calls the library and prints. Imported after arguments are parsed."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from evosearch import arguments, checks, directory, stopping
from evosearch import run as running
from evosearch.breed import own_files
from evosearch.callbacks import Callback, Watch
from evosearch.config import DEFAULT_BUDGET, Config, ConfigError, load
from evosearch.console import printer
from evosearch.files import is_control
from evosearch.meter import Heeding
from evosearch.mistakes import StoreError
from evosearch.progress import Progress, show_result
from evosearch.resolve import full_name
from evosearch.shell import command
from evosearch.store import Store
from evosearch.workers import RESOURCES, open_workers
from primitives import own

console = printer()


def run(args: argparse.Namespace) -> None:
    """Begin a search and stay until it ends."""
    began = time.monotonic()
    config = _configured(args)
    checks.check(config)
    check_device(config.device)
    path = Path(args.out) if args.out else directory.unnamed()
    store = directory.create(path, config)
    drive(config, path, store, config.programs, config.budget, began)


def resume(args: argparse.Namespace) -> None:
    """Go on with a search."""
    began = time.monotonic()
    path = Path(args.directory)
    if is_control(path):
        again = command("validate", path.parent)
        raise ConfigError(f"{path} is the control of a validation; `{again}` goes on with what was interrupted.")
    config, store = directory.reopen(path, drive=True)
    try:
        checks.check_tasks(config.proxies)
        check_device(config.device)
        programs, budget = extended(args.programs, args.budget, path, config, store.count())
        if args.workers is not None:
            config = dataclasses.replace(config, workers=arguments.workers(args.workers)).check()
    except BaseException:
        store.close()
        raise
    drive(config, path, store, programs, budget, began)


def check_device(device: str) -> None:
    """Refuse a device that is not there, before anything is written."""
    if device != "cpu":
        from primitives.machines.gpu_driver import problem

        if reason := problem(device):
            raise ConfigError(f"{reason}; use --device cpu.")


def extended(more: str | None, longer: str | None, path: Path, config: Config, done: int) -> tuple[int, float]:
    """Up to how many candidates, or for how many seconds, a resumed search goes on, by its two options."""
    programs, budget = config.programs, config.budget
    if more is not None:
        if not re.fullmatch(r"\+?\d+", more):
            raise ConfigError("--programs of resume is +N candidates more, or N in all.")
        programs = int(more) + (done if more.startswith("+") else 0)
        if programs < max(done, 1):
            raise ConfigError(f"{path} has {done} candidates already; --programs can only add to them.")
        budget = 0.0
    if longer is not None:
        programs, budget = (programs if more else 0), arguments.seconds(longer.removeprefix("+"))
    if more is None and longer is None and 0 < programs <= done:
        raise ConfigError(f"{path} is complete with {done} candidates; extend it with --programs +N or --budget +TIME.")
    return programs, budget


def drive(
    config: Config,
    path: Path,
    store: Store,
    programs: int,
    budget: float,
    began: float,
    *,
    console: Console = console,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Search with progress; Ctrl-C, SIGTERM and a closed terminal leave everything committed and say how to go on."""
    until = began + budget * (1 - running.FINAL_SHARE) if budget else None
    progress = Progress(console, path, store.count(), programs, until, began)
    watch = Watch(progress.watch, callbacks)
    workers = None
    try:
        with stopping.heed(path / stopping.REQUEST), progress:
            on_gpu = config.device != "cpu"
            processes = arguments.processes(max(1, config.workers) if on_gpu else config.workers)
            needs = RESOURCES["cuda" if on_gpu else "cpu"]
            args = config, own_files(config)
            workers = open_workers(processes, "evosearch.breed:make_context", args, needs)
            result = running.go(
                config,
                path,
                store,
                Heeding(workers),
                programs=programs,
                until=until,
                say=progress.say,
                watch=watch,
                stop=watch.asked,
            )
        show_result(console, result, config)
    except KeyboardInterrupt as end:
        console.print(f"\nStopped; {store.count()} candidates are saved. Go on with: {command('resume', path)}")
        if not isinstance(end, stopping.Requested):
            raise
    finally:
        with stopping.closing():
            watch.close()
            _note_time(store, began)
            store.close()
            if workers is not None:
                workers.close()


def _note_time(store: Store, began: float) -> None:
    """Add to the seconds that the search took in all; where the disk refuses, what is told of that says enough."""
    with contextlib.suppress(StoreError):
        store.put("seconds", round((store.get("seconds") or 0.0) + time.monotonic() - began, 1))


def _configured(args: argparse.Namespace) -> Config:
    """The configuration file, then the options over it."""
    config = load(Path(args.config)) if args.config else Config()
    language = _changed(
        config.language,
        max_states=args.max_states,
        max_length=args.max_length,
        max_cost=args.max_cost,
        only=tuple(args.only) if args.only else None,
        also=tuple(args.also) if args.also else None,
        without=tuple(args.without) if args.without else None,
        primitives=tuple(map(own.full_name, args.primitives or config.language.primitives)),
    )
    evolution = _changed(config.evolution, start=tuple(map(full_name, args.start or config.evolution.start)))
    config = _changed(
        config,
        proxies=arguments.tasks(args.proxy or config.proxies),
        programs=args.programs,
        budget=None if args.budget is None else arguments.seconds(args.budget),
        workers=None if args.workers is None else arguments.workers(args.workers),
        seed=args.seed,
        device=args.device,
        language=language,
        evolution=evolution,
    )
    if args.programs is not None and args.programs < 1:
        raise ConfigError(f"--programs is {args.programs} and must be at least 1.")
    if not config.programs and not config.budget:
        config = dataclasses.replace(config, budget=arguments.seconds(DEFAULT_BUDGET))
    checked: Config = config.check()
    return checked


def _changed(record: Any, **values: Any) -> Any:
    """The record with the values that were given."""
    return dataclasses.replace(record, **{key: value for key, value in values.items() if value is not None})
