"""Exported programs that ask the loss once more: against the interpreter, and as torch users give closures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from primitives import interpreter
from primitives.export import source
from primitives.interpreter import as_matrix
from primitives.program import Program
from primitives.text import parse
from tests.primitives.exporting import SHAPES, assert_same, exported, oracles_of, random_arrays, saved_and_loaded

TEXTS = {
    "sam": """def sam(w, g, *, lr=0.02, rho=0.05):
    return w - lr * grad_at(w + rho * g / global_norm(g))
""",
    "nesterov": """def nesterov(w, g, m, *, lr=0.02, beta=0.9):
    m = beta * m + grad_at(w - lr * beta * m)
    return w - lr * m, m
""",
    "moving": """def moving(w, g, m, *, lr=0.02):
    w = 0.99 * w
    m = ema(m, grad_at(row_mean(w) + 1), where(t < 5, 0, 0.9))
    return w - lr * m * where(column_mean(w) > 0, 1, 2), m
""",
    "line": """def line(w, g, best=1, *, lr=0.02):
    best = min(best, loss_at(w - lr * g))
    return w - where(loss_at(w - 2 * lr * g) < loss, 2 * lr, lr) * g, best
""",
    "only_loss": """def only_loss(w, g, *, lr=0.02):
    return w * (1 - lr * loss_at(0.5 * w) / (1 + loss))
""",
    "newton": """def newton(w, g, *, lr=0.5, damping=0.5):
    return w - lr * hessian_solve(g, damping)
""",
    "free": """def free(w, g, d, *, lr=0.5, damping=0.5, steps=4):
    d = cg_solve(g, damping, steps)
    return w - lr * d, d
""",
    "curved": """def curved(w, g, *, lr=0.01):
    return w - lr * (hvp(g) + g) * grad_at(w - lr * g) * loss_at(w) - lr * hvp(w)
""",
    "by_role": """def by_role(w, g, m, v, *, lr=0.02):
    far = grad_at(where(is_matrix(), w + 0.1 * m, w))
    m = ema(m, far, 0.9)
    v = ema(v, square(g), 0.9)
    return w - lr * where(is_matrix(), orthogonalize(m, 3, 1.5, -0.5, 0), g / (sqrt(v) + 0.1)), m, v
""",
}
PROGRAMS = {name: parse(text) for name, text in TEXTS.items()}
TWICE = {"newton", "free", "curved"}


def function(params: list[Any]) -> Tensor:
    """A smooth loss with a Hessian that depends on w and mixes the tensors."""
    total = sum(((p - 0.1 * i) ** 2).sum() + torch.cos(p).sum() for i, p in enumerate(params))
    mixed: Tensor = total + torch.tanh(params[0].sum() * params[1].mean()) + params[1].sum() * params[2].mean()
    return mixed / 10


class Dense:
    """The same loss for the interpreter, by torch on copies."""

    def __init__(self, weights: list[Any]) -> None:
        self.weights = weights

    def _leaves(self, point: list[Any]) -> list[Tensor]:
        return [torch.tensor(x.reshape(shape), requires_grad=True) for x, shape in zip(point, SHAPES, strict=True)]

    def gradient(self, point: list[Any]) -> list[Any]:
        leaves = self._leaves(point)
        return [as_matrix(g.numpy()) for g in torch.autograd.grad(function(leaves), leaves)]

    def loss(self, point: list[Any]) -> float:
        return float(function(self._leaves(point)).detach())

    def product(self, vector: list[Any]) -> list[Any]:
        leaves = self._leaves(self.weights)
        grads = torch.autograd.grad(function(leaves), leaves, create_graph=True)
        weights = [torch.tensor(v.reshape(shape)) for v, shape in zip(vector, SHAPES, strict=True)]
        return [as_matrix(x.numpy()) for x in torch.autograd.grad(grads, leaves, weights)]


def by_interpreter(program: Program, steps: int) -> list[Any]:
    weights, lr = random_arrays(0), program.defaults["lr"]
    states = interpreter.start(program, weights, lr)
    for t in range(1, steps + 1):
        oracle = Dense(weights)
        grads = [g.reshape(shape) for g, shape in zip(oracle.gradient(weights), SHAPES, strict=True)]
        loss = oracle.loss(weights)
        weights, states = interpreter.step(program, weights, grads, states, t=t, lr=lr, loss=loss, oracle=oracle)
    return weights


def closure_of(
    optimizer: Any, params: list[nn.Parameter], sign: float = 1, calls: list[Any] | None = None
) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        if calls is not None:
            calls.append([p.detach().clone() for p in params])
        if getattr(optimizer, "differentiates_twice", False):
            return sign * function(params)
        optimizer.zero_grad()
        loss = sign * function(params)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    return closure


def fresh() -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]


def run(optimizer: Any, params: list[nn.Parameter], steps: int, sign: float = 1) -> list[Tensor]:
    closure = closure_of(optimizer, params, sign)
    for _ in range(steps):
        optimizer.step(closure)
    return [p.detach() for p in params]


@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_the_interpreter_over_50_steps(name: str) -> None:
    params = fresh()
    optimizer = exported(PROGRAMS[name])(params)
    assert_same(run(optimizer, params, 50), by_interpreter(PROGRAMS[name], 50))
    assert optimizer.needs_closure
    assert getattr(optimizer, "differentiates_twice", False) == (name in TWICE)


@pytest.mark.parametrize(("name", "wanted"), [("sam", 2), ("nesterov", 1), ("line", 3), ("newton", 1), ("curved", 4)])
def test_how_often_the_closure_is_called_and_what_comes_back(name: str, wanted: int) -> None:
    params, calls = fresh(), []  # type: ignore[var-annotated]
    optimizer = exported(PROGRAMS[name])(params)
    closure = closure_of(optimizer, params, calls=calls)
    loss = optimizer.step(closure)
    assert len(calls) == wanted
    torch.testing.assert_close(torch.as_tensor(loss).detach(), function(calls[0]))
    if name == "nesterov":
        assert all(p.grad is None for p in params)


@pytest.mark.parametrize("name", PROGRAMS)
def test_maximize_is_the_negative_loss(name: str) -> None:
    up, down = fresh(), fresh()
    run(exported(PROGRAMS[name])(up, maximize=True), up, 3, -1)
    run(exported(PROGRAMS[name])(down), down, 3)
    assert_same([p.detach() for p in up], [p.detach() for p in down])


@pytest.mark.parametrize("name", PROGRAMS)
def test_saving_and_copying_change_nothing_and_groups_have_their_options(name: str) -> None:
    params = fresh()
    optimizer = exported(PROGRAMS[name])(params[:2])
    optimizer.add_param_group({"params": params[2:], "lr": 0.001})
    run(optimizer, params, 2)
    copied, twin = copy.deepcopy((optimizer, params))
    others = copy.deepcopy(params)
    groups = [{"params": others[:2]}, {"params": others[2:]}]
    loaded = saved_and_loaded(optimizer, exported(PROGRAMS[name])(groups))
    run(optimizer, params, 2)
    for other, theirs in ((copied, twin), (loaded, others)):
        run(other, theirs, 2)
        assert all(torch.equal(a, b) for a, b in zip(params, theirs, strict=True))


def test_damping_is_that_of_each_group() -> None:
    p, q = (nn.Parameter(torch.ones(2, dtype=torch.float64)) for _ in range(2))
    text = "def f(w, g, *, lr=1, damping=1):\n    return w - lr * {}\n"
    for solve in ("hessian_solve(g, damping)", "cg_solve(g, damping, 4)"):
        with torch.no_grad():
            p.fill_(1)
            q.fill_(1)
        optimizer = exported(parse(text.format(solve)))([{"params": [p]}, {"params": [q], "damping": 3}])
        optimizer.step(lambda: ((p**2).sum() + (q**2).sum()) / 2)
        assert_same([p.detach(), q.detach()], [np.full(2, 0.5), np.full(2, 0.75)])


def test_newton_solves_a_quadratic_in_one_step() -> None:
    half = torch.tensor(np.random.default_rng(0).standard_normal((16, 16)))
    hessian = half @ half.T + torch.eye(16)
    w, b = nn.Parameter(torch.ones(3, 4, dtype=torch.float64)), nn.Parameter(torch.ones(4, dtype=torch.float64))

    def loss() -> Tensor:
        x = torch.cat([w.reshape(-1), b]) - 2
        result: Tensor = x @ hessian @ x / 2
        return result

    for solve in ("hessian_solve(g, 0)", "cg_solve(g, 0, 40)"):
        with torch.no_grad():
            w.fill_(1)
            b.fill_(-1)
        exported(parse(f"def f(w, g, *, lr=1):\n    return w - lr * {solve}\n"))([w, b]).step(loss)
        torch.testing.assert_close(torch.cat([w.reshape(-1), b]).detach(), torch.full((16,), 2.0).double())


def test_parameters_that_the_loss_does_not_use() -> None:
    """Skipped where their gradient is read; where it is not, or is differentiated, it is zero."""
    for name, unmoved in (("sam", True), ("nesterov", True), ("newton", True), ("free", True), ("line", True)):
        used, idle = nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(3))
        optimizer = exported(PROGRAMS[name])([used, idle])

        def closure(used: Tensor = used, optimizer: Any = optimizer) -> Tensor:
            loss = ((used - 3) ** 2).sum()
            if not getattr(optimizer, "differentiates_twice", False):
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)
        assert torch.equal(idle, torch.ones(3)) == unmoved
        assert not torch.equal(used, torch.ones(2, 2))


def test_a_linear_loss_has_no_curvature() -> None:
    p = nn.Parameter(torch.ones(3, dtype=torch.float64))
    optimizer = exported(parse("def f(w, g, *, lr=1):\n    return w - lr * (hvp(g) + cg_solve(g, 0, 3))\n"))([p])
    optimizer.step(lambda: p.sum())
    assert_same([p.detach()], [np.zeros(3)])


def test_gradients_are_as_the_first_call_left_them_and_weights_come_back_after_an_error() -> None:
    params = fresh()
    optimizer = exported(PROGRAMS["line"])(params)
    before = [p.detach().clone() for p in params]
    optimizer.step(closure_of(optimizer, params))
    wanted = torch.autograd.grad(function(leaves := [b.requires_grad_() for b in before]), leaves)
    assert all(torch.equal(p.grad, g) for p, g in zip(params, wanted, strict=True) if p.grad is not None)
    before, calls = [p.detach().clone() for p in params], []

    def broken() -> Tensor:
        calls.append(1)
        if len(calls) == 2:
            raise KeyError("broken")
        return closure_of(optimizer, params)()

    with pytest.raises(KeyError, match="broken"):
        optimizer.step(broken)
    assert all(torch.equal(p, b) for p, b in zip(params, before, strict=True))


def test_refusals_are_one_sentence() -> None:
    params = fresh()
    with pytest.raises(RuntimeError, match=r"^Sam asks for the loss itself: call step\(closure\)\.$"):
        exported(PROGRAMS["sam"])(params).step()
    newton = exported(PROGRAMS["newton"])(params)

    def freed() -> Tensor:
        loss = function(params)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for closure in (freed, lambda: freed().item()):
        with pytest.raises(RuntimeError, match=r"^The closure must return the loss .* and not call backward\.$"):
            newton.step(closure)
    large = nn.Parameter(torch.zeros(10_001))
    with pytest.raises(RuntimeError, match="forms the Hessian of 10,001 parameters"):
        exported(PROGRAMS["newton"])([large]).step(lambda: (large**2).sum())


def test_the_class_says_which_closure_it_wants() -> None:
    assert "usual closure" in source(PROGRAMS["sam"])
    assert "does not call backward" in source(PROGRAMS["newton"])
    assert "def cg_solve" not in source(PROGRAMS["newton"])
    assert "hessian_solve" not in source(PROGRAMS["sam"])
    assert all(oracles_of(program) for program in PROGRAMS.values())
