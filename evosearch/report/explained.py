"""The panel of the best program, and how any program is shown: text, formula, properties, responses."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evosearch import inspecting
from evosearch.inspecting import Kin, Section, Shown, Unknown
from evosearch.report.axes import Axis
from evosearch.report.charts import SMALL, Line, chart
from evosearch.report.facts import Facts, Member
from evosearch.report.markup import Child, Html, details, joined, scrolling, tag
from evosearch.report.mathml import NotOurLatexError, mathml
from primitives.analysis.formula import Formula
from primitives.analysis.response import INTRODUCED, Responses
from primitives.program import Program, ProgramError
from primitives.show import show

GLANCE = (
    "formula",
    "memory",
    "needs",
    "nature",
    "scaling",
    "symmetry",
    "bounds",
    "hazards",
)  # of a program of the front

NARROW = 92  # characters at which a terminal's line may have been broken


@dataclass(frozen=True)
class Explained:
    """A program and the answers to questions about it; `note` says what it was simplified from."""

    program: Program
    note: tuple[str, ...]
    answers: tuple[tuple[Section, Shown], ...]

    @property
    def relatives(self) -> list[str]:
        """The names of the reference programs that it is near to, the nearest first."""
        return [r.name for _, shown in self.answers if isinstance(shown, Kin) for r in shown.relatives]


def explained(program: Program) -> Explained:
    """All that `evosearch inspect` tells of a program."""
    found = inspecting.tidy(program)
    note = tuple(found.lines()) if found.shorter else ()
    return Explained(found.program, note, tuple(inspecting.answers(found)))


def glance(program: Program) -> Explained:
    """What is quickly told of a program as it stands."""
    sections = [section for section in inspecting.SECTIONS if section.key in GLANCE]
    return Explained(program, (), tuple((section, _answered(section, program)) for section in sections))


def _answered(section: Section, program: Program) -> Shown:
    try:
        return section.derive(program)
    except ProgramError as error:
        return Unknown(f"Not known: {error}")


def panel(facts: Facts, best: Explained | None) -> Html:
    """The best program: its text, its formula, what is known of it, how it responds."""
    if facts.best is None or best is None:
        return tag("p", "No program has passed every hurdle yet.", class_="none")
    intro = f"{facts.best.known.name.capitalize()}, believed best over {facts.best.known.seeds} seeds."
    note = f"Simplified: {' '.join(best.note)}" if best.note else ""
    return joined(
        tag("p", intro, " ", note),
        program_text(best.program),
        _formula(best),
        tag("p", "To train with it: ", tag("code", f"evosearch export {facts.program('best')} -o best.py")),
        tag("h3", "Properties"),
        _sections(best),
        tag("h3", "Responses"),
        _responses(best),
    )


def card(facts: Facts, member: Member) -> Html:
    """A program of the front, that opens on a click."""
    known, found = member.known, glance(member.program)
    size = f"length {known.length}, {known.states} state{'s' * (known.states != 1)}, cost {known.cost:g}"
    heading = (
        tag("span", known.name, class_="name"),
        tag("span", f"{known.score:+.3f}".replace("-", "−"), class_="score"),
        tag("span", size, class_="size"),
    )
    return details(
        heading,
        program_text(replace(found.program, doc="")),
        _formula(found),
        _sections(found),
        tag("p", tag("code", f"evosearch inspect {facts.program(known.number)}")),
        id=f"program-{known.number}",
        class_="program",
    )


def program_text(program: Program) -> Html:
    """A program as it is written."""
    return scrolling("Program text", tag("pre", tag("code", show(program).rstrip())))


def _formula(found: Explained) -> Html | None:
    """The equations as MathML; as plain text where a formula has something new."""
    formula = next((shown for _, shown in found.answers if isinstance(shown, Formula)), None)
    if formula is None:
        return None
    lines = formula.lines()
    rest = [line for line in lines if line.startswith(("start ", "where ", "      "))]
    plain = details("As plain text", scrolling("Formula as text", tag("pre", "\n".join(lines))), class_="values")
    try:
        shown: Child = scrolling("Formula", mathml([(e.latex, e.text) for e in formula.equations]))
    except NotOurLatexError:
        shown = scrolling("Formula", tag("pre", "\n".join(e.text for e in formula.equations)))
    return tag("div", shown, [tag("p", line, class_="legend-line") for line in rest], plain, class_="formula")


def _sections(found: Explained) -> Html:
    """A question and its answer, one after the other."""
    rows = [
        joined(tag("dt", section.heading), tag("dd", _lines(shown)))
        for section, shown in found.answers
        if not isinstance(shown, Formula | Responses)
    ]
    return tag("dl", rows, class_="properties")


def _lines(shown: Shown) -> list[Html]:
    """Sentences as paragraphs, program text as it is."""
    if isinstance(shown, Kin) and shown.relatives:
        return [tag("p", " ".join(relative.lines())) for relative in shown.relatives]
    lines = shown.lines()
    text = next((i for i, line in enumerate(lines) if line.startswith("def ")), len(lines))
    code = "\n".join(lines[text:])
    found = [tag("p", line) for line in unbroken(lines[:text])]
    return [*found, scrolling("Program text", tag("pre", tag("code", code)))] if code else found


def unbroken(lines: Sequence[str]) -> list[str]:
    """Lines that a terminal broke put together: the next word would not have fitted, and no sentence had ended."""
    found: list[str] = []
    last, full = "", False
    for line in lines:
        word = line.split(" ", 1)[0]
        if found and full and len(last) + len(word) >= NARROW:
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
        last, full = line, not line.endswith(".")
    return found


def _responses(found: Explained) -> Html:
    """A picture for each signal, or why there are none."""
    responses = next((shown for _, shown in found.answers if isinstance(shown, Responses)), None)
    if responses is None or not responses.found:
        return tag("p", "Not known." if responses is None else textwrap.fill(responses.refused), class_="none")
    pictures = [
        chart(
            f"response-{r.signal}",
            INTRODUCED[r.signal],
            r.caption.removeprefix(f"{INTRODUCED[r.signal]}: "),
            Axis("step", whole=True),
            Axis("update over lr", near=(0.0,)),
            lines=[Line("update over lr", range(1, len(r.update) + 1), r.update, 1)],
            size=SMALL,
        )
        for r in responses.found
    ]
    return tag("div", pictures, class_="charts small")
