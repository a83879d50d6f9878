"""Where commands print."""

from __future__ import annotations

import sys

from rich.console import Console


def printer(width: int = 120) -> Console:
    """Standard output: as wide as its terminal, else of a width; where it is closed, nothing is printed."""
    terminal = sys.stdout is not None and sys.stdout.isatty()
    return Console(highlight=False, markup=False, width=None if terminal else width)
