"""The bytecode: stretches and phases, states in place, wide temporaries only across a cut, no needless copies."""

from __future__ import annotations

import pytest

from primitives.bytecode import Bytecode, Instruction, compile_program
from primitives.graph import canonical
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.random_programs import random_program


def compiled(text: str) -> Bytecode:
    return compile_program(parse(text))


def instructions(code: Bytecode) -> list[Instruction]:
    return [i for s in code.stretches for i in (*s.whole, *s.body, *s.reductions, *s.moves)]


@pytest.mark.parametrize(("name", "temporaries"), {"sgd": 1, "momentum": 3, "lion": 2, "adam": 3, "adamw": 3}.items())
def test_reference_programs_need_few_registers_and_no_copies(name, temporaries):
    for program in (reference(name), canonical(reference(name))):
        code = compile_program(program)
        assert code.wide == 0
        assert code.local <= temporaries
        assert not {i.op for i in instructions(code)} & {"copy", "fill"}


def test_states_are_updated_in_place():
    code = compile_program(reference("adamw"))
    (stretch,) = code.stretches
    assert [(i.out, i.args[1]) for i in stretch.body if i.op == "mix"] == [(2, 2), (3, 3)]
    assert stretch.body[-1].out == 0


def test_what_depends_on_t_and_lr_alone_is_hoisted():
    code = compile_program(reference("adamw"))
    assert sorted(i.op for i in code.hoisted) == ["power", "power", "subtract", "subtract"]
    assert all(not s.numbers for s in code.stretches)


@pytest.mark.parametrize(
    ("update", "phases"),
    [
        ("g", [0]),
        ("g / norm(g)", [0, 0]),
        ("g / global_norm(g)", [0, 1]),
        ("g / norm(g) / norm(w)", [0, 0]),
        ("g / norm(g / norm(g))", [0, 0, 0]),
        ("g / norm(g / global_norm(g))", [0, 1, 1]),
        ("g / global_norm(g / norm(g))", [0, 0, 1]),
        ("g / global_norm(g / global_norm(g))", [0, 1, 2]),
        ("g * norm(w) / global_norm(g / norm(g))", [0, 0, 1]),
    ],
)
def test_reductions_cut_stretches_and_phases(update, phases):
    code = compiled(f"def f(w, g, *, lr=0.1):\n    return w - lr * ({update})\n")
    assert [s.phase for s in code.stretches] == phases


def test_only_what_lives_across_a_cut_is_wide():
    code = compiled("def f(w, g, *, lr=0.1):\n    x = exp(g)\n    return w - lr * (x / norm(x) + sin(g))\n")
    assert code.wide == 2  # x, and sin(g), which runs as early as it can
    code = compiled("def f(w, g, *, lr=0.1):\n    return w - lr * (g / norm(exp(g)))\n")
    assert (code.wide, code.local) == (0, 1)


def test_a_temporary_that_was_reduced_is_free_again():
    body = "".join(f"    s{i} = norm(exp(g + {i}))\n" for i in range(1, 7))
    text = f"def f(w, g, *, lr=0.1):\n{body}    return w - lr * (g / (s1 + s2 + s3 + s4 + s5 + s6))\n"
    chained = "def f(w, g, *, lr=0.1):\n    a = norm(exp(g))\n    b = norm(sin(g / a))\n    return w - lr * (g / b)\n"
    assert compiled(text).local == 7  # six wait for the end of the stretch
    assert compiled(chained).local == 2


def test_an_old_state_is_reduced_before_the_new_one_comes_home():
    code = compiled("def f(w, g, s, *, lr=0.1):\n    return w - lr * s * g, norm(w)\n")
    (stretch,) = code.stretches
    assert [i.op for i in stretch.reductions] == ["norm"]
    assert [i.out for i in stretch.moves] == [0]
    assert all(i.out != 0 for i in stretch.body)


def test_swapped_states_pass_through_one_temporary():
    code = compiled("def f(w, g, a=w, b=w, *, lr=0.1):\n    return w - lr * a, b, a\n")
    assert [i.op for i in instructions(code)].count("copy") == 3


def test_a_state_that_comes_back_unchanged_costs_nothing():
    code = compiled("def f(w, g, start=w, *, lr=0.1):\n    return w - lr * (g + (w - start)), start\n")
    assert all(i.out != 2 for i in instructions(code))


def test_a_dead_state_is_gone():
    assert compiled("def f(w, g, m, *, lr=0.1):\n    return w - lr * g, m + g\n").states == ()


def test_ten_newton_schulz_steps_cost_twice_as_much_as_five():
    text = "def f(w, g, *, lr=1):\n    return w - lr * orthogonalize(g, {}, 3.4445, -4.775, 2.0315)\n"
    five, ten = (compile_program(parse(text.format(steps))).cost for steps in (5, 10))
    rest = 2 * PRIMITIVES["multiply"].cost
    assert five - rest == PRIMITIVES["orthogonalize"].cost
    assert ten - rest == 2 * (five - rest)


def test_cost_is_that_of_the_primitives_for_each_element():
    assert compile_program(reference("sgd")).cost == 2 * PRIMITIVES["multiply"].cost
    with_norm = compiled("def f(w, g, *, lr=0.1):\n    return w - lr * (g / norm(g))\n")
    parts = ("multiply", "subtract", "divide", "norm")
    assert with_norm.cost == sum(PRIMITIVES[op].cost for op in parts)


@pytest.mark.parametrize("seed", range(200))
def test_every_register_and_slot_that_is_read_was_written(seed):
    """Reads come after writes; block temporaries do not outlive their stretch; places are within their counts."""
    code = compile_program(random_program(seed))
    states = 2 + sum(i >= 0 for i in code.vector_states)
    registers = set(range(states))
    slots = set(range(12)) | {slot for slot, _ in code.constants} | {load for _, load, _ in code.number_states}
    for i in code.hoisted:
        assert slots.issuperset(i.args)
        slots.add(i.out)
    for s in code.stretches:
        registers &= set(range(states + code.wide))
        places = [slots] * len(s.numbers) + [registers] * len(s.body) + [slots] * len(s.reductions)
        places += [registers] * len(s.moves)
        for i, written in zip((*s.numbers, *s.body, *s.reductions, *s.moves), places, strict=True):
            for letter, a in zip(i.pattern, i.args, strict=True):
                assert a in (registers if letter == "T" else slots)
            written.add(i.out)
    assert max(registers) < code.registers
    assert max(slots) < code.numbers
    assert all(save in slots for _, _, save in code.number_states)


@pytest.mark.parametrize("name", names())
def test_the_canonical_program_costs_no_more(name):
    assert compile_program(canonical(reference(name))).cost <= compile_program(reference(name)).cost


@pytest.mark.parametrize(
    ("update", "needs"),
    [
        ("g / rms(g) * where(is_hidden(), 1, t)", ""),
        ("g * rows(g) / size(g)", ""),
        ("row_mean(g)", "products"),
        ("newton_schulz(g)", "products"),
        ("matmul(matmul(g, transpose(w)), g)", "products"),
        ("matmul(inv_root(matmul(g, transpose(g)), 4, 0.1), g)", "matrix"),
        ("unflatten(flatten(g), w)", "products"),
        ("unflatten(matmul(matmul(flatten(g), transpose(flatten(g))), flatten(w)), g)", "matrix"),
        ("matmul(row_mean(g), transpose(row_mean(g))) * g", "matrix"),
        ("grad_at(w + row_mean(g))", "oracle"),
        ("loss_at(w) * g", "oracle"),
    ],
)
def test_a_program_says_what_it_needs(update, needs):
    assert compiled(f"def f(w, g, *, lr=0.1):\n    return w - lr * ({update})\n").needs == needs


def test_what_is_returned_is_spread_over_what_its_place_covers():
    code = compiled("def f(w, g, r, c, *, lr=0.1):\n    r = r + row_mean(g)\n    return r * c, r, 0.5 * r + c\n")
    moves = {(i.out, str(i.kind)) for i in instructions(code) if i.op in ("fill", "copy")}
    assert [str(kind) for kind in code.kinds] == ["row", "row"]
    assert (0, "tensor") in moves


def test_numbers_made_of_tensors_end_a_stretch():
    for update, phases in (("row_mean(column_mean(g))", [0, 0]), ("loss_at(w + g)", [0, 1])):
        code = compiled(f"def f(w, g, *, lr=0.1):\n    return w - lr * ({update} * g)\n")
        assert [s.phase for s in code.stretches] == phases


def test_an_old_value_is_overwritten_on_either_side_of_a_sum():
    code = compiled("def f(w, g, m, *, lr=0.1):\n    m = g + m\n    return lr * m + w, m\n")
    assert not {i.op for i in instructions(code)} & {"copy", "fill"}


def test_compiling_twice_gives_the_same():
    for seed in range(20):
        assert compile_program(random_program(seed)) == compile_program(random_program(seed))
