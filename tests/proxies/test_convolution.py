"""The convolutional network beside torch's own convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from proxies.convolution import convolution, pooled
from tests.proxies.twins import assert_twins


class Images(nn.Module):
    """Rows of 64 pixels as images."""

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, 1, 8, 8)


@pytest.mark.parametrize("channels", [(8, 16), (3, 5)])
def test_as_conv2d_and_max_pool2d(channels: tuple[int, int]) -> None:
    first, second = channels
    module = nn.Sequential(
        Images(), nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(first, second, 3), nn.ReLU()
    )
    # Flattened with the channels last, which is how the head is laid out.
    head = nn.Linear(4 * second, 10)
    whole = nn.ModuleDict({"body": module, "head": head})

    def loss(twin: nn.ModuleDict, pixels: Tensor, labels: Tensor) -> Tensor:
        left = twin["body"](pixels).permute(0, 2, 3, 1).flatten(1)
        return nn.functional.cross_entropy(twin["head"](left), labels)

    names = ["body.1.weight", "body.1.bias", "body.4.weight", "body.4.bias", "head.weight", "head.bias"]
    assert_twins(convolution("twin", channels, tier="selection"), whole, names, loss)


def test_of_equal_pixels_of_a_square_one_has_the_gradient() -> None:
    x = torch.zeros(1, 1, 4, 4, 2, requires_grad=True)
    pooled(x).sum().backward()
    assert x.grad is not None
    assert x.grad.sum() == 8
    assert pooled(torch.arange(16.0).view(1, 1, 4, 4, 1)).flatten().tolist() == [5, 7, 13, 15]


def test_initial_filters_have_the_variance_of_their_inputs() -> None:
    filters = convolution("wide", (64, 64)).init(0)[2]
    assert filters.shape == (64, 64 * 9)
    assert float(filters.var()) == pytest.approx(2 / (64 * 9), rel=0.03)
