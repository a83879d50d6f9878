"""Programs of the zoo against implementations by others: torch, optax, lion-pytorch and pytorch_optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import jax
import lion_pytorch
import numpy as np
import optax
import pytest
import pytorch_optimizer
import torch

from primitives.reference import reference
from primitives.show import show
from primitives.text import parse
from tests.primitives.problems import (
    LR,
    PROBLEMS,
    START,
    STEPS,
    Array,
    Problem,
    check_close,
    constant,
    falling,
    flat,
    interpreted,
    tensors,
)

BETAS = {"betas": (0.8, 0.95)}
ADAM = {"beta1": 0.8, "beta2": 0.95}
Torchs = Callable[[list[torch.nn.Parameter]], Any]
problems = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: type(p).__name__)


def torch_path(factory: Torchs, problem: Problem, rate: Callable[[int], float] = falling) -> list[Array]:
    """The flat weights before and after each step of a torch optimizer, or of several for parts of the model."""
    parameters = [torch.nn.Parameter(torch.from_numpy(np.array(part))) for part in tensors(START)]
    made = factory(parameters)
    optimizers = made if isinstance(made, list) else [made]
    ratios = [optimizer.param_groups[0]["lr"] / LR for optimizer in optimizers]
    path = [START]
    for t in range(1, STEPS + 1):
        for p, g in zip(parameters, tensors(problem.gradient(path[-1], t)), strict=True):
            p.grad = torch.from_numpy(np.array(g))
        for optimizer, ratio in zip(optimizers, ratios, strict=True):
            optimizer.param_groups[0]["lr"] = ratio * rate(t)
            optimizer.step()
        path.append(flat([p.detach().numpy() for p in parameters]))
    return path


TORCH: dict[str, tuple[str, dict[str, float], Torchs, float]] = {
    "SGD": ("sgd", {}, lambda p: torch.optim.SGD(p, LR), 1e-10),
    "SGD with momentum": (
        "momentum", {"beta": 0.8, "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, LR, momentum=0.8, weight_decay=0.1), 1e-10,
    ),
    "SGD with Nesterov's momentum": (
        "nesterov_shifted", {"beta": 0.8, "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, LR, momentum=0.8, weight_decay=0.1, nesterov=True), 1e-10,
    ),
    "Adagrad": (
        "adagrad_torch", {"initial": 0.3, "lr_decay": 0.1, "eps": 1e-3},
        lambda p: torch.optim.Adagrad(p, LR, lr_decay=0.1, initial_accumulator_value=0.3, eps=1e-3), 1e-10,
    ),
    "RMSprop": (
        "rmsprop_torch", {"rho": 0.8, "eps": 0.05},
        lambda p: torch.optim.RMSprop(p, LR, alpha=0.8, eps=0.05), 1e-10,
    ),
    "RMSprop with momentum": (
        "rmsprop_momentum_torch", {"rho": 0.8, "eps": 1e-3, "beta": 0.7},
        lambda p: torch.optim.RMSprop(p, LR, alpha=0.8, eps=1e-3, momentum=0.7), 1e-10,
    ),
    "Adadelta": (
        "adadelta", {"rho": 0.8, "eps": 1e-3}, lambda p: torch.optim.Adadelta(p, LR, rho=0.8, eps=1e-3), 1e-10,
    ),
    "Adam": ("adam", {**ADAM, "eps": 1e-4}, lambda p: torch.optim.Adam(p, LR, **BETAS, eps=1e-4), 1e-10),
    "Adam with weight decay": (
        "adam_l2", {**ADAM, "weight_decay": 0.3}, lambda p: torch.optim.Adam(p, LR, **BETAS, weight_decay=0.3), 1e-10,
    ),
    "AdamW": (
        "adamw", {**ADAM, "weight_decay": 0.3}, lambda p: torch.optim.AdamW(p, LR, **BETAS, weight_decay=0.3), 1e-10,
    ),
    "NAdam, which keeps its product in float32": (
        "nadam", {**ADAM, "momentum_decay": 0.1},
        lambda p: torch.optim.NAdam(p, LR, **BETAS, momentum_decay=0.1), 1e-8,
    ),
    "AMSGrad": (
        "amsgrad_torch", {**ADAM, "eps": 1e-4},
        lambda p: torch.optim.Adam(p, LR, **BETAS, eps=1e-4, amsgrad=True), 1e-10,
    ),
    "RAdam": (
        "radam", {**ADAM, "eps": 1e-4, "threshold": 5}, lambda p: torch.optim.RAdam(p, LR, **BETAS, eps=1e-4), 1e-10,
    ),
    "lion-pytorch": (
        "lion", {**ADAM, "weight_decay": 0.3}, lambda p: lion_pytorch.Lion(p, LR, **BETAS, weight_decay=0.3), 1e-10,
    ),
    "Lion of pytorch_optimizer": (
        "lion", {**ADAM, "weight_decay": 0.3},
        lambda p: pytorch_optimizer.Lion(p, LR, **BETAS, weight_decay=0.3), 1e-10,
    ),
    "AdaBound of pytorch_optimizer": (
        "adabound", {**ADAM, "final_lr": 0.05, "gamma": 0.2},
        lambda p: pytorch_optimizer.AdaBound(p, LR, **BETAS, final_lr=0.05, gamma=0.2), 1e-10,
    ),
    "Lookahead of pytorch_optimizer around torch's RAdam": (
        "ranger", {**ADAM, "threshold": 5, "k": 6, "alpha": 0.7},
        lambda p: pytorch_optimizer.Lookahead(torch.optim.RAdam(p, LR, **BETAS), k=6, alpha=0.7), 1e-10,
    ),
    "Ranger of pytorch_optimizer": (
        "ranger", {**ADAM, "eps": 1e-4, "threshold": 5, "k": 6, "alpha": 0.7},
        lambda p: pytorch_optimizer.Ranger(
            p, LR, **BETAS, eps=1e-4, k=6, alpha=0.7, use_gc=False, degenerated_to_sgd=True
        ), 1e-10,
    ),
}  # fmt: skip


@problems
@pytest.mark.parametrize("case", TORCH)
def test_torch_optimizers(case, problem):
    name, hyper, factory, tolerance = TORCH[case]
    check_close(interpreted(reference(name), hyper, problem), torch_path(factory, problem), tolerance)


@problems
def test_rprop_of_torch(problem):
    """Its rate is the first step size and must not fall."""
    sizes = {"eta_minus": 0.4, "eta_plus": 1.3, "step_min": 0.005, "step_max": 0.1}
    theirs = torch_path(lambda p: torch.optim.Rprop(p, LR, etas=(0.4, 1.3), step_sizes=(0.005, 0.1)), problem, constant)
    check_close(interpreted(reference("irprop_minus"), sizes, problem), theirs)


@problems
def test_nesterov_and_torchs_by_the_change_of_variables(problem):
    """torch stores the point w - lr beta p, to which the momentum leads."""
    beta = 0.8
    theirs = torch_path(lambda p: torch.optim.SGD(p, LR, momentum=beta, nesterov=True), problem, constant)
    ours = interpreted(reference("nesterov"), {"beta": beta}, problem, rate=constant)
    ahead = [after + beta * (after - before) for before, after in pairwise(ours)]
    check_close(ahead, theirs[1:])


MUON = {"beta": 0.8, "weight_decay": 0.3, "ns_steps": 4}
MUONS = {"momentum": 0.8, "weight_decay": 0.3, "ns_steps": 4}
FACTORS = {
    "sqrt(max(1, rows(w) / columns(w)))": "original",
    "0.2 * sqrt(max(rows(w), columns(w)))": "match_rms_adamw",
}


def muons(adjust: str) -> Torchs:
    """torch's Muon for the matrix of the model and AdamW for the rest; torch's takes no convolutions."""
    return lambda p: [
        torch.optim.Muon(p[:1], LR, adjust_lr_fn=adjust, **MUONS),
        torch.optim.AdamW(p[1:], 0.3 * LR, **BETAS, weight_decay=0.3),
    ]


@problems
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_muon_of_torch(problem, factor, dtype, monkeypatch):
    """torch iterates in bfloat16; made to stay in float64, it agrees to rounding."""
    if dtype == torch.float64:
        monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    program = reference("muon")
    assert factor in reference("muon_everywhere").doc + show(program)
    program = parse(show(program).replace("sqrt(max(1, rows(w) / columns(w)))", factor))
    roles = ["hidden", "vector", "head", "vector"]
    ours = interpreted(program, {**ADAM, **MUON, "lr_ratio": 0.3}, problem, roles=roles)
    check_close(ours, torch_path(muons(FACTORS[factor]), problem), 1e-10 if dtype == torch.float64 else 0.01)


def test_a_matrix_by_its_role_and_a_convolution_as_a_matrix(monkeypatch):
    """Embeddings and heads are AdamW's; convolution kernels are hidden and flattened to first x rest."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    flattened: list[torch.nn.Parameter] = []

    class Muon(torch.optim.Muon):
        def __init__(self, p: list[torch.nn.Parameter]) -> None:
            flattened.append(torch.nn.Parameter(p[2].detach().reshape(2, 18)))
            self.kernel = p[2]
            super().__init__(flattened, LR, **MUONS)

        def step(self, closure: Any = None) -> None:
            flattened[0].grad = self.kernel.grad.reshape(2, 18)
            super().step()

    def both(p: list[torch.nn.Parameter]) -> list[Any]:
        return [Muon(p), torch.optim.AdamW([p[0], p[1], p[3]], 0.3 * LR, **BETAS, weight_decay=0.3)]

    roles = ["embedding", "vector", "hidden", "vector"]
    ours = interpreted(reference("muon"), {**ADAM, **MUON, "lr_ratio": 0.3}, PROBLEMS[0], roles=roles, rate=constant)
    check_close(ours, torch_path(both, PROBLEMS[0], constant))


@pytest.fixture
def float64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def optax_path(factory: Callable[[], Any], problem: Problem) -> list[Array]:
    transformation = factory()
    path, state = [START], None
    for t in range(1, STEPS + 1):
        point = {str(i): jax.numpy.asarray(part) for i, part in enumerate(tensors(path[-1]))}
        grads = {str(i): jax.numpy.asarray(part) for i, part in enumerate(tensors(problem.gradient(path[-1], t)))}
        state = transformation.init(point) if state is None else state
        updates, state = transformation.update(grads, state, point)
        new = optax.apply_updates(point, updates)
        path.append(flat([np.asarray(new[key]) for key in sorted(new)]))
    return path


OPTAX: dict[str, tuple[dict[str, float], Callable[[], Any]]] = {
    "adagrad": (
        {"initial": 0.3, "eps": 1e-3},
        lambda: optax.adagrad(LR, initial_accumulator_value=0.3, eps=1e-3),
    ),
    "rmsprop": ({"rho": 0.8, "eps": 0.05}, lambda: optax.rmsprop(LR, decay=0.8, eps=0.05)),
    "rmsprop_momentum": (
        {"rho": 0.8, "eps": 1e-3, "beta": 0.7},
        lambda: optax.chain(
            optax.scale_by_rms(decay=0.8, eps=1e-3), optax.trace(decay=0.7), optax.scale_by_learning_rate(LR)
        ),
    ),
    "adadelta": ({"rho": 0.8, "eps": 1e-3}, lambda: optax.adadelta(LR, rho=0.8, eps=1e-3)),
    "adamw": (
        {**ADAM, "weight_decay": 0.3},
        lambda: optax.adamw(LR, b1=0.8, b2=0.95, weight_decay=0.3),
    ),
    "nadamw": ({**ADAM, "weight_decay": 0.3}, lambda: optax.nadamw(LR, b1=0.8, b2=0.95, weight_decay=0.3)),
    "nadam_constant": ({**ADAM, "eps": 1e-4}, lambda: optax.nadam(LR, b1=0.8, b2=0.95, eps=1e-4)),
    "amsgrad": (
        {**ADAM, "eps": 1e-4},
        lambda: optax.chain(
            optax.scale_by_amsgrad(0.8, 0.95, 1e-4, bias_correction_mu=False, bias_correction_nu=False),
            optax.scale_by_learning_rate(LR),
        ),
    ),
    "lion": ({**ADAM, "weight_decay": 0.3}, lambda: optax.lion(LR, b1=0.8, b2=0.95, weight_decay=0.3)),
    "ranger": (
        {**ADAM, "eps": 1e-16, "threshold": 5, "k": 6, "alpha": 0.7},  # optax adds it to the corrected root
        lambda: Lookahead(optax.radam(LR, b1=0.8, b2=0.95, eps=1e-16, threshold=5), 6, 0.7),
    ),
}  # fmt: skip


class Lookahead:
    """optax's Lookahead, which wants pairs of fast and slow weights, as a transformation of the fast ones."""

    def __init__(self, fast: Any, k: int, alpha: float) -> None:
        self.inner = optax.lookahead(fast, k, alpha)

    def init(self, point: Any) -> Any:
        self.slow = point
        return self.inner.init(optax.LookaheadParams.init_synced(point))

    def update(self, grads: Any, state: Any, point: Any) -> Any:
        updates, state = self.inner.update(grads, state, optax.LookaheadParams(point, self.slow))
        self.slow = optax.apply_updates(self.slow, updates.slow)
        return updates.fast, state


@problems
@pytest.mark.parametrize("name", OPTAX)
def test_optax(name, problem, float64):
    hyper, factory = OPTAX[name]
    check_close(interpreted(reference(name), hyper, problem, rate=constant), optax_path(factory, problem))
