"""What tuning tries for each hyperparameter: the same ranges for baselines and for whoever is compared with them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from primitives.program import Program


@dataclass(frozen=True)
class Range:
    """Values between two bounds, even in their logarithm, or in that of their distance from 1.

    The lowest part `zero` of the unit interval stands for 0.
    """

    low: float
    high: float
    scale: Literal["log", "from one"] = "log"
    zero: float = 0.0

    def at(self, u: float) -> float:
        """The value at u in [0, 1], to three digits."""
        if u < self.zero:
            return 0.0
        part = (u - self.zero) / (1 - self.zero)
        if self.scale == "from one":
            return 1 - _rounded((1 - self.low) * ((1 - self.high) / (1 - self.low)) ** part)
        return _rounded(self.low * (self.high / self.low) ** part)


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


MOMENTUM = Range(0.0, 0.98, "from one")  # from no average at all: short trainings want short ones
SQUARES = Range(0.5, 0.9995, "from one")
RANGES: dict[str, Range] = {
    "beta": MOMENTUM,
    "beta1": MOMENTUM,
    "beta2": SQUARES,
    "rho": SQUARES,
    "eps": Range(1e-9, 1e-2),
    "weight_decay": Range(1e-3, 10.0, zero=0.15),  # up to what Lion wants
    "lr_ratio": Range(0.01, 10.0),  # of Adam's part in Muon
}
WARMUP = Range(0.02, 0.3)  # part of the steps


def range_of(name: str) -> Range | None:
    """The range of a hyperparameter, also where a wrapper numbered its name; None for what is not tuned."""
    return RANGES.get(re.sub(r"_\d+$", "", name))


def tuned_names(program: Program) -> tuple[str, ...]:
    """The hyperparameters of a program that tuning may change, beside the learning rate."""
    return tuple(name for name in program.defaults if range_of(name) is not None)
