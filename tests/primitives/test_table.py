"""What every primitive of the table must fulfil: its readings agree with each other."""

from __future__ import annotations

import inspect
import re
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from primitives import kinds, table
from primitives.interpreter import expansion, finish
from primitives.kinds import COLUMN, LEFT, NUMBER, PER_TENSOR, RIGHT, ROW, TENSOR, Kind, KindError
from primitives.namespaces import NUMPY, torch_namespace
from primitives.primitive import Primitive
from primitives.program import Call, calls
from primitives.table import PRIMITIVES

ALL = list(PRIMITIVES.values())
FORMS = {"pointwise", "reduction", "model", "shape", "matrix", "role", "oracle", "composite"}
ROLES = {"any", "weight", "positive", "step", "count"}
SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 0.0, 1.0, -1.0, 0.5, -0.3, 2.0, -3.0, 7.25, 1e-9, 1e300, -1e-300]
EITHER_ZERO = {"max", "min", "clip", "mod"}  # whose result may be 0 where another machine has -0
Array = Any  # an array of NumPy or torch

every = pytest.mark.parametrize("p", ALL, ids=lambda p: p.name)
# Constants of a tensor have no value by themselves (test_roles.py), nor has what asks the loss (test_oracles.py).
every_function = pytest.mark.parametrize(
    "p", [p for p in ALL if p.form not in ("role", "oracle")], ids=lambda p: p.name
)


def works_on_matrices(p: Primitive) -> bool:
    """Whether arrays of one shape are not enough to test it."""
    return p.form == "matrix" or (p.form == "composite" and p.kind in (kinds.square, kinds.matrix))


def evaluate(p: Primitive, f: Any, args: list[Array]) -> Array:
    """The value of a primitive of arrays [m, n] in one namespace; composites through their expansions."""
    if p.form == "composite":
        return _expression(expansion(p.name), f, dict(zip(p.args, args, strict=True)))
    assert p.meaning is not None
    if p.form == "shape":
        return _array(f, p.meaning(*args[0].shape))
    if p.form in ("reduction", "model"):
        terms = p.meaning(f, *map(f.wide, args))
        return finish(p, f, f.total(terms), float(np.prod(terms.shape)))
    return p.meaning(f, *args)


def _expression(expr: str | float | Call, f: Any, env: dict[str, Array]) -> Array:
    if isinstance(expr, Call):
        return evaluate(PRIMITIVES[expr.op], f, [_expression(arg, f, env) for arg in expr.args])
    return env[expr] if isinstance(expr, str) else _array(f, expr)


def _array(f: Any, value: Any) -> Array:
    array = np.asarray(value, dtype=np.float64)
    return array if f is NUMPY else torch.tensor(array)


def in_numpy(p: Primitive, args: list[Array]) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(evaluate(p, NUMPY, [np.asarray(arg) for arg in args]), dtype=np.float64)


def in_torch(p: Primitive, args: list[Array]) -> Array:
    value = evaluate(p, torch_namespace(), [torch.tensor(arg) for arg in args])
    return np.asarray(value, dtype=np.float64)


# --- the record


@every
def test_arguments_roles_and_form_fit_together(p: Primitive) -> None:
    assert p.name.isidentifier()
    assert p.arity == len(p.args) == len(set(p.args)) == len(p.roles)
    assert set(p.roles) <= ROLES
    assert p.form in FORMS
    assert (p.form == "composite") == (p.meaning is None) == bool(p.expansion)
    assert p.cost >= 0
    assert not p.commutative or p.arity == 2
    assert not p.infix or p.arity == 2


def test_names_and_infixes_are_unique() -> None:
    groups = (value for name, value in vars(table).items() if name.isupper() and isinstance(value, tuple))
    found = [p.name for group in groups for p in group if isinstance(p, Primitive)]
    assert sorted(found) == sorted(PRIMITIVES)
    infixes = [p.infix for p in ALL if p.infix]
    assert len(infixes) == len(set(infixes))


@every
def test_the_meaning_takes_the_arguments(p: Primitive) -> None:
    if p.meaning is not None:
        before = {"shape": [], "oracle": ["f", "oracle"]}.get(p.form, ["f"])
        given = list(inspect.signature(p.meaning).parameters)
        assert given == [*before, *(["m", "n"] if p.form == "shape" else p.args)]


@every
def test_every_text_mentions_every_argument(p: Primitive) -> None:
    texts = [p.expansion] if p.form == "composite" else [p.torch.partition(" | ")[0]]
    if p.form != "shape":
        texts += [p.formula, p.kernel]
    for text in filter(None, [*texts, p.torch.partition(" | ")[2]]):
        words = set(re.findall(r"\b[A-Za-z_]\w*", text))
        assert set(p.args) <= words, text


@every
def test_protected_forms_name_an_exact_primitive(p: Primitive) -> None:
    if p.protects:
        exact = PRIMITIVES[p.protects]
        assert not exact.protects
        assert exact.args == p.args
        inside = [np.full((2, 2), 0.75), np.full((2, 2), 1.5)][: p.arity]
        np.testing.assert_allclose(in_numpy(p, inside), in_numpy(exact, inside), rtol=1e-7)


@every
def test_expansions_are_made_of_other_primitives(p: Primitive) -> None:
    if p.form == "composite":
        ops = {call.op for call in calls(expansion(p.name))}
        assert ops <= set(PRIMITIVES)
        assert p.name not in ops


@every
def test_commutative_primitives_are(p: Primitive) -> None:
    if p.arity == 2 and p.form not in ("composite", "matrix", "oracle"):
        x, y = _random(1), _random(2)
        same = np.array_equal(in_numpy(p, [x, y]), in_numpy(p, [y, x]))
        assert same == (p.commutative or p.name == "equal")
    if p.commutative and p.form == "pointwise":
        x, y = np.array(list(product(SPECIAL, repeat=2))).T
        np.testing.assert_array_equal(in_numpy(p, [x, y]), in_numpy(p, [y, x]))


# --- kinds


FLAT = Kind("mn", "1")
VALUES = {
    kind: kind.shape(3, 4) if kind != NUMBER else ()
    for kind in (TENSOR, NUMBER, PER_TENSOR, ROW, COLUMN, TENSOR.transposed, LEFT, RIGHT, FLAT)
}


@every_function
def test_the_kind_rule_says_what_shape_comes_out(p: Primitive) -> None:
    """At least one combination of kinds is taken, and each result has the shape of its kind."""
    taken = 0
    for given in product(VALUES, repeat=p.arity):
        try:
            kind = p.kind(*given)
        except KindError:
            continue
        taken += 1
        value = in_numpy(p, [_value(i, k, role) for i, (k, role) in enumerate(zip(given, p.roles, strict=True))])
        assert _squeezed(value.shape) == _squeezed(kind.shape(3, 4)), given
        assert isinstance(kind, Kind)
    assert taken


def _value(seed: int, kind: Kind, role: str) -> Array:
    """A random value of a kind; squares are symmetric and positive, numbers of steps are whole."""
    if role == "count":
        return np.float64(3)
    x = _random(seed, VALUES[kind])
    return x @ x.T + np.eye(len(x)) if kind in (LEFT, RIGHT) else x


def _arguments(p: Primitive) -> list[Array]:
    """Values of the first kinds that the primitive takes."""
    for given in product(VALUES, repeat=p.arity):
        try:
            p.kind(*given)
        except KindError:
            continue
        return [_value(i, k, role) for i, (k, role) in enumerate(zip(given, p.roles, strict=True))]
    raise AssertionError(f"{p.name} takes nothing")


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return () if all(size == 1 for size in shape) else shape


def _random(seed: int, shape: tuple[int, ...] = (3, 4)) -> Array:
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape)


# --- degrees


@every_function
def test_the_degree_agrees_with_scaling_by_three(p: Primitive) -> None:
    """Arguments of degree d are multiplied by 3**d; weights and steps are numbers without a unit."""
    c = 3.0
    choices = [(0.0, 1.0, 2.0) if role in ("any", "positive") else (0.0,) for role in p.roles]
    for degrees in product(*choices):
        degree = p.degree(*degrees) if p.args else 0.0
        if degree is None:
            continue
        args = _arguments(p)
        scaled = [c**d * arg for d, arg in zip(degrees, args, strict=True)]
        before, after = in_numpy(p, args), in_numpy(p, scaled)
        np.testing.assert_allclose(after, c**degree * before, rtol=1e-6, err_msg=str(degrees))


@every
def test_the_degree_is_unknown_where_an_argument_has_none(p: Primitive) -> None:
    unknown = [None] * p.arity
    assert not p.args or p.degree(*unknown) is None or p.form == "shape"


# --- NumPy and torch


@every_function
def test_torch_means_the_same_as_numpy(p: Primitive) -> None:
    signed = [np.random.default_rng(i).normal(size=(3, 4)) for i in range(p.arity)]
    args = _arguments(p) if works_on_matrices(p) else signed
    np.testing.assert_allclose(in_torch(p, args), in_numpy(p, args), rtol=1e-13 if args is signed else 1e-12)


@every_function
def test_special_values_mean_the_same_in_torch_and_numpy(p: Primitive) -> None:
    if works_on_matrices(p):
        _check_special_matrices(p)
        return
    some = SPECIAL if p.arity == 1 else SPECIAL[: 13 if p.arity == 2 else 7]  # torch loses the end of 1e300 % 1e-9
    cases = np.array(list(product(some, repeat=p.arity))).T
    if p.form in ("reduction", "model", "shape") or "norm" in p.expansion:
        for case in cases.T:
            args = [np.array([[0.5, x], [-2.0, 1.0]]) for x in case]
            np.testing.assert_allclose(in_torch(p, args), in_numpy(p, args), rtol=1e-13)
        return
    ours, truth = in_torch(p, list(cases)), in_numpy(p, list(cases))
    np.testing.assert_allclose(ours, truth, rtol=1e-13, atol=1e-300)
    if p.name not in EITHER_ZERO:
        zero = truth == 0
        np.testing.assert_array_equal(np.signbit(ours[zero]), np.signbit(truth[zero]))


def _check_special_matrices(p: Primitive) -> None:
    for special in SPECIAL:
        x, *rest = _arguments(p)
        x[0, 0] = special
        args = [x, *rest]
        np.testing.assert_allclose(in_torch(p, args), in_numpy(p, args), rtol=1e-9, atol=1e-12)
