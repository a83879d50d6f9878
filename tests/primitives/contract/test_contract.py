"""Every exported optimizer keeps the contract; every check of it notices optimizers that do not.

What a class must do is one function in checks_*.py; `faults.py` has what each must notice.
"""

from __future__ import annotations

import pytest
import torch

from tests.primitives.contract.broken import Broken, broken, twin
from tests.primitives.contract.checks_groups import GROUPS
from tests.primitives.contract.checks_modes import MODES
from tests.primitives.contract.checks_saving import SAVING
from tests.primitives.contract.checks_steps import STEPS
from tests.primitives.contract.checks_tools import TOOLS
from tests.primitives.contract.faults import FAULTS
from tests.primitives.contract.specimens import Specimen, exported, texts

CHECKS = {item.check.__name__: item for item in (*GROUPS, *STEPS, *SAVING, *MODES, *TOOLS)}
PAIRS = [(name, check) for name in texts() for check, item in CHECKS.items() if item.applies(exported(name))]
TWINS = [(name, check) for name in ("Right", "Sharp") for check, item in CHECKS.items() if item.applies(twin(name))]

TORCH = (
    Specimen(
        "AdamW",
        lambda: torch.optim.AdamW,
        lr=1e-3,
        others={"lr": 3e-3, "betas": (0.8, 0.99), "eps": 1e-3, "weight_decay": 0.2},
        wrong=(("lr", -1.0), ("eps", -1.0), ("betas", (1.1, 0.9)), ("lr", torch.tensor([0.1, 0.1]))),
        elementwise=True,
    ),
    Specimen(
        "NAdam",
        lambda: torch.optim.NAdam,
        lr=2e-3,
        others={"lr": 3e-3, "betas": (0.8, 0.99), "eps": 1e-3, "momentum_decay": 0.1},
        wrong=(("lr", -1.0), ("eps", -1.0), ("betas", (1.1, 0.9)), ("lr", torch.tensor([0.1, 0.1]))),
        elementwise=True,
    ),
)
"""Torch's own, which keep what our contract has in common with theirs."""

OURS = """
low_precision_is_only_in_the_weights loading_keeps_types state_dicts_come_back_bit_for_bit
states_are_tensors_or_numbers complex_parameters_are_refused sparse_gradients_are_refused
wrong_hyperparameters_are_refused the_default_type_does_not_matter
foreach_does_as_the_plain_loop elementwise_means_that_cutting_changes_nothing flags_are_read_from_the_group
what_cannot_go_together_is_refused capturable_does_as_the_plain_step capturable_reads_nothing_back
""".split()
"""Checks of what we promise and torch does not: float32 states, ValueErrors, capturable on CPU."""

OF_NADAM = """
a_dict_from_before_the_flags_can_be_loaded a_differentiable_step_has_a_derivative hooks_see_each_state_dict
checkpoints_of_distributed_training_work
""".split()
"""Where torch's NAdam falls short: loading gives its number mu_product another type, and one derivative is refused."""


@pytest.mark.parametrize(("name", "check"), PAIRS, ids=[f"{check}-{name}" for name, check in PAIRS])
def test_an_exported_optimizer_keeps_the_contract(name: str, check: str) -> None:
    CHECKS[check].check(exported(name))


@pytest.mark.parametrize(("name", "check"), TWINS, ids=[f"{check}-{name}" for name, check in TWINS])
def test_a_right_optimizer_passes(name: str, check: str) -> None:
    CHECKS[check].check(twin(name))


@pytest.mark.parametrize("own", TORCH, ids=lambda own: own.name)
@pytest.mark.parametrize("check", [check for check in CHECKS if check not in OURS])
def test_torch_itself_passes(own: Specimen, check: str) -> None:
    if CHECKS[check].applies(own) and not (own.name == "NAdam" and check in OF_NADAM):
        CHECKS[check].check(own)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.check)
def test_a_broken_optimizer_is_noticed(fault: Broken) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        CHECKS[fault.check].check(broken(fault))


def test_every_check_has_a_fault_to_notice() -> None:
    assert {fault.check for fault in FAULTS} == {*CHECKS}
