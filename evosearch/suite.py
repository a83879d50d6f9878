"""The tasks that programs are judged on, as a table and as JSON: by tier, with size and cost."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

import proxies
from evosearch import arguments
from evosearch.console import fitted, printer
from proxies.proxy import Proxy

TIERS = {
    "search": "what programs are bred on",
    "selection": "what the best are chosen by",
    "held out": "what the chosen are judged on, sealed until then",
    "own": "your own",
}


@dataclass(frozen=True)
class Line:
    """What is told of a task."""

    name: str
    tier: str
    parameters: int
    steps: int
    batch: int  # examples a step
    milliseconds: float  # of one training on one core, roughly
    floor: float
    ceiling: float
    summary: str


def lines(names: Sequence[str]) -> list[Line]:
    """A line for each task, for sealed ones too: nothing is trained. TaskError where a name is none."""
    tasks = [proxies.TASKS.get(name) for name in names]
    return [
        _line(proxies.made(task), task.tier) if task else _line(proxies.get(name), "own")
        for name, task in zip(names, tasks, strict=True)
    ]


def _line(proxy: Proxy, tier: str) -> Line:
    cost = float(f"{proxy.microseconds * proxy.steps / 1000:.2g}")
    size = sum(proxy.layout.sizes)
    return Line(proxy.name, tier, size, proxy.steps, proxy.batch, cost, *proxy.bounds, proxy.summary)


def list_proxies(args: argparse.Namespace) -> None:
    """Print the tasks named, by themselves or as a group, or all."""
    found = lines(arguments.tasks(args.names) or tuple(proxies.TASKS))
    if args.json:
        print(json.dumps([asdict(line) for line in found], indent=2))
        return
    console = printer()
    table = Table("name", box=None, pad_edge=False)
    for column in ("parameters", "steps", "batch", "ms a training"):
        table.add_column(column, justify="right")
    table.add_column("what")
    for tier, purpose in TIERS.items():
        some = [line for line in found if line.tier == tier]
        if some:
            table.add_row(tier, *[""] * 4, purpose, style="bold")
        for line in some:
            numbers = f"{line.parameters:,}", f"{line.steps:,}", str(line.batch), f"{line.milliseconds:g}"
            table.add_row(f"  {proxies.shown(line.name)}", *numbers, line.summary)
    console.print(fitted(console, table, ("batch", "steps", "parameters", "ms a training"), wraps=True))
