"""Says when a curve of losses sits on a plateau, and lowers a learning rate when a validation loss does.

The second is the performance-dependent schedule of documents 000 and 001. It looks at a validation loss, which no
program can read, so it stands around an optimizer:

    optimizer = Lion(model.parameters(), lr=1e-3)
    schedule = HalveOnPlateau(optimizer, patience=2)
    for epoch in range(epochs):
        train_one_epoch(model, optimizer)
        schedule.step(validation_loss(model))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Plateau:
    """A curve is on a plateau when its last window of losses is surely no better than the window before.

    Surely: the relative improvement of the means, plus `certainty` standard errors, is below `tolerance`. The noise
    is estimated from differences of neighbours, so that a trend is not mistaken for noise. A curve that descends by
    more than the tolerance a window is never on a plateau but by chance; one that is noisier than about
    tolerance * sqrt(window) / 2 of its value is never found to be.
    """

    window: int = 20
    tolerance: float = 0.02
    certainty: float = 1.0

    def __post_init__(self) -> None:
        if self.window < 2 or not 0 < self.tolerance < 1 or self.certainty < 0:
            raise ValueError(
                "A plateau has a window of at least 2, a tolerance in (0, 1) and a certainty of at least 0."
            )

    def on(self, curve: np.ndarray) -> np.ndarray:
        """Whether each of the curves [steps, ...] ends on a plateau, bool [...]; never before two windows."""
        curve = np.asarray(curve, dtype=np.float64)
        if len(curve) < 2 * self.window:
            return np.zeros(curve.shape[1:], dtype=bool)
        recent = curve[-2 * self.window :]
        recent = np.where(np.isfinite(recent).all(axis=0), recent, np.nan)
        before, last = recent[: self.window].mean(axis=0), recent[self.window :].mean(axis=0)
        noise = np.sqrt(np.square(np.diff(recent, axis=0)).mean(axis=0) / 2)
        error = noise * math.sqrt(2 / self.window)
        return np.asarray(before - last + self.certainty * error <= self.tolerance * np.abs(before))


class HalveOnPlateau:
    """Holds the rates of all groups until a metric stops improving, then multiplies them by `factor`.

    A metric improves when it is below the best by the relative `threshold`; after `patience` metrics that did not,
    the next one that does not lowers the rates and the count begins anew (as torch's ReduceLROnPlateau). Rates that are
    at `min_lr` or below stay. With a
    `plateau` the metrics since the last change are judged by that instead, for metrics that are noisy and many.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        factor: float = 0.5,
        patience: int = 0,
        threshold: float = 1e-4,
        min_lr: float = 0.0,
        plateau: Plateau | None = None,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"The factor lowers a rate: it is between 0 and 1, not {factor}.")
        if patience < 0 or threshold < 0 or min_lr < 0:
            raise ValueError("patience, threshold and min_lr are not negative.")
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.threshold, self.min_lr, self.plateau = threshold, min_lr, plateau
        self.best, self.bad, self.metrics = math.inf, 0, list[float]()

    def step(self, metric: float) -> bool:
        """Take note of a validation loss; whether the rates were lowered. NaN and infinity are no improvement."""
        metric = float(metric)
        bar = self.best - self.threshold * abs(self.best) if math.isfinite(self.best) else self.best
        improved = metric < bar
        self.best = metric if improved else self.best
        self.bad = 0 if improved else self.bad + 1
        self.metrics = [*self.metrics, metric][-2 * self.plateau.window :] if self.plateau else []
        stopped = self.bad > self.patience if self.plateau is None else bool(self.plateau.on(np.array(self.metrics)))
        if not stopped:
            return False
        self.bad, self.metrics = 0, []
        lowered = [self._lower(group) for group in self.optimizer.param_groups]
        return any(lowered)

    def _lower(self, group: dict[str, Any]) -> bool:
        rate = group["lr"]
        lower = max(self.min_lr, float(rate) * self.factor)
        if lower >= rate:
            return False
        if isinstance(rate, torch.Tensor):  # compiled optimizers hold on to it
            rate.fill_(lower)
        else:
            group["lr"] = lower
        return True

    def state_dict(self) -> dict[str, Any]:
        """What must be kept to go on, beside the optimizer's own state."""
        return {"best": self.best, "bad": self.bad, "metrics": list(self.metrics)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.bad, self.metrics = state["best"], state["bad"], list(state["metrics"])
