"""The autoencoder beside a module of torch, and the shape that it is named for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from torch import Tensor, nn

from proxies.autoencoder import autoencoder
from tests.proxies.twins import assert_twins


def test_as_a_module_of_torch() -> None:
    widths = (64, 12, 5, 12, 64)
    layers: list[nn.Module] = []
    for i, o in pairwise(widths):
        layers += [nn.Linear(i, o), nn.Tanh()]
    module = nn.Sequential(*layers[:-1])

    def loss(twin: nn.Module, pixels: Tensor, _: Tensor) -> Tensor:
        return nn.functional.mse_loss(twin(pixels), pixels)

    names = [name for name, _ in module.named_parameters()]
    assert_twins(autoencoder("twin", (12, 5), tier="selection"), module, names, loss)


def test_the_decoder_mirrors_the_encoder() -> None:
    proxy = autoencoder("deep", (32, 24, 16))
    matrices = [shape for shape in proxy.layout.shapes if len(shape) == 2]
    assert matrices == [(32, 64), (24, 32), (16, 24), (24, 16), (32, 24), (64, 32)]
    assert [shape[::-1] for shape in reversed(matrices)] == matrices
    assert proxy.layout.roles[-2:] == ("head", "vector")


def test_the_floor_is_below_what_a_linear_code_can_reach() -> None:
    """Principal components of the training rows are the best linear code: its error is the yardstick of the task."""
    proxy = autoencoder("deep", tier="selection")
    train, validation = proxy.data().train[0], proxy.data().validation[0]
    mean = train.mean(axis=0)
    axes = np.linalg.svd(train - mean)[2][:16]
    error = float(np.mean(((validation - mean) @ (np.eye(64) - axes.T @ axes)) ** 2))
    assert proxy.floor < error < 0.02


def test_a_code_is_needed() -> None:
    with pytest.raises(ValueError, match="at least one hidden layer, its code"):
        autoencoder("empty", ())
