"""PyTorch's own optimizer machinery over every exported optimizer that needs no closure."""

from __future__ import annotations

from typing import Any

import pytest
from torch.testing._internal.common_optimizers import optim_db

from tests.primitives.contract.broken import Broken, broken, twin
from tests.primitives.contract.checks_machinery import MACHINERY
from tests.primitives.contract.faults import MACHINERY_FAULTS
from tests.primitives.contract.machinery import info_of
from tests.primitives.contract.specimens import exported, program, specimen, texts

CHECKS = {check.__name__: check for check in MACHINERY}
NAMES = [name for name in texts() if specimen(name, program(name)).closure == "no"]
TORCH = [info for info in optim_db if info.name in ("Adam", "AdamW", "RMSprop", "RAdam")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_an_exported_optimizer_passes_as_one_of_torch(name: str, check: str) -> None:
    CHECKS[check](info_of(exported(name)))


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_optimizer_passes(check: str) -> None:
    CHECKS[check](info_of(twin("Right")))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("info", TORCH, ids=lambda info: info.name)
def test_torch_itself_passes(info: Any, check: str) -> None:
    CHECKS[check](info)


@pytest.mark.parametrize("fault", MACHINERY_FAULTS, ids=lambda fault: fault.check)
def test_a_broken_optimizer_is_noticed(fault: Broken) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        CHECKS[fault.check](info_of(broken(fault)))


def test_every_check_has_a_fault_to_notice() -> None:
    assert {fault.check for fault in MACHINERY_FAULTS} == {*CHECKS}
