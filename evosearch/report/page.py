"""The whole page: panels one under the other, with style and script inside, so that one file is all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import evosearch
from evosearch.report import course, descent, explained, failures, front, judged, overview, reproduce, trained
from evosearch.report.curves import OnTask, Subject
from evosearch.report.explained import Explained
from evosearch.report.facts import Facts
from evosearch.report.markup import Html, tag

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'; base-uri 'none'; "
    "form-action 'none'"
)


@dataclass(frozen=True)
class Panel:
    """A part of the page: its place in links, its heading, what it shows."""

    key: str
    heading: str
    body: Html


def page(facts: Facts, best: Explained | None, subjects: Sequence[Subject], measured: Sequence[OnTask] | None) -> str:
    """The text of the file; `measured` is None where trainings were left out."""
    panels = [
        Panel("overview", "What was found", overview.panel(facts)),
        Panel("search", "The search", course.panel(facts)),
        Panel("best", "The best program", explained.panel(facts, best)),
        Panel("verdicts", "Is it real?", judged.panel(facts)),
        Panel("front", "Pareto front", front.panel(facts)),
        Panel("tree", "Family tree", descent.panel(facts)),
        Panel("curves", "Learning curves", trained.curves(facts, subjects, measured)),
        Panel("rates", "Learning rates", trained.rates(facts, subjects, measured)),
        Panel("failures", "Failures", failures.panel(facts)),
        Panel("reproduce", "How to reproduce", reproduce.panel(facts)),
    ]
    title = f"Search report: {facts.path.resolve().name}"
    return "<!DOCTYPE html>\n" + tag("html", _head(title), _body(title, panels), lang="en") + "\n"


def _head(title: str) -> Html:
    """Nothing may be fetched, and no script runs but ours, whatever stands in the page."""
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY.format(digest)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Html(_file("style.css"))),
    )  # fmt: skip


def _body(title: str, panels: Sequence[Panel]) -> Html:
    links = [tag("li", tag("a", panel.heading, href=f"#{panel.key}")) for panel in panels]
    sections = [
        tag("section", tag("h2", panel.heading, id=f"{panel.key}-heading"), panel.body,
            id=panel.key, aria_labelledby=f"{panel.key}-heading")
        for panel in panels
    ]  # fmt: skip
    return tag(
        "body",
        tag("a", "Skip to the report", href="#overview", class_="skip"),
        tag("header", tag("h1", title), tag("nav", tag("ul", links), aria_label="Panels")),
        tag("main", sections),
        tag("footer", tag("p", f"Made by evosearch {evosearch.__version__}. This file needs no network.")),
        tag("script", Html(_script())),
    )


def _script() -> str:
    return _file("script.js")


def _file(name: str) -> str:
    return (files("evosearch.report") / name).read_text(encoding="utf-8")
