"""What programs are like: the references by their families, and how even their updates are."""

from __future__ import annotations

import math

import pytest

from evosearch.behaviour import FAMILIES, LIKE, evenness, family, likeness
from primitives.reference import reference
from primitives.text import parse

KNOWN = {
    "linear": ("sgd", "momentum", "nesterov_shifted"),
    "sign": ("lion",),
    "adaptive": ("adam", "adamw", "nadamw", "radam", "amsgrad", "rmsprop", "adagrad", "adadelta"),
    "orthogonal": ("muon_everywhere",),
    "": ("rprop",),
}


@pytest.mark.parametrize(("wanted", "name"), [(f, name) for f, names in KNOWN.items() for name in names])
def test_references_are_of_their_families(wanted, name):
    assert family(reference(name)) == wanted


@pytest.mark.parametrize("name", ["sgd", "lion", "adam", "muon_everywhere"])
def test_families_are_told_apart(name):
    [cosines] = likeness([reference(name)])
    first, second = sorted(cosines.values())[:-3:-1]
    assert list(cosines) == list(FAMILIES)
    assert first > 0.98
    assert second < 0.85


def test_only_members_with_momentum_may_count():
    bare = parse("def f(w, g, *, lr=1):\n    return w - lr * sign(g)\n")
    with_memory = [likeness([program], memory=0.8)[0]["sign"] for program in (bare, reference("lion"))]
    assert likeness([bare])[0]["sign"] == pytest.approx(1)
    assert with_memory[0] < LIKE < with_memory[1]


def test_a_program_is_judged_alike_in_any_company():
    names = ("lion", "adamw", "sgd")
    assert likeness([reference(name) for name in names]) == [likeness([reference(name)])[0] for name in names]


def test_what_is_no_number_or_needs_more_is_like_nothing():
    broken = parse("def f(w, g, *, lr=1):\n    return w - lr * log(0 - square(g))\n")
    for program in (broken, reference("newton"), parse("def f(w, g, *, lr=1):\n    return w\n")):
        [cosines] = likeness([program])
        assert all(math.isnan(c) for c in cosines.values())
        assert family(program) == ""


def test_evenness_of_entries_and_of_singular_values():
    assert evenness(reference("lion")).entries == pytest.approx(1)
    assert evenness(reference("lion")).singular < 0.9
    assert evenness(reference("muon_everywhere")).singular > 0.95
    assert evenness(reference("muon_everywhere")).entries < 0.9
    preconditioned = "newton_schulz(g / (sqrt(v) + 1))"
    program = parse(
        f"def f(w, g, v, *, lr=1):\n    v = ema(v, square(g), 0.9)\n    return w - lr * {preconditioned}, v\n"
    )
    assert evenness(program).singular > 0.95
    assert math.isnan(evenness(reference("newton")).entries)
