"""Odd and even functions, and the sign with which a value leads."""

from __future__ import annotations

from collections.abc import Callable

from primitives.algebra.arena import Arena
from primitives.algebra.powers import measure

Rule = Callable[..., int]
ODD = ("sin", "tan", "arcsin", "arctan", "sinh", "tanh", "arcsinh", "arctanh", "cbrt", "transpose", "orthogonalize")


EVEN = ("cos", "cosh")


SIGN_KEEPING = ("tanh", "sinh", "arctan", "arcsinh", "arcsin", "arctanh", "cbrt")


def leads_negative(arena: Arena, i: int) -> bool:
    terms = arena.terms(i)
    return bool(terms) and measure(arena, terms) < 0
