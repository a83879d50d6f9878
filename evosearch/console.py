"""Where commands print."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

UNBOUNDED = 10_000  # columns


def printer(width: int = 120) -> Console:
    """Standard output: as wide as its terminal, else of a width; where it is closed, nothing is printed."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(highlight=False, markup=False, width=None if terminal else width)


def fitted(console: Console, table: Table, spared: Sequence[str], *, wraps: bool = False) -> Table:
    """The table without those of its columns, the first ones first, for which there is no room.

    `wraps` says whether cells may take several lines, so that there must be room for their words alone.
    """
    unbounded = console.options.update(width=UNBOUNDED)
    for name in spared:
        width = console.measure(table, options=unbounded)
        if (width.minimum if wraps else width.maximum) <= console.width:
            break
        table.columns = [column for column in table.columns if str(column.header) != name]
    return table
