"""The panel of failures: what became of the candidates, and of what kind the failures are."""

from __future__ import annotations

from collections.abc import Sequence

from evosearch.report.facts import Facts
from evosearch.report.history import History
from evosearch.report.markup import Child, Html, joined, table, tag

MEANINGS = {
    "invalid": "no program that the search may hold: too long, too costly, or without any effect",
    "nan": "its update is not a finite number",
    "odd": "it treats (w, g) and (−w, −g) differently",
    "scale": "it loses when gradients are 100 times larger or smaller, at any learning rate",
    "failed": "no learning rate trains on a task",
    "timeout": "a worker did not end in time",
    "oom": "the memory was not enough",
    "crash": "a worker died of it",
}


def panel(facts: Facts) -> Html:
    """From all that were generated to those that passed; then the kinds of failures, and the hurdles."""
    course = facts.history
    if not course.generated:
        return tag("p", "There is no candidate yet.", class_="none")
    became: list[Sequence[Child]] = []
    for name, count in _counts(course):
        part = count / course.generated
        became.append([name, f"{count:,}", f"{part:.1%}", _length(part)])
    hurdles = [[name, f"{count:,}"] for name, count in course.hurdles.items()]
    return joined(
        table("What became of the candidates", ["", "candidates", "share", ""], became),
        _kinds(course),
        table("Hurdles that ended trainings early", ["hurdle", "candidates"], hurdles) if hurdles else None,
    )


def _counts(course: History) -> list[tuple[str, int]]:
    ended = sum(course.hurdles.values())
    return [
        ("generated", course.generated),
        ("refused before any training", course.generated - course.hits - course.trained),
        ("met before", course.hits),
        ("trained", course.trained),
        ("failed in training", course.trained - ended - course.passed),
        ("ended at a hurdle", ended),
        ("passed every hurdle", course.passed),
    ]


def _kinds(course: History) -> Html:
    if not course.refused:
        return tag("p", "No candidate failed.", class_="none")
    rows = [
        [status, f"{r.count:,}", f"{r.count / course.generated:.1%}", MEANINGS.get(status, ""), r.reason]
        for status, r in course.refused.items()
    ]
    heads = ["kind", "candidates", "share", "meaning", "mostly, numbers as …"]
    return table("Failures by kind", heads, rows, numbers=False)


def _length(part: float) -> Html:
    return tag("span", class_="bar", style=f"width:{100 * part:.4g}%", aria_hidden="true")
