"""The one learning-rate schedule: linear warm-up, then cosine decay; it stands outside every program."""

from __future__ import annotations

import numpy as np


def schedule(steps: int, warmup: float) -> np.ndarray:
    """Factor of the learning rate at steps 1..steps, float64 [steps]; `warmup` is a part of the steps.

    With Tw = max(1, round(warmup * steps)) steps of warm-up, step t has
    `t / Tw` up to Tw and `(1 + cos(pi * (t - Tw) / (steps - Tw + 1))) / 2` after it,
    so the last step is small but not lost: about `(pi / (2 * (steps - Tw + 1)))**2`.
    """
    if steps < 1:
        raise ValueError(f"A training has at least one step, not {steps}.")
    if not 0 <= warmup <= 1:
        raise ValueError(f"The warm-up is a part of the steps between 0 and 1, not {warmup}.")
    rising = max(1, round(warmup * steps))
    t = np.arange(1, steps + 1, dtype=np.float64)
    decay = (1 + np.cos(np.pi * (t - rising) / (steps - rising + 1))) / 2
    return np.where(t <= rising, t / rising, decay)
