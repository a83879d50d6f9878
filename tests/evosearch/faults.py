"""Searches on the cheapest task, for tests that disturb them; and the disturbing."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

from tests.evosearch.small import SMALL, rows

CHEAP = dataclasses.replace(SMALL, proxies=("least_squares",))


def rows_or_none(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a run, none where its store is not there yet."""
    if not (path / "store.sqlite").exists():
        return []
    try:
        return rows(path)
    except sqlite3.OperationalError:  # locked for a moment, or of a full disk
        return []
