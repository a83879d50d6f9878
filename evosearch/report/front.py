"""The panel of the Pareto front: score by length, every program a click away."""

from __future__ import annotations

from collections.abc import Sequence

from evosearch.report.axes import Axis
from evosearch.report.charts import SHAPES, Mark, chart
from evosearch.report.explained import card
from evosearch.report.facts import Facts, Member
from evosearch.report.markup import Child, Html, joined, signed, table, tag


def panel(facts: Facts) -> Html:
    """The picture, and below it each program."""
    if not facts.front:
        return tag("p", "No program has passed every hurdle yet.", class_="none")
    left_out = len(facts.history.front) - len(facts.front)
    more = f" The {left_out} worst of the front are left out." if left_out else ""
    picture = chart(
        "front-picture",
        "Score by length",
        "Programs that no other beats in score, length, states and cost together. The line is one standard error "
        "either way; the shape is the number of states: circle none, square one, triangle two, diamond more." + more,
        Axis("statements", whole=True),
        Axis("score, gain over the bar", near=(0.0,)),
        marks=[_mark(member) for member in facts.front],
        values=_values(facts),
    )
    buttons = tag(
        "p",
        tag("button", "Open all", type="button", data_open="front"),
        " ",
        tag("button", "Close all", type="button", data_close="front"),
        class_="buttons",
    )
    return joined(picture, tag("h3", "The programs"), buttons, [card(facts, member) for member in facts.front])


def _mark(member: Member) -> Mark:
    known = member.known
    error = known.score - known.believed
    name = f"{known.name}: {signed(known.score)}, length {known.length}, {known.states} states"
    shape = SHAPES[min(known.states, len(SHAPES) - 1)]
    low, high = known.score - error, known.score + error
    return Mark(name, known.length, known.score, 1, low, high, f"#program-{known.number}", shape)


def _values(facts: Facts) -> Html:
    heads = ["program", "score", "standard error", "seeds", "length", "states", "cost", "best rates"]
    rows: list[Sequence[Child]] = []
    for member in facts.front:
        k = member.known
        rates = ", ".join(f"{value:.2g}" for value in k.rates(facts.config.proxies).values())
        link = tag("a", k.name, href=f"#program-{k.number}")
        error = f"{k.score - k.believed:.3f}"
        rows.append([link, signed(k.score), error, k.seeds, k.length, k.states, f"{k.cost:g}", rates])
    return table("The Pareto front", heads, rows)
