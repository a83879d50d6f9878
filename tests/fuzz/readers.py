"""Every reader of what comes from outside: how to make right inputs, spoil them, and what it may raise.

A reader gives a value or raises one of `MISTAKES` in sentences; nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import evosearch
import proxies
from evosearch import arguments, baseline, directory, found, ledger, lineage, validation
from evosearch.cli import main
from evosearch.config import Config, load, to_toml
from evosearch.mistakes import MISTAKES, StoreError
from evosearch.store import Store
from evosearch.tables import search_facts
from primitives.reference import names, reference
from primitives.text import parse, problems, show
from proxies.places import place_of
from tests.evosearch.siege import CHEAP
from tests.evosearch.small import search
from tests.fuzz.inputs import JSON, TOKENS, spoilt, spoilt_bytes

TASK = "least_squares"


@dataclass(frozen=True)
class Reader:
    """`read(rng)` makes an input and reads it; `share` is its part of all inputs."""

    name: str
    share: float
    read: Callable[[random.Random], object]


def readers(folder: Path) -> Iterator[Reader]:
    """All readers; what they read stands in this folder, which is the working directory."""
    search(folder / "run", CHEAP, programs=40)
    texts = [show(reference(name)) for name in names()]
    yield Reader("program", 0.4, lambda rng: _program(spoilt(rng, texts)))
    yield Reader("expression", 0.2, lambda rng: evosearch.load(spoilt(rng, EXPRESSIONS)))
    tomls = [to_toml(Config()), to_toml(CHEAP), 'proxies = ["digits"]\n[evolution]\nstart = ["adamw", "lion"]\n']
    yield Reader("configuration", 0.12, lambda rng: _configuration(rng, folder / "config.toml", tomls))
    yield Reader("command line", 0.08, _command_line)
    yield Reader("names and times", 0.05, _small)
    yield Reader("store", 0.06, _Store(folder).read)
    yield Reader("run directory", 0.03, _Directory(folder).read)
    yield Reader("tuned baseline", 0.02, _Baseline(folder).read)
    yield Reader("ledger", 0.02, _Ledger(folder).read)
    yield Reader("validation", 0.02, _Validation(folder).read)


EXPRESSIONS = (
    "lion", "lookahead(adam, k=5)", "sam(clip_norm(adamw(lr=0.01)))", "scheduled(adam, cosine)", "adam(beta1=0.8)",
    "scheduled(momentum(beta=0.95), cosine(warmup=0.1))", "by_shape(muon, adamw)", "recommended_default", "run:best",
    "run:17", "run:front[0]", "run", "run/best.opt", "'run/best.opt'", "clip_norm('run:best', max_norm=0.5)",
)  # fmt: skip


def _program(text: str) -> None:
    program = parse(text)
    assert parse(show(program)) == program
    assert problems(text) == ()


def _configuration(rng: random.Random, path: Path, right: list[str]) -> Config:
    if rng.random() < 0.3:
        path.write_bytes(spoilt_bytes(rng, rng.choice(right).encode()))
    else:
        path.write_text(spoilt(rng, right), encoding="utf-8", errors="surrogatepass")
    return load(path)


COMMANDS = (
    ("export", "-o", "made.py"), ("export", "--target", "optax", "-o", "made.py"),
    ("resume",), ("resume", "run", "--programs"),
    *(("run", "--workers", "1", f"--{name}") for name in ("from", "proxy", "budget", "only", "seed", "workers")),
)  # fmt: skip


def _command_line(rng: random.Random) -> None:
    """A wrong argument ends with 2 after sentences; one that is right after all is not gone on with."""
    command, *more = rng.choice(COMMANDS)
    argument = spoilt(rng, EXPRESSIONS, [token[:500] for token in TOKENS]).replace("\0", "").removeprefix("-")
    out, errors = io.StringIO(), io.StringIO()
    stop = mock.Mock(side_effect=StoreError("enough."))
    with (
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors),
        mock.patch("evosearch.directory.create", stop), mock.patch("evosearch.commands.drive", stop),
    ):  # fmt: skip
        try:
            code = main([command, *more, argument])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    said = errors.getvalue()
    assert "Traceback" not in said
    assert code in (0, 1, 2, 3)
    if code == 2:
        assert said.startswith("evosearch: ")
        assert len(said) < 10_000


def _small(rng: random.Random) -> None:
    """Names of tasks, times, numbers of workers."""
    text = spoilt(rng, ("digits", "own.py:make", "mnist:data", "90s", "10m", "2h", "auto", "8", "suite"))
    kind = rng.randrange(4)
    if kind == 0:
        arguments.seconds(text)
    elif kind == 1:
        arguments.workers(text)
    elif kind == 2 and not text.endswith(".py"):
        with contextlib.suppress(KeyError):
            arguments.tasks([text])
    elif (place := place_of(text)) is None:
        proxies.get(text)
    else:
        assert place.path.is_absolute()


class _Store:
    def __init__(self, folder: Path) -> None:
        self.path, self.right = folder / "spoilt" / "store.sqlite", (folder / "run" / "store.sqlite").read_bytes()
        self.path.parent.mkdir()

    def read(self, rng: random.Random) -> None:
        for other in self.path.parent.iterdir():
            other.unlink()
        data = spoilt_bytes(rng, self.right)
        self.path.write_bytes(data)
        store = Store(self.path, drive=rng.random() < 0.5)
        try:
            assert all(row.bred.number < 1000 for row in store.rows())
            for key in ("prologue", "config", "began"):
                store.get(key)
            store.count()
        finally:
            store.close()


class _Directory:
    FILES = ("config.toml", "store.sqlite", "best.opt", "best.py", "front.csv")

    def __init__(self, folder: Path) -> None:
        self.right, self.path = folder / "run", folder / "other"

    def read(self, rng: random.Random) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        shutil.copytree(self.right, self.path)
        for name in rng.choices(self.FILES, k=rng.randint(1, 3)):
            self._spoil(rng, self.path / name)
        readings: list[Callable[[], object]] = [
            lambda: directory.reopen(self.path)[1].close(),
            lambda: directory.reopen(self.path, drive=True)[1].close(),
            lambda: evosearch.load(f"{self.path}:best"),
            lambda: evosearch.load(f"{self.path}:front[0]"),
            lambda: evosearch.load(f"{self.path}:{rng.randrange(-2, 50)}"),
            lambda: found.front(self.path),
            lambda: lineage.of(f"{self.path}:best"),
            lambda: search_facts(self.path),
        ]
        for reading in readings:
            with contextlib.suppress(*MISTAKES):
                reading()

    @staticmethod
    def _spoil(rng: random.Random, path: Path) -> None:
        right = path.read_bytes() if path.is_file() else b""
        if path.is_dir():
            return
        path.unlink(missing_ok=True)
        kind = rng.randrange(8)
        if kind == 0:
            path.mkdir()
        elif kind == 1:
            os.symlink(path.name, path)  # to itself
        elif kind > 2:
            if path.name != "store.sqlite" and kind > 4:
                path.write_text(spoilt(rng, [right.decode(errors="replace")]), encoding="utf-8", errors="surrogatepass")
            else:
                path.write_bytes(spoilt_bytes(rng, right))


class _Json:
    """A file of JSON that is spoilt as text."""

    def __init__(self, path: Path, right: str) -> None:
        self.path, self.right = path, right

    def spoil(self, rng: random.Random) -> None:
        if rng.random() < 0.2:
            self.path.write_bytes(spoilt_bytes(rng, self.right.encode()))
        else:
            self.path.write_text(spoilt(rng, [self.right], JSON), encoding="utf-8", errors="surrogatepass")


class _Baseline:
    def __init__(self, folder: Path) -> None:
        (folder / "tuned").mkdir()
        stored = baseline.path_of([TASK])
        self.file = _Json(folder / "tuned" / stored.name, stored.read_text(encoding="utf-8"))

    def read(self, rng: random.Random) -> None:
        self.file.spoil(rng)
        with mock.patch.object(baseline, "FOLDER", self.file.path.parent):
            baseline.stored([TASK])


class _Ledger:
    def __init__(self, folder: Path) -> None:
        path = folder / "ledger.jsonl"
        for i in range(3):
            ledger.write(ledger.look("evosearch validate run", folder, i, {"lion": "text"}, ["a", "b"], "test"), path)
        self.file = _Json(path, path.read_text(encoding="utf-8"))

    def read(self, rng: random.Random) -> None:
        self.file.spoil(rng)
        with mock.patch.dict(os.environ, {ledger.VARIABLE: str(self.file.path)}):
            ledger.before(["a"]).shown()


class _Validation:
    def __init__(self, folder: Path) -> None:
        (folder / "validated").mkdir()
        plan = validation.Plan(("a",), ("b",), 3, 1, 1, 0)
        self.file = _Json(folder / "validated" / validation.NAME, "")
        some = validation.Validation(plan, "2026-01-01", 10, (validation.Contender("lion", "text", ()),))
        validation.save(some, self.file.path.parent)
        self.file.right = json.dumps(json.loads(self.file.path.read_text()), indent=1)

    def read(self, rng: random.Random) -> None:
        self.file.spoil(rng)
        validation.load(self.file.path.parent)
