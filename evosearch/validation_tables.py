"""What a validation prints: a table for each tier, what is said of each task, looks so far, the conclusion."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evosearch.funnel import Standing
from evosearch.plain import plain
from evosearch.score import GAIN_CAP
from evosearch.tables import shown
from evosearch.validation import Tier, Validation
from proxies import shown as short


def show(console: Console, validation: Validation, programs: int) -> None:
    """Print everything; `programs` is how many candidates the run has now."""
    plan = validation.plan
    console.print(
        f"\nGain over {validation.bar}, the best of AdamW and NAdamW: log of its test loss over the program's, each "
        f"task counted up to {GAIN_CAP:g}, over {plan.seeds} replicates of tuning ({plan.trials} trials) and training; "
        "positive is better. Intervals are of 95 % and hold for all candidates together.\n",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    if validation.selection is not None:
        _tier(console, "Selection", validation, validation.selection, validation.selected, "goes on")
    if validation.held_out is not None:
        _tier(console, "Held out", validation, validation.held_out, validation.judged, "better")
        console.print(_by_task(validation.judged))
        console.print()
    for sentence in sentences(validation, programs):
        console.print(sentence, soft_wrap=True, markup=False)


def sentences(validation: Validation, programs: int) -> list[str]:
    """The conclusion, and what must be said with it."""
    found = [validation.conclusion]
    found += [_of_tasks(standing) for standing in validation.judged]
    if validation.held_out is not None and validation.held_out.past.looks:
        found.append(f"The held-out tasks are no longer unseen: {validation.held_out.past.shown()}.")
    if own := [name for name, _ in validation.plan.programs]:
        found.append(f"What {', '.join(own)} was bred and chosen on is not known here, unless a run says so.")
    if (few := validation.plan.at_random(validation.programs)) < validation.programs:
        found.append(
            f"The run had {validation.programs:,} programs, random search {few:,}: it had less to choose from."
        )
    if programs > validation.programs:
        found.append(
            f"The run has grown since, from {validation.programs:,} to {programs:,} programs; --again validates that."
        )
    return found + [f"Validated earlier, on {text}" for text in validation.earlier]


def report(validation: Validation) -> dict[str, Any]:
    """The validation, and what follows from its losses, as plain values."""
    selection, held_out = validation.selection, validation.held_out
    tiers = {"selection": (selection, validation.selected), "held_out": (held_out, validation.judged)}
    found: dict[str, Any] = plain(validation)
    return found | {
        "bar": validation.bar,
        "standings": {
            name: {"candidates": plain(some), "controls": plain(validation.controls(tier))}
            for name, (tier, some) in tiers.items()
            if tier is not None
        },
        "survivors": list(validation.survivors),
        "winners": list(validation.winners),
        "conclusion": validation.conclusion,
    }


def _tier(
    console: Console, title: str, validation: Validation, tier: Tier, found: tuple[Standing, ...], word: str
) -> None:
    tasks = ", ".join(map(short, tier.losses.tasks))
    console.print(f"{title}: {tasks}; {tier.past.shown()}.", soft_wrap=True, markup=False)
    table = _table("program", "gain", "", "least without a task")
    for standing in found:
        goes = standing.name in validation.survivors if word == "goes on" else standing.passes
        table.add_row(*map(Text, (standing.name, shown(standing.gain), word if goes else "", _least(standing))))
    table.add_row(Text(validation.bar), Text("0 (the bar)"))
    for standing in validation.controls(tier):
        table.add_row(*map(Text, (standing.name, shown(standing.gain), "control", _least(standing))))
    console.print(table)
    console.print()


def _least(standing: Standing) -> str:
    """The least gain that is left when a task is left out, and which."""
    if not standing.without:
        return ""
    task = min(standing.without, key=lambda name: standing.without[name].mean)
    return f"{shown(standing.without[task])} without {short(task)}"


def _by_task(found: tuple[Standing, ...]) -> Table:
    table = _table("task", "program", "gain", "", "all but it")
    for k, on in enumerate(found[0].by_task):
        for i, standing in enumerate(found):
            own = standing.by_task[k]
            rest = shown(standing.without[own.task]) if standing.without else ""
            table.add_row(*map(Text, (short(on.task) if not i else "", standing.name, shown(own.gain), own.word, rest)))
    return table


def _of_tasks(standing: Standing) -> str:
    """On how many tasks what is said, and where it is worst."""
    words = sorted(on.word for on in standing.by_task)
    counts = ", ".join(f"{word} on {words.count(word)}" for word in dict.fromkeys(words))
    worst = min(standing.by_task, key=lambda on: on.gain.mean)
    return f"{standing.name} is {counts} of {len(words)} held-out tasks, {shown(worst.gain)} on {short(worst.task)}."


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(Text(name), overflow="fold", no_wrap=name == "gain")
    return table
