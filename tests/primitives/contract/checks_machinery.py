"""What PyTorch asks of its own optimizers, with its records of inputs, errors and schedulers.

`torch.testing._internal.common_optimizers` has the records; torch's test/test_optim.py drives them about like this.
"""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from tests.primitives.contract.driving import assert_bits, copies, saved, states, tensors
from tests.primitives.contract.machinery import Asserting, Info, common, descend, every_input, made, problem
from tests.primitives.contract.specimens import restless


def errors_are_raised(info: Info) -> None:
    """Each error input raises what torch says that it must."""
    for error in info.optim_error_inputs_func("cpu", torch.float32):
        given = error.optimizer_error_input
        params = [nn.Parameter(torch.randn(1, 1))] if given.params is None else given.params
        if error.error_on != common.OptimizerErrorEnum.CONSTRUCTION_ERROR:
            continue
        expected = pytest.warns if issubclass(error.error_type, Warning) else pytest.raises
        with expected(error.error_type, match=error.error_regex or None):
            info.optim_cls(params, **given.kwargs)


def it_goes_in_the_right_direction(info: Info) -> None:
    """Down, or up to maximize; in contiguous memory, and in strided memory under schedulers."""
    for strided, kinds in ((False, []), (True, info.scheduler_inputs[0])):
        for given in info.optim_inputs_func("cpu"):
            params, x = problem(strided)
            optimizer = made(info, params, given)
            schedulers = [kind(optimizer) for kind in kinds]
            losses = []
            for loss in descend(optimizer, params, x):
                losses.append(loss.item())
                for scheduler in schedulers:
                    plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")  # the scheduler is one step ahead
                        scheduler.step(loss) if plateau else scheduler.step()
            up = given.kwargs.get("maximize", False)
            assert losses[-1] > losses[0] if up else losses[-1] < losses[0], given.desc


def foreach_matches_the_loop(info: Info) -> None:
    """Step by step, each step from the same numbers."""
    if "foreach" not in info.supported_impls:
        return
    for given in info.optim_inputs_func("cpu"):
        if torch.is_tensor(given.kwargs.get("lr")) and not given.kwargs.get("capturable"):
            continue  # torch's own refuse that
        tracker = common.TensorTracker({"rtol": 1e-5, "atol": 1e-7})
        for foreach in (False, True):
            params, x = problem()
            optimizer = made(info, params, given, foreach=foreach)
            for _ in descend(optimizer, params, x, 3):
                for value in (*params, *(value for state in states(optimizer) for value in state.values())):
                    tracker.pop_check_set(value, Asserting()) if foreach else tracker.add(value)
        assert tracker.all_popped()


def groups_have_their_rates(info: Info) -> None:
    """One group with its own lr (and weight decay), one with the defaults, one parameter without gradients."""
    for given in info.optim_inputs_func("cpu"):
        params, x = problem()
        idle = nn.Parameter(torch.randn(2, 2))
        before = idle.detach().clone()
        own = {name: 0.05 for name in ("lr", "weight_decay") if name in info.optim_cls(params, **given.kwargs).defaults}
        if "lr" in given.kwargs:
            own["lr"] = copy.deepcopy(given.kwargs["lr"])
        optimizer = made(info, [{"params": params[:1], **own}, {"params": params[1:]}, {"params": [idle]}], given)
        losses = [*descend(optimizer, params, x)]
        up = given.kwargs.get("maximize", False)
        assert losses[-1] > losses[0] if up else losses[-1] < losses[0], given.desc
        assert torch.equal(idle, before)
        assert not optimizer.state.get(idle)


def without_gradients_nothing_happens(info: Info) -> None:
    """A step without gradients changes nothing; neither do zero gradients, where nothing decays the weights."""
    for given in every_input(info):
        params, _ = problem()
        optimizer = made(info, params, given)
        optimizer.step()
        assert_bits(params, problem()[0])
        assert not any(states(optimizer))
        decays = {name: 0.0 for name in optimizer.defaults if name.startswith("weight_decay")}
        if not restless(info.optim_cls):
            optimizer = made(info, params, given, **decays)
            for p in params:
                p.grad = torch.zeros_like(p)
            optimizer.step()
            assert_bits(params, problem()[0])


def state_dicts_are_deterministic(info: Info) -> None:
    """An optimizer loaded from a file takes the same steps as the one that was saved."""
    for given in every_input(info):
        params, x = problem()
        optimizer = made(info, params, given)
        [*descend(optimizer, params, x, 2)]
        buffer = io.BytesIO()
        torch.save(optimizer.state_dict(), buffer)
        buffer.seek(0)
        twins = copies(params)
        twin = made(info, twins, given)
        twin.load_state_dict(torch.load(buffer, weights_only=True))
        [*descend(twin, twins, x, 2)]
        [*descend(optimizer, params, x, 2)]
        assert_bits((twins, states(twin)), (params, states(optimizer)))


def states_load_with_and_without_names(info: Info) -> None:
    """From named parameters into unnamed ones and back."""
    given = info.optim_inputs_func("cpu")[0]
    for first, second in ((True, False), (False, True)):
        paths: list[Any] = []
        for named in (first, second):
            params, x = problem()
            optimizer = made(info, [(f"p{i}", p) for i, p in enumerate(params)] if named else params, given)
            if not paths:
                [*descend(optimizer, params, x, 2)]
                kept, start = saved(optimizer), [p.detach().clone() for p in params]
            else:
                for p, q in zip(params, start, strict=True):
                    p.data.copy_(q)
                optimizer.load_state_dict(kept)
            [*descend(optimizer, params, x, 2)]
            paths.append([p.detach() for p in params])
        assert_bits(paths[0], paths[1])


def states_load_into_other_types(info: Info) -> None:
    """What was saved over float64 goes on over float32, and the other way round."""
    given = info.optim_inputs_func("cpu")[0]
    for before, after in ((torch.float64, torch.float32), (torch.float32, torch.float64)):
        params, x = problem()
        params = [nn.Parameter(p.detach().to(before)) for p in params]
        optimizer = made(info, params, given)
        [*descend(optimizer, params, x.to(before), 2)]
        twins = [nn.Parameter(p.detach().to(after)) for p in params]
        twin = made(info, twins, given)
        twin.load_state_dict(saved(optimizer))
        [*descend(optimizer, params, x.to(before), 2)]
        [*descend(twin, twins, x.to(after), 2)]
        assert all(p.dtype == after for p in twins)
        far = max(float((p.double() - q.double()).detach().abs().max()) for p, q in zip(twins, params, strict=True))
        assert far < 0.05  # roots of ill-conditioned matrices are not the same in float32


def a_counter_may_be_a_number(info: Info) -> None:
    """A state dict whose counters are plain numbers, as older files wrote them, goes on alike."""
    for given in info.optim_inputs_func("cpu"):
        params, x = problem()
        optimizer = made(info, params, given)
        [*descend(optimizer, params, x, 2)]
        kept = saved(optimizer)
        for state in kept["state"].values():
            if "step" in state:
                state["step"] = int(state["step"])
        twins = [nn.Parameter(p.detach().clone()) for p in params]
        twin = made(info, twins, given)
        twin.load_state_dict(kept)
        [*descend(optimizer, params, x, 2)]
        [*descend(twin, twins, x, 2)]
        assert_bits((twins, states(twin)), (params, states(optimizer)))


def copies_have_all_attributes(info: Info) -> None:
    """A deep copy has every public attribute of the original, and its groups every option."""
    for given in every_input(info):
        params, x = problem()
        optimizer = made(info, params, given)
        [*descend(optimizer, params, x, 1)]
        copied = copy.deepcopy(optimizer)
        public = [{name for name in dir(each) if not name.startswith("_")} for each in (optimizer, copied)]
        assert public[0] == public[1]
        for ours, theirs in zip(optimizer.param_groups, copied.param_groups, strict=True):
            assert {*ours} == {*theirs}
        assert copied.defaults.keys() == optimizer.defaults.keys()


def a_step_makes_states(info: Info) -> None:
    """After a step each parameter has a state that is not empty, for empty parameters too."""
    for given in every_input(info):
        params = [*problem()[0], nn.Parameter(torch.empty(0))]
        optimizer = made(info, params, given)
        for p, g in zip(params, tensors(1, [tuple(p.shape) for p in params], torch.float32), strict=True):
            p.grad = g
        optimizer.step()
        assert all(states(optimizer))


MACHINERY = (
    errors_are_raised,
    it_goes_in_the_right_direction,
    foreach_matches_the_loop,
    groups_have_their_rates,
    without_gradients_nothing_happens,
    state_dicts_are_deterministic,
    states_load_with_and_without_names,
    states_load_into_other_types,
    a_counter_may_be_a_number,
    copies_have_all_attributes,
    a_step_makes_states,
)
