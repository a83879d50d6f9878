"""What a search shows while it runs, and the table it ends with; plain lines where there is no terminal."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evosearch.config import Config
from evosearch.meter import Meter
from primitives.readable import readable
from primitives.text import parse, show_expr
from proxies import shown

if TYPE_CHECKING:
    from evosearch.final import Line
    from evosearch.run import Result
    from evosearch.search import Search


class Progress(Meter):
    """Live lines in a terminal, a line every five seconds elsewhere."""

    def __init__(
        self, console: Console, path: Path, stored: int, programs: int, until: float | None, began: float
    ) -> None:
        super().__init__(console, began)
        self.path, self.programs, self.until = path, programs, until
        self.stored, self.first = stored, 0.0

    def __enter__(self) -> Progress:
        self.console.print(f"Searching into {self.path} (Ctrl-C saves).")
        super().__enter__()
        return self

    def watch(self, search: Search) -> None:
        """Called after each block."""
        due, now = self.due(), time.monotonic()
        self.first = self.first or now
        if not due:
            return
        lines = self._lines(search, now)
        if self.live is not None:
            self.live.update(Text("\n".join(lines)))
        else:
            self.console.print("  ".join(lines[:2]))

    def _lines(self, search: Search, now: float) -> list[str]:
        t = search.tally
        elapsed = max(now - self.first, 1e-3)
        fresh = max(0, t.generated - self.stored)
        looked_up = max(1, t.trained + t.hits)
        refused = ", ".join(f"{count} {status}" for status, count in sorted(t.refused.items())) or "none"
        best = search.archive.leader()
        score = "none yet" if best is None else f"{best.score:+.3f} over {best.seeds} seeds (the bar: 0)"
        trained = t.trained * fresh / max(1, t.generated)
        lines = [
            f"{now - self.began:5.0f}s  {self._left(search, now)}  "
            f"{t.generated:,} generated ({fresh / elapsed:.0f}/s)  "
            f"{t.trained:,} trained ({trained / elapsed:.0f}/s)  {t.hits / looked_up:.0%} cache hits",
            f"best {score}",
            f"refused: {refused}",
        ]
        if best is not None:
            lines.append(f"update = {update_text(best.bred.text)}")
        return lines

    def _left(self, search: Search, now: float) -> str:
        if self.until is not None:
            return f"{max(0.0, self.until - now):.0f}s left"
        fresh = search.tally.generated - self.stored
        if fresh <= 0:
            return "time left unknown"
        return f"{(self.programs - search.tally.generated) * (now - self.first) / fresh:.0f}s left"


def update_text(text: str) -> str:
    """The program in one line: its statements, then the update."""
    program = readable(parse(text))
    last = program.returns[0]
    body = "; ".join(f"{a.name} = {show_expr(a.value)}" for a in program.body)
    shown = show_expr(last).removeprefix("w - lr * ")
    return f"{shown}" + (f"  where {body}" if body else "")


def show_result(console: Console, result: Result, config: Config) -> None:
    """The table of the best programs beside the tuned baselines, the verdict, and what to type next."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("program", "score", *(shown(task).replace("_", "\n") for task in config.proxies)):
        table.add_column(name, no_wrap=True)
    for name in ("lr", "length", "states", "cost", "in\nsearch"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in result.lines:
        table.add_row(*_cells(line, result, config))
    t = result.search.tally
    console.print(
        f"\n{t.generated:,} programs generated, {t.trained:,} distinct ones trained. "
        f"On {config.scoring.final_seeds} fresh seeds: log of the bar's validation loss over the program's "
        "(positive is better), with 95 % intervals; then the loss on each task:\n"
    )
    console.print(table)
    found = [line for line in result.lines if line.search_score is not None]
    if found:
        top = found[0]
        console.print(f"\nThe search's best program, {top.name}, is {top.verdict}:")
        console.print(f"  update = {update_text(top.text)}", soft_wrap=True)
    else:
        console.print("\nNo program passed all hurdles; search for longer.")
        return
    console.print(f"\nNext:\n  evosearch inspect {result.directory}:best", soft_wrap=True)
    console.print(f"  evosearch export {result.directory}:best -o best.py", soft_wrap=True)
    console.print(f"  evosearch resume {result.directory} --budget +10m", soft_wrap=True)


def _cells(line: Line, result: Result, config: Config) -> list[str]:
    score = "0 (the bar)" if line is result.lines[0] else f"{line.score:+.3f} ± {line.half:.3f}"
    first = next(iter(line.rates.values()))
    return [
        line.name, score, *(f"{line.losses[p]:.4f}" for p in config.proxies), f"{first:.3g}", str(line.length),
        str(line.states), f"{line.cost:g}", "" if line.search_score is None else f"{line.search_score:+.3f}",
    ]  # fmt: skip
