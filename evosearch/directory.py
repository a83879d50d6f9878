"""A run directory: config.toml, store.sqlite, and best.opt, best.py, front.csv, rewritten whole at each improvement."""

from __future__ import annotations

import csv
import io
from datetime import date
from pathlib import Path

from evosearch import found
from evosearch.archive import Archive, Entry
from evosearch.config import Config, load, to_toml
from evosearch.files import write
from evosearch.measure import rate
from evosearch.mistakes import StoreError
from evosearch.store import Store
from primitives.export import source
from primitives.text import show

__all__ = ["began", "create", "front_csv", "reopen", "write", "write_best"]


def create(directory: Path, config: Config) -> Store:
    """Begin a run; StoreError where the directory holds anything."""
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"{directory} is a file; --out names a new or empty directory.")
    if directory.exists() and any(directory.iterdir()):
        resume = f"; use `evosearch resume {directory}`" if (directory / "store.sqlite").exists() else ""
        raise StoreError(f"{directory} is not empty{resume}; --out names a new or empty directory.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write(directory / "config.toml", to_toml(config))
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror}.") from error
    store = Store(directory / "store.sqlite", create=True)
    store.put("began", date.today().isoformat())
    return store


def reopen(directory: Path) -> tuple[Config, Store]:
    """The configuration and the store of a run directory; StoreError where it is not one."""
    if not (directory / "store.sqlite").is_file() or not (directory / "config.toml").is_file():
        raise StoreError(
            f"{directory} is not a run directory; `evosearch run --out DIR` begins one in a new directory."
        )
    return load(directory / "config.toml"), Store(directory / "store.sqlite")


def began(directory: Path) -> str:
    """The date on which a run was begun; empty for runs of older versions."""
    store = Store(directory / "store.sqlite")
    when = store.get("began")
    store.close()
    return when or ""


def write_best(directory: Path, archive: Archive, config: Config) -> None:
    """Rewrite best.opt, best.py and front.csv from what is known."""
    front = archive.front()
    if not front:
        return
    best = found.of_entry(front[0], archive, config, began(directory))
    program = best.program("best")
    write(directory / "best.opt", show(program))
    write(directory / "best.py", source(program, notes=best.notes()))
    write(directory / "front.csv", front_csv(front))


def front_csv(front: list[Entry]) -> str:
    """The Pareto front as a table."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["number", "score", "seeds", "length", "states", "cost", "lr", "text"])
    for e in front:
        b = e.bred
        table.writerow(
            [b.number, f"{e.score:.4f}", e.seeds, b.length, b.states, f"{b.cost:g}", f"{_rate(e):.3g}", b.text]
        )
    return out.getvalue()


def _rate(entry: Entry) -> float:
    """The learning rate that was best on the first task."""
    return rate(next(iter(entry.exponents.values())))
