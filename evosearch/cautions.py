"""What cannot be concluded from a contest, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import proxies
from evosearch.contest import Results
from evosearch.measure import rate
from evosearch.score import GAIN_CAP
from evosearch.trials import EDGE, PILOT
from evosearch.verdicts import Verdict

FEW_TASKS = 5
MANY_SEEDS = 2000  # more than anybody would pay for


def cautions(results: Results, found: tuple[Verdict, ...], trials: int) -> list[str]:
    """The sentences, what matters most first."""
    undecided = _undecided(found, seeds=results.test.shape[2])
    sentences = [*undecided, *_fragile(found), *_capped(found), *_failures(results), *_edges(results)]
    return [*sentences, *_scope(results), _budget(results, trials)]


def _undecided(found: tuple[Verdict, ...], seeds: int) -> Iterator[str]:
    for v in found:
        if v.verdict != "undecided":
            continue
        text = f"{v.name} is undecided: its gain may be anything from {v.gain.low:+.3f} to {v.gain.high:+.3f}"
        if (more := max(v.needed, seeds + 1)) <= MANY_SEEDS:  # the count is rough, and as many did not show it
            yield f"{text}; if it is {v.gain.mean:+.3f} as observed, about --seeds {more:.0f} would show it."
        else:
            yield f"{text}; what was observed is too small to be shown by less than {MANY_SEEDS:,} seeds."


def _fragile(found: tuple[Verdict, ...]) -> Iterator[str]:
    """Verdicts that one task carries."""
    for v in found:
        carried = [proxies.shown(task) for task, e in v.without.items() if e.low <= 0 <= e.high]
        if v.verdict != "undecided" and carried:
            some = " or without ".join(carried)
            yield f"{v.name} is {v.verdict} over all tasks, but undecided without {some}."
        if len({t.verdict for t in v.by_task} - {"undecided"}) > 1:
            better = ", ".join(proxies.shown(t.task) for t in v.by_task if t.verdict == "better")
            worse = ", ".join(proxies.shown(t.task) for t in v.by_task if t.verdict == "worse")
            yield f"{v.name} is better on {better} and worse on {worse}: which one counts depends on your task."


def _capped(found: tuple[Verdict, ...]) -> Iterator[str]:
    for v in found:
        high = [f"{t.gain.mean:+.2f} on {proxies.shown(t.task)}" for t in v.by_task if t.gain.mean > GAIN_CAP]
        if high:
            yield f"{v.name} gains {', '.join(high)}; no task counts for more than {GAIN_CAP:+g} in the mean."


def _failures(results: Results) -> Iterator[str]:
    seeds = results.failed.shape[2]
    for e, k in np.argwhere(results.failed.any(axis=2)):
        count, task = int(results.failed[e, k].sum()), proxies.shown(results.tasks[k])
        yield f"{results.names[e]} did not train in {count} of {seeds} replicates on {task}; " + (
            "each counts as the task's ceiling."
        )


def _edges(results: Results) -> Iterator[str]:
    """Learning rates chosen where the range ends: a better one may lie beyond."""
    seeds = results.test.shape[2]
    for e, name in enumerate(results.names):
        for k, task in enumerate(map(proxies.shown, results.tasks)):
            edges = [choice.edge for choice in results.chosen[e][k]]
            side = max(("low", "high"), key=edges.count)
            count = edges.count(side)
            if count > seeds / 2:
                yield f"{name}'s learning rate on {task} was chosen in the {side}est {EDGE:.0%} of its range in " + (
                    f"{count} of {seeds} replicates; a better one may lie beyond."
                )
            for last in (rate(PILOT[0]), rate(PILOT[-1])):
                if np.mean(results.centres[e, k] == last) > 0.5:
                    yield f"{name}'s best learning rate in the pilots on {task} is mostly the last of the grid, " + (
                        f"{last:.0e}; a better one may lie beyond."
                    )


def _scope(results: Results) -> Iterator[str]:
    tasks = results.tasks
    if len(tasks) < FEW_TASKS:
        few = "one task" if len(tasks) == 1 else f"{len(tasks)} tasks"
        yield f"Intervals are over replicates of {few}; they say nothing of other tasks."
    tiers = {proxies.TASKS[name].tier for name in tasks if name in proxies.TASKS}
    if tiers == {"search"}:
        yield "All tasks are of the search tier: a program that a search found was bred on them, to its advantage."


def _budget(results: Results, trials: int) -> str:
    counts = [2 + len(names) for names in results.tuned]
    told = ", ".join(f"{name} {count}" for name, count in zip(results.names, counts, strict=True))
    alike = len(set(counts)) == 1
    each = f"{trials} trial{'s' * (trials > 1)} in each replicate"
    text = f"Every program had {each}, for as many settings as it has ({told})"
    return f"{text}." if alike else f"{text}: who has more has each of them tuned less well."
