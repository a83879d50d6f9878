"""A page as a test sees it: its elements in order, with their texts; and runs of which there is something to report."""

from __future__ import annotations

import math
import re
import shutil
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from evosearch import directory, validation
from evosearch.contenders import Contender
from evosearch.evaluate import Measured
from evosearch.funnel import Losses
from evosearch.ledger import Past
from evosearch.store import Row
from evosearch.validation import Plan, Tier, Validation
from primitives.reference import reference
from primitives.text import show

VOID = {"meta", "link", "br", "hr"}


@dataclass
class Element:
    """An element with its children; `text` is all that is written in it."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[Element]:
        found = [self] if self.tag == tag else []
        return found + [one for child in self.children for one in child.all(tag)]

    def every(self) -> list[Element]:
        return [self, *(one for child in self.children for one in child.every())]

    def get(self, key: str) -> str:
        return self.attributes.get(key) or ""


class Page(HTMLParser):
    """Parses strictly: what opens must close, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.raw = text
        self.root = Element("page")
        self.open = [self.root]
        self.feed(text)
        self.close()
        assert len(self.open) == 1, f"{self.open[-1].tag} is not closed"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"{tag} closes {self.open[-1].tag}"
        self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element.words.append(data)

    def section(self, key: str) -> Element:
        [found] = [s for s in self.root.all("section") if s.get("id") == key]
        return found


def validated(run: Path, gain: float, *, whole: bool = True, held_out: bool = True) -> None:
    """Give a run a validation in which its candidate 7 gains so much on two selection and two held-out tasks."""
    rng = np.random.default_rng(0)
    bars = [
        Contender(f"{name}{how}", show(reference(name)), (), bar=True)
        for name in ("adamw", "nadamw") for how in (", tuned", ", as in the search")
    ]  # fmt: skip
    candidate = Contender("7", show(reference("lion")), (), "7")
    others = [Contender("lion, tuned", show(reference("lion")), ()), Contender("best at random", candidate.text, ())]
    contenders = (candidate, *bars, *others)

    def tier(first: str) -> Tier:
        names = tuple(c.name for c in contenders)
        logs = rng.normal(-1.0, 0.01, (2, len(names), 2, 5))
        logs[:, 0] -= gain
        return Tier(Past(1, 1), Losses(names, (f"{first} one", f"{first} two"), *np.exp(logs)))

    plan = Plan(("choose one", "choose two"), ("judge one", "judge two"), 5, 3, 2, 0)
    record = Validation(plan, "2026-11-29T00:00:00+00:00", 50, contenders)
    record = Validation(
        **{**vars(record), "selection": tier("choose") if whole else None,
           "held_out": tier("judge") if held_out and whole else None}
    )  # fmt: skip
    validation.save(record, run)


def with_random(run: Path) -> None:
    """Give a run a random search, which here is itself once more."""
    place = run / "random"
    place.mkdir()
    for name in ("config.toml", "store.sqlite"):
        shutil.copy(run / name, place / name)


def interrupted(run: Path, other: Path, candidates: int) -> Path:
    """The run as it was after so many candidates, without a last table."""
    config, old = directory.reopen(run)
    new = directory.create(other, config)
    new.add(old.rows(end=candidates), prologue=old.get("prologue"), machine=old.get("machine"))
    old.close()
    new.close()
    return other


def with_descendants(run: Path, generations: int) -> None:
    """Give a run a best program that descends by so many mutations: the first gains much, each other a little."""
    _, store = directory.reopen(run)
    start = store.row(-1)
    stages = [stage for stage in start.measured.stages if stage.kind == "full"]
    first, parent = store.count(), -1
    for k in range(generations):
        losses = [[[loss * math.exp(-0.3 - 0.002 * k) for loss in row] for row in stage.losses] for stage in stages]
        better = tuple(replace(s, losses=tuple(map(tuple, rows))) for s, rows in zip(stages, losses, strict=True))
        text = re.sub(r"0\.\d+", f"0.5{k}", start.bred.text, count=1)
        bred = replace(start.bred, number=first + k, text=text, mutation="resample", fingerprint=f"{k:016x}")
        store.add([Row(bred, parent, False, Measured(better))])
        parent = first + k
    store.close()
