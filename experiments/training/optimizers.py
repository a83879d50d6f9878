"""What the training scripts share: an optimizer from a name or a file, its parameter groups, a schedule."""

from __future__ import annotations

import importlib.util
import inspect
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def optimizer_class(name: str) -> type[Optimizer]:
    """The class that `torch.optim.AdamW` or `FILE.py:ClassName` names; ValueError where there is none."""
    place, separator, attribute = name.rpartition(":") if ".py:" in name else name.rpartition(".")
    if place == "torch.optim":
        module: Any = torch.optim
    elif separator == ":":
        if not Path(place).is_file():
            raise ValueError(f"There is no file {place}: write it with `evosearch export PROGRAM -o {place}`.")
        module = _module(Path(place))
    else:
        raise ValueError(f"{name} names no optimizer: give torch.optim.NAME or FILE.py:CLASS.")
    found = getattr(module, attribute, None)
    if not (isinstance(found, type) and issubclass(found, Optimizer)):
        raise ValueError(f"{place} has no optimizer named {attribute}.")
    return found


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look there
    spec.loader.exec_module(module)
    return module


def role_of(name: str, parameter: nn.Parameter, embeddings: set[int]) -> str:
    """What a parameter is for, as programs that tell roles apart want to know it (Muon: only hidden matrices)."""
    if parameter.ndim < 2:
        return "vector"
    if id(parameter) in embeddings:
        return "embedding"
    layer = name.rpartition(".")[0]
    return "head" if layer.endswith("head") else "hidden"


def parameter_groups(model: nn.Module, weight_decay: float | None = None) -> list[dict[str, Any]]:
    """A group of parameters for each role. Biases and gains are not decayed; None leaves the decay to the optimizer."""
    embeddings = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        role = role_of(name, parameter, embeddings)
        group = groups.setdefault(role, {"params": [], "role": role})
        group["params"].append(parameter)
    if weight_decay is not None:
        for role, group in groups.items():
            group["weight_decay"] = 0.0 if role == "vector" else weight_decay
    return list(groups.values())


def build(
    name: str, model: nn.Module, lr: float, steps: int, weight_decay: float | None = None, **settings: Any
) -> Optimizer:
    """The optimizer of that name over the model's parameters; ValueError says which setting it does not have."""
    cls = optimizer_class(name)
    options = inspect.signature(cls).parameters
    given = settings if weight_decay is None else settings | {"weight_decay": weight_decay}
    for setting in given:
        if setting not in options:
            known = ", ".join(option for option in options if option != "params")
            raise ValueError(f"{cls.__name__} has no {setting}; it has {known}.")
    if "total_steps" in options:  # a program that carries its own schedule
        settings["total_steps"] = steps
    make: Any = cls
    made: Optimizer = make(parameter_groups(model, weight_decay), lr=lr, **settings)
    return made


def warmup_cosine(optimizer: Optimizer, steps: int, warmup: float = 0.05) -> LambdaLR:
    """The rate rises linearly over a fraction of the steps, and falls to zero along a cosine."""
    rise = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    return LambdaLR(optimizer, factor)
