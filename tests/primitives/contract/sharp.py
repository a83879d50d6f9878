"""SAM with one norm over the model, by hand: the right twin of broken optimizers that ask for the loss themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from tests.primitives.contract.right import FLAGS, Keeping, check


class Sharp(Keeping):
    """Gradient descent with momentum, on gradients taken rho up the gradient."""

    needs_closure = True
    differentiates_twice = False
    elementwise = False

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 0.01,
        rho: float = 0.05,
        *,
        role: str | None = None,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool = False,
    ) -> None:
        flags = dict(zip(FLAGS, (maximize, foreach, capturable, differentiable, fused), strict=True))
        super().__init__(params, {"lr": lr, "rho": rho, "role": role, **flags})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Checks the options, then adds the group."""
        options = {**self.defaults, **param_group} if isinstance(param_group, dict) else self.defaults
        check("lr", options["lr"])
        check("beta", options["rho"])
        for name in ("foreach", "capturable", "differentiable", "fused"):
            if options[name]:
                raise ValueError(f"Sharp asks for the loss itself, so {name} cannot be True.")
        if options["role"] not in (None, "vector", "hidden"):
            raise ValueError(f"There is no role {options['role']}.")
        super().add_param_group(param_group)
        if any(isinstance(w, DTensor) for w in self.param_groups[-1]["params"]):
            raise ValueError("Sharp takes a norm of the whole model, so it cannot step DTensors.")

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Updates every parameter that has a gradient; asks the closure twice."""
        if closure is None:
            raise RuntimeError("Sharp asks for the loss itself: call step(closure).")
        with torch.enable_grad():
            loss = closure()
        ready = [(group, w) for group in self.param_groups for w in group["params"] if w.grad is not None]
        signs = [-1 if group["maximize"] else 1 for group, _ in ready]
        kept = [w.clone() for _, w in ready]
        norm = torch.stack([w.grad.double().square().sum() for _, w in ready]).sum().sqrt().item()
        for (group, w), sign in zip(ready, signs, strict=True):
            w.add_(sign * w.grad * (group["rho"] / (norm + 1e-12)))
        with torch.enable_grad():
            closure()
        for (group, w), old, sign in zip(ready, kept, signs, strict=True):
            w.copy_(old)
            state = self.state[w]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["m"] = torch.zeros_like(w, dtype=torch.promote_types(w.dtype, torch.float32))
            state["step"] += 1
            state["m"].mul_(0.9).add_(w.grad, alpha=sign)
            size = 1 if group["role"] != "vector" else 2
            w.sub_(group["lr"] * size * state["m"])
        return loss
