"""The panel of the family tree: how the best descends from the start, each mutation as a difference of texts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from evosearch.lineage import Step
from evosearch.report.axes import Axis
from evosearch.report.charts import Line, Mark, chart
from evosearch.report.difference import difference
from evosearch.report.explained import program_text
from evosearch.report.facts import Facts
from evosearch.report.history import called
from evosearch.report.markup import Child, Html, details, joined, plural, scrolling, signed, table, tag

LITTLE = 0.0005  # a gain that is shown as 0
OPEN = 12  # steps that stand open; of a longer descent those with the largest gains


def panel(facts: Facts) -> Html:
    """The scores along the descent, and the steps."""
    steps = facts.descent
    if not steps:
        return tag("p", "There is no best program yet.", class_="none")
    if len(steps) == 1:
        return tag("p", "The best program is the start itself, so nothing descends from it yet.", class_="none")
    changes = gains(steps)
    ranked = sorted(range(len(steps)), key=lambda i: -abs(changes[i] or 0.0))
    opened = set(range(len(steps))) if len(steps) <= OPEN else {*ranked[:OPEN], 0, len(steps) - 1}
    items = [tag("li", _step(facts, i, changes[i], i in opened)) for i in range(len(steps))]
    bred = plural(len(steps) - 1, "mutation")
    end = called(steps[-1].number)
    intro = f"{bred} from the start to {end}. A gain is the score less the parent's, each over all its seeds."
    return joined(tag("p", intro), _picture(steps, changes, opened), tag("ol", items, class_="tree"))


def gains(steps: Sequence[Step]) -> list[float | None]:
    """By how much each step changed the score; None where it or its parent has none."""
    found: list[float | None] = [None]
    for parent, step in pairwise(steps):
        both = parent.score is not None and step.score is not None
        found.append((step.score or 0.0) - (parent.score or 0.0) if both else None)
    return found


def _picture(steps: Sequence[Step], changes: Sequence[float | None], marked: Collection[int]) -> Html:
    """The line, with a mark for each step that stands open below."""
    known = [(i, step) for i, step in enumerate(steps) if step.score is not None]
    marks = [
        Mark(f"{called(step.number)}: {signed(step.score or 0.0)}", float(i), step.score or 0.0, 1, href=f"#step-{i}")
        for i, step in known
        if i in marked
    ]
    few = "." if len(marked) == len(steps) else "; only those with the largest gains have one."
    line = Line("score", [float(i) for i, _ in known], [step.score or 0.0 for _, step in known], 1)
    rows = [[called(s.number), s.mutation, _shown(s.score), _shown(changes[i])] for i, s in enumerate(steps)]
    return chart(
        "descent",
        "Score along the descent",
        "From the start on the left to the best program on the right; each point leads to its mutation" + few,
        Axis("mutations from the start", whole=True),
        Axis("score, gain over the bar", near=(0.0,)),
        lines=[line],
        marks=marks,
        values=table("Score along the descent", ["program", "mutation", "score", "gain"], rows),
    )


def _shown(value: float | None) -> str:
    return "" if value is None else signed(value)


def _step(facts: Facts, i: int, gain: float | None, opened: bool) -> Html:
    """What a mutation took away and put in; of the start its whole text."""
    step = facts.descent[i]
    tone = "" if gain is None or abs(gain) < LITTLE else "up" if gain > 0 else "down"
    heading: list[Child] = [tag("span", called(step.number), class_="name"), tag("span", step.mutation if i else "")]
    if step.score is not None:
        heading.append(tag("span", f"score {signed(step.score)}", class_="score"))
    if gain is not None:
        heading.append(tag("span", f"gain {signed(gain)}", class_=f"gain {tone}"))
    if i == 0 and facts.start is not None:
        body = program_text(facts.start)
    else:
        changed = difference(step.removed, step.added)
        shown = changed or [tag("span", "Nothing differs in the readable text.")]
        body = scrolling(f"Change made by {called(step.number)}", tag("pre", shown, class_="difference"))
    return details(heading, body, id=f"step-{i}", open=opened, class_="step")
