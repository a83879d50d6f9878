"""The panels of what was trained for the report: learning curves, and how much the learning rate matters."""

from __future__ import annotations

from collections.abc import Sequence

import proxies
from evosearch.report.axes import Axis
from evosearch.report.charts import Line, chart
from evosearch.report.curves import CURVE_SEEDS, RATE_SEEDS, Band, OnTask, Subject
from evosearch.report.facts import Facts
from evosearch.report.markup import Html, joined, number, plural, table, tag

OTHERS = (2, 3, 4, 5)


def curves(facts: Facts, subjects: Sequence[Subject], found: Sequence[OnTask] | None) -> Html:
    """A picture for each task: validation loss over steps."""
    if not found:
        return _missing(facts, found is None)
    styles = _styles(subjects)
    pictures = [
        chart(
            f"curves-{k}",
            proxies.shown(on.task),
            _at_rates(subjects, on),
            Axis("step", whole=True),
            Axis("validation loss", log=True),
            lines=[_line(s.name, band, style) for s, band, style in zip(subjects, on.curves, styles, strict=True)],
        )
        for k, on in enumerate(found)
    ]
    intro = (
        f"Validation loss on the tasks of the search, geometric means of {CURVE_SEEDS} trainings with 95 % intervals. "
        f"Everybody was trained at {len(found[0].rates[0].xs)} learning rates on {RATE_SEEDS} seeds, and at the best "
        "of these on others, none of which a search ever uses. A program is on its own tasks here: that it looks good "
        "says nothing of others."
    )
    return joined(tag("p", intro), tag("div", pictures, class_="charts"), _ends(subjects, found))


def rates(facts: Facts, subjects: Sequence[Subject], found: Sequence[OnTask] | None) -> Html:
    """A picture for each task: final loss over the learning rate, of the best program and the bar."""
    if not found:
        return _missing(facts, found is None)
    kept = [i for i, subject in enumerate(subjects) if i == 0 or subject.bar]
    styles = _styles(subjects)
    pictures = [
        chart(
            f"rates-{k}",
            proxies.shown(on.task),
            f"Best rates: {'; '.join(f'{subjects[i].name}: {number(on.chosen[i], 2)}' for i in kept)}.",
            Axis("learning rate", log=True),
            Axis("final validation loss", log=True),
            lines=[_line(subjects[i].name, on.rates[i], styles[i]) for i in kept],
        )
        for k, on in enumerate(found)
    ]
    intro = (
        f"Final validation loss by learning rate, geometric means of {RATE_SEEDS} trainings with 95 % intervals. A "
        "wide valley forgives a wrong rate; a failed training counts as the task's highest loss."
    )
    return joined(tag("p", intro), tag("div", pictures, class_="charts"))


def _styles(subjects: Sequence[Subject]) -> list[int]:
    """The best has its colour, the bar its own, whoever else is there."""
    others = iter(OTHERS * len(subjects))
    return [1 if i == 0 else 0 if subject.bar else next(others) for i, subject in enumerate(subjects)]


def _line(name: str, band: Band, style: int) -> Line:
    return Line(name, band.xs.tolist(), band.means.tolist(), style, band.lows.tolist(), band.highs.tolist())


def _at_rates(subjects: Sequence[Subject], on: OnTask) -> str:
    pairs = zip(subjects, on.chosen, strict=True)
    return f"Learning rates: {'; '.join(f'{s.name}: {number(value, 2)}' for s, value in pairs)}."


def _ends(subjects: Sequence[Subject], found: Sequence[OnTask]) -> Html:
    """The losses that trainings end with."""
    rows = []
    for i, subject in enumerate(subjects):
        bands = [on.curves[i] for on in found]
        rows.append(
            [subject.name, *(f"{number(b.means[-1])} [{number(b.lows[-1])}, {number(b.highs[-1])}]" for b in bands)]
        )
    return table(
        "Final validation loss with 95 % interval", ["program", *(proxies.shown(on.task) for on in found)], rows
    )


def _missing(facts: Facts, left_out: bool) -> Html:
    if facts.best is None:
        return tag("p", "There is no program to train yet.", class_="none")
    tasks = plural(len(facts.config.proxies), "task")
    why = f"Left out by --quick. Trainings on {tasks} come with " if left_out else "Nothing was trained. Try "
    return tag("p", why, tag("code", facts.command("report")), ".", class_="none")
