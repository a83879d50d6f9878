"""The command `validate`: from a search to an honest statement, by way of tasks that the search never saw."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import proxies
from evosearch import arguments, control, directory, validation_tables
from evosearch.config import Config, ConfigError
from evosearch.contenders import archive_of, candidates, controls
from evosearch.meter import Counted, Meter
from evosearch.run import Prologue, prepare
from evosearch.search import Search
from evosearch.store import Store, StoreError
from evosearch.validation import Plan, Validation, load, measure, save
from evosearch.warm import compile_machines
from evosearch.workers import Workers, open_workers

DEADLINE = 600.0  # seconds of one job
LEAST = {"seeds": 3, "trials": 1, "candidates": 1, "seed": 0}


def validate(args: argparse.Namespace) -> None:
    """Show the stored validation; where there is none, or it is not complete, do what is left first."""
    began = time.monotonic()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    path = Path(args.directory)
    workers = arguments.processes(arguments.workers(args.workers))
    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise ConfigError(f"cannot write {args.json}: there is no such directory.")
    config, store = directory.reopen(path)
    try:
        kept = load(path)
        if kept is not None and kept.next is None and not args.again:
            console.print("Validated before; to look at the tasks again, which is counted, add --again.\n")
        else:
            kept = _made(_plan(args, config), kept, args.again, Run(path, config, store), console, workers, began)
        validation_tables.show(console, kept, store.count())
    finally:
        store.close()
    if args.json:
        directory.write(Path(args.json), json.dumps(validation_tables.report(kept), indent=1) + "\n")


@dataclass(frozen=True)
class Run:
    """The run that is validated."""

    path: Path
    config: Config
    store: Store


def _made(
    plan: Plan, kept: Validation | None, again: bool, run: Run, console: Console, workers: int, began: float
) -> Validation:
    """The whole validation: what is left of one that was interrupted, or a new one."""
    unfinished = kept is not None and kept.next is not None
    if kept is not None and unfinished and kept.plan != plan and not again:
        raise ConfigError(
            f"a validation of {run.path} with other options was interrupted; use those, or --again to begin anew."
        )
    going_on = kept if kept is not None and unfinished and kept.plan == plan else None
    programs = run.store.count() if going_on is None else going_on.programs
    if run.store.get("prologue") is None or not programs:
        raise StoreError(f"{run.path} has no candidates yet; go on with `evosearch resume {run.path}`.")
    pool: Workers | None = None
    try:
        with Meter(console, began) as meter:
            at_random = control.at_random(run.config, programs)
            compile_machines(run.config.proxies, meter.say)
            pool = open_workers(workers, "evosearch.breed:make_context", (at_random,))
            if going_on is None:
                earlier = () if kept is None else (*kept.earlier, *kept.concluded())
                going_on = _begun(plan, run, at_random, pool, meter, earlier)
                save(going_on, run.path)
            console.print(_cost(going_on, max(1, workers)), soft_wrap=True, markup=False)
            command = shlex.join(["evosearch", *sys.argv[1:]])
            call = Prologue(Counted(pool, meter), DEADLINE).call
            while tier := going_on.next:
                meter.say(f"{tier} tier")
                going_on = measure(going_on, tier, run.path, run.config.seed, command, call, meter.say)
                save(going_on, run.path)
            return going_on
    except KeyboardInterrupt:
        console.print("\nStopped; the same command goes on from the tier that is finished.")
        raise
    finally:
        if pool is not None:
            pool.close()


def _begun(
    plan: Plan, run: Run, at_random: Config, pool: Workers, meter: Meter, earlier: tuple[str, ...]
) -> Validation:
    """A new validation: the run's candidates, random search of the same size, and the other controls."""
    references = prepare(run.config, run.store, Prologue(pool, DEADLINE), meter.say)
    found = candidates(archive_of(run.config, run.store, references.bar), plan.candidates)
    if not found:
        raise StoreError(f"no program of {run.path} passed all hurdles; search for longer before it is validated.")

    def watch(search: Search) -> None:
        if meter.due():
            meter.say(f"random search: {search.tally.generated:,} of {at_random.programs:,} programs")

    meter.say(f"random search of the same size, into {run.path / control.NAME}")
    best = control.random_search(at_random, run.path, run.store, pool, references.bar, watch)
    others = controls(references, run.config.evolution.start, run.store, best)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Validation(plan, now, at_random.programs, (*found, *others), earlier=earlier)


def _plan(args: argparse.Namespace, config: Config) -> Plan:
    """What is to be done; ConfigError for the first option that cannot be used."""
    for name, least in LEAST.items():
        if getattr(args, name) < least:
            raise ConfigError(f"--{name} is {getattr(args, name)} and must be at least {least}.")
    selection = _tasks(args.selection or ["selection"], "--selection", config)
    held_out = _tasks(args.held_out or proxies.of_tier("held out"), "--held-out", config)
    for name in selection:
        if name in held_out:
            raise ConfigError(f"{name} cannot serve both to choose and to judge; name another for one of the two.")
    return Plan(selection, held_out, args.seeds, args.trials, args.candidates, args.seed)


def _tasks(given: list[str] | tuple[str, ...], option: str, config: Config) -> tuple[str, ...]:
    """The tasks of a tier; ConfigError for those that the run was bred on, or that are sealed and should not be."""
    names = arguments.tasks(list(given))
    if not names:
        raise ConfigError(f"there is no task of that tier; name some with {option}.")
    for name in names:
        if _sealed(name):
            if option == "--selection":
                raise ConfigError(f"{name} is held out: it judges, and cannot serve to choose before.")
            continue
        try:
            sources = {source for task in config.proxies for source in proxies.get(task).data().sources}
            shared = sources & set(proxies.get(name).data().sources)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if name in config.proxies or shared:
            what = f" ({', '.join(sorted(shared))})" if shared else ""
            raise ConfigError(f"{name} has data that the run was bred on{what}; name another task for {option}.")
    return names


def _sealed(name: str) -> bool:
    return name in proxies.TASKS and proxies.TASKS[name].tier == "held out"


def _cost(validation: Validation, workers: int) -> str:
    """What is about to be spent, in words."""
    plan, count = validation.plan, len(validation.contenders)
    micro = [proxies.get(name).microseconds * proxies.get(name).steps for name in plan.selection]
    trainings = plan.trainings(count, len(micro))
    minutes = trainings * sum(micro) / len(micro) / workers / 60e6
    left = plan.trainings(validation.most_judged, len(plan.held_out))
    return (
        f"{count} programs on {len(micro)} selection tasks: about {trainings:,} trainings, {minutes:.1f} min on "
        f"{workers} worker{'s' * (workers > 1)}; then at most {left:,} on {len(plan.held_out)} held-out tasks."
    )
