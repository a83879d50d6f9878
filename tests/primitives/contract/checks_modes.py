"""The contract on the ways of stepping: foreach, capturable, differentiable, and standing still at lr = 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from tests.primitives.contract.driving import (
    SHAPES,
    assert_bits,
    assert_near,
    copies,
    parameters,
    run,
    saved,
    states,
    step,
    tensors,
)
from tests.primitives.contract.specimens import Item, Specimen

CLASHES = (
    {"foreach": True, "fused": True},
    {"foreach": True, "differentiable": True},
    {"fused": True, "differentiable": True},
)


def foreach_does_as_the_plain_loop(s: Specimen) -> None:
    """Over several types and options, with gradients missing; where elements need each other, it is refused."""
    if not s.optimizer.elementwise:
        with pytest.raises(ValueError, match="foreach"):
            s.make(parameters(), foreach=True)
        return
    paths = []
    for foreach in (False, True):
        params = [*parameters(), *parameters(((5,), (2, 2)), torch.float32), *parameters(((6,),), torch.bfloat16)]
        optimizer = s.make([{"params": params[::2]}, {"params": params[1::2], **s.others}], foreach=foreach)
        run(s, optimizer, params, [1])
        if s.closure == "no":
            step(s, optimizer, params[:3], tensors(2))
            params[0].grad = None
            step(s, optimizer, params[1:3], tensors(3)[1:])
        run(s, optimizer, params, [4, 5])
        paths.append((params, states(optimizer)))
    (plain, kept), (fast, keeps) = paths
    assert_near(fast[:3], plain[:3])
    assert_near(fast[3:5], plain[3:5], rtol=1e-5)
    assert_near(fast[5:], plain[5:], rtol=2e-2)
    assert [{name: x.dtype for name, x in state.items()} for state in keeps] == [
        {name: x.dtype for name, x in state.items()} for state in kept
    ]
    assert_near(keeps[0], kept[0])


def what_cannot_go_together_is_refused(s: Specimen) -> None:
    """Two of foreach, fused and differentiable at once, in the constructor and in a group; all with an oracle."""
    single = [{name: True} for name in ("foreach", "fused", "capturable", "differentiable")] if s.oracle else []
    for flags in (*CLASHES, *single):
        with pytest.raises(ValueError, match="|".join(flags)):
            s.make(parameters(), **flags)
        with pytest.raises(ValueError, match="|".join(flags)):
            s.make([{"params": parameters(), **flags}])


def capturable_does_as_the_plain_step(s: Specimen) -> None:
    """With numbers that stay tensors: the same to rounding, for a rate that is a number and one that is a tensor."""
    for lr in (s.lr, torch.tensor(s.lr, dtype=torch.float64)):
        plain, captured = parameters(), parameters()
        optimizer, twin = s.make(captured, capturable=True, lr=lr), s.make(plain)
        run(s, optimizer, captured, [1, 2, 3, 4, 5, 6])
        run(s, twin, plain, [1, 2, 3, 4, 5, 6])
        assert_near(captured, plain, rtol=1e-5)
        assert all(isinstance(x, Tensor) for state in states(optimizer) for x in state.values())
        assert [state["step"].item() for state in states(optimizer)] == [6, 6, 6]


def capturable_reads_nothing_back(s: Specimen) -> None:
    """It steps tensors that have no numbers to read, and all of its states are such tensors."""
    with FakeTensorMode():
        params = [nn.Parameter(torch.empty(shape)) for shape in SHAPES]
        optimizer = s.make(params, capturable=True)
        optimizer.param_groups[0]["lr"] = torch.empty(())  # which a constructor may look at, but no step
        for p in params:
            p.grad = torch.empty_like(p)
        closure: Any = (lambda: torch.empty(())) if s.closure != "no" else None
        for _ in range(2):
            optimizer.step(closure)
    assert all(isinstance(x, FakeTensor) for state in states(optimizer) for x in state.values())


def a_differentiable_step_has_a_derivative(s: Specimen) -> None:
    """The weights after two steps, by weights, both gradients and lr, as finite differences have it."""
    shapes = ((2, 2), (3,))

    def after(lr: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        params = [w.clone() for w in inputs[:2]]
        group = {"params": params, "initial_lr": s.lr, "base_lr": s.lr}  # where lr started from is a constant
        optimizer = s.make([group], lr=lr, differentiable=True)
        for grads in (inputs[2:4], inputs[4:]):
            for p, g in zip(params, grads, strict=True):
                p.grad = g
            optimizer.step(_closure(s))
        return tuple(params)

    inputs = [x.requires_grad_() for seed in (0, 1, 2) for x in tensors(seed, shapes)]
    lr = torch.tensor(s.lr, dtype=torch.float64, requires_grad=True)
    found = after(lr, *inputs)
    assert all(x.requires_grad for x in found)
    if s.smooth:
        assert torch.autograd.gradcheck(after, (lr, *inputs), eps=1e-6, atol=1e-5, rtol=1e-3, fast_mode=True)


def a_differentiable_step_moves_as_the_plain_one(s: Specimen) -> None:
    """The numbers are those of the plain step, and the plain step has no graph."""
    plain, smooth = parameters(), [w.clone().requires_grad_().clone() for w in tensors(0)]
    optimizer, twin = s.make(plain), s.make(smooth, differentiable=True)
    for seed in (1, 2):
        run(s, optimizer, plain, [seed])
        for p, g in zip(smooth, tensors(seed), strict=True):
            p.grad = g
        twin.step(_closure(s, seed))
    if s.closure == "no":
        assert_near(smooth, plain, rtol=1e-5)
    assert all(p.grad_fn is None for p in plain)
    assert not any(isinstance(x, Tensor) and x.requires_grad for state in states(optimizer) for x in state.values())


def _closure(s: Specimen, seed: int = 1) -> Callable[[], Any] | None:
    return (lambda: torch.tensor(0.5 * seed, dtype=torch.float64)) if s.closure != "no" else None


def nothing_moves_at_no_rate(s: Specimen) -> None:
    """A group whose lr becomes 0 stays at zero gradients and fresh states; where it moves, the docstring says so."""
    for lr in (0.0, torch.tensor(0.0)):
        params = parameters()
        optimizer = s.make(params)
        optimizer.param_groups[0]["lr"] = lr
        for _ in range(2):
            step(s, optimizer, params, [torch.zeros_like(p) for p in params])
        still = all(torch.equal(p, q) for p, q in zip(params, parameters(), strict=True))
        assert still or s.restless


def elementwise_means_that_cutting_changes_nothing(s: Specimen) -> None:
    """A class that says so updates pieces of a tensor as the whole; one whose program is so, says so."""
    claims = s.optimizer.elementwise
    assert claims is True or claims is False
    assert claims or not s.elementwise
    if not claims:
        return
    whole = parameters(((4, 6),))
    pieces = [nn.Parameter(x.clone()) for x in (whole[0].detach()[:1], whole[0].detach()[1:].reshape(-1))]
    optimizer, other = s.make(whole), s.make(pieces)
    for seed in (1, 2, 3):
        (grad,) = tensors(seed, ((4, 6),))
        step(s, optimizer, whole, [grad])
        step(s, other, pieces, [grad[:1], grad[1:].reshape(-1)])
    assert_near([torch.cat([pieces[0].reshape(-1), pieces[1]])], [whole[0].reshape(-1)])


def flags_are_read_from_the_group(s: Specimen) -> None:
    """A flag of a group is read at each step: switched over between steps, the numbers go on."""
    params = parameters()
    optimizer = s.make(params)
    run(s, optimizer, params, [1, 2])
    twins = copies(params)
    twin = s.make(twins)
    twin.load_state_dict(saved(optimizer))
    for name in ("capturable", *(["foreach"] if s.optimizer.elementwise else [])):
        twin.param_groups[0][name] = True
        run(s, optimizer, params, [3])
        run(s, twin, twins, [3])
        twin.param_groups[0][name] = False
        assert_near(twins, params, rtol=1e-5)
    assert_bits([p.shape for p in twins], [p.shape for p in params])


def _no_oracle(s: Specimen) -> bool:
    return not s.oracle


MODES = [
    Item(foreach_does_as_the_plain_loop),
    Item(what_cannot_go_together_is_refused),
    Item(capturable_does_as_the_plain_step, _no_oracle),
    Item(capturable_reads_nothing_back, _no_oracle),
    Item(a_differentiable_step_has_a_derivative, _no_oracle),
    Item(a_differentiable_step_moves_as_the_plain_one, _no_oracle),
    Item(nothing_moves_at_no_rate),
    Item(elementwise_means_that_cutting_changes_nothing),
    Item(flags_are_read_from_the_group, _no_oracle),
]
