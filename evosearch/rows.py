"""A row of the store: one candidate as it was committed, its values as SQLite keeps them, and their checksum."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from evosearch.breed import Bred
from evosearch.evaluate import Measured, stages_text
from evosearch.score import Stage


@dataclass(frozen=True)
class Row:
    """One candidate as it was committed."""

    bred: Bred
    parent: int | None
    known: bool
    measured: Measured | None  # None where nothing was trained


def to_sql(row: Row) -> tuple[Any, ...]:
    """The values of a row, in the order of the table's columns."""
    b, m = row.bred, row.measured
    stages = "" if m is None else _stages(m)
    return (
        b.number, row.parent, b.mutation, b.fingerprint, b.text, _plain(b.size), _pair(*b.responses), b.length,
        b.states, _plain(b.cost), b.status, b.reason, int(row.known), stages,
    )  # fmt: skip


def from_sql(values: Sequence[Any]) -> Row:
    """The inverse of `to_sql`; ValueError, TypeError or KeyError for values that it never gave."""
    number, parent, mutation, fingerprint, text, size, responses, length, states, cost, status, reason = values[:12]
    large, small = json.loads(responses)
    int(fingerprint or "0", 16)  # ValueError where it is none
    bred = Bred(number, text, mutation, fingerprint, size, (large, small), length, states, cost, status, reason)
    measured = None
    if values[13]:
        data = json.loads(values[13])
        stages = [
            Stage(proxy, kind, tuple(seeds), tuple(exponents), tuple(tuple(row) for row in losses))
            for proxy, kind, seeds, exponents, losses in data["stages"]
        ]
        measured = Measured(tuple(stages), *data["end"])
    return Row(bred, parent, bool(values[12]), measured)


def sealed(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values with their checksum at the end."""
    return *values, _checksum(values)


def whole(values: Sequence[Any]) -> Sequence[Any]:
    """Values that end with their checksum; ValueError where it is not theirs."""
    if values[-1] != _checksum(tuple(values[:-1])):
        raise ValueError("a checksum is wrong")
    return values


def _checksum(values: tuple[Any, ...]) -> int:
    return zlib.crc32(repr(values).encode(errors="replace"))


def _plain(number: float) -> float:
    """SQLite keeps NaN as NULL, and -0 as 0; a program without a size has 0."""
    return float(number) + 0.0 if number == number else 0.0


def _stages(measured: Measured) -> str:
    """JSON; the stages themselves are JSON already where they come from a worker."""
    stages = measured.text or stages_text(measured.stages)
    return f'{{"stages": {stages}, "end": {_end(measured.status, measured.reason)}}}'


@lru_cache(maxsize=256)  # most trainings end in one of a few ways
def _end(status: str, reason: str) -> str:
    return json.dumps([status, reason])


def _pair(one: float, other: float) -> str:
    """JSON of two numbers; the short way takes a tenth of the time."""
    return f"[{one!r}, {other!r}]" if math.isfinite(one) and math.isfinite(other) else json.dumps([one, other])
