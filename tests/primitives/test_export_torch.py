"""An exported program is a good torch citizen and equals torch's own optimizers."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from primitives.export import source
from primitives.optimizer import to_torch
from primitives.reference import reference
from primitives.text import parse
from tests.primitives.exporting import (
    PROGRAMS,
    SHAPES,
    Optimizer,
    assert_same,
    exported,
    make,
    random_arrays,
    saved_and_loaded,
    two_steps,
)


def network() -> tuple[nn.Module, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.5)
    x, y = (torch.randn(20, n, generator=generator, dtype=torch.float64) for n in (5, 3))
    return model, x, y


def groups(model: nn.Module, **second: float) -> list[dict[str, Any]]:
    params = list(model.parameters())
    return [{"params": params[:2]}, {"params": params[2:], **second}]


def train(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


ADAM = {"lr": 3e-3, "beta1": 0.8, "beta2": 0.97, "eps": 1e-6}
TWINS: dict[str, tuple[dict[str, float], Callable[[Any], Optimizer]]] = {
    "sgd": ({"lr": 0.03}, lambda p: torch.optim.SGD(p, lr=0.03)),
    "momentum": (
        {"lr": 0.03, "beta": 0.7, "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.7, weight_decay=0.1),
    ),
    "adam": (ADAM, lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.8, 0.97), eps=1e-6)),
    "adamw": (
        {**ADAM, "weight_decay": 0.3},
        lambda p: torch.optim.AdamW(p, lr=3e-3, betas=(0.8, 0.97), eps=1e-6, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("reload", [False, True], ids=["straight", "saved and loaded half-way"])
@pytest.mark.parametrize("name", TWINS)
def test_equals_torch(name: str, reload: bool) -> None:
    options, twin = TWINS[name]
    second = {"lr": 0.01} | ({"weight_decay": 0.02} if "weight_decay" in options else {})
    (ours, x, y), (theirs, _, _) = network(), network()
    optimizer = exported(reference(name))(groups(ours, **second), **options)
    train(ours, optimizer, x, y, 25)
    if reload:
        optimizer = saved_and_loaded(optimizer, exported(reference(name))(groups(ours)))
    train(ours, optimizer, x, y, 25)
    train(theirs, twin(groups(theirs, **second)), x, y, 50)
    assert_same([p.detach() for p in ours.parameters()], [p.detach() for p in theirs.parameters()])


def test_rmsprop_and_lion_equal_their_formulas() -> None:
    for name, formula in (("rmsprop", _rmsprop), ("lion", _lion)):
        params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
        options = {"lr": 0.02, "rho": 0.8, "eps": 1e-3} if name == "rmsprop" else {"lr": 0.02, "weight_decay": 0.1}
        optimizer = exported(reference(name))(params, **options)
        weights, memory = random_arrays(0), [np.zeros(shape) for shape in SHAPES]
        for t in range(50):
            for i, g in enumerate(random_arrays(t)):
                params[i].grad = torch.tensor(g)
                weights[i], memory[i] = formula(weights[i], g, memory[i])
            optimizer.step()
        assert_same([p.detach() for p in params], weights)


def _rmsprop(w: Any, g: Any, v: Any) -> tuple[Any, Any]:
    v = 0.8 * v + 0.2 * g**2
    return w - 0.02 * g / np.sqrt(v + 1e-3), v


def _lion(w: Any, g: Any, m: Any) -> tuple[Any, Any]:
    update = np.sign(0.9 * m + 0.1 * g) + 0.1 * w
    return w - 0.02 * update, 0.99 * m + 0.01 * g


# --- a good torch citizen


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_saving_copying_and_pickling_change_nothing(name: str, dtype: torch.dtype) -> None:
    params = [nn.Parameter(torch.tensor(w, dtype=dtype)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    two_steps(optimizer, params)
    both: list[Any] = [copy.deepcopy((params, optimizer)), pickle.loads(pickle.dumps((params, optimizer)))]
    twin = copy.deepcopy(params)
    both.append((twin, saved_and_loaded(optimizer, make(PROGRAMS[name], twin))))
    two_steps(optimizer, params, 3)
    for others, copied in both:
        two_steps(copied, others, 3)
        assert all(torch.equal(a, b) for a, b in zip(params, others, strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_updates_in_place_and_leaves_gradients_alone(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    addresses = [p.data_ptr() for p in params]
    two_steps(optimizer, params)
    memory = [v.data_ptr() for p in params for v in optimizer.state[p].values() if isinstance(v, Tensor)]
    two_steps(optimizer, params, 3)
    assert addresses == [p.data_ptr() for p in params]
    assert memory == [v.data_ptr() for p in params for v in optimizer.state[p].values() if isinstance(v, Tensor)]
    assert len({*memory, *addresses}) == len(memory) + len(addresses)
    assert_same([p.grad for p in params], random_arrays(4))
    assert all(optimizer.state[p]["step"] == 4 for p in params)


@pytest.mark.parametrize("name", PROGRAMS)
def test_maximize_is_the_negative_gradient_and_loss(name: str) -> None:
    up = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    down = copy.deepcopy(up)
    for sign, params, maximize in ((1, up, True), (-1, down, False)):
        optimizer = make(PROGRAMS[name], params, maximize=maximize)
        for p, g in zip(params, random_arrays(1), strict=True):
            p.grad = torch.tensor(sign * g)
        optimizer.step(lambda sign=sign: sign * 0.5)  # type: ignore[misc]
    assert all(torch.equal(a, b) for a, b in zip(up, down, strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_parameter_without_a_gradient_waits(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    optimizer.step(lambda: 0.5)
    assert not optimizer.state
    params[0].grad = torch.tensor(random_arrays(1)[0])
    optimizer.step(lambda: 0.5)
    assert [len(optimizer.state.get(p, ())) > 0 for p in params] == [True, False, False]
    assert torch.equal(params[1], torch.tensor(random_arrays(0)[1]))
    two_steps(optimizer, params)
    assert [optimizer.state[p]["step"] for p in params] == [3, 2, 2]
    assert all(p.isfinite().all() for p in params)


def test_the_global_norm_is_over_the_parameters_that_have_a_gradient() -> None:
    program = parse("def f(w, g, *, lr=1):\n    return w - lr * g / global_norm(g)")
    params = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    optimizer = exported(program)([{"params": params[:1]}, {"params": params[1:]}])
    params[0].grad, params[2].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    optimizer.step()
    torch.testing.assert_close(torch.stack([*params]), torch.tensor([[-0.6, 0.0], [0.0, 0.0], [0.0, -0.8]]))


def test_the_closure_runs_with_gradients_and_its_loss_comes_back() -> None:
    p = nn.Parameter(torch.tensor([3.0]))
    optimizer = exported(reference("sgd"))([p], lr=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert p.item() == 0.0
    assert optimizer.step() is None


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_at_once_is_one_by_one(name: str) -> None:
    if not exported(PROGRAMS[name]).elementwise:
        pytest.skip("its elements need each other")
    paths = []
    for foreach in (False, True):
        params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
        optimizer = make(PROGRAMS[name], params, foreach=foreach)
        for t in (1, 2, 3):
            for p, g in zip(params, random_arrays(t), strict=True):
                p.grad = torch.tensor(g)
            optimizer.step()
        paths.append([p.detach() for p in params])
    torch.testing.assert_close(paths[1], paths[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_scalars_and_strided_parameters(name: str) -> None:
    """A parameter without dimensions is one row of one; memory order does not matter."""
    scalar = nn.Parameter(torch.tensor(0.5))
    plain = nn.Parameter(torch.tensor(random_arrays(0)[2]))
    strided = nn.Parameter(plain.detach().clone(memory_format=torch.channels_last))
    for params in ([scalar, plain], [copy.deepcopy(scalar), strided]):
        optimizer = make(PROGRAMS[name], params)
        for t in (1, 2):
            params[0].grad, params[1].grad = torch.tensor(0.1 * t), torch.tensor(random_arrays(t)[2])
            optimizer.step(lambda: 0.5)
        assert params[0].shape == ()
        assert params[0].isfinite()
    torch.testing.assert_close(strided.detach(), plain.detach(), rtol=1e-12, atol=0)


def test_schedulers_and_group_options_are_read_at_each_step() -> None:
    program = parse("def f(w, g, *, lr=1, a=1):\n    return w - lr * a * base_lr * g")
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = exported(program)([p], lr=0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (t + 2))
    moved = []
    for a in (1.0, 3.0):
        optimizer.param_groups[0]["a"] = a
        p.grad, before = torch.ones_like(p), p.item()
        optimizer.step()
        scheduler.step()
        moved.append(before - p.item())
    np.testing.assert_allclose(moved, [0.5 / 2 * 0.5, 0.5 / 3 * 3 * 0.5])


def test_base_lr_without_a_scheduler_is_the_first_lr() -> None:
    program = parse("def f(w, g, s=lr, *, lr=1):\n    return w - base_lr * s * g, s")
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = exported(program)([p], lr=0.5)
    for lr in (0.5, 0.1):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.ones_like(p)
        optimizer.step()
    assert p.item() == -0.5


def test_refuses_what_it_cannot_do_in_one_sentence_and_moves_nothing() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3, 2))
    optimizer = exported(reference("adam"))([first, second])
    first.grad, second.grad = torch.ones(2), torch.ones(3, 2).to_sparse()
    with pytest.raises(RuntimeError, match=r"^Adam works with dense real gradients only\.$"):
        optimizer.step()
    assert torch.equal(first, torch.ones(2))
    assert not any(optimizer.state.values())
    strange = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    strange.grad = torch.ones_like(strange)
    with pytest.raises(RuntimeError, match="dense real gradients"):
        exported(reference("sgd"))([strange]).step()
    with pytest.raises(ValueError, match=r"^lr must be at least 0 and is -1\.$"):
        exported(reference("sgd"))([first], lr=-1)
    with pytest.raises(ValueError, match="at least 0"):
        exported(reference("sgd"))([{"params": [first], "lr": -1}])
    with pytest.raises(TypeError, match="total_steps"):
        exported(PROGRAMS["planned"])([first])
    reads_loss = parse("def polyak(w, g, *, lr=1):\n    return w - lr * loss / dot(g, g) * g")
    with pytest.raises(RuntimeError, match=r"^Polyak reads the loss: call step\(closure\)\.$"):
        exported(reads_loss)([first]).step()
    for name in ("class", "two words", "Tensor", "1"):
        with pytest.raises(ValueError, match="cannot be the name of a class"):
            source(reference("sgd"), name)


def test_the_class_is_made_once_and_has_a_name() -> None:
    assert to_torch(reference("adamw")) is to_torch(parse(Path("primitives/zoo/adamw.opt").read_text()))
    assert exported(reference("adamw")).__name__ == "Adamw"
    assert "class Mine(ListOptimizer)" in source(reference("adamw"), "Mine")
    renamed = {
        parse(f"def {name}(w, g, *, lr=1):\n    return w - lr * g") for name in ("none", "zip", "tensor", "_1", "w")
    }
    assert all(issubclass(exported(program), Optimizer) for program in renamed)
