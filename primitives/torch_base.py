"""What every exported optimizer is made on; `export` copies it from this file, which it reads as text."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor

from primitives.torch_c import c_compiler
from primitives.torch_runners import Number, Run, as_float, in_turn, wide

Ready = tuple[dict[str, Any], Tensor, Tensor, dict[str, Any]]  # group, parameter, gradient if there is one, state


class Bucket:
    """Parameters that are updated alike: of one group and one sort, at the same step."""

    def __init__(self, group: dict[str, Any], t: Number, traced: bool) -> None:
        self.group = group
        self.run: Run = in_turn
        self.t = t  # steps that they have seen, this one included
        self.traced = traced  # whether numbers are tensors, which nobody may read
        self.w: list[Tensor] = []
        self.g: list[Tensor] = []
        self.states: list[dict[str, Any]] = []

    def state(self, name: str) -> list[Tensor]:
        """One state of each parameter."""
        return [state[name] for state in self.states]

    def __getitem__(self, name: str) -> Any:
        """A hyperparameter of the group."""
        return self.number(self.group[name])

    def number(self, value: Any) -> Any:
        """A number as the rule takes it: a float, unless nobody may read it."""
        if not isinstance(value, Tensor):
            return value
        return value.clone() if self.traced else as_float(value)

    def keep(self, name: str, value: Number) -> None:
        """Keep a state that is the same number for each parameter."""
        for state in self.states:
            state[name].fill_(value)


class ListOptimizer(torch.optim.Optimizer):
    """What exported optimizers share: groups and gradients are checked before anything moves, states stay as saved."""

    needs_closure = False  # whether step must be given one
    differentiates_twice = False  # whether that returns the loss with its graph and does not call backward
    elementwise = False  # whether parameters may be sharded
    fused_from = 2**20  # elements of a bucket from which on a kernel pays, whatever its compilation takes
    allowed: tuple[str, ...] = ("capturable", "differentiable", "fused")
    hyperparameters: tuple[str, ...] = ()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with options of their own; ValueError where an option or a parameter will not do."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._check(group)
        except ValueError:
            self.param_groups.pop()
            raise

    def _check(self, group: dict[str, Any]) -> None:
        """ValueError where the options of a group make no sense."""
        name = type(self).__name__
        for option in self.hyperparameters:
            known = isinstance(group[option], int | float | Tensor)
            if not known:
                raise ValueError(f"{option} must be a number and is {group[option]!r}.")
        if isinstance(group["lr"], Tensor) and group["lr"].numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for option in ("foreach", "capturable", "differentiable", "fused"):
            if group[option] and option not in self.allowed:
                raise ValueError(f"{name} cannot be {option}: its program does not allow it.")
        chosen = [option for option in ("foreach", "fused", "differentiable") if group[option]]
        if len(chosen) > 1 or (group["fused"] and group["capturable"]):
            raise ValueError("Choose one of foreach, fused and differentiable; fused is not capturable.")
        if not self.elementwise and any(hasattr(w, "placements") for w in group["params"]):
            raise ValueError(f"{name} needs whole tensors and cannot update sharded ones.")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a state; options that it lacks are as in the constructor."""
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
        for one in self.state.values():
            if not isinstance(one.get("step", 0), Tensor):
                one["step"] = torch.tensor(float(one["step"]))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what state_dict gave; states keep the dtype in which they were saved, and have their own memory."""
        super().load_state_dict(state_dict)
        places = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for place, w in zip(places, params, strict=True):
            for name, saved in state_dict["state"].get(place, {}).items():
                loaded = self.state[w].get(name)
                if isinstance(saved, Tensor) and isinstance(loaded, Tensor):
                    dtype = wide(w).dtype if saved.dim() else saved.dtype
                    narrowed = loaded.dtype != dtype and torch.equal(saved.to(loaded), loaded)
                    self.state[w][name] = (saved.to(loaded.device, dtype) if narrowed else loaded).clone()

    def _start(self, group: dict[str, Any], w: Tensor) -> dict[str, Tensor]:
        """The states of a parameter before its first step."""
        return {}

    def _number(self, group: dict[str, Any], w: Tensor, value: float, dtype: torch.dtype = torch.float64) -> Tensor:
        """A number among the states of a parameter."""
        return torch.full((), value, dtype=dtype, device=w.device if group["capturable"] else "cpu")

    def _sort(self, group: dict[str, Any], w: Tensor, state: dict[str, Any]) -> Any:
        """Parameters of a group can be updated together if this is the same."""
        return None

    def _run(self, bucket: Bucket) -> Run:
        """How tensors are updated."""
        return in_turn

    def _fused(self, bucket: Bucket) -> bool:
        """Whether a kernel is chosen, or pays."""
        if bucket.traced or torch.compiler.is_compiling():
            return False
        group = bucket.group
        if group["fused"] is not None or group["foreach"] or bucket.w[0].device.type != "cpu":
            return bool(group["fused"])
        if not self.fused_from:
            return bool(c_compiler())
        return sum([w.numel() for w in bucket.w]) >= self.fused_from

    def _ready(self, gradient: bool = True) -> list[Ready]:
        """All that a step needs of the parameters that have a gradient, or can have one; it begins their states."""
        taken = []
        for group in self.param_groups:
            for w in group["params"]:
                x = w.grad if gradient else w
                if x is not None and (gradient or w.requires_grad):
                    if x.layout is not torch.strided or x.is_complex():
                        raise RuntimeError(f"{type(self).__name__} works with dense real gradients only.")
                    taken.append((group, w, x))
        ready = [(group, w, x, self.state[w]) for group, w, x in taken]
        for group, w, _, state in ready:
            if not state:
                state["step"] = self._number(group, w, 0, torch.float32)
                state.update(self._start(group, w))
        if ready:
            one = torch.ones((), dtype=torch.float32, device="cpu")
            torch._foreach_add_([state["step"] for *_, state in ready], [one] * len(ready))
        return ready

    def _buckets(self, alone: bool = False, gradient: bool = True) -> list[Bucket]:
        """The parameters that have a gradient, or can have one, each alone or with those that are updated alike."""
        buckets: dict[Any, Bucket] = {}
        compiling = torch.compiler.is_compiling()
        for group, w, x, state in self._ready(gradient):
            traced = compiling or group["capturable"] or group["differentiable"]
            t = state["step"] if traced else state["step"].item()
            alike = len(buckets) if traced or alone else (id(group), t, w.dtype, w.device, self._sort(group, w, state))
            bucket = buckets.get(alike)
            if bucket is None:
                bucket = buckets[alike] = Bucket(group, t, traced)
            bucket.w.append(w)
            bucket.states.append(state)
            if gradient:
                bucket.g.append(-x if group["maximize"] else x)
        for bucket in buckets.values():
            bucket.run = self._run(bucket)
        return list(buckets.values())
