"""The graph and the canonical form: what is kept, what goes, and that programs which are the same read the same."""

from __future__ import annotations

from itertools import chain
from textwrap import dedent

import numpy as np
import pytest
from hypothesis import given, settings

from primitives.graph import canonical, graph
from primitives.inference import state_kinds
from primitives.kinds import NUMBER, PER_TENSOR, TENSOR, KindError
from primitives.program import Call, Program, State
from primitives.reference import names, reference
from primitives.text import parse, problems, show
from tests.primitives.batches import Problem, interpret
from tests.primitives.random_programs import random_program
from tests.primitives.strategies import programs

MANY = range(150)


def program_of(body: str, signature: str = "w, g, *, lr=0.1") -> Program:
    """The program with this body, whose lines may be indented as it looks best."""
    return parse(f"def f({signature}):\n" + "".join(f"    {line.strip()}\n" for line in body.strip().splitlines()))


def text_of(body: str, signature: str = "w, g, *, lr=0.1") -> str:
    """The canonical text of that program."""
    return show(canonical(program_of(body, signature)))


@given(programs())
@settings(max_examples=100, deadline=None)
def test_canonical_is_valid_and_idempotent(program):
    once = canonical(program)
    assert problems(once) == ()
    assert canonical(once) == once
    assert parse(show(once)) == once


@pytest.mark.parametrize("seed", MANY)
def test_canonical_keeps_the_numbers(seed):
    program = random_program(seed)
    problem = Problem(1, 3, np.float64, [(3, 4), (5,), (1,)], seed)
    before, after = (interpret(p, problem, 0, 0.1) for p in (program, canonical(program)))
    for x, y in zip(chain(*before), chain(*after), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("seed", MANY)
def test_kinds_of_live_states_are_those_of_inference(seed):
    program = random_program(seed)
    for expand in (False, True):
        g = graph(program, expand=expand)
        inferred = state_kinds(program)
        assert g.kinds == tuple(inferred[s.name] for s in g.states)


def test_dead_code_and_dead_states_vanish():
    before = """
        x = exp(g)
        dead = dead + norm(x)
        chained = chained + dead
        m = ema(m, g, 0.9)
        return w - lr * m, dead, m, chained
    """
    assert text_of(before, "w, g, dead, m, chained, *, lr=0.1, unused=3") == dedent("""\
        def f(w, g, m, *, lr=0.1):
            x1 = ema(m, g, 0.9)
            return w - lr * x1, x1
        """)


def test_a_state_that_another_live_state_reads_is_live():
    before = """
        a = a + 1
        m = m + a * g
        return w - lr * m, a, m
    """
    assert canonical(program_of(before, "w, g, a, m, *, lr=0.1")).state_names == ("a", "m")


def test_numbers_fold_and_hyperparameters_become_numbers():
    before = """
        scale = sqrt(4) * c + interp(1, 3, 0.5)
        return w - lr * (scale * g)
    """
    assert text_of(before, "w, g, *, lr=0.1, c=5") == dedent("""\
        def f(w, g, *, lr=0.1):
            x1 = 12 * g
            return w - lr * x1
        """)


def test_what_does_not_fold_to_a_finite_number_stays():
    assert "1 / 0" in text_of("return w - lr * (g + 1 / 0)")
    assert "log(-1)" in text_of("return w - lr * (g + log(-1))")


def test_zero_and_minus_zero_and_one_are_three_numbers():
    g = graph(parse("def f(w, g):\n    return g / 0.0 + g / -0.0 + g / 1 + g / -1\n"))
    assert sorted(str(n.value) for n in g.nodes if n.op == "number") == ["-0.0", "-1.0", "0.0", "1.0"]


def test_equal_values_are_computed_once():
    assert (
        text_of("""
        a = square(g)
        b = square(g)
        return w - lr * (a / (b + 1))
    """).count("square")
        == 1
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = exp(g)\ny = sin(w)\nreturn w - lr * (x + y)", "y = sin(w)\nx = exp(g)\nreturn w - lr * (x + y)"),
        ("return w - lr * (exp(g) + sin(w) * 2)", "return w - (2 * sin(w) + exp(g)) * lr"),
        ("return w - lr * max(g, min(w, 1))", "unused = clip(g, 0, 1)\nreturn w - lr * max(min(1, w), g)"),
        ("return w - lr * (g * dot(g, w))", "g2 = dot(w, g)\nx = g2 * g\nreturn w - lr * x"),
        ("x = 2 * g\nx = exp(x)\nreturn w - lr * x", "return w - exp(g * 2) * lr"),
        ("return w - lr * ((g + w) * (g - w))", "a = g - w\nb = w + g\nreturn w - lr * (a * b)"),
    ],
)
def test_programs_that_differ_in_order_and_names_read_the_same(one, other):
    assert text_of(one) == text_of(other)


def test_expansion_writes_composites_out():
    g = graph(reference("adamw"), expand=True)
    ops = [node.op for node in g.nodes]
    assert "ema" not in ops
    assert "bias_correct" not in ops
    assert ops.count("mix") == 2
    assert [n.value for n in g.nodes if n.op == "number"].count(0.9) == 1


def test_every_node_comes_after_its_arguments_and_is_needed():
    for seed in MANY:
        g = graph(random_program(seed), expand=True)
        read = {*g.outputs, *(a for node in g.nodes for a in node.args)}
        assert read == set(range(len(g.nodes)))
        assert all(a < i for i, node in enumerate(g.nodes) for a in node.args)


def test_a_state_may_be_reduced_before_it_is_known_to_be_a_tensor():
    g = graph(parse("def f(w, g, s=0.5, n=0, *, lr=1):\n    return w - lr * s * n, sum(s) ** w, norm(s)\n"))
    assert g.kinds == (TENSOR, PER_TENSOR)


def steps_against_an_update(program: Program) -> bool:
    """Whether the new w is w - lr * update."""
    match program.returns[0]:
        case Call("subtract", ("w", Call("multiply", ("lr", _)))):
            return True
    return False


@pytest.mark.parametrize("name", [name for name in names() if steps_against_an_update(reference(name))])
def test_reference_programs_keep_their_last_step(name):
    assert show(canonical(reference(name))).splitlines()[-1].startswith("    return w - lr * ")


def test_hyperparameters_can_be_replaced():
    program: Program = reference("momentum")
    assert canonical(program, {"beta": 0.25}) != canonical(program)
    assert "0.25" in show(canonical(program, {"beta": 0.25}))
    assert graph(parse("def f(w, g, s=a, *, lr=1, a=2):\n    return w - s, s\n"), hyper={"a": 7}).states[0].start == 7


def test_a_program_of_wrong_kinds_is_refused():
    with pytest.raises(KindError):
        graph(Program("f", (), (("lr", 0.1),), (), (Call("norm", ("lr",)),)))


def test_a_symbolic_graph_keeps_hyperparameters_as_inputs():
    program = parse("def f(w, g, s=c, *, lr=0.1, beta=0.5, c=2):\n    s = s * beta + g\n    return w - lr * s, s")
    g = graph(program, symbolic=True)
    inputs = {node.value: node.kind for node in g.nodes if node.op == "input"}
    assert set(inputs) == {"w", "g", "s", "lr", "beta"}
    assert inputs["beta"] == NUMBER
    assert g.states == (State("s", "c"),)


@pytest.mark.parametrize(
    ("chosen", "folds"),
    [("g", True), ("ema(m, g, 0.5)", True), ("m", False), ("row_mean(g)", False), ("norm(g)", False), ("lr", False)],
)
def test_a_decided_condition_goes_where_what_it_chose_is_as_wide_for_certain(chosen, folds):
    body, signature = f"x = where(1, {chosen}, w)\nreturn w - lr * x / sum(x), m + g", "w, g, m, *, lr=0.1"
    assert ("where" not in text_of(body, signature)) == folds
    program, problem = program_of(body, signature), Problem(1, 2, np.float64, [(3, 4), (5,)], 0)
    before, after = (interpret(p, problem, 0, 0.1) for p in (program, canonical(program)))
    for x, y in zip(chain(*before), chain(*after), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_decided_condition_goes_where_the_other_is_a_number():
    assert "where" not in text_of("return w - lr * where(0, 2, row_mean(g))")
