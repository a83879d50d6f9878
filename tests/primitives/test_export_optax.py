"""An exported optax file gives the weights of the torch optimizer; every primitive means what it should."""

from __future__ import annotations

from itertools import product
from typing import Any

import jax
import numpy as np
import optax  # type: ignore[import-untyped]
import pytest
import torch

from primitives.export_optax import optax_source
from primitives.inference import kind_faults
from primitives.interpreter import start, step
from primitives.primitive import Primitive
from primitives.program import Assign, Call, Program, ProgramError, State
from primitives.table import PRIMITIVES
from primitives.text import parse_expr
from tests.primitives.exporting import ALL, by_torch, oracles_of, random_arrays
from tests.primitives.optax_files import PROGRAMS, VARIANTS, by_optax, made

AMPLIFY = {
    "adapted": "a small difference of rho_inf and nearly as much, in its first steps",
    "radam": "the same",
    "ranger": "the same",
    "adagrad_full": "the inverse root of a singular matrix",
    "matrices_full": "the inverse root of a singular matrix",
    "heavy_ball": "its momentum is a difference of weights",
}


def distance(ours: list[list[Any]], theirs: list[list[Any]]) -> float:
    """The largest difference between two paths, relative to the size of the weights."""
    pairs = [pair for a, b in zip(ours, theirs, strict=True) for pair in zip(a, b, strict=True)]
    return max(float(np.abs(x - y).max() / np.abs(y).max()) for x, y in pairs)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in AMPLIFY])
def test_gives_the_weights_of_the_torch_optimizer_in_float32(name: str) -> None:
    assert distance(by_optax(PROGRAMS[name], 20), by_torch(PROGRAMS[name], 20, torch.float32)) <= 1e-6


@pytest.mark.parametrize("name", AMPLIFY)
def test_gives_the_weights_of_the_torch_optimizer_in_float64_where_rounding_is_amplified(name: str) -> None:
    with jax.enable_x64(True):
        assert distance(by_optax(PROGRAMS[name], 20), by_torch(PROGRAMS[name], 20)) <= 1e-11


@pytest.mark.parametrize("roles", [("hidden", "vector", "head"), ("embedding", "hidden", "hidden")], ids=str)
@pytest.mark.parametrize("name", VARIANTS)
def test_tells_tensors_apart(name: str, roles: tuple[str, ...]) -> None:
    assert distance(by_optax(PROGRAMS[name], 20, roles), by_torch(PROGRAMS[name], 20, torch.float32, roles)) <= 1e-6


# --- every primitive, in all combinations of arguments that it takes

ARGUMENTS = ["g", "1 + abs(g)", "0.3", "t", "k", "z", "norm(g)", "row_mean(g)", "matmul(g, transpose(g))", "flatten(g)"]
BY_ROLE = {"weight": ["0.9", "k"], "step": ["t"], "count": ["2", "n"], "positive": ["0.5", "k"]}
HYPER = (("lr", 0.1), ("k", 0.75), ("z", 0.0), ("n", 3.0))
MOST = 12  # applications of a primitive in one program


def applied(p: Primitive) -> Program:
    """A program that keeps the value of the primitive for many arguments, each in a state."""
    words = ("w", "g", "t", "k", "z", "n", "lr")
    choices = [[parse_expr(text, words) for text in BY_ROLE.get(role, ARGUMENTS)] for role in p.roles]
    found: list[Call] = []
    for args in product(*choices):
        value = Call(p.name, args)
        alone = Program("alone", (), HYPER, (Assign("x", value),), ("w",))
        if not kind_faults(alone):
            found.append(value)
    kept = found[:: max(1, len(found) // MOST)] or found
    states = tuple(State(f"s{i}") for i in range(len(kept)))
    body = tuple(Assign(f"x{i}", value) for i, value in enumerate(kept))
    new_w = Call("add", ("w", "x0")) if p.form == "role" else "w"
    return Program("applied", states, HYPER, body, (new_w, *(f"x{i}" for i in range(len(kept)))))


@pytest.mark.parametrize("p", PRIMITIVES.values(), ids=lambda p: p.name)
def test_every_primitive_agrees_with_the_interpreter_or_is_refused(p: Primitive) -> None:
    program = applied(p)
    if p.form == "oracle":
        with pytest.raises(ProgramError, match=rf"^applied asks the loss itself \({p.name}\), which a .* torch\.$"):
            optax_source(program)
        return
    params = weights = random_arrays(0)[:2]
    states = start(program, weights, 0.1)
    with jax.enable_x64(True):
        transformation = made(program)
        update, ours = jax.jit(transformation.update), transformation.init(weights)
        for t in (1, 2):
            grads = random_arrays(t)[:2]
            updates, ours = update(grads, ours, params)
            params = optax.apply_updates(params, updates)
            weights, states = step(program, weights, grads, states, t=t, lr=0.1)
        assert_close(params, weights)
        for name, value in zip(program.state_names, states, strict=True):
            if not any(isinstance(x, optax.MaskedNode) for x in getattr(ours, name)):
                assert_close(getattr(ours, name), value if isinstance(value, list) else [value] * 2)


def assert_close(ours: Any, theirs: Any) -> None:
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.reshape(x, np.shape(y)), y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [name for name, program in ALL.items() if oracles_of(program)])
def test_a_program_that_asks_the_loss_is_refused(name: str) -> None:
    with pytest.raises(ProgramError, match=r"cannot: export it with --target torch\.$"):
        optax_source(ALL[name])
