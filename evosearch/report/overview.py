"""The first panel: what was searched, the verdict in a sentence, and the figures that matter."""

from __future__ import annotations

import proxies
from evosearch import validation_tables
from evosearch.report.facts import Facts
from evosearch.report.markup import Child, Html, joined, plural, signed, tag
from evosearch.resolve import shown


def panel(facts: Facts) -> Html:
    """What was searched, what came of it, key figures."""
    tone, (first, *rest) = verdict(facts)
    shown = tag("div", tag("strong", first), [tag("span", sentence) for sentence in rest], class_=f"verdict {tone}")
    return joined(tag("p", _searched(facts)), shown, _figures(facts))


def verdict(facts: Facts) -> tuple[str, list[Child]]:
    """How it stands, "better", "worse" or "open", and sentences that say no more than is known."""
    judged, course = facts.validation, facts.history
    if judged is not None and judged.next is None:
        return "better" if judged.winners else "worse", [*validation_tables.sentences(judged, course.generated)]
    if facts.found:
        top = facts.found[0]
        tone = "better" if top.score - top.half > 0 else "worse"
        gain = f"{signed(top.score)} ± {top.half:.3f}"
        said = f"Candidate {top.name}, the search's best, is {top.verdict} of the tasks it was bred on: {gain}."
        return tone, [said, *_newer(facts), _validate(facts)]
    best = facts.best
    if best is not None and best.known.number >= 0:
        score = signed(best.known.score)
        said = "No verdict yet: the search goes on, or was ended before its last table."
        if facts.lines and not facts.config.scoring.final_programs:
            said = "No verdict: scoring.final_programs is 0, so no program was measured on fresh seeds."
        flattered = "a figure that flatters it, because it was chosen by these seeds"
        return "open", [said, f"{best.known.name.capitalize()} is believed best, with {score}, {flattered}."]
    if course.generated:
        return "open", ["No verdict yet: no candidate is believed better than the start."]
    return "open", ["The search has just begun: there is no candidate yet."]


def _newer(facts: Facts) -> list[str]:
    """That a resumed search has gone beyond its last table."""
    best = facts.best
    if best is None or best.known.number < 0 or str(best.known.number) in {line.name for line in facts.found}:
        return []
    return [f"{best.known.name.capitalize()} is believed better since, and was not in that table."]


def _validate(facts: Facts) -> Html:
    """Who says what holds on other tasks."""
    begun = facts.validation is not None
    rest = " was interrupted, and goes on to say." if begun else " says."
    return joined("What holds on tasks that it never saw, ", tag("code", facts.command("validate")), rest)


def _searched(facts: Facts) -> str:
    """The search in two sentences."""
    config, course = facts.config, facts.history
    language = config.language
    start = " and ".join(map(shown, config.evolution.start))
    tasks = ", ".join(map(proxies.shown, config.proxies))
    plural_tasks = "tasks" if len(config.proxies) > 1 else "task"
    return (
        f"From {start}, {plural(course.generated, 'program')} of at most {language.max_length} statements and "
        f"{plural(language.max_states, 'state')} were bred, and judged by training on the {plural_tasks} {tasks}. "
        f"Scores are gains over {facts.bar} with its constants tuned, the bar: 0 is the bar, 0.1 a tenth less loss."
    )


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _figures(facts: Facts) -> Html:
    course, config = facts.history, facts.config
    looked_up = course.trained + course.hits
    failed = sum(refusal.count for refusal in course.refused.values())
    best = facts.best
    figures = [
        ("generated", f"{course.generated:,}"),
        ("distinct, trained", f"{course.trained:,}"),
        ("met before", f"{course.hits / looked_up:.0%}" if looked_up else "none"),
        ("refused or failed", f"{failed:,}"),
        ("passed every hurdle", f"{course.passed:,}"),
        ("best score in the search", "none" if best is None else signed(best.known.score)),
        ("seed", str(config.seed)),
        ("budget", f"{config.budget:g} s" if config.budget else plural(config.programs, "program")),
        ("time", "not noted" if facts.seconds is None else duration(facts.seconds)),
        ("began", facts.began or "unknown"),
        ("processor", facts.machine.get("processor", "unknown")),
        ("torch, Python", f"{facts.machine.get('torch', '?')}, {facts.machine.get('python', '?')}"),
    ]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in figures], class_="figures")
