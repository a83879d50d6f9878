"""Programs with their constants lifted out: the best of these skeletons, and a CMA-ES over the constants of each.

Everything follows from what was committed and from candidate numbers, so a resumed search proposes the same again.
"""

from __future__ import annotations

import math
import random
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evosearch.archive import Entry
from evosearch.flat import constant_sites, scaled_at
from primitives.text import parse, show

if TYPE_CHECKING:
    from cmaes import CMA

KEPT = 32  # skeletons that are remembered, the best
TUNED = 4  # of these the best whose constants are tuned
STEP = 1.0  # standard deviation of the first proposals: a factor of two
FARTHEST = 20.0  # powers of two that a constant may go from where it began
FAILED = 10.0  # what a proposal without a score counts for; losses are far below
NUMBER = re.compile(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]?\d+)?")


def skeleton(text: str) -> str:
    """A program's text with a mark for each number, and its states named by their order."""
    states = re.split(r",\s*", text[text.index("(") + 1 : text.index(")")].partition(", *")[0])[2:]
    order = {name.partition("=")[0]: f"state{i}" for i, name in enumerate(states)}
    return NUMBER.sub("#", re.sub(r"\b[A-Za-z_]\w*", lambda found: order.get(found[0], found[0]), text))


@dataclass
class Tuner:
    """Proposals for the constants of one program: each times a power of two, of a weight near 1 its distance from 1."""

    text: str
    optimizer: CMA
    told: list[tuple[Any, float]] = field(default_factory=list)

    def ask(self) -> tuple[str, Any]:
        """A program's text with other constants, and the powers of two that were proposed."""
        program, powers = parse(self.text), self.optimizer.ask()
        for site, power in zip(constant_sites(program), powers, strict=True):
            program = scaled_at(program, site, 2.0 ** min(FARTHEST, max(-FARTHEST, float(power))))
        return show(program), powers

    def tell(self, powers: Any, loss: float) -> None:
        """What became of a proposal; once there are enough of them the next ones are drawn elsewhere."""
        self.told.append((powers, loss))
        if len(self.told) == self.optimizer.population_size:
            self.optimizer.tell(self.told)
            self.told = []


class Skeletons:
    """The best skeletons of a search by what tournaments compare, and their tuners."""

    def __init__(self, value: Callable[[Entry], float], founders: Iterable[Entry]) -> None:
        self.value = value
        self.best: dict[str, Entry] = {}
        self.tuners: dict[str, Tuner] = {}
        self.open: dict[int, tuple[Tuner, Any]] = {}  # proposals that are not told yet, by candidate
        for entry in founders:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """A program that was measured; of each skeleton the best stays, and of skeletons the best few."""
        if not entry.complete:
            return
        key = skeleton(entry.bred.text)
        if key not in self.best or self.value(entry) > self.value(self.best[key]):
            self.best[key] = entry
        if len(self.best) > KEPT:
            worst = min(self.best, key=lambda key: (self.value(self.best[key]), -self.best[key].bred.number))
            del self.best[worst]
            self.tuners.pop(worst, None)

    def propose(self, number: int, rng: random.Random) -> tuple[Entry, str] | None:
        """One of the best skeletons' best program, and its text with other constants, for a candidate; None: none has.

        A tuner that has come to its end begins anew at the skeleton's best program.
        """
        ranked = sorted(self.best, key=lambda key: (-self.value(self.best[key]), self.best[key].bred.number))
        key = rng.choice(ranked[:TUNED])
        tuner = self.tuners.get(key)
        if tuner is None or tuner.optimizer.should_stop():
            tuner = _tuner(self.best[key].bred.text, rng.getrandbits(31))
            if tuner is None:
                return None
            self.tuners[key] = tuner
        text, powers = tuner.ask()
        self.open[number] = tuner, powers
        return self.best[key], text

    def told(self, number: int, entry: Entry | None) -> None:
        """What became of a candidate, proposed here or not; None where it was refused."""
        if number in self.open:
            tuner, powers = self.open.pop(number)
            tuner.tell(powers, FAILED if entry is None or not math.isfinite(entry.score) else -self.value(entry))
        if entry is not None:
            self.note(entry)


def _tuner(text: str, seed: int) -> Tuner | None:
    """A tuner for a program; None where it has no two constants, with which CMA-ES begins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is offered besides asks for scipy
        from cmaes import CMA
    count = len(constant_sites(parse(text)))
    return Tuner(text, CMA(mean=np.zeros(count), sigma=STEP, seed=seed)) if count > 1 else None
