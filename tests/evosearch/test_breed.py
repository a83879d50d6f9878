"""Breeding in a worker: what becomes of programs that the machine of a search cannot run."""

from __future__ import annotations

from evosearch.breed import Item, breed, describe, make_context
from evosearch.config import Config
from evosearch.flat import searchable
from primitives.reference import reference
from primitives.text import parse, show

NUMBER = "def f(w, g, *, lr=1):\n    return w - lr * (matmul(row_mean(g), transpose(row_mean(g))) * g)\n"


def test_what_needs_another_machine_is_invalid_and_its_neighbours_are_as_alone():
    programs = [parse(NUMBER), searchable(reference("lion")), searchable(reference("muon_everywhere"))]
    number, lion, muon = describe(programs, [(i, "start") for i in range(3)], Config())
    assert (number.status, number.reason) == ("invalid", "it needs a matrix, which the machine of a search has not")
    assert (lion.status, muon.status) == ("ok", "invalid")
    assert "cost" in muon.reason
    assert describe(programs[1:2], [(1, "start")], Config()) == [lion]


def test_an_item_is_mutated_or_taken_as_it_is():
    context, text = make_context(Config(proxies=("digits",))), show(searchable(reference("adamw")))
    child, again, whole = breed(context, None, [Item(0, text), Item(1, text, again=1.0), Item(2, text, whole=True)])
    assert child.text != text
    assert (again.text, again.mutation) == (text, "again")
    assert (whole.text, whole.mutation) == (text, "constants")
