"""The panel of the search: the best score against candidates, beside three controls."""

from __future__ import annotations

from collections.abc import Sequence

from evosearch.report.axes import Axis
from evosearch.report.charts import Line, Rule, chart
from evosearch.report.facts import Facts
from evosearch.report.history import History, Known, Moment, called
from evosearch.report.markup import Child, Html, joined, plural, signed, table, tag
from evosearch.resolve import shown

MOST_VALUES = 60  # rows of the table beside the curve


def panel(facts: Facts) -> Html:
    """The curve of the best score, and the controls in words."""
    course = facts.history
    if not course.moments:
        return tag("p", "Nothing is measured yet.", class_="none")
    lines = [_curve("the search", course, 1)]
    if facts.random is not None and facts.random.moments:
        lines.append(_curve("random search", facts.random, 3))
    rules = [Rule(f"the bar, {facts.bar} tuned", 0.0, 0)]
    rules += [Rule(f"the start, {_name(facts, start)}", start.score, 2) for start in course.starts[:1]]
    picture = chart(
        "course",
        "Best score against candidates",
        "Score of the program that the search believed best at that time, over the seeds spent on it; it falls where "
        "fresh seeds take luck away. Candidates on a logarithmic axis.",
        Axis("candidates generated", log=True, near=(1.0,)),
        Axis("score, gain over the bar", near=(0.0,)),
        lines=lines,
        rules=rules,
        values=_values(facts),
    )
    return joined(tag("div", picture, _controls(facts), class_="pair"))


def _curve(name: str, course: History, style: int) -> Line:
    xs = [float(max(1, m.candidates)) for m in course.moments] + [float(max(1, course.generated))]
    ys = [m.score for m in course.moments] + [course.moments[-1].score]
    return Line(name, xs, ys, style, step=True)


def _values(facts: Facts) -> Html:
    """When another program, or other seeds, made another best score."""
    random = () if facts.random is None else facts.random.moments
    rows: list[Sequence[Child]] = [("the search", *row) for row in _rows(facts.history.moments)]
    rows += [("random search", *row) for row in _rows(random)]
    return table("Best score against candidates", ["", "candidates", "program", "score"], rows)


def _rows(moments: Sequence[Moment]) -> list[tuple[str, str, str]]:
    step = -(-len(moments) // MOST_VALUES) or 1
    kept = [m for i, m in enumerate(moments) if i % step == 0 or i == len(moments) - 1]
    return [(f"{m.candidates:,}", called(m.number), signed(m.score)) for m in kept]


def _controls(facts: Facts) -> Html:
    """What a search must be compared with, and what of it was done."""
    items: list[tuple[str, Child]] = [
        ("The bar", _bar(facts)),
        ("The starting program, run again", _start(facts)),
        ("Random search of the same size", _random(facts)),
    ]
    body = [joined(tag("dt", name), tag("dd", text)) for name, text in items]
    return tag("div", tag("h3", "Three controls"), tag("dl", body, class_="controls"))


def _bar(facts: Facts) -> str:
    text = f"{facts.bar} with warm-up and all constants tuned is score 0, on the same seeds as each candidate."
    others = [line for line in facts.lines[1:] if line.search_score is None]
    beside = "; ".join(f"{line.name}: {signed(line.score)} ± {line.half:.3f}" for line in others)
    return f"{text} On fresh seeds beside it {beside}." if others else text


def _name(facts: Facts, start: Known) -> str:
    """What a start was called by who began the search."""
    return shown(facts.config.evolution.start[-1 - start.number])


def _start(facts: Facts) -> list[Child]:
    """The start on the seeds of the search, and on fresh ones where the last table has it."""
    start = facts.history.starts[0]
    name = _name(facts, start)
    said = f"{name} as the search began with it scores {signed(start.score)} over {start.seeds} of its seeds"
    line = next((line for line in facts.lines if line.name == f"{name}, tuned"), None)
    if line is None:
        return [f"{said}. ", tag("code", facts.command("validate")), " runs it again on fresh ones."]
    fresh = "it is the bar itself" if line is facts.lines[0] else f"{signed(line.score)} ± {line.half:.3f}"
    return [f"{said}; on fresh seeds {fresh}."]


def _random(facts: Facts) -> list[Child]:
    random = facts.random
    if random is None:
        return ["Not run yet: ", tag("code", facts.command("validate")), " makes it."]
    smaller = random.generated < facts.history.generated
    note = f", fewer than the {facts.history.generated:,} of the search" if smaller else ""
    score = "no program passed every hurdle"
    if random.best is not None:
        score = f"its best has {signed(random.best.score)} over {plural(random.best.seeds, 'seed')}"
    return [f"{plural(random.generated, 'program')}{note}; {score}. No score ever chose a parent."]
