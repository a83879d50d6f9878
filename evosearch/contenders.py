"""Who takes part in a validation: the best of a run's Pareto front, as found and tuned again, and the controls."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from itertools import islice

import proxies
from evosearch.archive import Archive
from evosearch.config import Config, ConfigError
from evosearch.contest import Entrant
from evosearch.resolve import resolve, shown
from evosearch.run import References
from evosearch.score import Baseline
from evosearch.store import Store
from evosearch.trials import Free
from primitives.graph import canonical
from primitives.reference import reference
from primitives.text import parse, show

BARS = ("adamw", "nadamw")
TUNED_AGAIN = 2  # of the best candidates


@dataclass(frozen=True)
class Contender:
    """A program, and what of it is tuned beside learning rate and warm-up."""

    name: str
    text: str
    free: Free
    candidate: str = ""  # number of the candidate, whose forms share it; a control has none
    bar: bool = False  # whether it can be the bar

    @property
    def entrant(self) -> Entrant:
        """As a contest takes it."""
        return Entrant(self.name, parse(self.text), self.free)


def archive_of(config: Config, store: Store, bar: Baseline, only: Collection[str] | None = None) -> Archive:
    """What a search knows, from its rows; or only of programs with these fingerprints."""
    archive = Archive(config.scoring, {name: proxies.get(name).bounds for name in config.proxies}, bar)
    for bred, measured in store.founders():
        archive.add(bred, measured)
    for row in store.rows(0) if only is None else store.alike(only):
        if row.measured is None:
            continue
        if not row.known:
            archive.add(row.bred, row.measured)
        elif (entry := archive.find(row.bred.fingerprint)) is not None:
            archive.more(entry, row.measured, row.bred.number)
    return archive


def candidates(archive: Archive, most: int) -> list[Contender]:
    """The best of the Pareto front, at most so many, as they were found; then the best few with all constants free."""
    found = [entry.bred for entry in archive.front() if entry.bred.number >= 0][:most]
    as_found = [Contender(f"{b.number}", b.text, (), f"{b.number}") for b in found]
    again = [Contender(f"{b.number}, tuned again", b.text, "all", f"{b.number}") for b in found[:TUNED_AGAIN]]
    return as_found + again


Named = tuple[tuple[str, str], ...]  # names of programs, and their texts


def read(candidates: Iterable[str], against: Iterable[str]) -> tuple[Named, Named]:
    """Programs that somebody names, with their texts; ConfigError where one is named twice."""
    there = {_map(show(reference(name))): name for name in (*BARS, "lion")}
    found: list[list[tuple[str, str]]] = [[], []]
    for names, some in ((candidates, found[0]), (against, found[1])):
        for name in names:
            text = show(resolve(name))
            if (other := there.get(_map(text))) is not None:
                also = "" if other == name else f", as {other}"
                raise ConfigError(f"{name} takes part already{also}; name it once, as --program or --against.")
            there[_map(text)] = shown(name)
            some.append((shown(name), text))
    return tuple(found[0]), tuple(found[1])


def named(candidates: Named, against: Named, there: Iterable[Contender]) -> list[Contender]:
    """What joins those who are there: candidates, as they are and with all constants free; controls with these free.

    One that is a candidate of the run, with its constants named perhaps, is another form of it. ConfigError where
    somebody has the name already.
    """
    numbers = {_map(c.text): c.candidate for c in there if c.candidate}
    found = []
    for name, text in candidates:
        number = numbers.get(_map(text), name)
        found += [Contender(name, text, (), number), Contender(f"{name}, tuned again", text, "all", number)]
    found += [Contender(f"{name}, tuned", text, "all") for name, text in against]
    names = [c.name for c in (*there, *found)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"'{twice}' is a name that takes part already; give the file another.")
    return found


def _map(text: str) -> str:
    """A program's text without what does not change what it does: names, notes, the default of lr."""
    program = canonical(parse(text))
    hyper = tuple((name, 1.0 if name == "lr" else value) for name, value in program.hyper)
    return show(replace(program, name="f", doc="", hyper=hyper))


def controls(references: References, starts: Iterable[str], store: Store, at_random: Archive) -> list[Contender]:
    """AdamW and NAdamW, of which the best is the bar; Lion; the starting programs once more; the best at random.

    AdamW and NAdamW stand here with all constants tuned, and with those that were tuned for the search: with these the
    search began, and what changes nothing but names must not be better than the bar.
    """
    found = [Contender(f"{name}, tuned", show(reference(name)), "all", bar=True) for name in BARS]
    found += [Contender(f"{name}, as in the search", references.tuned[name].text, (), bar=True) for name in BARS]
    found += [Contender("lion, tuned", show(reference("lion")), ("weight_decay",))]
    for name, (bred, _) in zip(starts, store.founders(), strict=True):
        if name not in BARS:
            found.append(Contender(f"the start, {shown(name)}", bred.text, ()))
    lucky = list(islice((entry for entry in at_random.ranking() if entry.bred.number >= 0), 1))
    return [*found, *(Contender("best at random", entry.bred.text, ()) for entry in lucky)]
