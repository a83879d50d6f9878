"""AdamW as the contract wants it, by hand: the right twin of the broken optimizers, which are changes of this text."""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor

FLAGS = {"maximize": False, "foreach": None, "capturable": False, "differentiable": False, "fused": False}


class Keeping(torch.optim.Optimizer):
    """What the right optimizers share: loading."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in FLAGS.items():
                group.setdefault(name, value)

    def load_state_dict(self, state_dict: Any) -> None:
        """Loads, and keeps the types of states, which torch makes those of the weights."""
        given: dict[str, Any] = {}
        handle = self.register_load_state_dict_pre_hook(lambda _, final: given.update(final))
        super().load_state_dict(state_dict)
        handle.remove()
        params = [w for group in self.param_groups for w in group["params"]]
        keys = [key for group in given["param_groups"] for key in group["params"]]
        for key, w in zip(keys, params, strict=True):
            for name, value in given["state"].get(key, {}).items():
                kept = value if isinstance(value, Tensor) else torch.tensor(float(value))
                self.state[w][name] = kept.to(w.device)


class Right(Keeping):
    """AdamW; `decayed` is the product of all beta1, a number of its own."""

    needs_closure = False
    differentiates_twice = False
    elementwise = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.1,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool = False,
    ) -> None:
        options = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "weight_decay": weight_decay}
        flags = (maximize, foreach, capturable, differentiable, fused)
        super().__init__(params, {**options, **dict(zip(FLAGS, flags, strict=True))})
        if fused:
            warnings.warn("Right does not compile: the plain step is taken.", stacklevel=2)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Checks the options, then adds the group."""
        options = {**self.defaults, **param_group} if isinstance(param_group, dict) else {}
        for name in [name for name in self.defaults if name not in FLAGS and name in options]:
            check(name, options[name])
        if sum(options.get(name) is True for name in ("foreach", "differentiable", "fused")) > 1:
            raise ValueError("Only one of foreach, differentiable and fused may be True.")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Updates every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = [(group, w) for group in self.param_groups for w in group["params"] if w.grad is not None]
        for _, w in ready:
            if w.grad.layout != torch.strided or w.grad.is_complex():
                raise RuntimeError("Right works with dense real gradients only.")
        for group, w in ready:
            with torch.autocast(w.device.type, enabled=False), torch.set_grad_enabled(group["differentiable"]):
                self.update(group, w, self.state[w] or self.start(group, w))
        return loss

    def start(self, group: dict[str, Any], w: Tensor) -> dict[str, Any]:
        """The states of a parameter at its first gradient."""
        device = w.device if group["capturable"] else torch.device("cpu")
        kind = torch.promote_types(w.dtype, torch.float32)
        state = {
            "step": torch.zeros((), dtype=torch.float32, device=device),
            "decayed": torch.ones((), dtype=torch.float64, device=device),
            "m": torch.zeros_like(w, dtype=kind),
            "v": torch.zeros_like(w, dtype=kind),
        }
        self.state[w] = state
        return state

    def update(self, group: dict[str, Any], w: Tensor, state: dict[str, Any]) -> None:
        """One step of one parameter."""
        kind = state["m"].dtype
        g = -w.grad.to(kind) if group["maximize"] else w.grad.to(kind)  # type: ignore[union-attr]
        beta1, beta2, eps = group["beta1"], group["beta2"], group["eps"]
        lr = group["lr"].reshape(()) if isinstance(group["lr"], Tensor) else group["lr"]
        t = state["step"] + 1
        decayed = state["decayed"] * beta1
        m = beta1 * state["m"] + (1 - beta1) * g
        v = beta2 * state["v"] + (1 - beta2) * g * g
        scale = (1 - beta2**t).sqrt()
        size = torch.where(v > 0, v, 1).sqrt() * (v > 0)
        new = w - lr * (m / (1 - decayed) / (size / scale + eps) + group["weight_decay"] * w)
        for name, value in {"step": t, "decayed": decayed, "m": m, "v": v}.items():
            state[name] = value if group["differentiable"] else state[name].copy_(value)
        w.copy_(new)


def check(name: str, value: Any) -> None:
    """ValueError where this cannot be a hyperparameter's value."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        return
    if not isinstance(value, int | float) or math.isnan(value):
        raise ValueError(f"{name} must be a number and is {value!r}.")
    if value < 0 or (name.startswith("beta") and value > 1):
        raise ValueError(f"{name} must not be {value}.")
