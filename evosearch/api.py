"""Searches from Python and in a notebook: the objects behind `evosearch run`, `resume` and `DIR:best`."""

from __future__ import annotations

import dataclasses
import html
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from evosearch import arguments, directory, found, told
from evosearch.callbacks import Callback, check
from evosearch.config import DEFAULT_BUDGET, Config, from_dict, load
from evosearch.resolve import full_name, resolve
from evosearch.store import Store
from primitives import own
from primitives.program import Program

Settings = Config | Mapping[str, Any] | str | os.PathLike[str] | None  # a str is the path of a TOML file

MOST = 500  # fingerprints that the store is asked for one by one


@dataclasses.dataclass(frozen=True)
class Member:
    """A program of the Pareto front of score, length, states and cost."""

    number: int  # of the candidate
    score: float  # in the search, against the tuned bar
    seeds: int  # on which it was measured
    length: int  # statements
    states: int
    cost: float  # additions for each element and step
    lr: float  # the best learning rate on the first task
    text: str  # in canonical form
    tasks: tuple[str, ...] = dataclasses.field(repr=False)  # of the search; ("told",) where scores were told

    @property
    def program(self) -> Program:
        """In readable form; its default lr is the best one."""
        row = {name: str(value) for name, value in dataclasses.asdict(self).items()}
        return found.of_front(row, self.tasks).program()


class Run:
    """A search in its directory, under way or ended: everything is read anew from there when it is asked for."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config, store = directory.reopen(self.path)
        store.close()

    @property
    def best(self) -> Program:
        """The best program, its default lr the best one on the first task; ProgramError where there is none yet."""
        return resolve(f"{self.path}:best")

    @property
    def front(self) -> tuple[Member, ...]:
        """The Pareto front of score, length, states and cost, the best score first; empty where nothing has one yet."""
        if not (self.path / "front.csv").is_file():
            return ()
        kinds = {field.name: field.type for field in dataclasses.fields(Member)}
        cast: dict[Any, Any] = {"int": int, "float": float, "str": str}
        with _reading(self.path) as store:
            tasks = told.tasks(self.config, store)
        rows = found.front(self.path)
        return tuple(Member(**{k: cast[kinds[k]](v) for k, v in row.items()}, tasks=tasks) for row in rows)

    @property
    def table(self) -> list[dict[str, Any]]:
        """The last table, the bar first: each program on fresh seeds, with half of its 95 % interval.

        Empty where the search has not come to its end.
        """
        with _reading(self.path) as store:
            return list(store.get("final") or [])

    def rows(self, first: int = 0, end: int | None = None) -> list[dict[str, Any]]:
        """Candidates `first` to before `end` as dictionaries; founders have negative numbers.

        `score` is over all seeds spent on the program, None where a hurdle ended its trainings or it has none.
        """
        with _reading(self.path) as store:
            chosen = list(store.rows(first, 2**62 if end is None else end))
            scores = _scores(self.config, store, {row.bred.fingerprint for row in chosen if row.bred.fingerprint})
        names = ("number", "text", "mutation", "fingerprint", "length", "states", "cost", "status", "reason")
        return [
            {name: getattr(row.bred, name) for name in names}
            | {"parent": row.parent, "known": row.known, "score": scores.get(row.bred.fingerprint)}
            | ({"status": row.measured.status, "reason": row.measured.reason} if row.measured else {})
            for row in chosen
        ]

    def report(self, path: str | os.PathLike[str] | None = None, *, quick: bool = False) -> Path:
        """Write the report as one HTML file, to DIR/report.html unless said otherwise; its path.

        `quick` leaves out what takes trainings.
        """
        from evosearch.files import write
        from evosearch.meter import Meter
        from evosearch.report.command import NAME, made

        file = arguments.output(str(path or self.path / NAME))
        with Meter(Console(quiet=True), time.monotonic()) as meter:
            write(file, made(self.path, quick, meter))
        return file

    def resume(
        self,
        *,
        programs: int | str | None = None,
        budget: float | str | None = None,
        workers: int | str | None = None,
        callbacks: Sequence[Callback] = (),
        quiet: bool = False,
    ) -> Run:
        """Go on: to `programs` candidates in all, with "+1000" so many more; or for `budget`, as "10m" or seconds."""
        from evosearch.checks import check_tasks
        from evosearch.commands import check_device, extended

        began = time.monotonic()
        check(callbacks)
        config, store = directory.reopen(self.path, drive=True)
        try:
            check_tasks(config.proxies)
            check_device(config.device)
            if workers is not None:
                processes = arguments.workers(workers) if isinstance(workers, str) else workers
                config = dataclasses.replace(config, workers=processes).check()
            more = None if programs is None else str(programs)
            longer = None if budget is None else f"{budget:f}" if isinstance(budget, float) else str(budget)
            whole, seconds = extended(more, longer, self.path, config, store.count())
        except BaseException:
            store.close()
            raise
        _drive(config, self.path, store, whole, seconds, began, callbacks, quiet)
        return self

    def __repr__(self) -> str:
        return "\n".join([f"Run('{self.path}')", *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        """The last table, as a notebook shows it."""
        rows = self.table
        head = self._lines()[0]
        if not rows:
            return f"<p><b>{html.escape(str(self.path))}</b>: {html.escape(head)}</p>"
        cells = [(row["name"], _score(row), row["text"]) for row in rows]
        body = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{score}</td><td><code>{html.escape(_update(text))}</code></td></tr>"
            for name, score, text in cells
        )
        title = f"<tr><th>program</th><th>score on fresh seeds</th><th>update</th></tr>{body}"
        return f"<p><b>{html.escape(str(self.path))}</b>: {html.escape(head)}</p><table>{title}</table>"

    def _lines(self) -> list[str]:
        with _reading(self.path) as store:
            count, rows = store.count(), store.get("final") or []
            tasks = "asked and told" if store.get(told.KIND) else f"on {', '.join(self.config.proxies)}"
        lines = [f"{count:,} candidates {tasks}, seed {self.config.seed}"]
        return lines + [f"{row['name']}: {_score(row)}" for row in rows]


def search(
    config: Settings = None,
    *,
    out: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
    quiet: bool = False,
    **settings: Any,
) -> Run:
    """Search, as `evosearch run` does, and give the run: its keywords are the fields of config.Config.

    `config` is a Config, a dictionary or the path of a TOML file; settings stand over it, tables as dictionaries
    (`evolution={"population": 100}`), `budget` in seconds or as "10m". With neither programs nor budget it takes 45
    seconds. Ctrl-C leaves everything committed: `open_run(out).resume(...)` goes on. Wrong input is a ConfigError.
    """
    from evosearch import checks
    from evosearch.commands import check_device

    began = time.monotonic()
    check(callbacks)
    checked = configured(config, settings)
    checks.check(checked)
    check_device(checked.device)
    path = (Path(out) if out is not None else directory.unnamed()).absolute()  # a callback may change where we are
    store = directory.create(path, checked)
    _drive(checked, path, store, checked.programs, checked.budget, began, callbacks, quiet)
    return Run(path)


def configured(config: Settings, settings: Mapping[str, Any]) -> Config:
    """The configuration with settings over it, tasks and files under their whole names; else a ConfigError."""
    if isinstance(config, str | os.PathLike):
        config = load(Path(config))
    base = _plain(config if isinstance(config, Config) else from_dict(_plain(config or {}), "config"))
    changed = {key: _plain(value) for key, value in settings.items()}
    for key, value in changed.items():
        base[key] = {**base[key], **value} if isinstance(base.get(key), dict) and isinstance(value, dict) else value
    found = from_dict(base, "search")
    language = dataclasses.replace(found.language, primitives=tuple(map(own.full_name, found.language.primitives)))
    evolution = dataclasses.replace(found.evolution, start=tuple(map(full_name, found.evolution.start)))
    found = dataclasses.replace(found, proxies=arguments.tasks(found.proxies), language=language, evolution=evolution)
    if not found.programs and not found.budget:
        found = dataclasses.replace(found, budget=arguments.seconds(DEFAULT_BUDGET))
    return found.check()


def _plain(value: Any) -> Any:
    """Records as dictionaries, tuples as lists: what TOML would give."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _drive(
    config: Config,
    path: Path,
    store: Store,
    programs: int,
    budget: float,
    began: float,
    callbacks: Sequence[Callback],
    quiet: bool,
) -> None:
    """Search as the command does; a search in this process holds torch to one thread only as long as it lasts."""
    from evosearch import commands

    console = Console(quiet=True) if quiet else commands.console
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    try:
        commands.drive(config, path, store, programs, budget, began, console=console, callbacks=callbacks)
    finally:
        if torch:
            torch.set_num_threads(threads)


@contextmanager
def _reading(path: Path) -> Iterator[Store]:
    _, store = directory.reopen(path)
    try:
        yield store
    finally:
        store.close()


def _scores(config: Config, store: Store, fingerprints: set[str]) -> dict[str, float]:
    """The scores of those that passed every hurdle, by fingerprint."""
    from evosearch.contenders import archive_of
    from evosearch.run import kept_references

    kept = store.get("prologue")
    if kept is None:  # scores were told, or there are none yet
        found = {row.bred.fingerprint: told.score(row.measured) for row in store.rows() if row.measured}
        return {key: score for key, score in found.items() if score is not None}
    archive = archive_of(config, store, kept_references(kept).bar, None if len(fingerprints) > MOST else fingerprints)
    return {entry.bred.fingerprint: entry.score for entry in archive.entries if entry.complete}


def _update(text: str) -> str:
    from evosearch.live.text import update_text

    return update_text(text)


def _score(row: Mapping[str, Any]) -> str:
    """A score of the last table with half of its interval; the bar has neither."""
    return f"{row['score']:+.3f} ± {row['half']:.3f}" if row["half"] else "0 (the bar)"
