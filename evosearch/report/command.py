"""The command `report`: gathers, trains, and writes one file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from evosearch import arguments
from evosearch.config import ConfigError
from evosearch.console import printer
from evosearch.files import write
from evosearch.meter import Meter
from evosearch.mistakes import StoreError
from evosearch.report.curves import measure
from evosearch.report.explained import explained
from evosearch.report.facts import gather, subjects
from evosearch.report.page import page
from evosearch.shell import beginning
from evosearch.warm import compile_machines

NAME = "report.html"


def report(args: argparse.Namespace) -> None:
    """Write the report of a run; where trainings are asked for, with progress."""
    began = time.monotonic()
    console = printer()
    directory = Path(args.directory)
    if not directory.is_dir():
        raise StoreError(f"there is no run directory {directory}; `{beginning(directory)}` would begin one.")
    path = arguments.output(args.output or str(directory / NAME))
    with Meter(console, began) as meter:
        text = made(directory, args.quick, meter)
    try:
        write(path, text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}.") from error
    size = len(text.encode()) / 1000
    console.print(f"Wrote {path} ({size:,.0f} kB, {time.monotonic() - began:.0f} s).", soft_wrap=True)


def made(directory: Path, quick: bool, meter: Meter) -> str:
    """The text of a report; with `quick` nothing is trained for it."""
    facts = gather(directory, meter.say)
    meter.say("explaining the best program")
    best = None if facts.best is None else explained(facts.best.program)
    if quick or best is None:
        return page(facts, best, (), None)
    chosen = subjects(facts, best.relatives)
    compile_machines(facts.config.proxies, meter.say)
    return page(facts, best, chosen, measure(chosen, facts.config.proxies, meter.say))
