"""What asks the loss once more: against dense algebra on a quadratic, and what happens where nobody answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from primitives import interpreter
from primitives.namespaces import NUMPY, torch_namespace
from primitives.oracles import LARGEST, OracleError, cg_solve, hessian_solve
from primitives.program import Program
from primitives.table import PRIMITIVES
from primitives.text import parse

SHAPES = ((2, 3), (4,))
SIZE = 10
rng = np.random.default_rng(0)
HALF = rng.standard_normal((SIZE, SIZE))
HESSIAN = HALF @ HALF.T + np.eye(SIZE)


class Quadratic:
    """w' H w / 2 over a matrix and a vector; counts what it is asked."""

    def __init__(self, hessian: Any = HESSIAN) -> None:
        self.hessian, self.asked = hessian, 0

    def gradient(self, point: list[Any]) -> list[Any]:
        self.asked += 1
        x = self.hessian @ np.concatenate([part.ravel() for part in point])
        return [x[:6].reshape(2, 3), x[6:].reshape(1, 4)]

    product = gradient

    def loss(self, point: list[Any]) -> float:
        x = np.concatenate([part.ravel() for part in point])
        return float(x @ self.hessian @ x / 2)


def start() -> list[Any]:
    return [np.random.default_rng(1).standard_normal(shape) for shape in SHAPES]


def one_step(program: Program, weights: list[Any], oracle: Any) -> list[Any]:
    grads = [g.reshape(w.shape) for g, w in zip(oracle.gradient(weights), weights, strict=True)]
    return interpreter.step(program, weights, grads, [], t=1, lr=1.0, loss=oracle.loss(weights), oracle=oracle)[0]


def program(update: str) -> Program:
    return parse(f"def f(w, g, *, lr=1):\n    return w - lr * ({update})\n")


def test_every_oracle_is_one_of_these():
    assert {p.name for p in PRIMITIVES.values() if p.form == "oracle"} == {
        "grad_at", "loss_at", "hvp", "hessian_solve", "cg_solve",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("update", "wanted"),
    [
        ("grad_at(w - 0.1 * g)", lambda x: HESSIAN @ (x - 0.1 * HESSIAN @ x)),
        ("(loss_at(2 * w) - 4 * loss) * g + g", lambda x: HESSIAN @ x),
        ("hvp(g)", lambda x: HESSIAN @ HESSIAN @ x),
        ("hvp(norm(g) + 0 * g)", None),
        ("hessian_solve(g, 0)", lambda x: x),
        ("hessian_solve(g, 0.5)", lambda x: np.linalg.solve(HESSIAN + 0.5 * np.eye(SIZE), HESSIAN @ x)),
        (f"cg_solve(g, 0.5, {SIZE})", lambda x: np.linalg.solve(HESSIAN + 0.5 * np.eye(SIZE), HESSIAN @ x)),
    ],
)
def test_against_dense_algebra(update, wanted):
    before = start()
    after = np.concatenate([x.ravel() for x in one_step(program(update), before, Quadratic())])
    x = np.concatenate([part.ravel() for part in before])
    if wanted is None:
        assert np.isfinite(after).all()
    else:
        np.testing.assert_allclose(x - after, wanted(x), rtol=1e-9, atol=1e-9)


def test_fewer_steps_of_conjugate_gradients_are_an_approximation_that_gets_better():
    x, wanted = start(), np.linalg.solve(HESSIAN, np.ones(SIZE))
    ones = [np.ones((2, 3)), np.ones((1, 4))]
    errors = []
    for steps in (1, 3, 6, 10):
        found = np.concatenate([p.ravel() for p in cg_solve(NUMPY, Quadratic(), ones, 0.0, np.float64(steps))])
        errors.append((found - wanted) @ HESSIAN @ (found - wanted))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-16
    assert len(x) == 2


def test_negative_curvature_and_a_vanished_residual_end_the_iteration():
    ones = [np.ones((2, 3)), np.ones((1, 4))]
    uphill = cg_solve(NUMPY, Quadratic(-np.eye(SIZE)), ones, 0.0, np.float64(4))
    nothing = cg_solve(NUMPY, Quadratic(), [x * 0 for x in ones], 0.0, np.float64(4))
    done = cg_solve(NUMPY, Quadratic(np.eye(SIZE)), ones, 0.0, np.float64(4))
    for found, wanted in ((uphill, 1), (nothing, 0), (done, 1)):
        assert all((part == wanted).all() for part in found)


def test_a_batch_of_replicas_in_torch_solves_each_by_itself():
    class Batch:
        def product(self, vector: list[Any]) -> list[Any]:
            return [vector[0] * torch.tensor([1.0, 2.0, -1.0]).double().reshape(3, 1, 1)]

    b = [torch.ones(3, 2, 2, dtype=torch.float64)]
    f = torch_namespace()
    solved = cg_solve(f, Batch(), b, torch.zeros(3, 1, 1).double(), torch.tensor(5.0))[0]
    assert solved[:, 0, 0].tolist() == [1.0, 0.5, 1.0]  # no positive curvature: x itself
    dense = hessian_solve(f, Batch(), b, torch.zeros(3, 1, 1).double())[0]
    assert dense[:, 0, 0].tolist() == [1.0, 0.5, -1.0]


def test_numbers_in_double_precision_leave_a_batch_in_its_own() -> None:
    class Batch:
        def product(self, vector: list[Any]) -> list[Any]:
            assert vector[0].dtype == torch.float32
            return [2 * vector[0]]

    b, damping = [torch.ones(3, 2, 2)], torch.zeros(3, 1, 1).double()
    f = torch_namespace()
    for solved in (cg_solve(f, Batch(), b, damping, torch.tensor(5.0)), hessian_solve(f, Batch(), b, damping)):
        torch.testing.assert_close(solved[0], torch.full((3, 2, 2), 0.5))


def test_a_singular_hessian_gives_nan_and_a_large_one_a_sentence():
    after = one_step(program("hessian_solve(g, 0)"), start(), Quadratic(np.zeros((SIZE, SIZE))))
    assert all(np.isnan(x).all() for x in after)
    with pytest.raises(OracleError, match="forms the Hessian of"):
        hessian_solve(NUMPY, Quadratic(), [np.zeros((1, LARGEST + 1))], 0.0)


def test_without_an_oracle_one_sentence():
    w = start()
    with pytest.raises(OracleError, match=r"hvp asks for more than the gradient at w"):
        interpreter.step(program("hvp(g)"), w, w, [], t=1, lr=1.0)
