"""Layers of many replicas at once: the leading dimension of inputs [R, n, ...] and of parameters is the replica."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """x [R, n, in] through each replica's matrix [R, out, in]."""
    return torch.bmm(x, weight.transpose(1, 2))


def affine(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [R, n, in] through each replica's matrix [R, out, in], plus its bias [R, out]."""
    if weight.shape[1] == 1:  # as products of matrix and vector, MKL rounds them by the number of replicas
        return (x * weight).sum(2, keepdim=True) + bias.unsqueeze(1)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))


def embedded(tokens: Tensor, table: Tensor) -> Tensor:
    """The rows of each replica's table [R, classes, d] that its tokens [R, ...] name: [R, ..., d]."""
    first = table.shape[1] * torch.arange(len(table), device=tokens.device)
    rows = tokens + first.view(-1, *[1] * (tokens.dim() - 1))  # of one long table
    return functional.embedding(rows, table.flatten(0, 1))


def cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over n of the cross-entropy of scores [R, n, classes] with targets [R, n], in nats, for each replica [R]."""
    losses = functional.cross_entropy(scores.flatten(0, 1), targets.reshape(-1), reduction="none")
    return losses.view(len(scores), -1).mean(1)
