"""Searches small enough for tests, and what of them must not change."""

from __future__ import annotations

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

from evosearch import directory, run
from evosearch.config import Config, Evolution, Scoring
from evosearch.workers import Workers, open_workers

SMALL = Config(
    proxies=("digits",),
    programs=96,
    evolution=Evolution(population=30, tournament=4, block=16, lag=3, restart_after=50),
    scoring=Scoring(
        tune=2,
        seeds=2,
        seed_pool=8,
        max_seeds=6,
        again=0.2,
        gate_lrs=3,
        gate_steps=0.2,
        lrs=2,
        final_seeds=3,
        final_programs=2,
    ),
)
MAKE_CONTEXT = "evosearch.breed:make_context"


def search(path: Path, config: Config = SMALL, workers: Workers | int = 0, programs: int = 0) -> run.Result:
    """Begin a search in a directory, or go on with the one that is there, up to `programs` (the configuration's)."""
    if path.exists():
        _, store = directory.reopen(path)
    else:
        store = directory.create(path, config)
    pool = open_workers(workers, MAKE_CONTEXT, (config,)) if isinstance(workers, int) else workers
    try:
        return run.go(config, path, store, pool, programs=programs or config.programs, until=None)
    finally:
        store.close()
        pool.close()


def rows(path: Path) -> list[tuple[Any, ...]]:
    """Every row of a run's store, founders too."""
    connection = sqlite3.connect(path / "store.sqlite")
    found = connection.execute("SELECT * FROM candidates ORDER BY number").fetchall()
    connection.close()
    return found


def scoring(**changes: Any) -> Config:
    """The small configuration with other settings of the scoring."""
    return dataclasses.replace(SMALL, scoring=dataclasses.replace(SMALL.scoring, **changes))
