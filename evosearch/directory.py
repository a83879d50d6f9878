"""A run directory: config.toml, store.sqlite, and best.opt, best.py, front.csv, rewritten whole at each improvement."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import replace
from pathlib import Path

from evosearch.archive import Archive, Entry
from evosearch.config import Config, load, to_toml
from evosearch.measure import rate
from evosearch.mistakes import StoreError
from evosearch.store import Store
from primitives.export import source
from primitives.program import Program
from primitives.readable import readable
from primitives.text import parse, show
from proxies import shown


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
    return Store(directory / "store.sqlite", create=True)


def reopen(directory: Path) -> tuple[Config, Store]:
    """The configuration and the store of a run directory; StoreError where it is not one."""
    if not (directory / "store.sqlite").is_file() or not (directory / "config.toml").is_file():
        raise StoreError(
            f"{directory} is not a run directory; `evosearch run --out DIR` begins one in a new directory."
        )
    return load(directory / "config.toml"), Store(directory / "store.sqlite")


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def named(entry: Entry, name: str, proxies: int, best_rate: float) -> Program:
    """A found program in readable form, with its name, score and learning rate in signature and docstring."""
    program = readable(parse(entry.bred.text))
    doc = (
        f"Found by evosearch as candidate {entry.bred.number}; search score {entry.score:+.3f} over {entry.seeds} seeds"
    )
    doc += f" and {proxies} task{'s' if proxies > 1 else ''} against the tuned bar."
    hyper = tuple((key, best_rate if key == "lr" else value) for key, value in program.hyper)
    return replace(program, name=re.sub(r"\W", "_", name), doc=doc, hyper=hyper)


def entry_rate(entry: Entry) -> float:
    """The learning rate that was best on the first proxy, to three digits."""
    return float(f"{rate(next(iter(entry.exponents.values()))):.3g}")


def write_best(directory: Path, archive: Archive, config: Config) -> None:
    """Rewrite best.opt, best.py and front.csv from what is known."""
    front = archive.front()
    if not front:
        return
    best = front[0]
    program = named(best, "best", len(config.proxies), entry_rate(best))
    rates = ", ".join(f"{rate(e):.2g} on {shown(name)}" for name, e in best.exponents.items())
    notes = [
        f"Best learning rates in the search: {rates}.",
        f"Found under a schedule of {archive.baseline.warmup:.0%} linear warm-up, then cosine decay; use one alike.",
    ]
    write(directory / "best.opt", show(program))
    write(directory / "best.py", source(program, notes=notes))
    write(directory / "front.csv", front_csv(front))


def front_csv(front: list[Entry]) -> str:
    """The Pareto front as a table."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["number", "score", "seeds", "length", "states", "cost", "lr", "text"])
    for e in front:
        b = e.bred
        table.writerow(
            [b.number, f"{e.score:.4f}", e.seeds, b.length, b.states, f"{b.cost:g}", f"{entry_rate(e):g}", b.text]
        )
    return out.getvalue()
