"""Symmetries of a program: signs, permutations and rotations of the coordinates, from fresh states on.

A symmetry is shown by analysis, or refuted by a run of the interpreter on random inputs; else it is "not shown".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from typing import Any

import numpy as np

from primitives.analysis.equivariance import Turn, follows
from primitives.analysis.memory import classes_of
from primitives.analysis.parity import NONE, ODD, parities
from primitives.analysis.probe import SHAPE, inputs, moved, runs_alone
from primitives.analysis.words import listed
from primitives.graph import graph
from primitives.program import Program

Array = np.ndarray[Any, Any]
Turned = Callable[[Array], Array]
TOLERANCE = 1e-6  # of a run, relative to the largest change


@dataclass(frozen=True)
class Symmetries:
    """Which turns may be made before a step or after it, reflections being rotations.

    Each is True (shown), False (refuted by a run) or None (not shown), for the tensors `where` ("" for all)."""

    where: str
    odd: bool | None  # with -w and -g, the new w changes sign
    permutations: bool | None  # of all coordinates of a tensor
    sides: bool | None  # of the rows and of the columns of a matrix, by permutations
    rotations: bool | None  # of a tensor as one long vector
    side_rotations: bool | None  # of a matrix from the left and from the right

    @property
    def words(self) -> tuple[str, ...]:
        """Sentences for a terminal."""
        yes, no, open_ = ([name for name, held in self._named() if held is answer] for answer in (True, False, None))
        found = [f"It commutes with {listed(yes)}." if yes else ""]
        found += [f"It does not commute with {listed(no, 'or')}: a run shows it." if no else ""]
        found += [f"Not shown: whether it commutes with {listed(open_, 'or')}." if open_ else ""]
        return tuple(f"{self.where}: {text}" if self.where else text for text in found if text)

    def _named(self) -> list[tuple[str, bool | None]]:
        """The symmetries; a special case of one that holds is not said again."""
        named = [("a change of all signs", self.odd)]
        named += [("permutations of a tensor's coordinates", self.permutations)] if self.rotations is not True else []
        if self.permutations is not True:
            named.append(("permutations of rows and of columns", self.sides))
        named.append(("rotations of a tensor's coordinates", self.rotations))
        if self.rotations is not True:
            named.append(("rotations of a matrix from left and right", self.side_rotations))
        return named


@dataclass(frozen=True)
class Symmetry:
    """The symmetries of a program; of one that tells classes of tensors apart, of each class."""

    classes: tuple[Symmetries, ...]

    def lines(self) -> list[str]:
        """What holds, what does not, what is not shown."""
        texts = [text for found in self.classes for text in found.words]
        return [line for text in texts for line in wrap(text, 100, subsequent_indent="    ")]


def symmetry(program: Program) -> Symmetry:
    """The symmetries of a valid program with its default hyperparameters.

    What the loss is asked is taken to have the symmetry: the gradient at the turned weights is the turned gradient.
    """
    return Symmetry(tuple(_symmetries(where, variant) for where, variant in classes_of(program)))


def _symmetries(where: str, program: Program) -> Symmetries:
    g = graph(program, expand=True)
    rng = np.random.default_rng(1)
    rows, columns = (np.eye(n)[rng.permutation(n)] for n in SHAPE)
    left, right, whole = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (*SHAPE, SHAPE[0] * SHAPE[1]))
    shuffled = rng.permutation(len(whole))

    straight = moved(program, *inputs()) if runs_alone(program) else None

    def held(shown: bool, turned: Turned) -> bool | None:
        return True if shown else False if straight is not None and _is_refuted(program, straight, turned) else None

    return Symmetries(
        where,
        odd=held(parities(g)[g.outputs[0]] in (ODD, NONE), np.negative),
        permutations=held(follows(g, Turn(rotates=False, sides=False)), partial(_flat, np.eye(len(whole))[shuffled])),
        sides=held(follows(g, Turn(rotates=False, sides=True)), partial(_sided, rows, columns)),
        rotations=held(follows(g, Turn(rotates=True, sides=False)), partial(_flat, whole)),
        side_rotations=held(follows(g, Turn(rotates=True, sides=True)), partial(_sided, left, right)),
    )


def _flat(turn: Array, x: Array) -> Array:
    """The last two dimensions turned as one vector."""
    found: Array = (x.reshape(*x.shape[:-2], -1) @ turn.T).reshape(x.shape)
    return found


def _sided(left: Array, right: Array, x: Array) -> Array:
    found: Array = left @ x @ right.T
    return found


def _is_refuted(program: Program, change: Array, turned: Turned) -> bool:
    """Whether a run is not turned when its inputs are; `change` is that of the run as it was."""
    w, gradients = inputs()
    other = moved(program, turned(w), turned(gradients))
    if not (np.isfinite(change).all() and np.isfinite(other).all()):
        return False
    difference = np.abs(turned(change) - other).max()
    return bool(difference > TOLERANCE * max(np.abs(change).max(), np.abs(other).max()))
