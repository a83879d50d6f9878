"""Compiles what a search needs, once, so that no worker compiles what another is compiling."""

from __future__ import annotations

from collections.abc import Sequence

from evosearch.breed import Context
from evosearch.fingerprint import fingerprints
from evosearch.measure import compiled, measure
from primitives.reference import reference
from primitives.text import show


def warm(context: Context, shared: None, items: Sequence[str]) -> list[str]:
    """Handler: compile the machine for each dtype, "float32" with the proxies' own kernels."""
    text = show(reference("adamw"))
    for dtype in items:
        if dtype == "float64":
            fingerprints([compiled(text)])
        else:
            for proxy in context.proxies:
                measure([text], proxy, [0], [(-8,)], steps=2)
    return list(items)
