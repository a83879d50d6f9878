"""Initial weights of a matrix [outputs, inputs], by name; vectors start at zero everywhere. Document 000.

`power` is the square of the gain that makes up for the activation: 1 for tanh, 2 for relu.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]  # (outputs, inputs)
Init = Callable[[np.random.Generator, Shape, float], Array]


def fan_in_normal(rng: np.random.Generator, shape: Shape, power: float) -> Array:
    """Normal with variance power / inputs. LeCun et al. 1998; He et al. 2015 for relu."""
    return np.asarray(rng.standard_normal(shape) * np.sqrt(power / shape[1]))


def fan_in_uniform(rng: np.random.Generator, shape: Shape, power: float) -> Array:
    """rand / sqrt(inputs), rand uniform between -gain and gain: variance power / (3 inputs)."""
    return np.asarray(rng.uniform(-1, 1, shape) * np.sqrt(power / shape[1]))


def xavier_uniform(rng: np.random.Generator, shape: Shape, power: float) -> Array:
    """Uniform in [-a, a], a = gain sqrt(6 / (inputs + outputs)). Glorot and Bengio 2010."""
    return np.asarray(rng.uniform(-1, 1, shape) * np.sqrt(6 * power / sum(shape)))


def xavier_normal(rng: np.random.Generator, shape: Shape, power: float) -> Array:
    """Normal with deviation gain sqrt(2 / (inputs + outputs)). Glorot and Bengio 2010."""
    return np.asarray(rng.standard_normal(shape) * np.sqrt(2 * power / sum(shape)))


INITS: dict[str, Init] = {
    "fan_in_normal": fan_in_normal,
    "fan_in_uniform": fan_in_uniform,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
}


def check(name: str) -> None:
    """ValueError in one sentence if there is no initialisation of that name."""
    if name not in INITS:
        raise ValueError(f"There is no initialisation called {name!r}; there are {', '.join(INITS)}.")


def initial(name: str, shapes: Sequence[Shape], power: float, seed: int) -> list[Tensor]:
    """The parameters of a seed, float64: matrices by the named initialisation, vectors zero."""
    rng = np.random.default_rng(seed)
    return [
        torch.from_numpy(INITS[name](rng, shape, power)) if len(shape) > 1
        else torch.zeros(shape, dtype=torch.float64)
        for shape in shapes
    ]  # fmt: skip
