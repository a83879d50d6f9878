"""How a program of a run came about: its ancestors back to the start, each mutation as a difference of texts."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evosearch import found
from evosearch.config import Config
from evosearch.contenders import archive_of
from evosearch.directory import reopen
from evosearch.resolve import place_in_run
from evosearch.run import kept_references
from evosearch.store import Row, Store
from primitives.text import parse, show_expr
from proxies import TaskError


@dataclass(frozen=True)
class Step:
    """One ancestor: what changed against its parent, and its score as the search knows it, over all seeds spent on it.

    The score is None where a hurdle ended its trainings before they were on all tasks.
    """

    number: int
    mutation: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    score: float | None

    def record(self) -> dict[str, Any]:
        """The step as plain values."""
        return {
            "number": self.number, "mutation": self.mutation, "removed": list(self.removed),
            "added": list(self.added), "score": self.score,
        }  # fmt: skip

    def shown(self) -> str:
        """The step as text."""
        score = "" if self.score is None else f", score {self.score:+.3f}"
        name = "start" if self.number < 0 else f"candidate {self.number}: {self.mutation}"
        lines = [
            f"{name}{score}",
            *(f"  - {line}" for line in self.removed),
            *(f"  + {line}" for line in self.added),
        ]
        return "\n".join(lines)


def of(spec: str) -> list[Step]:
    """The steps from the start to DIR:NUMBER, DIR:best or DIR:front[i]; none for what is not of a run."""
    place = place_in_run(spec)
    if place is None:
        return []
    number = _number(*place)
    config, store = reopen(place[0])
    row = None if number is None else store.row(number)
    chain: list[Row] = []
    while row is not None:
        chain.append(row)
        row = None if row.parent is None else store.row(row.parent)
    chain.reverse()
    scores = _scores(config, store, {row.bred.fingerprint for row in chain})
    store.close()
    return [_step(row, chain[i - 1] if i else None, scores.get(row.bred.fingerprint)) for i, row in enumerate(chain)]


def _scores(config: Config, store: Store, fingerprints: set[str]) -> dict[str, float]:
    """The scores of those that passed every hurdle; none where a task of the run is not there any more."""
    kept = store.get("prologue")
    if kept is None:  # scores were told
        return {}
    try:
        archive = archive_of(config, store, kept_references(kept).bar, fingerprints)
    except TaskError:
        return {}
    return {entry.bred.fingerprint: entry.score for entry in archive.entries if entry.complete}


def _number(directory: Path, which: str) -> int | None:
    """The candidate's number behind a name; front.csv's first row is the best."""
    if which != "best" and not which.startswith("front["):
        return int(which)
    rows = found.front(directory)
    return int(rows[0 if which == "best" else int(which[6:-1])]["number"])


def _step(row: Row, parent: Row | None, score: float | None) -> Step:
    old, new = ([] if r is None else _expressions(r.bred.text) for r in (parent, row))
    changes = [line for line in difflib.ndiff(old, new) if line[:2] in ("- ", "+ ")] if parent else []
    removed = tuple(line[2:] for line in changes if line[0] == "-")
    added = tuple(line[2:] for line in changes if line[0] == "+")
    return Step(row.bred.number, row.bred.mutation, removed, added, score)


def _expressions(text: str) -> list[str]:
    """The statements in readable form: names of the canonical form change at every step and would hide what did."""
    from primitives.readable import readable

    program = readable(parse(text))
    lines = [f"{a.name} = {show_expr(a.value)}" for a in program.body]
    return [*lines, "return " + ", ".join(show_expr(value) for value in program.returns)]
