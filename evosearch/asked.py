"""A program that an ask/tell loop gives out, and what the loop keeps of it until it is told."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evosearch.breed import Bred
from evosearch.found import TOLD, Found
from evosearch.measure import rate
from primitives.program import Program

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Asked:
    """A program to be measured."""

    id: int  # of the candidate; starting programs have -1, -2, ...
    text: str  # in canonical form
    lr: float  # with which its first updates are as large as its parent's were; a place to look around

    @property
    def program(self) -> Program:
        """In readable form; its default lr is `lr`."""
        row = Found(self.id, self.text, (), rates={TOLD: self.lr})
        return dataclasses.replace(row.program(), doc="")

    def to_torch(self) -> type[torch.optim.Optimizer]:
        """A torch.optim.Optimizer subclass that does what the program says."""
        from evosearch import to_torch

        return to_torch(self.program)


@dataclass(frozen=True)
class Open:
    """A candidate that waits for its score."""

    bred: Bred
    parent: int | None
    exponent: int  # of the learning rate to look around

    @property
    def asked(self) -> Asked:
        return Asked(self.bred.number, self.bred.text, float(f"{rate(self.exponent):.3g}"))


def plain(one: Open) -> list[Any]:
    """What JSON keeps of it."""
    return [dataclasses.asdict(one.bred), one.parent, one.exponent]


def read(values: list[Any]) -> Open:
    """The inverse."""
    bred, parent, exponent = values
    return Open(Bred(**{**bred, "responses": tuple(bred["responses"])}), parent, exponent)
