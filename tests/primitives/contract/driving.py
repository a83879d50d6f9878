"""How the checks drive an optimizer: seeded weights and gradients, one step with or without a closure, comparisons."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tests.primitives.contract.specimens import Optimizer, Specimen

SHAPES: tuple[tuple[int, ...], ...] = ((3, 4), (4,), (2, 3, 2, 2))


def tensors(seed: int, shapes: Sequence[tuple[int, ...]] = SHAPES, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Normal numbers of these shapes."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def parameters(shapes: Sequence[tuple[int, ...]] = SHAPES, dtype: torch.dtype = torch.float64) -> list[nn.Parameter]:
    """Parameters that are the same at each call."""
    return [nn.Parameter(w) for w in tensors(0, shapes, dtype)]


def copies(params: Iterable[Tensor]) -> list[nn.Parameter]:
    """Parameters of the same values and layout, without gradients."""
    return [nn.Parameter(p.detach().clone()) for p in params]


def step(s: Specimen, optimizer: Optimizer, params: Sequence[Tensor], grads: Sequence[Tensor], sign: float = 1) -> Any:
    """One step along the gradients; where a closure is needed, on a loss that has about these. Returns its loss."""
    if s.closure != "no":
        return optimizer.step(closure_of(s, params, grads, sign))
    for p, g in zip(params, grads, strict=True):
        p.grad = sign * g
    return optimizer.step()


def closure_of(s: Specimen, params: Sequence[Tensor], grads: Sequence[Tensor], sign: float = 1) -> Any:
    """A closure of the kind that the class wants, for a smooth loss that joins no two elements."""

    def closure() -> Tensor:
        for p in params:
            p.grad = None
        terms = [(0.15 * p * p + g * p).sum() for p, g in zip(params, grads, strict=True)]
        loss: Tensor = sign * torch.stack([term.to(terms[0].dtype) for term in terms]).sum()
        if s.closure == "yes":
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach() if s.closure == "yes" else loss

    return closure


def run(s: Specimen, optimizer: Optimizer, params: Sequence[Tensor], seeds: Iterable[int], sign: float = 1) -> None:
    """A step for each seed, on gradients of the shapes and kinds of the parameters."""
    for seed in seeds:
        grads = [g.to(p.dtype) for p, g in zip(params, tensors(seed, [tuple(p.shape) for p in params]), strict=True)]
        step(s, optimizer, params, grads, sign)


def states(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The states of all parameters in their order; empty where there is none yet."""
    return [dict(optimizer.state.get(p, {})) for group in optimizer.param_groups for p in group["params"]]


def frozen(params: Sequence[Tensor], optimizer: Optimizer) -> Any:
    """A copy of the present weights and states, to compare with later."""
    return copy.deepcopy(([p.detach() for p in params], states(optimizer)))


def saved(optimizer: Optimizer) -> Any:
    """The state dict, with memory of its own."""
    return copy.deepcopy(optimizer.state_dict())


def assert_bits(found: Any, wanted: Any) -> None:
    """The same numbers of the same type, bit for bit; tensors, and lists and dicts of them."""
    torch.testing.assert_close(plain(found), plain(wanted), rtol=0, atol=0, equal_nan=True)


def assert_near(found: Any, wanted: Any, rtol: float = 1e-9) -> None:
    """The same numbers to rounding."""
    torch.testing.assert_close(plain(found), plain(wanted), rtol=rtol, atol=rtol * 1e-2, equal_nan=True)


def plain(value: Any) -> Any:
    """The value with parameters as tensors."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def differ(found: Sequence[Tensor], others: Sequence[Tensor]) -> bool:
    """Whether any tensor differs by more than rounding."""
    return not all(torch.allclose(a, b, rtol=1e-7, atol=0) for a, b in zip(found, others, strict=True))
