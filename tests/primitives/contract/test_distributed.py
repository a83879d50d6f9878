"""Exported optimizers on two processes: replicated, sharded, from a checkpoint; what cannot be sharded refuses.

Programs that read the loss are left out: each process has the loss of its own rows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.multiprocessing.spawn import spawn

from tests.primitives.contract.driving import assert_bits, assert_near
from tests.primitives.contract.faults import RANK_FAULTS
from tests.primitives.contract.ranks import Case, alone, rank, specimen_of, whole
from tests.primitives.contract.specimens import program, specimen, texts

Found = list[dict[Case, Any]]  # what each process found

KNOWN = {name: specimen(name, program(name)) for name in texts()}
REPLICATED = ("adamw", "muon", "ranger", "clip_norm(adamw, max_norm=1)", "sam(adamw)", "nesterov")
FULLY_SHARDED = ("sgd", "adamw", "nadam", "lion", "rprop", "ranger", "lookahead(adam, k=3)")
CHECKPOINTED = ("adamw", "nadam", "rprop", "lookahead(adam, k=3)")
SHARDED = [name for name, known in KNOWN.items() if known.elementwise and not known.reads_loss]
WHOLE = [name for name, known in KNOWN.items() if not known.elementwise]


def a_replica_does_as_one_alone(found: Found, key: str) -> None:
    """Both processes have the same bits, which are one's that sees all rows."""
    first, second = (each["replicated", key] for each in found)
    assert_bits(first, second)
    assert_near(first, alone(specimen_of(key)), rtol=1e-7)


def shards_do_as_the_whole(found: Found, key: str) -> None:
    """Sharded by rows with fully_shard, in uneven and empty pieces."""
    for each in found:
        assert_near(each["sharded", key], alone(specimen_of(key)), rtol=1e-7)


def pieces_do_as_the_whole(found: Found, key: str) -> None:
    """A tensor distributed by columns."""
    for each in found:
        assert_near(each["cut", key], whole(specimen_of(key)), rtol=1e-9)


def a_checkpoint_goes_on(found: Found, key: str) -> None:
    """A whole state dict, loaded into a new optimizer of shards, changes nothing."""
    for each in found:
        assert_bits(each["checkpointed", key], each["sharded", key])


def shards_are_refused(found: Found, key: str) -> None:
    """With a ValueError of one sentence."""
    for each in found:
        error, _, sentence = each["cut", key].partition(": ")
        assert error == "ValueError"
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0


Check = Callable[[Found, str], None]
CHECKS: dict[str, tuple[Check, tuple[str, ...], tuple[str, ...]]] = {
    "replicated": (a_replica_does_as_one_alone, ("replicated",), (*REPLICATED, "Right", "Sharp")),
    "sharded": (shards_do_as_the_whole, ("sharded",), (*FULLY_SHARDED, "Right")),
    "cut": (pieces_do_as_the_whole, ("cut",), (*SHARDED, "Right")),
    "checkpointed": (a_checkpoint_goes_on, ("sharded", "checkpointed"), (*CHECKPOINTED, "Right")),
    "refused": (shards_are_refused, ("cut",), (*WHOLE, "Sharp")),
}
"""Of each check the ways of training that it looks at, and whose optimizers keep it."""


def cases() -> list[Case]:
    """All that the processes must do, the broken ones too, each once."""
    wanted = [(way, key) for _, ways, keys in CHECKS.values() for way in ways for key in keys]
    broken = [(way, str(i)) for i, fault in enumerate(RANK_FAULTS) for way in CHECKS[fault.check][1]]
    return [*dict.fromkeys((*wanted, *broken))]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """One run of two processes for all tests."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    spawn(rank, args=(folder, cases()), nprocs=2)  # type: ignore[no-untyped-call]
    return [torch.load(folder / f"rank{i}.pt") for i in (0, 1)]


@pytest.mark.parametrize(("check", "key"), [(check, key) for check, (*_, keys) in CHECKS.items() for key in keys])
def test_two_processes_keep_the_contract(found: Found, check: str, key: str) -> None:
    CHECKS[check][0](found, key)


@pytest.mark.parametrize("index", range(len(RANK_FAULTS)))
def test_a_broken_optimizer_is_noticed(found: Found, index: int) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        CHECKS[RANK_FAULTS[index].check][0](found, str(index))


def test_every_check_has_a_fault_to_notice() -> None:
    assert {fault.check for fault in RANK_FAULTS} == {*CHECKS}
