"""Symmetries: the literature's statements, and every claim measured with the interpreter."""

from __future__ import annotations

import json
from dataclasses import asdict, astuple

import numpy as np
import pytest

from primitives.analysis.equivariance import RULE, Turn, follows
from primitives.analysis.memory import classes_of
from primitives.analysis.parity import ODD, parities
from primitives.analysis.probe import inputs, moved
from primitives.analysis.symmetry import Symmetries, symmetry
from primitives.graph import graph
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.random_programs import random_program

ROTATED = "sgd momentum heavy_ball nesterov nesterov_shifted robbins_monro newton hessian_free conjugate_gradient " \
    "nonlinear_cg nonlinear_cg_fr adagrad_full"  # fmt: skip
ASKING = ("rmsprop_nesterov",)  # by coordinate, at a gradient elsewhere: nothing refutes it here


def of(name: str, where: str = "") -> Symmetries:
    return next(found for found in symmetry(reference(name)).classes if found.where == where)


def held(update: str) -> tuple[bool | None, ...]:
    """Odd, permutations, of sides, rotations, of sides."""
    [found] = symmetry(parse(f"def f(w, g, *, lr=0.1):\n    return w - lr * ({update})\n")).classes
    return astuple(found)[1:]


@pytest.mark.parametrize("name", names())
def test_signs_and_permutations_of_every_reference_program(name):
    """All are odd; all but Muon treat coordinates alike, and Muon rows and columns."""
    for found in symmetry(reference(name)).classes:
        assert found.odd
        assert found.sides
        muon = name == "muon_everywhere" or found.where == "hidden"
        assert found.permutations is not muon


@pytest.mark.parametrize("name", names())
def test_rotations_of_every_reference_program(name):
    """What has one rate for all coordinates, or the full matrix, knows no axes; rates by coordinate, and signs, do."""
    for found in symmetry(reference(name)).classes:
        muon = name == "muon_everywhere" or found.where == "hidden"
        none = None if name in ASKING else False
        assert found.rotations == (True if name in ROTATED.split() else none)
        assert found.side_rotations == (True if muon or name in ROTATED.split() else none)


@pytest.mark.parametrize(
    ("update", "odd"),
    [
        ("clip(g, -lr, lr)", True),
        ("max(min(g, 2), -2)", True),
        ("clip(g, -norm(g), norm(g))", True),
        ("log1p_abs(g) * g", True),
        ("clip(g, -mean(g), mean(g))", False),
        ("clip(g, 1, -1)", False),
    ],
)
def test_clips_are_odd_where_their_bounds_are_sizes(update, odd):
    assert (held(update)[0] is True) is odd


def test_muon_is_told_by_class():
    assert [found.where for found in symmetry(reference("muon")).classes] == ["hidden", "others"]
    assert of("muon", "hidden").side_rotations
    assert of("muon", "others").side_rotations is False
    assert symmetry(reference("muon")).lines()[0].startswith("hidden: It commutes with a change of all signs")


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ("g / norm(g)", (True, True, True, True, True)),
        ("g / sqrt(mean(square(g)))", (True, True, True, True, True)),  # squares add up to an invariant
        ("g * dot(g, w) / sum(g * g)", (True, True, True, True, True)),
        ("g * mean(abs(g))", (True, True, True, False, False)),
        ("g + 1", (False, True, True, False, False)),
        ("abs(g)", (False, True, True, False, False)),
        ("g / sqrt(row_mean(square(g)))", (True, False, True, False, False)),  # Adafactor's factors
        ("matmul(matmul(g, transpose(g)), g)", (True, False, True, False, True)),
        ("matmul(inv_root(matmul(g, transpose(g)), 4, 1e-3), g)", (True, False, True, False, True)),  # Shampoo
        ("clip_by_global_norm(g, 1)", (True, True, True, True, True)),
        ("g * rows(w)", (True, True, True, True, True)),
        ("clip(g, -1, 1)", (True, True, True, False, False)),
        ("clip(g, -1, 2)", (False, True, True, False, False)),
        ("where(dot(g, w) > 0, g, w)", (True, True, True, True, True)),
        ("where(g > 0, g, 0)", (False, True, True, False, False)),
    ],
)
def test_other_programs(update, expected):
    assert held(update) == expected


def test_what_asks_the_loss_is_not_refuted():
    assert held("abs(grad_at(w))") == (None, True, True, None, None)


def turns():
    """A permutation and a rotation of all coordinates, and of both sides, each with what it is for the analysis."""
    rng = np.random.default_rng(5)
    for rotates in (False, True):
        some = [np.linalg.qr(rng.standard_normal((n, n)))[0] if rotates else np.eye(n)[rng.permutation(n)]
                for n in (6, 3, 2)]  # fmt: skip
        whole, left, right = some
        yield Turn(rotates, sides=False), lambda x, q=whole: (x.reshape(*x.shape[:-2], 6) @ q.T).reshape(x.shape)
        yield Turn(rotates, sides=True), lambda x, p=left, r=right: p @ x @ r.T


class Answers:
    """Answers of a turned loss: gradient = H (point - w) + slope, with everything turned."""

    def __init__(self, turned):
        rng = np.random.default_rng(7)
        half = rng.standard_normal((6, 6))
        units = np.eye(6).reshape(6, 3, 2)
        turn = turned(units).reshape(6, 6).T
        self.curvature = turn @ (half @ half.T + np.eye(6)) @ turn.T
        self.slope = turned(rng.standard_normal((3, 2)))

    def gradient(self, point):
        return [self.product(point)[0] + self.slope]

    def loss(self, point):
        return float((point[0] * self.product(point)[0]).sum() / 2 + (point[0] * self.slope).sum())

    def product(self, vector):
        return [(self.curvature @ vector[0].ravel()).reshape(3, 2)]


def check(program, rtol):
    """Every symmetry that analysis claims holds in a run."""
    w, gradients = inputs(3)
    g = graph(program, expand=True)
    cases = [(follows(g, turn), turned) for turn, turned in turns()]
    cases.append((parities(g)[g.outputs[0]] == ODD, np.negative))
    for claimed, turned in cases:
        straight, other = (
            moved(program, f(w), f(gradients), oracle=Answers(f)) for f in (lambda x: x, turned)
        )  # fmt: skip
        size = np.abs(straight).max()
        if claimed and np.isfinite(straight).all() and size < 1e6:
            np.testing.assert_allclose(other, turned(straight), atol=rtol * max(size, 1), rtol=rtol)


@pytest.mark.parametrize("name", names())
def test_every_claim_is_measured(name):
    for _, program in classes_of(reference(name)):
        check(program, 1e-6)


@pytest.mark.parametrize("name", names())
def test_lines_fit_and_the_record_is_plain(name):
    found = symmetry(reference(name))
    assert json.loads(json.dumps(asdict(found)))
    assert all(len(line) <= 100 for line in found.lines())


def test_every_primitive_has_a_rule():
    assert RULE.keys() == PRIMITIVES.keys()


@pytest.mark.parametrize("seed", range(60))
def test_permutations_and_rotations_that_are_claimed_of_random_programs_hold(seed):
    program = random_program(seed)
    w, gradients = inputs(3)
    for turn, turned in turns():
        if follows(graph(program, expand=True), turn):
            straight, other = moved(program, w, gradients[:2]), moved(program, turned(w), turned(gradients[:2]))
            if np.isfinite(straight).all() and np.abs(straight).max() < 1e3:
                np.testing.assert_allclose(other, turned(straight), rtol=1e-5, atol=1e-7)
