"""PyTorch's descriptions of optimizers for its own tests (inputs, errors, schedulers), for exported ones too."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.testing._internal import common_optimizers

from tests.primitives.contract.specimens import Optimizer, Specimen

Info = Any  # an OptimizerInfo
common: Any = common_optimizers  # a file without types
INPUT = ((10, 5), (10,), (5,))


def info_of(s: Specimen) -> Info:
    """torch's description of an optimizer, for ours."""

    def inputs(device: Any, dtype: Any = None) -> list[Any]:
        decay = {name: 0.1 for name in s.others if name == "weight_decay"}
        kinds: dict[str, dict[str, Any]] = {
            "default": {},
            "other hyperparameters": {**s.others, **decay},
            "maximize": {**decay, "maximize": True},
            "Tensor lr": {"lr": torch.tensor(s.lr)},
            "Tensor lr with capturable": {"lr": torch.tensor(s.lr), "capturable": True},
        }
        return [common.OptimizerInput(None, {**s.options, **options}, name) for name, options in kinds.items()]

    def errors(device: Any, dtype: Any) -> list[Any]:
        common_errors = common.get_error_inputs_for_all_optims(device, dtype)
        for error in common_errors:
            error.optimizer_error_input.kwargs.update(s.options)
        clash = {"foreach": True, "fused": True, **s.options}
        return [
            *common_errors,
            *(_error({name: value, **s.options}) for name, value in s.wrong),
            _error(clash, "foreach"),
            _error({"fused": True, "differentiable": True, **s.options}, "differentiable"),
        ]

    return common.OptimizerInfo(
        s.optimizer,
        optim_inputs_func=inputs,
        optim_error_inputs_func=errors,
        supported_impls=("foreach", "differentiable") if s.optimizer.elementwise else ("differentiable",),
        supports_complex=False,
        has_capturable_arg=True,
    )


def _error(options: dict[str, Any], words: str = "") -> Any:
    given = common.OptimizerInput(None, options, f"wrong {options}")
    return common.ErrorOptimizerInput(given, error_type=ValueError, error_regex=words)


def every_input(info: Info) -> list[Any]:
    """All inputs with each of the ways of stepping but differentiable, which wants no leaves.

    They are CUDA's, where foreach is among them; what steps here is on the CPU.
    """
    found = common._get_optim_inputs_including_global_cliquey_kwargs("cuda", torch.float32, info, ("differentiable",))
    ours = info not in common.optim_db  # torch's own refuse capturable on the CPU
    return [given for given in found if ours or not given.kwargs.get("capturable")]


def made(info: Info, params: Any, given: Any, **more: Any) -> Optimizer:
    """An optimizer of these inputs; a tensor lr is its own."""
    optimizer: Optimizer = info.optim_cls(params, **copy.deepcopy({**given.kwargs, **more}))
    return optimizer


def problem(strided: bool = False) -> tuple[list[nn.Parameter], Tensor]:
    """Weights, a bias and an input of a layer whose output should vanish; every other number of memory if strided."""
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn((*shape, 2), generator=generator) for shape in INPUT]
    *params, x = [value[..., 0] if strided else value[..., 0].contiguous() for value in values]
    return [nn.Parameter(p) for p in params], x


def descend(optimizer: Optimizer, params: Sequence[Tensor], x: Tensor, steps: int = 6) -> Iterator[Tensor]:
    """The loss before each step."""
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (params[0].mv(x) + params[1]).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        yield loss.detach()
        optimizer.step()


class Asserting:
    """What torch's tracker asks of a unittest."""

    def assertGreater(self, x: float, y: float, message: str) -> None:  # noqa: N802
        assert x > y, message

    def assertTrue(self, x: bool, message: str) -> None:  # noqa: N802
        assert x, message

    def assertEqual(self, x: Tensor, y: Tensor, **options: Any) -> None:  # noqa: N802
        torch.testing.assert_close(x, y, **options)
