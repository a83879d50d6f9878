"""The contract on the step: its closure, states, gradients and odd tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.primitives.contract.driving import (
    assert_bits,
    assert_near,
    closure_of,
    copies,
    frozen,
    parameters,
    run,
    states,
    step,
    tensors,
)
from tests.primitives.contract.specimens import Item, Specimen, without_closure


def the_closure_runs_first(s: Specimen) -> None:
    """Once, with gradients switched on, at the weights as they were; its loss comes back, and what it left counts."""
    params, twins = parameters(), parameters()
    optimizer, twin = s.make(params), s.make(twins)
    inner = closure_of(s, params, tensors(1))
    seen: list[tuple[bool, list[Tensor], Any]] = []

    def closure() -> Any:
        enabled, at = torch.is_grad_enabled(), copies(params)
        for p, g in zip(params, tensors(1), strict=True):
            p.grad = g
        seen.append((enabled, [*at], inner() if s.closure != "no" else torch.tensor(7.5)))
        return seen[-1][2]

    with torch.no_grad():
        found: Any = optimizer.step(closure)
        assert not torch.is_grad_enabled()
    assert float(found.detach()) == float(seen[0][2].detach())
    assert all(enabled for enabled, *_ in seen)
    step(s, twin, twins, tensors(1))
    assert_bits(params, twins)
    if not s.oracle:
        assert len(seen) == 1
        assert_bits(seen[0][1], parameters())


def a_closure_is_asked_for(s: Specimen) -> None:
    """The class says whether it needs one and of what kind; without one nothing moves."""
    params = parameters()
    optimizer = s.make(params)
    assert getattr(s.optimizer, "needs_closure", False) is (s.closure != "no")
    assert getattr(s.optimizer, "differentiates_twice", False) is (s.closure == "with graph")
    for p, g in zip(params, tensors(1), strict=True):
        p.grad = g
    if s.closure == "no":
        assert optimizer.step() is None
        return
    with pytest.raises(RuntimeError, match="closure"):
        optimizer.step()
    assert_bits(params, parameters())
    assert not any(states(optimizer))


def states_are_made_lazily(s: Specimen) -> None:
    """At a parameter's first gradient, whose counter then is 1; until then it waits, and then does as a new one."""
    params, late = parameters(), parameters()
    optimizer = s.make(params)
    assert not optimizer.state
    if s.oracle:
        return
    closure: Any = (lambda: torch.tensor(0.5)) if s.closure != "no" else None
    optimizer.step(closure)
    assert not optimizer.state
    for seed in (1, 2):
        step(s, optimizer, params[:1], tensors(seed)[:1])
    assert [bool(state) for state in states(optimizer)] == [True, False, False]
    assert_bits(params[1:], late[1:])
    alone = s.make(late[1:])
    for seed in (3, 4):
        step(s, optimizer, params, tensors(seed))
        step(s, alone, late[1:], tensors(seed)[1:])
    assert [float(state["step"]) for state in states(optimizer)] == [4, 2, 2]
    if not s.coupled:
        assert_near(params[1:], late[1:])
        assert_near(states(optimizer)[1:], states(alone))


def states_are_tensors_or_numbers(s: Specimen) -> None:
    """A counter named step, a float32 tensor without dimensions; all others have at least float32, and no graph."""
    for dtype in (torch.float64, torch.float32):
        params = parameters(dtype=dtype)
        optimizer = s.make(params)
        run(s, optimizer, params, [1, 2])
        for state in states(optimizer):
            count = state["step"]
            assert isinstance(count, Tensor)
            assert (count.shape, count.dtype, count.item()) == ((), torch.float32, 2)
            for name, value in state.items():
                assert isinstance(name, str)
                assert isinstance(value, Tensor | int | float)
                if isinstance(value, Tensor):
                    assert not value.requires_grad
                    assert value.dtype != torch.float32 or dtype == torch.float32 or name == "step"


def low_precision_is_only_in_the_weights(s: Specimen) -> None:
    """Over bfloat16 and float16 states and arithmetic are those of float32, and only w is rounded."""
    for dtype in (torch.bfloat16, torch.float16):
        params = parameters(dtype=dtype)
        twins = [nn.Parameter(p.detach().float()) for p in params]
        optimizer, twin = s.make(params), s.make(twins)
        for seed in (1, 2, 3, 4):
            grads = [g.to(dtype) for g in tensors(seed)]
            step(s, optimizer, params, grads)
            step(s, twin, twins, [g.float() for g in grads])
            assert_bits([p.to(dtype) for p in twins], params)
            for p, q in zip(params, twins, strict=True):
                q.data.copy_(p)
        assert all(p.dtype == dtype for p in params)
        assert_bits(states(optimizer), states(twin))


def the_default_type_does_not_matter(s: Specimen) -> None:
    """Where torch's default is float64, the step over float32 is the same, and so are the types of states."""
    params, twins = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    optimizer, twin = s.make(params), s.make(twins)
    run(s, twin, twins, [1, 2, 3])
    torch.set_default_dtype(torch.float64)
    try:
        run(s, optimizer, params, [1, 2, 3])
    finally:
        torch.set_default_dtype(torch.float32)
    assert_bits(params, twins)
    assert_bits(states(optimizer), states(twin))


def gradients_are_left_alone(s: Specimen) -> None:
    """The same object with the same bits, and no state shares memory with it."""
    params = parameters()
    optimizer = s.make(params)
    for seed in (1, 2):
        grads = tensors(seed)
        for p, g in zip(params, grads, strict=True):
            p.grad = g
        optimizer.step(lambda: 0.5)
        assert all(p.grad is g for p, g in zip(params, grads, strict=True))
        assert_bits(grads, tensors(seed))
    kept = [x.data_ptr() for state in states(optimizer) for x in state.values() if isinstance(x, Tensor)]
    given = [x.data_ptr() for p in params for x in (p, p.grad) if x is not None]
    assert len({*kept, *given}) == len(kept) + len(given)


def weights_stay_where_they_are(s: Specimen) -> None:
    """Updates are written into the parameter's own memory; it stays a leaf, and its version counts up."""
    params = parameters()
    optimizer = s.make(params)
    before = [(p.data_ptr(), p._version) for p in params]
    run(s, optimizer, params, [1, 2])
    assert [p.data_ptr() for p in params] == [address for address, _ in before]
    assert all(p._version > version for p, (_, version) in zip(params, before, strict=True))
    assert all(p.is_leaf and p.requires_grad for p in params)


def empty_tensors_change_nothing(s: Specimen) -> None:
    """Parameters without elements go along, and the others do as without them."""
    params, twins = parameters((*((3, 4), (4,)), (0,), (0, 3), (2, 0))), parameters(((3, 4), (4,)))
    optimizer, twin = s.make(params), s.make(twins)
    for seed in (1, 2):
        grads = tensors(seed, ((3, 4), (4,)))
        step(s, optimizer, params, [*grads, *(torch.zeros_like(p) for p in params[2:])])
        step(s, twin, twins, grads)
    assert [tuple(p.shape) for p in params[2:]] == [(0,), (0, 3), (2, 0)]
    assert_near(params[:2], twins)


def no_dimensions_are_one_element(s: Specimen) -> None:
    """A parameter without dimensions does as a vector of one element and keeps its shape."""
    scalar, vector = parameters(((), (3,))), parameters(((1,), (3,)))
    run(s, s.make(scalar), scalar, [1, 2])
    run(s, s.make(vector), vector, [1, 2])
    assert scalar[0].shape == ()
    assert_near([scalar[0].reshape(1), scalar[1]], vector)


def strides_do_not_matter(s: Specimen) -> None:
    """Transposed and sliced parameters, channels last, and gradients with other strides than their parameters."""
    plain = parameters(((3, 4), (4,), (2, 3, 2, 2)))
    base = torch.zeros(8, dtype=torch.float64)
    base[::2] = plain[1].detach()
    last = plain[2].detach().clone(memory_format=torch.channels_last)
    odd = [nn.Parameter(x) for x in (plain[0].detach().t().contiguous().t(), base[::2], last)]
    turned = copies(plain)
    optimizers = [s.make(params) for params in (plain, odd, turned)]
    for seed in (1, 2, 3):
        grads = tensors(seed)
        grads[1] = torch.full((), grads[1][0].item(), dtype=torch.float64).expand(4)
        step(s, optimizers[0], plain, [g.contiguous() for g in grads])
        step(s, optimizers[1], odd, grads)
        step(s, optimizers[2], turned, [g.t().contiguous().t() if g.ndim == 2 else g for g in grads])
    assert [p.stride() for p in odd] == [(1, 3), (2,), (12, 1, 6, 3)]
    assert not base[1::2].any()
    assert_near(odd, plain)
    assert_near(turned, plain)


def sparse_gradients_are_refused(s: Specimen) -> None:
    """In one sentence, before anything moves; afterwards all goes on as if nothing had been."""
    params, twins = parameters(), parameters()
    optimizer, twin = s.make(params), s.make(twins)
    run(s, optimizer, params, [1])
    run(s, twin, twins, [1])
    before = frozen(params, optimizer)
    grads = tensors(2)
    with pytest.raises(RuntimeError, match=r"^[A-Z][^.]*\.$|sparse"):
        step(s, optimizer, params, [*grads[:2], grads[2].to_sparse()])
    assert_bits(frozen(params, optimizer), before)
    run(s, optimizer, params, [3])
    run(s, twin, twins, [3])
    assert_bits(params, twins)


def complex_parameters_are_refused(s: Specimen) -> None:
    """In one sentence, before the real ones beside them move."""
    real, strange = parameters()[0], nn.Parameter(torch.ones(2, dtype=torch.complex128))
    with pytest.raises(RuntimeError, match=r"^[A-Z][^.]*\.$"):
        step(s, s.make([{"params": [real]}, {"params": [strange]}]), [real, strange], [tensors(1)[0], strange.detach()])
    assert_bits(real, parameters()[0])


STEPS = [
    Item(the_closure_runs_first),
    Item(a_closure_is_asked_for),
    Item(states_are_made_lazily),
    Item(states_are_tensors_or_numbers),
    Item(low_precision_is_only_in_the_weights, without_closure),
    Item(the_default_type_does_not_matter),
    Item(gradients_are_left_alone, without_closure),
    Item(weights_stay_where_they_are),
    Item(empty_tensors_change_nothing),
    Item(no_dimensions_are_one_element),
    Item(strides_do_not_matter),
    Item(sparse_gradients_are_refused, without_closure),
    Item(complex_parameters_are_refused, without_closure),
]
