"""The contract on what is kept: state dicts, files, copies."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import torch

from tests.primitives.contract.driving import assert_bits, copies, parameters, run, states
from tests.primitives.contract.specimens import Item, Optimizer, Specimen

DTYPES = (torch.float64, torch.float32, torch.bfloat16)


def through_a_file(optimizer: Optimizer) -> Any:
    """The state dict as it comes back from a file that is read with nothing but weights allowed."""
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def state_dicts_come_back_bit_for_bit(s: Specimen) -> None:
    """Through a file into a new optimizer with other options: types, bits, options, and all later steps."""
    for dtype in DTYPES:
        params = parameters(dtype=dtype)
        optimizer = s.make([{"params": params[:1]}, {"params": params[1:], "lr": s.others["lr"]}])
        run(s, optimizer, params, [1, 2, 3])
        saved = through_a_file(optimizer)
        assert_bits(saved["state"], optimizer.state_dict()["state"])
        twins = copies(params)
        fresh = s.make([{"params": twins[:1]}, {"params": twins[1:]}], **s.others)
        fresh.load_state_dict(saved)
        assert_bits(states(fresh), states(optimizer))
        for ours, theirs in zip(optimizer.param_groups, fresh.param_groups, strict=True):
            assert {**ours, "params": 0} == {**theirs, "params": 0}
        run(s, optimizer, params, [4, 5])
        run(s, fresh, twins, [4, 5])
        assert_bits(twins, params)
        assert_bits(states(fresh), states(optimizer))


def loading_keeps_types(s: Specimen) -> None:
    """Averages in float32 over bfloat16 weights are float32 after loading, and have all their digits."""
    params = parameters(dtype=torch.bfloat16)
    optimizer = s.make(params)
    run(s, optimizer, params, [1, 2])
    before = copy.deepcopy(states(optimizer))
    kinds = [x.dtype for state in before for x in state.values() if isinstance(x, torch.Tensor)]
    assert not {torch.bfloat16, torch.float16} & {*kinds}
    fresh = s.make(copies(params))
    fresh.load_state_dict(optimizer.state_dict())
    assert_bits(states(fresh), before)


def copies_go_on_alike(s: Specimen) -> None:
    """Deep copies and pickles do as the original and do not move it."""
    params = parameters()
    optimizer = s.make([{"params": params[:1]}, {"params": params[1:], **s.others}])
    run(s, optimizer, params, [1, 2])
    both: list[Any] = [copy.deepcopy((params, optimizer)), pickle.loads(pickle.dumps((params, optimizer)))]
    run(s, optimizer, params, [3, 4])
    for twins, copied in both:
        assert type(copied) is type(optimizer)
        run(s, copied, twins, [3, 4])
        assert_bits(twins, params)
        assert_bits(states(copied), states(optimizer))


def a_shallow_copy_steps_the_same_parameters(s: Specimen) -> None:
    """copy.copy shares parameters and states, and its steps are those of the original."""
    params = parameters()
    optimizer = s.make(params)
    run(s, optimizer, params, [1])
    twins, twin = copy.deepcopy((params, optimizer))
    run(s, copy.copy(optimizer), params, [2])
    run(s, twin, twins, [2])
    assert_bits(params, twins)
    assert_bits(states(optimizer), states(twin))


def a_dict_from_before_the_flags_can_be_loaded(s: Specimen) -> None:
    """Groups saved without foreach, capturable, differentiable, fused and maximize step with their defaults."""
    params = parameters()
    optimizer = s.make(params)
    run(s, optimizer, params, [1, 2])
    saved = through_a_file(optimizer)
    for group in saved["param_groups"]:
        for flag in ("foreach", "capturable", "differentiable", "fused", "maximize"):
            group.pop(flag, None)
    twins = copies(params)
    fresh = s.make(twins)
    fresh.load_state_dict(saved)
    run(s, optimizer, params, [3])
    run(s, fresh, twins, [3])
    assert_bits(params, twins)


SAVING = [
    Item(state_dicts_come_back_bit_for_bit),
    Item(loading_keeps_types),
    Item(copies_go_on_alike),
    Item(a_shallow_copy_steps_the_same_parameters),
    Item(a_dict_from_before_the_flags_can_be_loaded),
]
