"""A run directory: config.toml, store.sqlite, and best.opt, best.py, front.csv, rewritten whole at each improvement."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

from evosearch import found
from evosearch.archive import Archive, Entry
from evosearch.config import Config, ConfigError, from_dict, load, to_toml
from evosearch.files import write
from evosearch.measure import rate
from evosearch.mistakes import StoreError
from evosearch.shell import command
from evosearch.store import Store
from primitives import own
from primitives.export import source
from primitives.text import show

__all__ = ["began", "configuration", "create", "front_csv", "reopen", "unnamed", "write", "write_best"]

CONFIG = "config.toml"


def create(directory: Path, config: Config) -> Store:
    """Begin a run, as its driver; StoreError where the directory holds anything."""
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"{directory} is a file; --out names a new or empty directory.")
    if directory.exists() and any(directory.iterdir()):
        resume = f"; use `{command('resume', directory)}`" if (directory / "store.sqlite").exists() else ""
        raise StoreError(f"{directory} is not empty{resume}; --out names a new or empty directory.")
    _make(directory)
    store = Store(directory / "store.sqlite", create=True)  # first: of two that begin here at once, one is refused
    try:
        write(directory / CONFIG, to_toml(config))
        store.add([], began=date.today().isoformat(), config=to_toml(config))
    except BaseException as error:
        store.close()
        if isinstance(error, OSError):
            raise StoreError(f"cannot write to {directory}: {error.strerror}.") from error
        raise
    return store


def unnamed() -> Path:
    """A new directory in runs/, by the time; where several are made in one second, each has its own."""
    now, k = f"{datetime.now():%Y-%m-%d-%H%M%S}", 1
    while True:
        path = Path("runs") / (f"{now}-{k}" if k > 1 else now)
        try:
            _make(path, new=True)
            return path
        except FileExistsError:
            k += 1


def _make(directory: Path, *, new: bool = False) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=not new)
    except FileExistsError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write to {directory}: {error.strerror}.") from error


def reopen(directory: Path, *, drive: bool = False, look: bool = False) -> tuple[Config, Store]:
    """The configuration and the store of a run directory: to read, to go on with (`drive`), or for a `look`.

    StoreError where it is not one, or another driver is at work; ConfigError where config.toml was spoilt or changed.
    """
    if not (directory / "store.sqlite").is_file():
        raise StoreError(
            f"{directory} is not a run directory; `evosearch run --out DIR` begins one in a new directory."
        )
    store = Store(directory / "store.sqlite", drive=drive, look=look)
    try:
        config = _kept(directory / CONFIG, store)
        own.use(config.language.primitives)
        return config, store
    except BaseException:
        store.close()
        raise


def configuration(directory: Path) -> Config:
    """The configuration of a run; errors are those of `reopen`."""
    config, store = reopen(directory)
    store.close()
    return config


def _kept(path: Path, store: Store) -> Config:
    """The configuration of a search: its file, or where that is gone the copy in the store."""
    begun = _begun(store)
    if begun is not None and not path.exists():
        return begun
    found = load(path)
    if begun is not None and store.lock is not None and (changed := _fixed(begun).items() - _fixed(found).items()):
        raise ConfigError(
            f"{path}: {min(changed)[0]} is not what the search was begun with, and rows would not fit together; undo "
            "the change, or delete the file: the store holds a copy."
        )
    return found


def _begun(store: Store) -> Config | None:
    """What a search was begun with; None where it was killed before its first commit."""
    kept = store.get("config")
    try:
        return None if kept is None else from_dict(tomllib.loads(kept), str(store.path))
    except tomllib.TOMLDecodeError as error:  # an older version wrote line breaks of expressions as they are
        raise ConfigError(f"{store.path} holds a configuration that is not TOML ({error}); begin a new run.") from error


def _fixed(config: Config) -> dict[str, Any]:
    """The settings that rows depend on."""
    scoring = dataclasses.replace(config.scoring, batch=1, deadline=1.0)
    return vars(dataclasses.replace(config, programs=0, budget=0.0, workers=1, scoring=scoring))


def began(directory: Path) -> str:
    """The date on which a run was begun; empty for runs of older versions."""
    store = Store(directory / "store.sqlite")
    when = store.get("began")
    store.close()
    return when or ""


def write_best(directory: Path, archive: Archive, config: Config) -> None:
    """Rewrite best.opt, best.py and front.csv from what is known; StoreError where the disk refuses."""
    front = archive.front()
    if not front:
        return
    best = found.of_entry(front[0], archive, config, began(directory))
    program = best.program("best")
    try:
        write(directory / "best.opt", show(program))
        write(directory / "best.py", source(program, notes=best.notes()))
        write(directory / "front.csv", front_csv(front))
    except OSError as error:
        raise StoreError(
            f"cannot write to {directory}: {error.strerror}; what was committed is safe: mend that, then "
            f"`{command('resume', directory)}` goes on."
        ) from error


def front_csv(front: list[Entry]) -> str:
    """The Pareto front as a table."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["number", "score", "seeds", "length", "states", "cost", "lr", "text"])
    for e in front:
        b = e.bred
        head = f"def {found.named(b.number)}"  # in the store all have a start's name
        text = re.sub(r"^def \w+", head, b.text, count=1)
        numbers = f"{e.score:.4f}", e.seeds, b.length, b.states, f"{b.cost:g}", f"{_rate(e):.3g}"
        table.writerow([b.number, *numbers, text])
    return out.getvalue()


def _rate(entry: Entry) -> float:
    """The learning rate that was best on the first task."""
    return rate(next(iter(entry.exponents.values())))
