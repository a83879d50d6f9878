"""Each mutation, and children of children of children: valid, canonical, within the limits."""

from __future__ import annotations

import contextlib
import dataclasses
import random

import pytest

from evosearch.config import Language, Mutations
from evosearch.flat import MutationError, at, constant_sites, searchable, tidied, update_of
from evosearch.mutate import MUTATIONS, STATE_NAMES, mutate
from evosearch.vocabulary import vocabulary
from primitives.algebra.same import same
from primitives.graph import canonical
from primitives.program import Call, Program
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show

LANGUAGE = Language()


def starts() -> dict[str, Program]:
    """The reference programs that a search can start from."""
    found = {}
    for name in names():
        with contextlib.suppress(MutationError):
            found[name] = searchable(reference(name))
    return {name: p for name, p in found.items() if len(p.states) <= LANGUAGE.max_states}


PARENTS = starts()
DONORS = tuple(PARENTS[name] for name in ("lion", "rmsprop", "adamw"))


def test_what_a_search_can_start_from():
    assert {"sgd", "momentum", "rmsprop", "adam", "adamw", "adam_l2", "lion"} <= set(PARENTS)
    assert not {"adabound", "heavy_ball", "nadam_constant", "nadamw", "nesterov", "newton", "ranger"} & set(PARENTS)


def only(name: str) -> Mutations:
    """Weights by which nothing but one mutation happens, once."""
    none = dict.fromkeys(MUTATIONS, 0.0)
    return Mutations(**{**none, name: 1.0}, again=0.0)


def check(child, language=LANGUAGE):
    assert problems(show(child)) == ()
    assert canonical(child) == child
    assert parse(show(child)) == child
    assert update_of(child) is not None
    assert len(child.body) <= language.max_length
    assert len(child.states) <= language.max_states
    for assign in child.body:
        assert isinstance(assign.value, Call)
        for role, arg in zip(PRIMITIVES[assign.value.op].roles, assign.value.args, strict=True):
            assert (arg == "t") == (role == "step")
            assert arg not in ("lr", "base_lr", "T", "loss")
            if role == "weight" and not isinstance(arg, str):  # a variable: one decay here, another there
                assert 0 <= arg <= 1
            if role == "count":
                assert 1 <= arg == int(arg)


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize("parent", PARENTS)
def test_each_mutation_gives_valid_children_that_differ(name, parent):
    program, changed, found = PARENTS[parent], 0, 0
    for seed in range(25):
        try:
            child, done = mutate(program, random.Random(seed), only(name), LANGUAGE, DONORS)
        except MutationError:
            continue  # sgd has nothing to delete and no constants
        assert done == name
        check(child)
        found += 1
        changed += child != program
    assert changed or not found or not program.body
    assert found or (parent == "sgd" and name in ("delete", "resample", "scale"))


def test_thirty_generations_stay_valid():
    for name in PARENTS:
        rng, program = random.Random(name), PARENTS[name]
        for _ in range(30):
            program, _done = mutate(program, rng, Mutations(graft=1.0), LANGUAGE, DONORS)
            check(program)


def test_constants_are_short():
    ugly = parse("def f(w, g, *, lr=1):\n    return w - lr * (g / (3.9499999999978355e-5 + exp(g)) + 0.9999605)\n")
    tidy = tidied(searchable(ugly))
    assert sorted(float(at(tidy, site)) for site in constant_sites(tidy)) == [3.95e-5, 0.9999605]
    assert canonical(tidy) == tidy
    assert tidied(tidy) is tidy


def test_a_graft_brings_a_block_with_the_states_that_it_is_made_of():
    """Of all children of sgd and Lion's blocks some are Lion without its decay, under other names."""
    lion = searchable(
        parse("def f(w, g, m, *, lr=1):\n    u = sign(ema(m, g, 0.9))\n    return w - lr * u, ema(m, g, 0.99)\n")
    )
    children = set()
    for seed in range(60):
        child, _ = mutate(PARENTS["sgd"], random.Random(seed), only("graft"), LANGUAGE, (lion,))
        check(child)
        children.add(child)
    assert {len(child.states) for child in children} == {1}
    assert any(same(child, lion).answer == "same" for child in children)


def test_without_donors_nothing_is_grafted():
    with pytest.raises(MutationError):
        mutate(PARENTS["adamw"], random.Random(0), only("graft"), LANGUAGE)


def test_matrices_come_in_by_name_only():
    assert not {"newton_schulz", "matmul", "transpose", "row_mean"} & set(vocabulary(LANGUAGE))
    language = Language(also=("newton_schulz", "sign"))
    assert set(vocabulary(language)) == {*vocabulary(LANGUAGE), "newton_schulz"}


def test_same_randomness_same_child():
    children = [mutate(PARENTS["adamw"], random.Random(7), Mutations(), LANGUAGE) for _ in range(2)]
    assert children[0] == children[1]


def test_fresh_states_come_up_to_the_limit():
    for most in (0, 1, 3):
        language, seen = dataclasses.replace(LANGUAGE, max_states=most), set()
        for seed in range(80):
            rng, program = random.Random(seed), PARENTS["sgd"]
            for _ in range(14):
                try:
                    program, _done = mutate(program, rng, Mutations(), language)
                except MutationError:
                    break
            check(program, language)
            seen.add(len(program.states))
        assert max(seen) == most


def test_states_have_names_beyond_those_with_a_letter():
    names = ", ".join(STATE_NAMES)
    body = "".join(f"    {name} = ema({name}, g, 0.9)\n" for name in STATE_NAMES)
    text = f"def full(w, g, {names}, *, lr=0.1):\n{body}    return w - lr * ({' * '.join(STATE_NAMES)}), {names}\n"
    language = dataclasses.replace(LANGUAGE, max_states=10, max_length=100)
    children = [mutate(searchable(parse(text)), random.Random(seed), Mutations(), language)[0] for seed in range(400)]
    for child in children:
        check(child, language)
    assert max(len(child.states) for child in children) > len(STATE_NAMES)


def test_vocabulary():
    assert "sqrt_abs" in vocabulary(LANGUAGE)
    assert "sqrt" not in vocabulary(LANGUAGE)
    assert vocabulary(Language(only=("sign", "add"), without=("add",))) == ("sign",)
    language = Language(only=("sign",))
    for seed in range(20):
        child, _ = mutate(PARENTS["sgd"], random.Random(seed), only("insert"), language)
        assert {a.value.op for a in child.body} <= {"sign"}


@pytest.mark.parametrize(
    "text",
    [
        "def f(w, g, *, lr=1):\n    return w - lr * (lr * g)\n",
        "def f(w, g, *, lr=1):\n    return w + lr * g\n",
        "def f(w, g, *, lr=1):\n    return 0.5 * w\n",
    ],
)
def test_what_a_search_cannot_start_from_is_said_in_a_sentence(text):
    with pytest.raises(MutationError, match=r"'f' .*\.$"):
        searchable(parse(text))
