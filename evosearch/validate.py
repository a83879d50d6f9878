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

import proxies
from evosearch import arguments, control, directory, shell, told, validation_tables
from evosearch.config import Config, ConfigError
from evosearch.console import printer
from evosearch.contenders import archive_of, candidates, controls, named, read
from evosearch.contest import MOST_REPLICATES
from evosearch.files import CONTROL
from evosearch.meter import Counted, Meter
from evosearch.mistakes import StoreError
from evosearch.resolve import place_in_run
from evosearch.run import Prologue, prepare
from evosearch.search import Search
from evosearch.store import Store
from evosearch.validation import Plan, Validation, load, measure, save
from evosearch.warm import compile_machines
from evosearch.workers import Workers, open_workers
from primitives.program import ProgramError
from proxies import TaskError

DEADLINE = 600.0  # seconds of one job
LEAST = {"seeds": 3, "trials": 1, "candidates": 1, "seed": 0, "random": 1}


def validate(args: argparse.Namespace) -> None:
    """Show the stored validation; where there is none, or it is not complete, do what is left first."""
    began = time.monotonic()
    console = printer()
    path = Path(args.directory)
    workers = arguments.processes(arguments.workers(args.workers))
    report = arguments.output(args.json) if args.json else None
    config, store = directory.reopen(path)
    try:
        found = load(path)
        if found is not None and found.next is None and not args.again:
            how = "" if _is(found.plan, args, config) else " with other options"
            console.print(f"Validated before{how}; to look at the tasks again, which is counted, add --again.")
        else:
            plan = _plan(args, config)
            found = _measured(plan, found, args.again, Run(path, config, store), workers, Meter(console, began))
        validation_tables.show(console, found, store.count())
    finally:
        store.close()
    if report is not None:
        directory.write(report, json.dumps(validation_tables.report(found), indent=1) + "\n")


def _is(plan: Plan, args: argparse.Namespace, config: Config) -> bool:
    """Whether the options say the same plan; not so where they make none any more."""
    try:
        return _plan(args, config) == plan
    except (ConfigError, ProgramError, TaskError):
        return False


@dataclass(frozen=True)
class Run:
    """The run that is validated."""

    path: Path
    config: Config
    store: Store


def _measured(plan: Plan, before: Validation | None, again: bool, run: Run, workers: int, meter: Meter) -> Validation:
    """A complete validation: the rest of one that was interrupted, or a new one. It is kept as it grows."""
    found = _unfinished(plan, before, again, run.path)
    programs = run.store.count() if found is None else found.programs
    told.refuse(run.path, run.store)
    if run.store.get("prologue") is None or not programs:
        raise StoreError(f"{run.path} has no candidates yet; go on with `{shell.command('resume', run.path)}`.")
    at_random = control.at_random(run.config, plan.at_random(programs))
    command = shlex.join(["evosearch", *sys.argv[1:]])
    pool: Workers | None = None
    try:
        with meter:
            compile_machines(run.config.proxies, meter.say)
            pool = open_workers(workers, "evosearch.breed:make_context", (at_random,))
            if found is None:
                earlier = () if before is None else (*before.earlier, *before.concluded())
                found = _begun(plan, run, programs, at_random, pool, meter, earlier)
                save(found, run.path)
            meter.console.print(_cost(found, pool.size), soft_wrap=True, markup=False)
            call = Prologue(Counted(pool, meter), DEADLINE).call
            while tier := found.next:
                meter.say(f"{tier} tier")
                found = measure(found, tier, run.path, run.config.seed, command, call, meter.say)
                save(found, run.path)
            return found
    except KeyboardInterrupt:
        meter.console.print("\nStopped; the same command goes on from the tier that is finished.")
        raise
    finally:
        if pool is not None:
            pool.close()


def _unfinished(plan: Plan, before: Validation | None, again: bool, path: Path) -> Validation | None:
    """The validation to go on with; ConfigError where one was interrupted that is another."""
    if before is None or before.next is None:
        return None
    if before.plan == plan:
        return before
    if again:
        return None
    raise ConfigError(
        f"a validation of {path} with other options was interrupted; use those, or --again to begin anew."
    )


def _begun(
    plan: Plan, run: Run, programs: int, at_random: Config, pool: Workers, meter: Meter, earlier: tuple[str, ...]
) -> Validation:
    """A new validation: the run's candidates, the best of random search, and the other controls."""
    references = prepare(run.config, run.store, Prologue(pool, DEADLINE), meter.say)
    found = candidates(archive_of(run.config, run.store, references.bar), plan.candidates)
    if not found and not plan.programs:
        raise StoreError(f"no program of {run.path} passed all hurdles; search for longer before it is validated.")

    def watch(search: Search) -> None:
        if meter.due():
            meter.say(f"random search: {search.tally.generated:,} of {at_random.programs:,} programs")

    size = "the same size" if at_random.programs == programs else f"{at_random.programs:,} programs"
    meter.say(f"random search of {size}, into {run.path / CONTROL}")
    best = control.random_search(at_random, run.path, run.store, pool, references.bar, watch)
    others = controls(references, run.config.evolution.start, run.store, best)
    others += named(plan.programs, plan.against, (*found, *others))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Validation(plan, now, programs, (*found, *others), earlier=earlier)


def _plan(args: argparse.Namespace, config: Config) -> Plan:
    """What is to be done; ConfigError for the first option that cannot be used."""
    for name, least in LEAST.items():
        if getattr(args, name) is not None and getattr(args, name) < least:
            raise ConfigError(f"--{name} is {getattr(args, name)} and must be at least {least}.")
    if args.seeds > MOST_REPLICATES:
        raise ConfigError(f"--seeds is {args.seeds} and must be at most {MOST_REPLICATES}.")
    own, against = read(args.program or (), args.against or ())
    bred = (*config.proxies, *(task for name in args.program or () for task in bred_on(name)))
    selection = _tasks(args.selection or ["selection"], "--selection", bred)
    held_out = _tasks(args.held_out or proxies.of_tier("held out"), "--held-out", bred)
    for name in selection:
        if name in held_out:
            raise ConfigError(f"{name} cannot serve both to choose and to judge; name another for one of the two.")
    chosen_on = {source: name for name in selection for source in _sources(name)}
    for name in held_out:
        # What is sealed shares no rows with any other task (tests/proxies/test_manifest.py), nor may own tasks with it.
        if shared := sorted(chosen_on.keys() & (set() if _sealed(name) else _sources(name))):
            raise ConfigError(
                f"{name} has data that {chosen_on[shared[0]]} chooses on ({', '.join(shared)}); name another task for "
                "one of the two."
            )
    return Plan(selection, held_out, args.seeds, args.trials, args.candidates, args.seed, own, against, args.random)


def bred_on(spec: str) -> tuple[str, ...]:
    """The tasks that a program was bred on, where it is named in a run; of others nobody knows."""
    place = place_in_run(spec)
    return () if place is None else directory.configuration(place[0]).proxies


def _tasks(given: list[str] | tuple[str, ...], option: str, bred: tuple[str, ...]) -> tuple[str, ...]:
    """The tasks of a tier; ConfigError for those that candidates were bred on, or that are sealed and should not be."""
    names = arguments.tasks(list(given))
    if not names:
        raise ConfigError(f"there is no task of that tier; name some with {option}.")
    for name in names:
        if _sealed(name):
            if option == "--selection":
                raise ConfigError(f"{name} is held out: it judges, and cannot serve to choose before.")
            continue
        try:
            shared = _sources(name) & {source for task in bred for source in _sources(task)}
        except ValueError as error:
            raise ConfigError(str(error)) from error
        if name in bred or shared:
            what = f" ({', '.join(sorted(shared))})" if shared else ""
            raise ConfigError(f"{name} has data that the run was bred on{what}; name another task for {option}.")
    return names


def _sources(name: str) -> set[str]:
    """Where the rows of a task come from."""
    return set(proxies.get(name).data().sources)


def _sealed(name: str) -> bool:
    return name in proxies.TASKS and proxies.TASKS[name].tier == "held out"


def _cost(validation: Validation, workers: int) -> str:
    """What is about to be spent, in words."""
    plan, count = validation.plan, len(validation.contenders)
    micro = [proxies.get(name).microseconds * proxies.get(name).steps for name in plan.selection]
    trainings = plan.trainings(count, len(micro))
    seconds = trainings * sum(micro) / len(micro) / workers / 1e6
    time = f"{seconds / 60:.1f} min" if seconds >= 60 else f"{max(1, round(seconds))} s"
    left = plan.trainings(validation.most_judged, len(plan.held_out))
    return (
        f"{count} programs on {len(micro)} selection task{'s' * (len(micro) > 1)}: {trainings:,} trainings, roughly "
        f"{time} on {workers} worker{'s' * (workers > 1)}; then at most {left:,} on {len(plan.held_out)} held-out "
        f"task{'s' * (len(plan.held_out) > 1)}."
    )
