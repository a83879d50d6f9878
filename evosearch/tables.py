"""What a comparison prints: searches side by side, verdicts, gains by task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from evosearch import found, told
from evosearch.contest import Results
from evosearch.directory import reopen
from evosearch.statistics import Estimate
from evosearch.verdicts import Verdict
from proxies import shown as short

FRONT = 3  # programs of a front that are shown
SPARED = ("µs a step", "rate, median", "steps to target", "test loss", "P(improvement)")  # first what says least


@dataclass(frozen=True)
class SearchFacts:
    """What a run directory says of its search."""

    directory: str
    tasks: tuple[str, ...]
    seed: int
    generated: int
    trained: int
    front: tuple[dict[str, str], ...]  # the rows of front.csv, the best first

    @property
    def best(self) -> float:
        """The best search score; NaN where no program passed every hurdle."""
        return float(self.front[0]["score"]) if self.front else math.nan


def search_facts(path: Path) -> SearchFacts:
    """The facts of the search in a directory; StoreError where it is none."""
    config, store = reopen(path)
    try:
        generated, trained, tasks = store.count(), store.trained(), told.tasks(config, store)
    finally:
        store.close()
    front: list[dict[str, str]] = []
    if (path / "front.csv").is_file():
        front = found.front(path)
    return SearchFacts(str(path), tasks, config.seed, generated, trained, tuple(front))


def searches(found: list[SearchFacts]) -> Table:
    """A column for each search."""
    table = _table(("", False), *((facts.directory, False) for facts in found))
    rows: list[tuple[str, list[str]]] = [
        ("tasks", [", ".join(map(short, f.tasks)) for f in found]),
        ("seed", [str(f.seed) for f in found]),
        ("programs generated", [f"{f.generated:,}" for f in found]),
        ("distinct ones measured", [f"{f.trained:,}" for f in found]),
        ("best search score", ["none" if math.isnan(f.best) else f"{f.best:+.3f}" for f in found]),
    ]
    rows += [
        (f"front[{k}]", [_of_front(f.front[k]) if k < len(f.front) else "" for f in found])
        for k in range(min(FRONT, max(len(f.front) for f in found)))
    ]
    for name, cells in rows:
        table.add_row(*map(Text, (name, *cells)))
    return table


def _of_front(row: dict[str, str]) -> str:
    return f"{float(row['score']):+.3f}, length {row['length']}, states {row['states']}, cost {row['cost']}"


def verdicts(results: Results, found: tuple[Verdict, ...]) -> Table:
    """A row for each program, the first one first."""
    table = _table(
        ("program", False), ("gain [95 %]", True), ("verdict", False), ("P(improvement)", True),
        ("steps to target", True), ("µs a step", True),
    )  # fmt: skip
    micro = [f"{1e6 * row.mean():.3g}" for row in results.seconds]
    table.add_row(*map(Text, (results.names[0], "0 (the first)", "", "", "1", micro[0])))
    for i, v in enumerate(found):
        low, high = v.improvement_interval
        chance = f"{v.improvement:.2f} [{low:.2f}, {high:.2f}]"
        cells = v.name, shown(v.gain), v.verdict, chance, _reached(v), micro[i + 1]
        table.add_row(*map(Text, cells))
    return table


def shown(gain: Estimate) -> str:
    """A gain with its interval."""
    return f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _reached(v: Verdict) -> str:
    """The ratio of steps to the target, or on how many tasks it is not reached."""
    missing = sum(math.isinf(t.steps) for t in v.by_task)
    return f"not reached on {missing} of {len(v.by_task)}" if missing else f"{v.steps:.2f}"


def by_task(results: Results, found: tuple[Verdict, ...]) -> Table:
    """A row for each task and program."""
    table = _table(
        ("task", False), ("program", False), ("gain [95 %]", True), ("verdict", False), ("test loss", True),
        ("rate, median", True),
    )  # fmt: skip
    for k, task in enumerate(results.tasks):
        for e, name in enumerate(results.names):
            gain, word = ("0", "") if e == 0 else (shown(found[e - 1].by_task[k].gain), found[e - 1].by_task[k].verdict)
            loss = f"{np.exp(np.log(results.test[e, k]).mean()):.4g}"
            middle = f"{np.median([choice.rate for choice in results.chosen[e][k]]):.2g}"
            table.add_row(*map(Text, ("" if e else short(task), name, gain, word, loss, middle)))
    return table


def _table(*columns: tuple[str, bool], **options: Any) -> Table:
    """A plain table; columns are names, and whether they stand to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), **options)
    for name, right in columns:
        table.add_column(
            Text(name), justify="right" if right else "left", overflow="fold", no_wrap=name.startswith("gain")
        )
    return table
