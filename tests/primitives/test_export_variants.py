"""Exported programs that treat tensors by what they are for: which function, which states, which sums."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from primitives.export import source
from primitives.export_variants import export_variants
from primitives.interpreter import start, step
from primitives.program import Program
from primitives.text import parse
from tests.primitives.exporting import SHAPES, assert_same, exported, random_arrays, saved_and_loaded

ROLES: tuple[str | None, ...] = (None, "vector", "head")

TEXTS = {
    "muon": """def muon(w, g, m, v, *, lr=0.02, beta=0.95, beta2=0.99, eps=1e-8):
    m = ema(m, g, beta)
    v = ema(v, square(g), beta2)
    spectral = orthogonalize(m, 5, 3.4445, -4.775, 2.0315) * sqrt(max(1, rows(w) / columns(w)))
    update = where(is_hidden(), spectral, bias_correct(m, beta, t) / (sqrt(v) + eps))
    return w - lr * update, m, v
""",
    "clipped": """def clipped(w, g, m, v, *, lr=0.05):
    h = clip_by_global_norm(g, 0.5)
    m = ema(m, h, 0.9)
    v = ema(v, square(h), 0.99)
    return w - lr * where(is_hidden(), m, h / (sqrt(v) + 1e-4)), m, v
""",
    "masked": """def masked(w, g, m, v, *, lr=0.05, c=1):
    m = ema(m, g, 0.9)
    v = ema(v, square(g), 0.99)
    h = where(is_matrix(), clip_by_global_norm(where(is_matrix(), m, 0), c), g)
    x = where(is_matrix(), 0, v)
    k = g / (1 + global_norm(x))
    return w - lr * where(is_matrix(), h, k), m, v
""",
    "dead": """def dead(w, g, m, v, *, lr=0.05):
    m = ema(m, g, 0.9)
    v = ema(v, square(g), 0.99)
    n = global_norm(v)
    return w - lr * where(is_head(), m / (1 + n), g), m, v
""",
    "all_four": """def all_four(w, g, m, v, *, lr=0.05):
    m = ema(m, g, 0.9)
    v = ema(v, square(g), 0.99)
    a = where(is_head(), m, where(is_embedding(), sqrt(v), where(is_hidden(), g, sign(g))))
    return w - lr * is_matrix() * a - lr * g, m, v
""",
    "kept": """def kept(w, g, s=0.5, *, lr=0.05):
    s = where(is_matrix(), s * 0.9, norm(g))
    return w - lr * s * g, s
""",
}
PROGRAMS = {name: parse(text) for name, text in TEXTS.items()}


def grouped(params: list[nn.Parameter], roles: tuple[str | None, ...] = ROLES) -> list[dict[str, Any]]:
    return [{"params": [p], **({"role": role} if role else {})} for p, role in zip(params, roles, strict=True)]


def by_interpreter(program: Program, roles: list[str], steps: int) -> list[Any]:
    weights = random_arrays(0)
    states = start(program, weights, program.defaults["lr"])
    for t in range(1, steps + 1):
        weights, states = step(program, weights, random_arrays(t), states, t=t, lr=program.defaults["lr"], roles=roles)
    return weights


def run(optimizer: Any, params: list[nn.Parameter], steps: int, first: int = 1) -> list[Any]:
    for t in range(first, first + steps):
        for p, g in zip(params, random_arrays(t), strict=True):
            p.grad = torch.tensor(g)
        optimizer.step()
    return [p.detach() for p in params]


@pytest.mark.parametrize("roles", [(None, None, None), ROLES, ("embedding", "hidden", "hidden")], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_the_interpreter(name: str, roles: tuple[str | None, ...]) -> None:
    program = PROGRAMS[name]
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    found = run(exported(program)(grouped(params, roles)), params, 50)
    named = [role or ("vector" if len(shape) == 1 else "hidden") for role, shape in zip(roles, SHAPES, strict=True)]
    assert_same(found, by_interpreter(program, named, 50))


def test_a_tensor_has_the_function_and_the_states_of_its_kind_only() -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = exported(PROGRAMS["muon"])(grouped(params))
    run(optimizer, params, 2)
    assert [set(optimizer.state[p]) for p in params] == [{"step", "m"}, {"step", "m", "v"}, {"step", "m", "v"}]
    text = source(PROGRAMS["muon"])
    assert "def muon_hidden_rule(" in text
    assert 'if role == "hidden":' in text
    hidden, other = text.split("def muon_hidden_rule")[1].split("def muon_other_rule")
    assert "orthogonalize" in hidden
    assert "orthogonalize(" not in other.split("Number = ")[0]
    assert "sqrt(v)" not in hidden


def test_sums_over_the_model_count_what_the_whole_program_counts_and_masked_states_are_not_there() -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = exported(PROGRAMS["masked"])(params)
    run(optimizer, params, 2)
    assert [set(optimizer.state[p]) for p in params] == [{"step", "m"}, {"step", "v"}, {"step", "m"}]
    optimizer = exported(PROGRAMS["dead"])(grouped(params))  # the head alone reads a sum over all
    run(optimizer, params, 2)
    assert [set(optimizer.state[p]) for p in params] == [{"step", "v"}, {"step", "v"}, {"step", "m", "v"}]


def test_a_wrong_role_is_one_sentence() -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    sentence = r"^'body' is no role of a tensor; the roles are hidden, embedding, head, vector\.$"
    with pytest.raises(ValueError, match=sentence):
        exported(PROGRAMS["muon"])(grouped(params, (None, "body", None)))
    optimizer = exported(PROGRAMS["muon"])(params[:2])
    with pytest.raises(ValueError, match=sentence):
        optimizer.add_param_group({"params": params[2:], "role": "body"})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_saving_and_copying_change_nothing(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = exported(PROGRAMS[name])(grouped(params[:2], ROLES[:2]))
    optimizer.add_param_group({"params": params[2:], "role": "head", "lr": 0.5})
    run(optimizer, params, 2)
    copied, twin = copy.deepcopy((optimizer, params))
    others = copy.deepcopy(params)
    loaded = saved_and_loaded(optimizer, exported(PROGRAMS[name])(grouped(others)))
    run(optimizer, params, 2, 3)
    for other, theirs in ((copied, twin), (loaded, others)):
        run(other, theirs, 2, 3)
        assert all(torch.equal(a, b) for a, b in zip(params, theirs, strict=True))


def test_the_variants_of_one_program_that_cannot_be_told_apart_are_one() -> None:
    program = parse("def f(w, g, *, lr=1):\n    return w - lr * where(is_hidden(), g, g)\n")
    variants, _ = export_variants(program)
    assert len(variants) == 1
    assert "role" not in source(program).split('"""', 2)[2]
    p = nn.Parameter(torch.ones(3))
    p.grad = torch.ones(3)
    exported(program)([p]).step()
    np.testing.assert_array_equal(p.detach(), 0)
