"""What the programs of second order are for: against SciPy and dense solves, and where there is nothing left to do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse.linalg

from primitives.reference import reference
from tests.primitives.problems import (
    SIZE,
    START,
    Array,
    Quadratic,
    Waves,
    check_close,
    hessian_at,
    interpreted,
)

QUADRATIC, WAVES = Quadratic(), Waves()
DIRECTIONS = ("conjugate_gradient", "nonlinear_cg", "nonlinear_cg_fr")
PROGRAMS = ("newton", "hessian_free", *DIRECTIONS)


def path_of(name: str, problem: Quadratic | Waves = QUADRATIC, steps: int = SIZE, **hyper: float) -> list[Array]:
    """The path of a program at its own rate of 1."""
    return interpreted(reference(name), hyper, problem, rate=lambda t: 1.0, base_lr=1.0, steps=steps)


def scipys_path(steps: int) -> list[Array]:
    """The iterates of SciPy's linear conjugate gradients from the same start."""
    path = [START]
    b = QUADRATIC.hessian @ QUADRATIC.minimum
    scipy.sparse.linalg.cg(
        QUADRATIC.hessian, b, x0=START, rtol=0, maxiter=steps, callback=lambda x: path.append(x.copy())
    )
    return path


def never(name: str) -> dict[str, float]:
    """The hyperparameters with which a method does not restart."""
    return {} if name == "conjugate_gradient" else {"restart": 1000.0}


def test_newton_solves_a_quadratic_in_one_step():
    np.testing.assert_allclose(path_of("newton", steps=1)[-1], QUADRATIC.minimum, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_directions_are_scipys_on_a_quadratic(name):
    check_close(path_of(name, steps=25, **never(name)), scipys_path(25), 1e-8)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_n_steps_solve_n_dimensions(name):
    path = path_of(name, **never(name))
    np.testing.assert_allclose(path[-1], QUADRATIC.minimum, rtol=0, atol=1e-6)
    gradients = [np.linalg.norm(QUADRATIC.gradient(x, 1)) for x in path]
    assert gradients[-1] < 1e-7 * gradients[0]


@pytest.mark.parametrize("dimensions", [1, 3, 5])
def test_as_many_steps_as_there_are_different_eigenvalues(dimensions):
    """Exact conjugacy, where rounding has no time to grow."""
    few = Quadratic()
    few.hessian = np.diag(np.resize(np.arange(1.0, dimensions + 1), SIZE))
    for name in DIRECTIONS:
        path = path_of(name, few, steps=dimensions, **never(name))
        np.testing.assert_allclose(path[-1], few.minimum, rtol=0, atol=1e-12)


def test_directions_are_conjugate():
    steps = [after - before for before, after in pairwise(path_of("conjugate_gradient", steps=6))]
    products = np.array([[x @ QUADRATIC.hessian @ y for y in steps] for x in steps])
    scale = np.sqrt(np.outer(np.diag(products), np.diag(products)))
    np.testing.assert_allclose(products / scale, np.eye(6), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["nonlinear_cg", "nonlinear_cg_fr"])
def test_with_restarts_it_reaches_the_minimum_that_scipy_finds(name):
    found = path_of(name, steps=150, restart=SIZE)[-1]
    theirs = scipy.optimize.minimize(
        QUADRATIC.loss, START, (1,), "CG", QUADRATIC.gradient, options={"gtol": 1e-9, "maxiter": 1000}
    )
    np.testing.assert_allclose(found, theirs.x, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["nonlinear_cg", "nonlinear_cg_fr"])
def test_restarting_at_every_step_is_steepest_descent(name):
    wanted = [START]
    for _ in range(10):
        g = QUADRATIC.gradient(wanted[-1], 1)
        wanted.append(wanted[-1] - (g @ g) / (g @ QUADRATIC.hessian @ g) * g)
    check_close(path_of(name, steps=10, restart=1), wanted)


@pytest.mark.parametrize(("damping", "steps"), [(0.0, 80), (0.5, 80), (5.0, 40)])
def test_hessian_free_is_a_dense_solve_when_its_inner_iteration_may_end(damping, steps):
    found = path_of("hessian_free", steps=3, damping=damping, cg_steps=steps)
    check_close(found, path_of("newton", steps=3, damping=damping), 1e-8)


def test_hessian_free_is_a_dense_solve_on_waves():
    def solve(x: Array, t: int) -> Array:
        return x - np.linalg.solve(hessian_at(WAVES, x, t) + 5 * np.eye(SIZE), WAVES.gradient(x, t))

    wanted = [START]
    for t in range(1, 11):
        wanted.append(solve(wanted[-1], t))
    check_close(path_of("hessian_free", WAVES, 10, damping=5, cg_steps=60), wanted)


class Flat(Quadratic):
    """A quadratic with nothing to do in half of its dimensions: its Hessian is singular."""

    hessian = np.diag(np.arange(SIZE) % 2.0)


class Saddle(Quadratic):
    """Curvature of either sign."""

    hessian = np.diag(np.where(np.arange(SIZE) % 3, 1.0, -1.0))


class Nothing(Quadratic):
    """No gradient and no curvature anywhere."""

    hessian = np.zeros((SIZE, SIZE))


def damped(name: str) -> dict[str, float]:
    return {"damping": 0.01} if name == "newton" else {}


@pytest.mark.parametrize("problem", [Quadratic, Flat, Saddle, Nothing])
@pytest.mark.parametrize("name", PROGRAMS)
def test_at_convergence_and_where_there_is_no_curvature_all_stays_finite(name, problem):
    steps = 20 if problem is Saddle else 150
    path = path_of(name, problem(), steps, **damped(name))
    assert np.isfinite(path).all()
    if problem in (Flat, Nothing):
        np.testing.assert_allclose(problem().gradient(path[-1], 1), np.zeros(SIZE), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PROGRAMS)
def test_at_the_minimum_it_stays(name):
    at_start = Quadratic()
    at_start.minimum = START
    assert all((x == START).all() for x in path_of(name, at_start, 5))


@pytest.mark.parametrize("name", ["nonlinear_cg", "nonlinear_cg_fr"])
def test_every_direction_descends(name):
    """Also where the last direction would not: on bumps that change at every step."""
    path = path_of(name, WAVES, 100, damping=1)
    for t, (before, after) in enumerate(pairwise(path), 1):
        assert (after - before) @ WAVES.gradient(before, t) < 0


def test_negative_curvature_is_left_and_not_entered():
    """Newton goes to a saddle, nonlinear conjugate gradients away from it."""
    saddle = Saddle()
    assert saddle.loss(path_of("newton", saddle, 1)[-1], 1) == pytest.approx(0, abs=1e-20)
    assert saddle.loss(path_of("nonlinear_cg", saddle, 1)[-1], 1) < saddle.loss(START, 1)
