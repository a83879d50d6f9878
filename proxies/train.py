"""Trains replicas of a proxy, by any stepper or any torch optimizer, and says how each of them ended."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from proxies.captured import Captured
from proxies.oracle import ModelOracle
from proxies.plateau import Plateau
from proxies.proxy import Buffers, MakeStepper, Model, Proxy, Stepper
from proxies.schedule import schedule

CHECKS = (3, 8, 20, 50)  # steps: earlier finds little, later saves little
HOPELESS = 100.0  # times max(1, initial loss): nothing that recovered was ever seen beyond


@dataclass(frozen=True, eq=False)
class Outcome:
    """How each of R replicas ended."""

    validation: np.ndarray  # float64 [R]; inf unless status is "ok"
    status: tuple[str, ...]  # "ok", "nan" or "diverged"
    stopped_at: np.ndarray  # int64 [R]: the step after which it was dropped, or all steps
    test: np.ndarray | None = None  # float64 [R]: the same on the rows of the test, where asked for
    watched: np.ndarray | None = None  # float64 [watched steps, R]: validation losses, inf once dropped
    curves: np.ndarray | None = None  # float64 [steps, R]: training losses, NaN once dropped


class Training:
    """The replicas still in a training: their buffers, stepper, model and places in the whole batch."""

    def __init__(
        self, proxy: Proxy, seeds: Sequence[int], make_stepper: MakeStepper, scale: np.ndarray | None,
        dtype: torch.dtype, device: str,
    ) -> None:  # fmt: skip
        self.proxy, self.seeds, self.scale = proxy, list(seeds), scale
        self.places = np.arange(len(self.seeds))
        self.buffers = Buffers(proxy.layout, len(self.seeds), dtype, device)
        fill(self.buffers, proxy, self.seeds)
        self.stepper: Stepper = make_stepper(self.buffers)
        self._prepare()

    def _prepare(self) -> None:
        self.model: Model = self.proxy.model(self.buffers, self.seeds)
        self.oracle = ModelOracle(self.model, self.buffers, None if self.scale is None else self.scale[self.places])
        if hasattr(self.stepper, "attach"):
            self.stepper.attach(self.oracle)
        self.captured: Captured | None = None
        if hasattr(self.model, "prepare") and getattr(self.stepper, "in_graph", False):
            self.captured = Captured(self._prepared, self.buffers.weights.device)

    def step(self, t: int, lr: np.ndarray | Tensor) -> Tensor:
        """One gradient and one update of every replica; returns the losses before the update."""
        self.t = t
        if self.captured is None:
            loss = self.oracle.begin(t)
            self.stepper.step(t, lr, loss)
            return loss
        self.model.prepare(t)  # type: ignore[attr-defined]
        self.stepper.prepare(t, lr)  # type: ignore[attr-defined]
        return self.captured()

    def _prepared(self) -> Tensor:
        """The step that model and stepper were prepared for: the same work on the device at every step."""
        loss = self.oracle.begin(self.t)
        self.stepper.run(loss)  # type: ignore[attr-defined]
        return loss

    def keep(self, alive: np.ndarray) -> None:
        """Go on with some of the replicas; those that stay do not change by one bit."""
        rows = torch.as_tensor(np.flatnonzero(alive), device=self.buffers.weights.device)
        kept = Buffers(self.proxy.layout, len(rows), self.buffers.weights.dtype, str(rows.device))
        views = (kept.views(kept.weights), self.buffers.views(self.buffers.weights))
        for new, old in zip(*views, strict=True):
            torch.index_select(old, 0, rows, out=new)
        self.buffers, self.places = kept, self.places[alive]
        self.seeds = [seed for seed, stays in zip(self.seeds, alive, strict=True) if stays]
        self.stepper.keep(alive, kept)
        self._prepare()


@lru_cache(maxsize=256)
def _initial(proxy: Proxy, seed: int) -> list[Tensor]:
    return proxy.init(seed)


def fill(buffers: Buffers, proxy: Proxy, seeds: Sequence[int]) -> None:
    """Set the weights of each replica to the proxy's initial ones for its seed."""
    inits = [_initial(proxy, seed) for seed in seeds]
    for view, values in zip(buffers.views(buffers.weights), zip(*inits, strict=True), strict=True):
        view.copy_(torch.stack(values))


def train(
    proxy: Proxy,
    seeds: Sequence[int],
    lrs: np.ndarray,
    make_stepper: MakeStepper,
    *,
    steps: int | None = None,
    warmup: float | np.ndarray | None = None,
    grad_scale: np.ndarray | None = None,
    checks: Collection[int] = CHECKS,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
    test: bool = False,
    watch: Collection[int] = (),
    curves: bool = False,
    plateau: Plateau | None = None,
) -> Outcome:
    """Train one replica for each (seed, learning rate) in one batch; equal seeds should be neighbours.

    The schedule runs over `steps` (the proxy's unless given). At the checks and at the end a replica is
    dropped whose loss is not finite ("nan") or above 100 x max(1, its first loss) ("diverged"); the
    validation loss is held to the same limits. Gradients are multiplied by `grad_scale` [R] if given.
    With a `plateau`, a replica whose curve since the warm-up sits on one at a check ends there, with its
    validation loss; give `checks` that come two of its windows after the warm-up or later.
    `warmup` is one part of the steps for all, or one for each replica [R]; `test` asks for the test losses too,
    `watch` for the validation losses after these steps. On a CUDA device whole steps run as CUDA graphs, where model
    and stepper say what comes by `prepare` and then do the same work at every step.
    """
    steps = proxy.steps if steps is None else steps
    factors = _factors(steps, proxy.warmup if warmup is None else warmup, len(seeds))
    if len(lrs) != len(seeds):
        raise ValueError(f"There are {len(seeds)} seeds but {len(lrs)} learning rates.")
    rates = _on(device, factors * np.asarray(lrs, dtype=np.float64))
    warm = int(factors.argmax(axis=0).max())  # steps before the full rate, in which curves are flat
    training = Training(proxy, seeds, make_stepper, grad_scale, dtype, device)
    status = np.full(len(seeds), "ok", dtype=object)
    stopped = np.full(len(seeds), steps)
    validation, tested = np.full(len(seeds), np.inf), np.full(len(seeds), np.inf)
    watched = {t: np.full(len(seeds), np.inf) for t in sorted(watch)}
    curve = np.full((steps, len(seeds)), np.nan) if curves or plateau else None
    limits = np.empty(0)
    for t in range(1, steps + 1):
        loss = training.step(t, rates[t - 1])
        if curve is not None:
            curve[t - 1, training.places] = _numbers(loss)
        if t == 1:
            limits = HOPELESS * np.maximum(1.0, _numbers(loss))
        if t in watched:
            watched[t][training.places] = _numbers(training.model.loss_on("validation"))
        if t not in checks and t < steps:
            continue
        found = judge(_numbers(loss), limits)
        ends = found != "ok"
        if t == steps:
            ends = np.ones_like(ends)
        elif plateau is not None and curve is not None:
            ends |= plateau.on(curve[warm:t, training.places])
        if (ends & (found == "ok")).any():
            held = _numbers(training.model.loss_on("validation"))
            found = np.where(found == "ok", judge(held, limits), found)
            fine = ends & (found == "ok")
            validation[training.places[fine]] = held[fine]
            if test:
                tested[training.places[fine]] = _numbers(training.model.loss_on("test"))[fine]
        gone = training.places[ends]
        status[gone], stopped[gone] = found[ends], t
        if ends.all():
            break
        if ends.any():
            rates, limits = _columns(rates, ~ends), limits[~ends]
            training.keep(~ends)
    return Outcome(
        validation, tuple(map(str, status)), stopped, tested if test else None,
        np.stack(list(watched.values())) if watched else None, curve if curves else None,
    )  # fmt: skip


def _on(device: str, rates: np.ndarray) -> np.ndarray | Tensor:
    """The rates of all steps where they are read: on a GPU a step then waits for nothing."""
    return rates if device == "cpu" else torch.as_tensor(rates, device=device)


def _columns(rates: np.ndarray | Tensor, alive: np.ndarray) -> np.ndarray | Tensor:
    """The rates of some replicas; rows stay contiguous: a compiled stepper would otherwise compile once more."""
    if isinstance(rates, np.ndarray):
        return np.ascontiguousarray(rates[:, alive])
    return rates[:, torch.from_numpy(alive).to(rates.device)].contiguous()


def _factors(steps: int, warmup: float | np.ndarray, replicas: int) -> np.ndarray:
    """The schedule of each replica, [steps, R]."""
    parts = np.broadcast_to(np.asarray(warmup, dtype=np.float64), replicas)
    distinct, which = np.unique(parts, return_inverse=True)
    return np.stack([schedule(steps, float(part)) for part in distinct], axis=1)[:, which]


def judge(loss: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """The status of each replica [R] by its loss."""
    return np.where(np.isfinite(loss), np.where(loss > limits, "diverged", "ok"), "nan")


def _numbers(loss: Tensor) -> np.ndarray:
    return loss.detach().double().cpu().numpy()


class TorchStepper:
    """One torch optimizer for each replica, over views of the buffers.

    An optimizer whose class says `needs_closure` gets one; where it says `differentiates_twice`, the closure returns
    the loss with its graph and leaves the gradients to the optimizer.
    """

    def __init__(self, make_optimizer: Callable[[list[Tensor]], torch.optim.Optimizer], buffers: Buffers) -> None:
        self.replicas = [list(views) for views in zip(*_split(buffers, buffers.weights), strict=True)]
        for params in self.replicas:
            for param in params:
                param.requires_grad_()
        self._rebind(buffers)
        self.optimizers = [make_optimizer(params) for params in self.replicas]

    def attach(self, oracle: ModelOracle) -> None:
        """The loss for closures."""
        self.oracle = oracle

    def _rebind(self, buffers: Buffers) -> None:
        """Let every replica's parameters live in the buffers."""
        weights = zip(*_split(buffers, buffers.weights), strict=True)
        grads = zip(*_split(buffers, buffers.grads), strict=True)
        for params, values, slopes in zip(self.replicas, weights, grads, strict=True):
            for param, value, slope in zip(params, values, slopes, strict=True):
                param.data, param.grad = value, slope

    def step(self, t: int, lr: np.ndarray | Tensor, loss: Tensor | None = None) -> None:
        """Step every optimizer at its own rate, in all of its groups."""
        for i, (optimizer, rate) in enumerate(zip(self.optimizers, lr.tolist(), strict=True)):
            for group in optimizer.param_groups:
                group["lr"] = rate
            if getattr(optimizer, "needs_closure", False):
                optimizer.step(self._closure(i, getattr(optimizer, "differentiates_twice", False)))  # type: ignore[arg-type]
            else:
                optimizer.step()

    def _closure(self, replica: int, twice: bool) -> Callable[[], Tensor]:
        params = self.replicas[replica]

        def closure() -> Tensor:
            with torch.enable_grad():
                loss = self.oracle.graph(params, replica)
                if twice:
                    return loss
                for param, grad in zip(params, torch.autograd.grad(loss, params, materialize_grads=True), strict=True):
                    param.grad = grad
                return loss.detach()

        return closure

    def keep(self, alive: np.ndarray, buffers: Buffers) -> None:
        """Go on with some of the replicas."""
        places = np.flatnonzero(alive)
        self.replicas = [self.replicas[i] for i in places]
        self.optimizers = [self.optimizers[i] for i in places]
        self._rebind(buffers)


def _split(buffers: Buffers, flat: Tensor) -> list[list[Tensor]]:
    """Of each parameter, a view for each replica, without a history."""
    return [[part.data for part in view.unbind(0)] for view in buffers.views(flat)]


def train_torch(
    proxy: Proxy,
    make_optimizer: Callable[[list[Tensor]], torch.optim.Optimizer],
    seeds: Sequence[int],
    lrs: np.ndarray,
    **options: Any,
) -> Outcome:
    """`train` with a torch optimizer and the same options: the same data in the same order, one for each replica."""
    return train(proxy, seeds, lrs, lambda buffers: TorchStepper(make_optimizer, buffers), **options)
