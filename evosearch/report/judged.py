"""The panel of verdicts: the last table on fresh seeds, and what a validation measured on tasks never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import proxies
from evosearch.funnel import Standing, standings
from evosearch.report.charts import Interval, rows
from evosearch.report.explained import program_text
from evosearch.report.facts import Facts
from evosearch.report.markup import Child, Html, details, joined, number, signed, table, tag
from evosearch.score import GAIN_CAP
from evosearch.validation import Tier, Validation
from evosearch.validation_tables import sentences
from primitives.readable import readable
from primitives.text import parse

BESIDE = ("adamw, tuned", "lion, tuned", "best at random")  # controls that are shown on each task, beside the bar


def panel(facts: Facts) -> Html:
    """The last table, then selection and held-out tasks."""
    return joined(
        tag("h3", "On fresh seeds of the search's tasks"),
        _last(facts),
        tag("h3", "On tasks that the search never saw"),
        _validation(facts),
    )


def _last(facts: Facts) -> Html:
    if not facts.lines:
        resume = tag("code", facts.command("resume", "--budget", "+10m"))
        return tag(
            "p", "There is no last table: the search has not come to its end. ", resume, " goes on.", class_="none"
        )
    tasks = facts.config.proxies
    heads = [
        "program",
        "score",
        *map(proxies.shown, tasks),
        "lr",
        "length",
        "states",
        "cost",
        "in search",
    ]
    body: list[Sequence[Child]] = []
    for line in facts.lines:
        score = "0 (the bar)" if line is facts.lines[0] else f"{signed(line.score)} ± {line.half:.3f}"
        own = "" if line.search_score is None else signed(line.search_score)
        losses = [number(line.losses[t], 4) for t in tasks]
        first = number(next(iter(line.rates.values())))
        body.append([line.name, score, *losses, first, line.length, line.states, f"{line.cost:g}", own])
    intro = (
        f"{facts.config.scoring.final_seeds} seeds that the search never used; learning rates chosen alike for all. "
        "The score is the log of the bar's validation loss over the program's, with intervals of 95 % that hold for "
        "all candidates together."
    )
    texts = [
        details(line.name, program_text(replace(readable(parse(line.text)), name="program", doc="")), class_="values")
        for line in facts.lines
    ]
    return joined(
        tag("p", intro),
        table("The last table: score, then the loss on each task", heads, body),
        details("Their texts", texts),
    )


def _validation(facts: Facts) -> Html:
    found = facts.validation
    if found is None or found.selection is None:
        command = tag("code", facts.command("validate"))
        return tag("p", "Not done yet: ", command, " judges the best programs on other tasks.", class_="none")
    plan = found.plan
    intro = (
        f"Gain over {found.bar}: log of its test loss over the program's, each task counted up to {GAIN_CAP:g}, over "
        f"{plan.seeds} replicates of tuning ({plan.trials} trials) and training. Intervals are of 95 % and hold for "
        "all candidates together. These are the losses that the validation stored; no task was opened for this report."
    )
    return joined(
        tag("p", intro),
        _tier("selection", "Selection tasks", found, found.selection, found.selected),
        _held_out(found),
        tag("ul", [tag("li", text) for text in sentences(found, facts.history.generated)], class_="said"),
        _looks(facts),
    )


def _held_out(found: Validation) -> Html:
    if found.held_out is None:
        why = (
            "an interrupted validation has not come to them"
            if found.next
            else "no candidate was better on the selection tasks"
        )
        return tag("p", f"Held-out tasks stay sealed: {why}.", class_="none")
    return _tier("held-out", "Held-out tasks", found, found.held_out, found.judged)


def _tier(key: str, title: str, found: Validation, tier: Tier, judged: tuple[Standing, ...]) -> Html:
    """The mean gains of candidates and controls, then the gains on each task of the best and of a few controls."""
    controls = found.controls(tier)
    everybody = [*((s, 1) for s in judged), *((s, 2) for s in controls)]
    tasks = ", ".join(map(proxies.shown, tier.losses.tasks))
    means = rows(
        f"{key}-mean",
        f"{title}: mean gain",
        f"Tasks: {tasks}; {tier.past.shown()}.",
        f"mean gain over {found.bar}",
        [("candidates", 1), ("controls", 2)],
        [(s.name, [Interval(s.gain.mean, s.gain.low, s.gain.high, style)]) for s, style in everybody],
        _interval,
    )
    if not judged:
        return means
    best = max(judged, key=lambda s: s.gain.mean)
    shown = [best, *standings(tier.losses, found.bar, [n for n in BESIDE if n in tier.losses.names and n != found.bar])]
    styles = [1, 2, 3, 4][: len(shown)]
    by_task = rows(
        f"{key}-tasks",
        f"{title}: gain on each",
        "Not capped. The best candidate beside controls; right of the line is better than the bar.",
        f"gain over {found.bar}",
        [(s.name, style) for s, style in zip(shown, styles, strict=True)],
        [(proxies.shown(task), _on(k, shown, styles)) for k, task in enumerate(tier.losses.tasks)],
        _interval,
    )
    return tag("div", means, by_task, class_="charts wide")


def _on(k: int, shown: Sequence[Standing], styles: Sequence[int]) -> list[Interval]:
    gains = [s.by_task[k].gain for s in shown]
    return [Interval(g.mean, g.low, g.high, style) for g, style in zip(gains, styles, strict=True)]


def _interval(interval: Interval) -> str:
    return f"{signed(interval.mean)} [{signed(interval.low)}, {signed(interval.high)}]"


def _looks(facts: Facts) -> Html | None:
    """Every look at tasks of other tiers that the run's ledger holds."""
    if not facts.looks:
        return None
    body = [
        [look.time, look.purpose, str(len(look.programs)), ", ".join(map(proxies.shown, look.tasks))]
        for look in facts.looks
    ]
    return details(
        "The ledger of looks",
        table("Looks at other tasks", ["time", "purpose", "programs", "tasks"], body, numbers=False),
    )
