"""Which primitives a search has, and which of them its mutations may insert."""

from __future__ import annotations

from functools import cache

from evosearch.config import Language
from primitives import own
from primitives.bytecode import PRODUCTS
from primitives.interpreter import expansion
from primitives.program import calls
from primitives.table import PRIMITIVES


def runs_in_search(name: str) -> bool:
    """Whether the machine of a search has the primitive, itself or as what it expands to."""
    return not any(
        PRIMITIVES[op].form == "oracle" or (PRIMITIVES[op].form == "matrix" and op not in PRODUCTS)
        for op in _parts(name)
    )


def _parts(name: str) -> set[str]:
    """The primitives that a machine runs for one."""
    return {call.op for call in calls(expansion(name))} if PRIMITIVES[name].form == "composite" else {name}


def _by_name_only(name: str) -> bool:
    return any(PRIMITIVES[op].form in ("matrix", "role") for op in _parts(name))


def known(language: Language) -> tuple[str, ...]:
    """The primitives of a search: the table's, and the user's own that its configuration names."""
    mine = own.use(language.primitives)
    return tuple(name for name in PRIMITIVES if name in mine or name not in own.names())


@cache
def vocabulary(language: Language) -> tuple[str, ...]:
    """The primitives that may be inserted: those named, or all that a search can run, in their protected form.

    Those of matrices and roles come in by name only (`only` or `also`): a product of two random values is rarely of a
    kind, and what tells tensors apart by their role serves where a branch is to be had.
    """
    # interp and ema are the forms of mix for search; t is for bias corrections only.
    there = known(language)
    left_out = {PRIMITIVES[name].protects for name in there} | {"mix", "every"} | set(filter(_by_name_only, there))
    names = language.only or tuple(name for name in there if name not in left_out and runs_in_search(name))
    return tuple(dict.fromkeys(name for name in (*names, *language.also) if name not in language.without))
