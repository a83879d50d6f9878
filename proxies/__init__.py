"""What an optimizer is judged on: small tasks, trained many replicas at a time."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxies.proxy import Proxy


def _digits() -> Proxy:
    from proxies.perceptron import perceptron

    return perceptron("digits")


def _least_squares() -> Proxy:
    from proxies.least_squares import least_squares

    return least_squares("least_squares")


def _transformer() -> Proxy:
    from proxies.transformer import transformer

    return transformer("transformer")


PROXIES: dict[str, Callable[[], Proxy]] = {
    "digits": _digits,
    "least_squares": _least_squares,
    "transformer": _transformer,
}

SUITE = ("digits", "least_squares", "transformer")  # the default suite, cheapest first


@cache
def get(name: str) -> Proxy:
    """The proxy of this name; importing this module alone imports no torch."""
    if name not in PROXIES:
        raise ValueError(f"There is no proxy called {name!r}; there are {', '.join(sorted(PROXIES))}.")
    return PROXIES[name]()
