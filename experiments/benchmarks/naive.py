"""The naive design, as a baseline: one program and learning rate at a time, nn.Module, autograd, a loop over tensors.

It runs the same programs on the same task from the same table of primitives, interpreted statement by statement with
torch operations for each parameter.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from primitives.interpreter import expansion, finish
from primitives.namespaces import NUMPY, torch_namespace
from primitives.program import Call, Program
from primitives.table import PRIMITIVES
from proxies.data import digits
from proxies.schedule import schedule

F = torch_namespace()


def module() -> nn.Module:
    """The perceptron 64-32-10."""
    return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 10))


def value(expr: str | float | Call, env: dict[str, Any]) -> Any:
    """The value of an expression: Python numbers and tensors of one parameter's shape."""
    if isinstance(expr, str):
        return env[expr]
    if not isinstance(expr, Call):
        return expr
    p = PRIMITIVES[expr.op]
    args = [value(arg, env) for arg in expr.args]
    if p.form == "composite":
        return value(expansion(p.name), dict(zip(p.args, args, strict=True)))
    assert p.meaning is not None
    if p.form == "reduction":
        total = p.meaning(F, *args).sum()
        return finish(p, F, total, args[0].numel())
    if not any(isinstance(arg, Tensor) for arg in args):
        if p.name == "power":
            return args[0] ** args[1]
        return p.meaning(F, *args) if p.name in INFIX else float(p.meaning(NUMPY, *args))
    if p.name not in INFIX:
        args = [arg if isinstance(arg, Tensor) else torch.tensor(arg) for arg in args]
    return p.meaning(F, *args)


INFIX = {"add", "subtract", "multiply", "divide", "mix", "negative", "square", "cube", "reciprocal"}


def train(program: Program, lr: float, steps: int = 100, batch: int = 32, seed: int = 0) -> float:
    """Validation loss after a training, as anyone would write it."""
    torch.manual_seed(seed)
    model, data = module(), digits()
    x, y = torch.as_tensor(data.train[0]).float(), torch.as_tensor(data.train[1]).long()
    held_x, held_y = torch.as_tensor(data.validation[0]).float(), torch.as_tensor(data.validation[1]).long()
    generator = torch.Generator().manual_seed(seed)
    index = torch.randint(0, len(x), (steps, batch), generator=generator)
    parameters = list(model.parameters())
    states = [{name: torch.zeros_like(p) for name in program.state_names} for p in parameters]
    for t, factor in enumerate(schedule(steps, 0.1), start=1):
        loss = functional.cross_entropy(model(x[index[t - 1]]), y[index[t - 1]])
        model.zero_grad()
        loss.backward()
        for w, state in zip(parameters, states, strict=True):
            _update(program, w, state, lr * float(factor), t)
    with torch.no_grad():
        return float(functional.cross_entropy(model(held_x), held_y))


@torch.no_grad()
def _update(program: Program, w: Tensor, state: dict[str, Tensor], lr: float, t: int) -> None:
    env: dict[str, Any] = {**program.defaults, **state, "w": w, "g": w.grad, "lr": lr, "t": t}
    for assign in program.body:
        env[assign.name] = value(assign.value, env)
    new_w, *new_states = (value(expr, env) for expr in program.returns)
    w.copy_(new_w)
    for name, new in zip(program.state_names, new_states, strict=True):
        whole = isinstance(new, Tensor) and new.shape == w.shape
        state[name] = new if whole else torch.as_tensor(new).expand(w.shape).clone()
