"""What every exported optimizer is made on; `export` copies it from this file, which it reads as text."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks

from primitives.torch_c import C_COUNT, c_compiler
from primitives.torch_runners import Number, Run, as_float, in_turn, wide

Ready = tuple[dict[str, Any], list[Tensor], list[Tensor], list[dict[str, Any]]]  # group; w, g, state of its parameters


def count(steps: list[Tensor]) -> None:
    """Add one to counters of steps, by a compiled function where one is known: torch needs a microsecond for each."""
    plain = C_COUNT and not torch.compiler.is_compiling() and {*map(type, steps)} == {Tensor}
    if plain and {(x.dtype, x.is_cpu) for x in steps} == {(torch.float32, True)}:
        pointers = array("q", map(Tensor.data_ptr, steps))
        C_COUNT[0](len(steps), pointers.buffer_info()[0])
    elif steps:
        one = torch.ones((), dtype=torch.float32, device="cpu")
        torch._foreach_add_(steps, [one] * len(steps))


class Bucket:
    """Parameters that are updated alike: of one group and one sort, at the same step where that matters."""

    def __init__(self, group: dict[str, Any], t: Number, traced: bool, w: Any, g: Any, states: Any) -> None:
        self.group = group
        self.run: Run = in_turn
        self.t = t  # steps that they have seen, this one included, where that matters
        self.traced = traced  # whether numbers are tensors, which nobody may read
        self.w: list[Tensor] = w
        self.g: list[Tensor] = g
        self.states: list[dict[str, Any]] = states

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
    timed = False  # whether the update depends on how many steps a parameter has seen
    fused_from = 2**20  # elements of a bucket from which on a kernel pays, whatever its compilation takes
    allowed: tuple[str, ...] = ("capturable", "differentiable", "fused")
    hyperparameters: tuple[str, ...] = ()

    @staticmethod
    def profile_hook_step(func: Callable[..., Any]) -> Callable[..., Any]:
        """A step with torch's hooks and its label for profilers; without these, up to 0.2 ms, where nothing looks."""
        watched = torch.optim.Optimizer.profile_hook_step(func)

        @functools.wraps(func)
        def step(self: Any, *args: Any, **kwargs: Any) -> Any:
            everywhere = _global_optimizer_pre_hooks or _global_optimizer_post_hooks
            hooks = everywhere or self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks
            profiled = not torch.compiler.is_compiling() and torch.autograd.profiler._is_profiler_enabled
            return (watched if hooks or profiled else func)(self, *args, **kwargs)

        return step

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

    def _sorts(self, group: dict[str, Any], w: list[Tensor], states: list[dict[str, Any]]) -> list[list[Any]]:
        """What parameters of a group must have in common to be updated together, in lists over the parameters."""
        return []

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
            w = [w for w in group["params"] if (w.grad is not None if gradient else w.requires_grad)]
            g: list[Any] = [w.grad if gradient else w for w in w]
            if any(x.layout is not torch.strided or x.dtype.is_complex for x in g):
                raise RuntimeError(f"{type(self).__name__} works with dense real gradients only.")
            taken.append((group, w, g if gradient else []))
        ready = [(group, w, g, [self.state[x] for x in w]) for group, w, g in taken if w]
        for group, w, _, states in ready:
            for x, state in zip(w, states, strict=True):
                if not state:
                    state["step"] = self._number(group, x, 0, torch.float32)
                    state.update(self._start(group, x))
        return ready

    def _buckets(self, alone: bool = False, gradient: bool = True) -> list[Bucket]:
        """The parameters that have a gradient, or can have one, each alone or with those that are updated alike."""
        buckets = []
        for group, w, g, states in self._ready(gradient):
            traced = torch.compiler.is_compiling() or group["capturable"] or group["differentiable"]
            steps = [state["step"] for state in states]
            count(steps)
            t = steps if traced or not self.timed else [*map(Tensor.item, steps)]
            places: dict[Any, list[int]] = {}
            if traced or alone:
                places = {i: [i] for i in range(len(w))}
            else:
                sorts = [[x.dtype for x in w], [x.device for x in w], *self._sorts(group, w, states)]
                for i, alike in enumerate(zip(*sorts, *([t] if self.timed else []), strict=True)):
                    places.setdefault(alike, []).append(i)
            g = [*map(torch.neg, g)] if group["maximize"] else g
            for some in places.values():
                columns = (w, g, states)
                chosen = columns if len(some) == len(w) else [[x[i] for i in some] if x else [] for x in columns]
                buckets.append(Bucket(group, t[some[0]], traced, *chosen))
        for bucket in buckets:
            bucket.run = self._run(bucket)
        return buckets
