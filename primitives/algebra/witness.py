"""The record of inputs on which two programs differ, and what it says on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from primitives.algebra.trials import Array, Trial
from primitives.program import Program, calls, expressions
from primitives.rewriting import reads
from primitives.specialise import constants_read
from primitives.table import PRIMITIVES

Numbers = tuple[Any, ...]  # nested as the tensor is
WIDTH = 100
FEW = 5  # numbers of a model that are written out


@dataclass(frozen=True)
class Witness:
    """Inputs up to the step at which two programs first give other weights, and the element where the gap is widest.

    Weights and gradients are numbers nested as their tensors are. `curvature` is the loss's Hessian, None where
    neither program asks the loss; the loss around the weights w is then loss + g'd + d'Hd / 2 + sum(d^4) / 4 at w + d.
    """

    hyper_p: dict[str, float]
    hyper_q: dict[str, float]
    lr: tuple[float, ...]  # of steps 1, 2, ...
    base_lr: float | None  # None where neither program depends on it; so are total_steps and curvature
    total_steps: int | None
    weights: tuple[Numbers, ...]  # of each tensor, before step 1
    gradients: tuple[tuple[Numbers, ...], ...]  # of each step, of each tensor
    losses: tuple[float, ...]
    curvature: tuple[tuple[float, ...], ...] | None
    roles: tuple[str, ...]  # of each tensor, what it is for; empty where neither program reads it
    step: int
    tensor: int
    coordinate: tuple[int, ...]
    before: float
    new_p: float
    new_q: float

    @classmethod
    def of(
        cls,
        programs: tuple[Program, Program],
        hypers: tuple[dict[str, float], dict[str, float]],
        trial: Trial,
        step: int,
        place: tuple[int, tuple[int, ...]],
        weights: tuple[Sequence[Array], Sequence[Array], Sequence[Array]],
    ) -> Witness:
        """The record of a trial; `place` is tensor and coordinate, `weights` those before the step and after it."""
        tensor, at = place
        asks = any(PRIMITIVES[call.op].form == "oracle" for p in programs for e in expressions(p) for call in calls(e))
        starts = any(state.start == "lr" for p in programs for state in p.states)

        def read(name: str) -> bool:
            return any(reads(p, name) for p in programs)

        before, new_p, new_q = (float(parts[tensor][at]) for parts in weights)
        return cls(
            *hypers,
            lr=trial.lr[:step],
            base_lr=trial.base_lr if read("base_lr") or starts else None,
            total_steps=trial.steps if read("T") else None,
            weights=tuple(map(_nested, trial.weights)),
            gradients=tuple(tuple(map(_nested, parts)) for parts in trial.grads[:step]),
            losses=trial.losses[:step],
            curvature=_nested(trial.hessian) if asks else None,
            roles=trial.roles if any(map(constants_read, programs)) else (),
            step=step,
            tensor=tensor,
            coordinate=at,
            before=before,
            new_p=new_p,
            new_q=new_q,
        )

    def lines(self) -> list[str]:
        """In a few sentences what inputs tell the two programs apart."""
        sentences = [self._outcome(), *self._inputs()]
        rates = "lr is" if self.step == 1 else "the rates lr are"
        base = "" if self.base_lr is None else f", base_lr is {_short(self.base_lr)}"
        total = "" if self.total_steps is None else f", T is {self.total_steps}"
        sentences.append(f"There {rates} {_listed(self.lr)}{base}{total}.")
        names = dict.fromkeys((*self.hyper_p, *self.hyper_q))
        if names:
            sentences.append(f"Hyperparameters: {', '.join(map(self._setting, names))}.")
        if self.roles:
            sentences.append(f"What the tensors are for: {', '.join(self.roles)}.")
        if self.curvature is not None:
            diagonal = [row[i] for i, row in enumerate(self.curvature)]
            sentences.append(f"The loss is w'Hw / 2 and more, where H has the diagonal {_listed(diagonal)}.")
        return [line for sentence in sentences for line in textwrap.wrap(sentence, WIDTH)]

    def _outcome(self) -> str:
        """What either program makes of the element, with as many digits as it needs to tell them apart."""
        digits = next((n for n in range(4, 17) if _short(self.new_p, n) != _short(self.new_q, n)), 17)
        p, q, before = (_short(x, digits) for x in (self.new_p, self.new_q, self.before))
        return (
            f"Step {self.step} takes {self._element()} from {before} to {p} in the first program, to {q} in the second."
        )

    def _element(self) -> str:
        if sum(map(_count, self.weights)) == 1:
            return "w"
        tensor = f" of tensor {self.tensor + 1}" if len(self.weights) > 1 else ""
        return f"w[{', '.join(map(str, self.coordinate))}]{tensor}"

    def _inputs(self) -> list[str]:
        """All numbers where they are few; else those of the element, and the shapes."""
        if sum(map(_count, self.weights)) <= FEW:
            grads = ", then ".join(map(_tensors, self.gradients))
            return [f"At first w = {_tensors(self.weights)}; the gradients are {grads}."]
        start = _at(self.weights[self.tensor], self.coordinate)
        grads = _listed([_at(parts[self.tensor], self.coordinate) for parts in self.gradients])
        shapes = " and ".join(str(_shape(w)) for w in self.weights)
        return [f"The tensors are {shapes}; that element starts at {_short(start)}, its gradients are {grads}."]

    def _setting(self, name: str) -> str:
        values = [_short(hyper[name]) for hyper in (self.hyper_p, self.hyper_q) if name in hyper]
        return f"{name} = {' and '.join(dict.fromkeys(values))}"


def _short(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}g}"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(map(_short, values))


def _tensors(parts: Sequence[Any]) -> str:
    return " and ".join(map(_written, parts))


def _written(x: Any) -> str:
    """Nested numbers; brackets only where there is more than one."""
    if not isinstance(x, tuple):
        return _short(x)
    return _written(x[0]) if _count(x) == 1 else f"[{', '.join(map(_written, x))}]"


def _nested(x: Any) -> Any:
    """An array, or what its tolist() gives, as nested tuples."""
    found = x.tolist() if isinstance(x, np.ndarray) else x
    return tuple(map(_nested, found)) if isinstance(found, list) else found


def _count(x: Any) -> int:
    return sum(map(_count, x)) if isinstance(x, tuple) else 1


def _shape(x: Any) -> list[int]:
    return [len(x), *_shape(x[0])] if isinstance(x, tuple) else []


def _at(x: Any, coordinate: tuple[int, ...]) -> float:
    for i in coordinate:
        x = x[i]
    return float(x)
