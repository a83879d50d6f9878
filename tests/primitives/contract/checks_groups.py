"""The contract on groups and hyperparameters."""

from __future__ import annotations

import pytest
import torch

from tests.primitives.contract.driving import (
    assert_bits,
    assert_near,
    copies,
    differ,
    frozen,
    parameters,
    run,
    saved,
    step,
    tensors,
)
from tests.primitives.contract.specimens import Item, Specimen, without_closure


def groups_are_optimizers_of_their_own(s: Specimen) -> None:
    """Two groups with different hyperparameters do what two optimizers do."""
    together, apart, usual = parameters(), parameters(), parameters()
    optimizer = s.make([{"params": together[:1]}, {"params": together[1:], **s.others}])
    one, two = s.make(apart[:1]), s.make(apart[1:], **s.others)
    same = s.make(usual)
    for seed in (1, 2, 3):
        grads = tensors(seed)
        step(s, optimizer, together, grads)
        step(s, one, apart[:1], grads[:1])
        step(s, two, apart[1:], grads[1:])
        step(s, same, usual, grads)
    assert_near(together, apart)
    assert differ(together[1:], usual[1:])


def groups_may_come_later(s: Specimen) -> None:
    """A group added after a step is as one that was there and had no gradients."""
    early, late = parameters(), parameters()
    whole = s.make([{"params": early[:1]}, {"params": early[1:], "lr": s.others["lr"]}])
    grown = s.make(late[:1])
    run(s, whole, early[:1], [1])
    run(s, grown, late[:1], [1])
    grown.add_param_group({"params": late[1:], "lr": s.others["lr"]})
    run(s, whole, early, [2, 3])
    run(s, grown, late, [2, 3])
    assert_bits(early, late)
    assert differ(early[1:], parameters()[1:])


def names_of_parameters_are_kept(s: Specimen) -> None:
    """Named parameters change nothing, and their names stand in the state dict."""
    named, unnamed = parameters(), parameters()
    optimizer, other = s.make([(f"p{i}", p) for i, p in enumerate(named)]), s.make(unnamed)
    run(s, optimizer, named, [1, 2])
    run(s, other, unnamed, [1, 2])
    assert_bits(named, unnamed)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["p0", "p1", "p2"]


def hyperparameters_are_read_at_each_step(s: Specimen) -> None:
    """After a change of a group, all goes on as in a new optimizer made so, with the same states."""
    for name, value in {**s.others, "maximize": True}.items():
        params = parameters()
        optimizer = s.make(params)
        run(s, optimizer, params, [1, 2])
        twins = copies(params)
        fresh = s.make(twins, **{name: value})
        groups = fresh.state_dict()["param_groups"]
        fresh.load_state_dict({"state": saved(optimizer)["state"], "param_groups": groups})
        optimizer.param_groups[0][name] = value
        run(s, optimizer, params, [3, 4])
        run(s, fresh, twins, [3, 4])
        assert_near(params, twins)


def the_learning_rate_matters(s: Specimen) -> None:
    """Another lr leads to other weights; every hyperparameter stands in the defaults and in each group."""
    slow, fast = parameters(), parameters()
    slower, faster = s.make(slow), s.make(fast, lr=s.others["lr"])
    run(s, slower, slow, [1, 2])
    run(s, faster, fast, [1, 2])
    assert differ(slow, fast)
    for name in (*s.others, "maximize"):
        assert name in slower.defaults
        assert name in slower.param_groups[0]
    assert faster.param_groups[0]["lr"] == s.others["lr"]


def maximize_follows_the_negative_gradient(s: Specimen) -> None:
    """To maximize is to minimize the negative."""
    up, down = parameters(), parameters()
    run(s, s.make(up, maximize=True), up, [1, 2], sign=-1)
    run(s, s.make(down), down, [1, 2])
    assert_bits(up, down)


def the_learning_rate_may_be_a_tensor(s: Specimen) -> None:
    """A tensor of one element is as good as the number, may be filled anew, and is never written."""
    for shape in ((), (1,)):
        lr = torch.full(shape, s.lr, dtype=torch.float64)
        params, twins = parameters(), parameters()
        optimizer, plain = s.make(params, lr=lr), s.make(twins)
        for seed, value in ((1, s.lr), (2, s.others["lr"]), (3, s.others["lr"])):
            lr.fill_(value)
            plain.param_groups[0]["lr"] = value
            run(s, optimizer, params, [seed])
            run(s, plain, twins, [seed])
            assert lr.item() == value
        assert optimizer.param_groups[0]["lr"] is lr
        assert_near(params, twins, rtol=1e-6)


def wrong_hyperparameters_are_refused(s: Specimen) -> None:
    """Given to the constructor, in a group or in a group that comes later, which then does not come."""
    first, *rest = parameters()
    for name, value in s.wrong:
        optimizer = s.make([first])
        with pytest.raises(ValueError, match=r"\w"):
            s.make([first], **{name: value})
        with pytest.raises(ValueError, match=r"\w"):
            s.make([{"params": [first]}, {"params": rest, name: value}])
        with pytest.raises(ValueError, match=r"\w"):
            optimizer.add_param_group({"params": rest, name: value})
        assert len(optimizer.param_groups) == 1


def roles_come_from_the_group(s: Specimen) -> None:
    """A role given to the constructor is that of all groups; one that is none is refused."""
    paths = []
    for options, group in (({"role": "vector"}, {}), ({}, {"role": "vector"}), ({}, {})):
        params = parameters()
        optimizer = s.make([{"params": params, **group}], **options)
        run(s, optimizer, params, [1, 2])
        paths.append(frozen(params, optimizer)[0])
    assert_bits(paths[0], paths[1])
    assert differ(paths[0], paths[2])
    with pytest.raises(ValueError, match="role"):
        s.make(parameters(), role="something")


GROUPS = [
    Item(groups_are_optimizers_of_their_own, lambda s: not s.coupled),
    Item(groups_may_come_later, without_closure),
    Item(names_of_parameters_are_kept),
    Item(hyperparameters_are_read_at_each_step),
    Item(the_learning_rate_matters),
    Item(maximize_follows_the_negative_gradient),
    Item(the_learning_rate_may_be_a_tensor),
    Item(wrong_hyperparameters_are_refused),
    Item(roles_come_from_the_group, lambda s: s.roles),
]
