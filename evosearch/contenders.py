"""Who takes part in a validation: the best of a run's Pareto front, as found and tuned again, and the controls."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

import proxies
from evosearch.archive import Archive
from evosearch.config import Config, ConfigError
from evosearch.contest import Entrant
from evosearch.resolve import resolve
from evosearch.run import References
from evosearch.score import Baseline
from evosearch.store import Store
from evosearch.trials import Free
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


def named(candidates: Iterable[str], against: Iterable[str]) -> list[Contender]:
    """Programs that somebody names: candidates, as they are and with all constants free; controls with these free."""
    found, there = [], [*BARS, "lion"]
    for name in candidates:
        text = show(resolve(name))
        found += [Contender(name, text, (), name), Contender(f"{name}, tuned again", text, "all", name)]
        there.append(name)
    for name in against:
        found.append(Contender(f"{name}, tuned", show(resolve(name)), "all"))
        there.append(name)
    if twice := next((name for name in there if there.count(name) > 1), None):
        raise ConfigError(f"{twice} takes part already; name it once, as --program or --against.")
    return found


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
            found.append(Contender(f"the start, {name}", bred.text, ()))
    lucky = list(islice((entry for entry in at_random.ranking() if entry.bred.number >= 0), 1))
    return [*found, *(Contender("best at random", entry.bred.text, ()) for entry in lucky)]
