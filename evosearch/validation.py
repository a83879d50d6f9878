"""A validation under way: what is planned, who takes part, what each tier measured; kept as DIR/validation.json.

It is written whole after each tier, so one that was interrupted goes on from the tier that it had finished. Everything
that is concluded follows from the losses.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evosearch import directory, funnel, ledger
from evosearch.contenders import Contender
from evosearch.contest import COMPARISONS, contest
from evosearch.funnel import MOST, Losses, Standing
from evosearch.ledger import Past
from evosearch.mistakes import StoreError
from evosearch.plain import plain
from evosearch.trainings import Call
from evosearch.trials import PILOT

NAME = "validation.json"
TierName = Literal["selection", "held out"]


@dataclass(frozen=True)
class Plan:
    """What a validation will do."""

    selection: tuple[str, ...]  # tasks
    held_out: tuple[str, ...]
    seeds: int  # replicates of tuning and training, of each program on each task
    trials: int  # of each tuning
    candidates: int  # at most, of the front
    seed: int
    programs: tuple[tuple[str, str], ...] = ()  # candidates beside those of the front: name and text
    against: tuple[tuple[str, str], ...] = ()  # controls beside the usual ones
    random: int | None = None  # programs of random search at most; as many as the run has if None

    def at_random(self, programs: int) -> int:
        """How many programs random search has, for a run of so many."""
        return programs if self.random is None else min(self.random, programs)

    def trainings(self, contenders: int, tasks: int) -> int:
        """How many trainings a tier takes."""
        return contenders * tasks * self.seeds * (len(PILOT) + self.trials + 1)


@dataclass(frozen=True)
class Tier:
    """What a tier measured, and how often its tasks had been looked at before."""

    past: Past
    losses: Losses


@dataclass(frozen=True)
class Validation:
    """What is known so far."""

    plan: Plan
    time: str  # when it began, UTC
    programs: int  # candidates of the run then
    contenders: tuple[Contender, ...]
    selection: Tier | None = None
    held_out: Tier | None = None
    earlier: tuple[str, ...] = ()  # what earlier validations of this run concluded

    @property
    def candidates(self) -> tuple[str, ...]:
        """The forms of candidates."""
        return tuple(c.name for c in self.contenders if c.candidate)

    @property
    def most_judged(self) -> int:
        """How many programs the held-out tier can have."""
        numbers = {c.candidate for c in self.contenders} - {""}
        return min(MOST, len(numbers)) + len(self.contenders) - len(self.candidates)

    @property
    def next(self) -> TierName | None:
        """The tier that is to be measured now; None when nothing is left to do."""
        if self.selection is None:
            return "selection"
        return "held out" if self.survivors and self.held_out is None else None

    @cached_property
    def bar(self) -> str:
        """The best of AdamW and NAdamW on the selection tier."""
        assert self.selection is not None
        return funnel.bar(self.selection.losses, [c.name for c in self.contenders if c.bar])

    @cached_property
    def selected(self) -> tuple[Standing, ...]:
        """How candidates stand on the selection tier."""
        assert self.selection is not None
        return funnel.standings(self.selection.losses, self.bar, self.candidates)

    @cached_property
    def survivors(self) -> tuple[str, ...]:
        """Who goes on."""
        numbers = {c.name: c.candidate for c in self.contenders}
        return funnel.survivors(self.selected, numbers.__getitem__)

    @cached_property
    def judged(self) -> tuple[Standing, ...]:
        """How survivors stand on the held-out tier."""
        return () if self.held_out is None else funnel.standings(self.held_out.losses, self.bar, self.survivors)

    @property
    def winners(self) -> tuple[str, ...]:
        """Who is better than the bar there, too."""
        return funnel.winners(self.judged)

    def controls(self, tier: Tier) -> tuple[Standing, ...]:
        """How the other controls stand against the bar."""
        names = [n for n in tier.losses.names if n not in self.candidates and n != self.bar]
        return funnel.standings(tier.losses, self.bar, names)

    def concluded(self) -> tuple[str, ...]:
        """The conclusion with its day, of a validation that came to one."""
        return () if self.next else (f"{self.time[:10]}, {self.programs:,} programs: {self.conclusion}",)

    @property
    def conclusion(self) -> str:
        """One honest sentence."""
        if not self.survivors:
            return (
                f"No candidate is better than {self.bar} on the selection tasks for certain, so the held-out tasks "
                "stay sealed: the search has found nothing that can be believed."
            )
        best = max(self.judged, key=lambda standing: (standing.passes, standing.gain.mean))
        gain = f"a mean gain of {best.gain.mean:+.3f} [{best.gain.low:+.3f}, {best.gain.high:+.3f}]"
        if not best.passes:
            return f"No program is better than {self.bar} on the held-out tasks for certain; {best.name} has {gain}."
        return f"{best.name} is better than {self.bar} on tasks that it was neither bred nor chosen on, with {gain}."


def measure(
    validation: Validation,
    tier: TierName,
    path: Path,
    run_seed: int,
    command: str,
    call: Call,
    say: Callable[[str], None],
) -> Validation:
    """The validation with one tier more. The look is in the ledgers before a task is opened."""
    plan = validation.plan
    tasks = plan.selection if tier == "selection" else plan.held_out
    going = validation.candidates if tier == "selection" else validation.survivors
    some = [c for c in validation.contenders if c.name in going or not c.candidate]
    some.sort(key=lambda c: not c.bar)  # AdamW first: it sets the targets
    past = ledger.before(tasks)
    texts = {c.name: c.text for c in some}
    ledger.write(ledger.look(command, path, run_seed, texts, tasks, tier), ledger.place(), path / ledger.NAME)
    results = contest(
        [c.entrant for c in some], tasks,
        seeds=plan.seeds, trials=plan.trials, seed=COMPARISONS + plan.seed, run=call, say=say,
        unseal=tier == "held out",
    )  # fmt: skip
    found = Tier(past, Losses.of(results))
    if tier == "selection":
        return dataclasses.replace(validation, selection=found)
    return dataclasses.replace(validation, held_out=found)


def save(validation: Validation, path: Path) -> None:
    """Write DIR/validation.json, whole or not at all."""
    directory.write(path / NAME, json.dumps(plain(validation)) + "\n")


def load(path: Path) -> Validation | None:
    """What DIR/validation.json holds; None where there is none, StoreError where it cannot be read."""
    if not (path / NAME).exists():
        return None
    try:
        data = json.loads((path / NAME).read_text(encoding="utf-8"))
        plan: dict[str, Any] = {key: _tuples(value) for key, value in data["plan"].items()}
        return Validation(
            **{
                **data,
                "plan": Plan(**plan),
                "contenders": tuple(_contender(c) for c in data["contenders"]),
                "selection": _tier(data["selection"]),
                "held_out": _tier(data["held_out"]),
                "earlier": tuple(data["earlier"]),
            }
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path / NAME} cannot be read; move it away to validate again.") from error


def _tuples(value: Any) -> Any:
    """Lists as tuples, those inside too."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _contender(data: dict[str, Any]) -> Contender:
    free = data["free"] if data["free"] == "all" else tuple(data["free"])
    return Contender(**{**data, "free": free})


def _tier(data: dict[str, Any] | None) -> Tier | None:
    if data is None:
        return None
    some = data["losses"]
    losses = Losses(tuple(some["names"]), tuple(some["tasks"]), np.array(some["test"]), np.array(some["validation"]))
    return Tier(Past(**data["past"]), losses)
