"""The search turned inside out: `ask` gives programs, whoever asked measures them as they like and `tell`s a score.

Breeding, canonical forms, fingerprints, population, islands, archive, front and store are those of a search. To measure
is left to the caller: there is no bar, no grid of learning rates, no hurdles, no fresh seeds, no last table.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsFloat, SupportsIndex

from evosearch import directory, told
from evosearch.api import Run, Settings, configured
from evosearch.archive import Archive, Entry
from evosearch.asked import Asked, Open, plain, read
from evosearch.breed import Context, Item, breed, by_counter, centre, found
from evosearch.checks import check_language
from evosearch.config import Config, ConfigError
from evosearch.evaluate import Measured
from evosearch.flat import searchable
from evosearch.found import TOLD
from evosearch.islands import Islands
from evosearch.measure import STEPS_PER_DECADE
from evosearch.mistakes import StoreError
from evosearch.resolve import resolve
from evosearch.score import Baseline
from evosearch.shell import command
from evosearch.store import Row, Store
from primitives.program import Program
from primitives.text import show

MOST = 10_000  # candidates of one `ask`
TRIES = 100  # children bred for each candidate that is asked for; most of a long search's do what one before did


class AskTell:
    """A loop of `ask` and `tell` in a directory, begun there or gone on with: the same calls give the same programs.

    `config` and settings are those of `evosearch.search`; of them count seed, language, mutations, evolution, and of
    scoring what is checked without training (oddness, gradient_scale). Every call is in the store when it returns.
    One process at a time drives a loop.
    """

    def __init__(self, config: Settings = None, *, out: str | os.PathLike[str], **settings: Any) -> None:
        self.path = Path(out).absolute()  # for a loop that changes its working directory
        begun = (self.path / "store.sqlite").exists()
        self.config, self.store = (_reopened if begun else _begun)(self.path, config, settings)
        self.context = Context(self.config, ())
        try:
            self.first = self._starts()
            self._recall()
        except BaseException:
            self.store.close()
            raise

    def _recall(self) -> None:
        """Go through all stored calls."""
        self.archive = Archive(self.config.scoring, {}, Baseline("", 0.0, {}))
        self.starts = self.first  # those that nobody asked for yet
        self.open: dict[int, Open] = {}
        self.asked: dict[int, int] = {}  # the exponents of the learning rates that told ones were asked with
        self.met: set[str] = set()  # fingerprints, those of open candidates included
        self.next, self.events = 0, 0  # the number of the next candidate; the calls so far
        self.islands: Islands | None = None  # once all starting programs are told
        while (event := self.store.get(f"call {self.events}")) is not None:
            self._again(event)

    @contextmanager
    def _call(self) -> Iterator[None]:
        """A call that ends before it is committed, by Ctrl-C or a full disk, leaves what was before it.

        Where that cannot be gone through again, by a second Ctrl-C, the loop is closed: it must not write half of it.
        """
        try:
            yield
        except BaseException:
            try:
                self._recall()
            except BaseException:
                self.close()
                raise
            raise

    def ask(self, n: int = 1) -> list[Asked]:
        """Up to n programs to be measured, all different in what they do from those before.

        First come the starting programs, and no others before all of them are told. Fewer than n, or none, come then,
        and where breeding finds nothing new.
        """
        if type(n) is not int or not 1 <= n <= MOST:
            raise ConfigError(f"ask is for 1 to {MOST:,} candidates, not {n!r:.40}.")
        with self._call():
            return [one.asked for one in (self._started(n) if self.islands is None else self._bred(n, self.islands))]

    def _started(self, n: int) -> list[Open]:
        """The next starting programs."""
        fresh, self.starts = self.starts[:n], self.starts[n:]
        self.open |= {one.bred.number: one for one in fresh}
        self._note([], {"start": len(fresh)})
        return fresh

    def _bred(self, n: int, islands: Islands) -> list[Open]:
        """Up to n new programs."""
        asked, rows, first = list[Open](), list[Row](), self.next
        while len(asked) < n and self.next - first < TRIES * n:
            parent = self._chosen(islands, "parent")
            mate = self._chosen(islands, "mate").bred.text if self.config.mutations.graft else ""
            [bred] = breed(self.context, None, [Item(self.next, parent.bred.text, mate=mate)])
            looked = parent.exponents.get(TOLD, self.asked[parent.bred.number])  # of a failure only what was asked
            one = Open(bred, parent.bred.number, centre(looked, parent.bred, bred))
            if self._take(one, islands):
                asked.append(one)
            else:
                known = bred.status == "ok"
                rows.append(Row(bred, one.parent, known, None))
        self._note(rows, {"asked": [plain(one) for one in asked], "next": self.next})
        return asked

    def tell(
        self, candidate: int | Asked, score: float | None = None, *, failure: str = "", lr: float | None = None
    ) -> None:
        """Say what came of a candidate: a score, of which more is better, or a failure in a few words.

        `lr` is the learning rate that it was measured with (Asked.lr unless said); it is kept to a quarter of a decade.
        A score that is no finite number is a failure. Each candidate is told once: average noisy scores before.
        """
        number = candidate.id if isinstance(candidate, Asked) else candidate
        if not isinstance(number, SupportsIndex):
            raise ConfigError(f"tell is of a candidate or its number, not of {number!r:.40}.")
        if isinstance(score, str) or not isinstance(score, SupportsFloat | None):
            raise ConfigError(f"the score of candidate {number} is {score!r:.40} and must be a number.")
        number, score = int(number), None if score is None else float(score)
        one = self.open.get(number)
        if one is None:
            row = self.store.row(number)
            done = "was never asked" if row is None or row.measured is None else "was told already"
            raise ConfigError(f"candidate {number} {done}; `pending` has those that wait for a score.")
        if (score is None) == (not failure):
            raise ConfigError(f"tell of candidate {number} either a score or failure='...'.")
        if lr is not None and not 0 < lr < math.inf:
            raise ConfigError(f"the learning rate of candidate {number} is {lr!r:.40} and must be above 0.")
        if score is not None and not math.isfinite(score):
            failure = f"its score is {score}"
        exponent = one.exponent if lr is None else round(STEPS_PER_DECADE * math.log10(lr))
        measured = told.failed(failure) if failure else told.scored(score or 0.0, exponent)
        with self._call():
            self._told(number, measured)
            self._note([Row(one.bred, one.parent, False, measured)], {"told": number})
        if self.archive.leader() is self.archive.find(one.bred.fingerprint):
            told.write_best(self.path, self.archive, self.config)

    @property
    def pending(self) -> list[Asked]:
        """The candidates that wait for a score, also those that were asked before a restart."""
        return [one.asked for one in self.open.values()]

    @property
    def best(self) -> Program | None:
        """The program with the best score."""
        best = self.archive.leader()
        return None if best is None else told.program(best, "best")

    @property
    def run(self) -> Run:
        """What is in the directory, as of a search: its front, its rows."""
        told.write_best(self.path, self.archive, self.config)
        return Run(self.path)

    def close(self) -> None:
        """Let go of the directory; AskTell(out=...) goes on."""
        self.store.close()

    def __enter__(self) -> AskTell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _starts(self) -> list[Open]:
        programs = [dataclasses.replace(searchable(resolve(name)), doc="") for name in self.config.evolution.start]
        bred = found(self.context, None, [(-1 - i, show(program)) for i, program in enumerate(programs)])
        rates = [program.defaults.get("lr", 0.0) or 1.0 for program in programs]
        return [Open(one, None, round(STEPS_PER_DECADE * math.log10(lr))) for one, lr in zip(bred, rates, strict=True)]

    def _chosen(self, islands: Islands, purpose: str) -> Entry:
        draws = [by_counter(self.config.seed, purpose, self.next)]
        [chosen] = islands.of(self.next // self.config.evolution.block).population.choose(draws)
        return chosen

    def _take(self, one: Open, islands: Islands) -> bool:
        """Enter the next candidate: true if it waits for a score now; one that was met strengthens that."""
        bred, size = one.bred, self.config.evolution.block
        block, fresh = self.next // size, bred.status == "ok" and bred.fingerprint not in self.met
        if fresh:
            self.open[bred.number] = one
            self.met.add(bred.fingerprint)
        elif bred.status == "ok" and (entry := self.archive.find(bred.fingerprint)) is not None:
            islands.of(block).population.add(entry)
        self.next += 1
        if self.next % size == 0:
            islands.restart(block, self.next, self.archive.leader())
            islands.migrate(block)
        return fresh

    def _told(self, number: int, measured: Measured) -> None:
        one = self.open.pop(number)
        self.asked[number] = one.exponent
        entry = self.archive.add(one.bred, measured)
        self.met.add(entry.bred.fingerprint)
        if self.islands is not None:
            island = self.islands.of(number // self.config.evolution.block)
            island.population.add(entry)
            island.note(entry, self.next)
        elif not self.starts and not self.open:
            different = {entry.bred.fingerprint: entry for entry in self.archive.entries}.values()
            founders = sorted(different, key=lambda entry: -entry.bred.number)
            self.islands = Islands(self.config.evolution, founders)

    def _note(self, rows: list[Row], event: Mapping[str, Any]) -> None:
        """Commit a call: its rows, and what the next process needs to go through it again."""
        self.store.add(rows, **{f"call {self.events}": event})
        self.events += 1

    def _again(self, event: Mapping[str, Any]) -> None:
        """Go through a stored call."""
        self.events += 1
        if "start" in event:
            fresh, self.starts = self.starts[: event["start"]], self.starts[event["start"] :]
            self.open |= {one.bred.number: one for one in fresh}
        elif "told" in event:
            row = self.store.row(event["told"])
            assert row is not None
            assert row.measured is not None
            self._told(event["told"], told.read(row.measured))
        else:
            assert self.islands is not None
            asked = {one.bred.number: one for one in map(read, event["asked"])}
            others = {row.bred.number: row for row in self.store.rows(self.next, event["next"])}
            while self.next < event["next"]:
                one, row = asked.get(self.next), others.get(self.next)
                if one is None and row is None:
                    raise StoreError(f"{self.path} lacks candidate {self.next}, so its calls cannot be gone through.")
                self._take(one or Open(row.bred, row.parent, 0), self.islands)  # type: ignore[union-attr]


def _begun(path: Path, config: Settings, settings: Mapping[str, Any]) -> tuple[Config, Store]:
    checked = configured(config, settings)
    check_language(checked)
    for name in ("niches", "constants"):
        if getattr(checked.evolution, name):
            raise ConfigError(f"evolution.{name} is for searches that train; leave it out of an ask/tell loop.")
    store = directory.create(path, checked)
    store.put(told.KIND, True)
    return checked, store


def _reopened(path: Path, config: Settings, settings: Mapping[str, Any]) -> tuple[Config, Store]:
    """What is in the directory; what is given besides must be what it was begun with."""
    kept, store = directory.reopen(path, drive=True)
    try:
        if not store.get(told.KIND):
            raise StoreError(f"{path} has a search; `{command('resume', path)}` goes on with it.")
        whole = configured(kept, {})
        given = configured(whole if config is None else config, settings)
        for name in ("seed", "language", "mutations", "evolution", "scoring"):
            if getattr(given, name) != getattr(whole, name):
                raise ConfigError(f"{path} was begun with another {name}; leave the settings out to go on with it.")
    except BaseException:
        store.close()
        raise
    return kept, store
