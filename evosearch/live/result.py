"""What a search ends with: the last table, as wide as the terminal, the verdict, and what to type next."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from evosearch import shell
from evosearch.config import Config
from evosearch.console import UNBOUNDED
from evosearch.live.screen import COLUMNS
from evosearch.live.text import update_text
from proxies import shown

if TYPE_CHECKING:
    from evosearch.final import Line
    from evosearch.run import Result

TASKS = "tasks"
SPARED = ("cost", "lr", "states", TASKS, "in\nsearch", "length")  # what is left out first where there is no room


def show_result(console: Console, result: Result, config: Config) -> None:
    """The table of the best programs beside the tuned baselines, the verdict, and what to type next.

    In a notebook it is one output, not one for each line.
    """
    if console.is_jupyter and not console.quiet:
        text = io.StringIO()
        page = Console(
            file=text, width=COLUMNS, highlight=False, markup=False, force_jupyter=False, force_terminal=False
        )
        _show(page, result, config)
        print(text.getvalue(), end="")
    else:
        _show(console, result, config)


def _show(console: Console, result: Result, config: Config) -> None:
    table, has_tasks = _fitting(console, result.lines, config.proxies)
    t = result.search.tally
    console.print(
        f"\n{t.generated:,} programs generated, {t.trained:,} distinct ones trained. "
        f"On {config.scoring.final_seeds} fresh seeds: log of the bar's validation loss over the program's "
        f"(positive is better), with 95 % intervals{'; then the loss on each task' * has_tasks}:\n"
    )
    console.print(table)
    found = [line for line in result.lines if line.search_score is not None]
    if found:
        top = found[0]
        console.print(f"\nThe search's best program, {top.name}, is {top.verdict}:")
        update = f"update = {update_text(top.text)}"
        for text in textwrap.wrap(update, max(20, console.width - 2), subsequent_indent="  "):
            console.print(f"  {text}", soft_wrap=True)
    elif not config.scoring.final_programs:
        console.print("\nscoring.final_programs is 0, so no program was measured on fresh seeds.")
    else:
        console.print("\nNo new program passed all hurdles; search for longer.")
    console.print("\nNext:")
    for command in _next(result.directory, bool(found)):
        console.print(f"  {command}", soft_wrap=True)


def _next(directory: Path, found: bool) -> list[str]:
    """What to type next."""
    best = shell.program(directory, "best")
    use = [f"evosearch inspect {best}", f"evosearch export {best} -o best.py", shell.command("report", directory)]
    return [*(use if found else []), shell.command("resume", directory, "--budget", "+10m")]


def _fitting(console: Console, lines: list[Line], tasks: tuple[str, ...]) -> tuple[Table, bool]:
    """The table with as many columns as there is room for, and whether the losses on the tasks are among them."""
    unbounded = console.options.update(width=UNBOUNDED)
    for spared in range(len(SPARED) + 1):
        table = _table(lines, tasks, SPARED[:spared])
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
    return table, TASKS not in SPARED[:spared]


def _table(lines: list[Line], tasks: tuple[str, ...], without: tuple[str, ...]) -> Table:
    """A row for each program, the bar first."""
    tasks = () if TASKS in without else tasks
    figures = [name for name in ("lr", "length", "states", "cost", "in\nsearch") if name not in without]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("program", "score", *(shown(task).replace("_", "\n") for task in tasks)):
        table.add_column(name, no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        score = "0 (the bar)" if line is lines[0] else f"{line.score:+.3f} ± {line.half:.3f}"
        cells = _figures(line)
        table.add_row(line.name, score, *(f"{line.losses[task]:.4f}" for task in tasks), *(cells[n] for n in figures))
    return table


def _figures(line: Line) -> dict[str, str]:
    return {
        "lr": f"{next(iter(line.rates.values())):.3g}",
        "length": str(line.length),
        "states": str(line.states),
        "cost": f"{line.cost:g}",
        "in\nsearch": "" if line.search_score is None else f"{line.search_score:+.3f}",
    }
