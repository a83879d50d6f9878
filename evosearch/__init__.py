"""Discovers optimizers for neural networks: evolves short programs, scored by really training with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from primitives.program import Program

__version__ = "0.1.0"


def load(spec: str) -> Program:
    """The program that `spec` names: "lion", a path, "runs/today:best", "runs/today:17", "runs/today:front[0]".

    Raises primitives.program.ProgramError, a ValueError, with one sentence for each fault.
    """
    from evosearch.resolve import resolve

    return resolve(spec)


def to_torch(program: Program) -> type[torch.optim.Optimizer]:
    """A torch.optim.Optimizer subclass that does what the program says; hyperparameters are its arguments."""
    from primitives.optimizer import to_torch as convert

    return convert(program)
