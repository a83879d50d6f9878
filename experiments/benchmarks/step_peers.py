"""What `optimizer_step.py` measures: exported programs, and the optimizers of others that do the same."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import Parameter

from primitives.inference import state_kinds
from primitives.kinds import TENSOR
from primitives.optimizer import to_torch
from primitives.program import Program
from primitives.reference import reference
from primitives.text import parse

FOUND = Path(__file__).parents[1] / "2026-11-24-first-searches/programs/suite_299622.opt"
SYNTHETIC = """
def clipped_sign(w, g, m, *, lr=1e-4, beta=0.9):
    m = ema(m, g, beta)
    return w - lr * (clip(m, -1, 1) + 0.5 * sign(g)), m
"""

Step = Callable[[], object]
Make = Callable[[list[Parameter]], Step]


@dataclass(frozen=True)
class Family:
    """A program and the optimizers that do the same; the first is the one that the others are compared with."""

    program: Program
    makers: dict[str, Make]

    @property
    def bytes(self) -> int:
        """What a step must move for each parameter: w, g and float32 states are read, w and the states written."""
        states = sum(kind == TENSOR for kind in state_kinds(self.program).values())
        return 4 * ((2 + states) + (1 + states))


def families() -> list[Family]:
    """AdamW, SGD with momentum, Lion, a program that a search found and a synthetic one; all work by elements."""
    adamw, lion = torchs(torch.optim.AdamW, weight_decay=0.01), {}
    momentum = torchs(torch.optim.SGD, momentum=0.9)
    if lion_pytorch := package("lion_pytorch"):
        lion["lion_pytorch, plain"] = maker(lion_pytorch.Lion)
        lion["lion_pytorch, step compiled"] = maker(
            lion_pytorch.Lion, compiled=True
        )  # its own use_triton asks for CUDA
    if others := package("pytorch_optimizer"):
        adamw["pytorch_optimizer, AdamC"] = maker(others.AdamC, weight_decay=0.01)  # AdamW, unless told of norm layers
        lion["pytorch_optimizer, Lion"] = maker(others.Lion)
    peers = {"adamw": adamw, "momentum": momentum, "lion": lion}
    named = [(reference(name), makers) for name, makers in peers.items()]
    own: list[tuple[Program, dict[str, Make]]] = [
        (parse(FOUND.read_text(encoding="utf-8")), {}),
        (parse(SYNTHETIC), {}),
    ]
    return [Family(program, makers | ours(program)) for program, makers in named + own]


def ours(program: Program) -> dict[str, Make]:
    """The program's exported class in its three ways."""
    kind = to_torch(program)
    return {
        "ours, plain": maker(kind, foreach=False, fused=False),
        "ours, foreach": maker(kind, foreach=True),
        "ours, fused": maker(kind, fused=True),
    }


def torchs(kind: Callable[..., torch.optim.Optimizer], **options: Any) -> dict[str, Make]:
    """An optimizer of torch in its three ways, the fused one first."""
    return {
        "torch, fused": maker(kind, fused=True, **options),
        "torch, foreach": maker(kind, foreach=True, **options),
        "torch, loop": maker(kind, foreach=False, fused=False, **options),
    }


def maker(kind: Callable[..., torch.optim.Optimizer], compiled: bool = False, **options: Any) -> Make:
    """What makes the step of an optimizer, at a rate so small that no weight runs away."""

    def make(parameters: list[Parameter]) -> Step:
        step: Step = kind(parameters, lr=1e-5, **options).step
        return torch.compile(step) if compiled else step

    return make


def package(name: str) -> Any:
    """A package of optimizers, or None and a line that says that it is left out."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed and left out; pip install -e '.[test]' installs it")
        return None
