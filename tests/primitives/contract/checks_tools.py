"""The contract on what trains with an optimizer: schedulers, scalers, averages, accumulation, hooks, checkpoints."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.optim.swa_utils import SWALR, AveragedModel

from tests.primitives.contract.driving import (
    assert_bits,
    assert_near,
    copies,
    frozen,
    parameters,
    run,
    states,
    step,
    tensors,
)
from tests.primitives.contract.specimens import Item, Optimizer, Specimen, without_closure


class Holder(nn.Module):
    """A module of these parameters, for tools that want modules."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        super().__init__()
        self.params = nn.ParameterList(params)

    def forward(self, grads: list[Tensor]) -> Tensor:
        """A loss with these gradients."""
        return torch.stack([(p * g).sum() for p, g in zip(self.params, grads, strict=True)]).sum()


def backward(model: nn.Module, grads: list[Tensor], scaler: Any = None) -> None:
    """Adds these gradients to those of the model, scaled if there is a scaler."""
    loss = model(grads)
    (scaler.scale(loss) if scaler is not None else loss).backward()


def schedulers_set_the_rate(s: Specimen) -> None:
    """Under a scheduler as under its rates set by hand, whether lr is a number or a tensor."""
    for start in (s.lr, torch.tensor(s.lr, dtype=torch.float64)):
        params, twins = parameters(), parameters()
        optimizer, twin = s.make(params, lr=start), s.make(twins)
        scheduler = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        for epoch in range(3):
            twin.param_groups[0]["lr"] = s.lr / (1 + epoch)
            run(s, optimizer, params, [epoch + 1])
            run(s, twin, twins, [epoch + 1])
            scheduler.step()
        assert_near(params, twins, rtol=1e-6)


def schedulers_that_look_at_more_work(s: Specimen) -> None:
    """One that starts low, one that waits for a plateau, and that of averaged weights."""
    params = parameters()
    optimizer = s.make(params)
    kinds: list[Any] = [OneCycleLR(optimizer, s.lr, 9, cycle_momentum=False), SWALR(optimizer, s.lr / 4, 2)]
    plateau = ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    rates = []
    for epoch in range(7):
        run(s, optimizer, params, [epoch + 1])
        plateau.step(1.0) if epoch > 3 else kinds[epoch > 1].step()
        rates.append(float(optimizer.param_groups[0]["lr"]))
    assert len({round(rate / s.lr, 6) for rate in rates}) > 3
    assert rates[-1] == rates[-2] / 2
    assert differ_from_start(params)


def differ_from_start(params: list[nn.Parameter]) -> bool:
    """Whether all parameters have moved."""
    return not any(torch.equal(p, q) for p, q in zip(params, parameters(), strict=True))


def averages_follow(s: Specimen) -> None:
    """An averaged model is the mean of the weights after each step."""
    model = Holder(parameters())
    optimizer, average = s.make(model.parameters()), AveragedModel(model)
    path = []
    for seed in (1, 2, 3):
        run(s, optimizer, [*model.parameters()], [seed])
        average.update_parameters(model)
        path.append(copies(model.parameters()))
    assert_near([*average.module.parameters()], [torch.stack([*ps]).mean(0) for ps in zip(*path, strict=True)])
    assert differ_from_start([*model.parameters()])


def gradients_add_up(s: Specimen) -> None:
    """Two backwards before a step are one of the sum, at each step anew."""
    model, twins = Holder(parameters()), parameters()
    optimizer, twin = s.make(model.parameters()), s.make(twins)
    total = [torch.zeros_like(p) for p in twins]
    for seed in (1, 3):
        for part in (seed, seed + 1):
            backward(model, tensors(part))
            total = [a + b for a, b in zip(total, tensors(part), strict=True)]
        optimizer.step()  # gradients are not cleared: what is there is added to
        step(s, twin, twins, [g.clone() for g in total])
    assert_near([*model.parameters()], twins)


def a_gradient_scaler_changes_nothing(s: Specimen) -> None:
    """Scaled by a power of two the steps are the same; after an overflow the step is left out."""
    model, twins = Holder(parameters(dtype=torch.float32)), parameters(dtype=torch.float32)
    optimizer, twin = s.make(model.parameters()), s.make(twins)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    for seed in (1, 2, 3):
        grads = tensors(seed, dtype=torch.float32)
        optimizer.zero_grad()
        backward(model, [g * torch.inf for g in grads] if seed == 2 else grads, scaler)
        before = frozen([*model.parameters()], optimizer)
        scaler.step(optimizer)
        scaler.update()
        if seed == 2:
            assert_bits(frozen([*model.parameters()], optimizer), before)
        else:
            step(s, twin, twins, grads)
    assert_bits([*model.parameters()], twins)


def autocast_changes_nothing(s: Specimen) -> None:
    """A step inside of autocast computes as outside."""
    params, twins = parameters(dtype=torch.float32), parameters(dtype=torch.float32)
    optimizer, twin = s.make(params), s.make(twins)
    for seed in (1, 2):
        run(s, twin, twins, [seed])
        with torch.autocast("cpu", torch.bfloat16):
            step(s, optimizer, params, tensors(seed, dtype=torch.float32))
    assert_bits(params, twins)
    assert_bits(states(optimizer), states(twin))


def hooks_see_each_step(s: Specimen) -> None:
    """Those of the optimizer and those of all optimizers, before and after, in their order; each alone, too."""
    params, seen = parameters(), []
    optimizer = s.make(params)
    ways = {
        "before all": register_optimizer_step_pre_hook,
        "before": optimizer.register_step_pre_hook,
        "after": optimizer.register_step_post_hook,
        "after all": register_optimizer_step_post_hook,
    }
    for seed, names in enumerate(([*ways], *([name] for name in ways), [])):
        start = copies(params)

        def hook(name: str, start: Any, found: Optimizer, args: Any, kwargs: Any) -> None:
            assert found is optimizer
            seen.append((name, any(not torch.equal(p, q) for p, q in zip(params, start, strict=True))))

        handles = [ways[name](partial(hook, name, start)) for name in names]
        try:
            run(s, optimizer, params, [seed])
        finally:
            for handle in handles:
                handle.remove()
        assert seen == [(name, name.startswith("after")) for name in names]
        seen.clear()


def profilers_see_each_step(s: Specimen) -> None:
    """Torch's profiler gives a step its name."""
    params = parameters()
    optimizer = s.make(params)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        run(s, optimizer, params, [1, 2])
    names = [event.name for event in profiler.events()]
    assert names.count(f"Optimizer.step#{type(optimizer).__name__}.step") == 2


def hooks_see_each_state_dict(s: Specimen) -> None:
    """Saving and loading call their hooks, and what these return is what counts."""
    params, seen = parameters(), []
    optimizer, fresh = s.make(params), s.make(copies(params))
    run(s, optimizer, params, [1])
    early = copy.deepcopy(optimizer.state_dict()["state"])
    run(s, optimizer, params, [2])
    optimizer.register_state_dict_pre_hook(lambda _: seen.append("before saving"))
    optimizer.register_state_dict_post_hook(lambda _, saved: {**saved, "note": 1})
    saved = optimizer.state_dict()
    assert saved["note"] == 1
    wanted = optimizer.state_dict()
    fresh.register_load_state_dict_pre_hook(lambda _, given: {**given, "state": wanted["state"]})
    fresh.register_load_state_dict_post_hook(lambda _: seen.append("after loading"))
    fresh.load_state_dict({**saved, "state": early})
    assert seen == ["before saving", "before saving", "after loading"]
    assert_bits(states(fresh), states(optimizer))


def it_prints_its_options(s: Specimen) -> None:
    """repr has the name of the class and every option of each group."""
    text = repr(s.make(parameters()))
    assert text.startswith(s.optimizer.__name__)
    for name in (*s.others, "maximize"):
        assert f"{name}: " in text


def checkpoints_of_distributed_training_work(s: Specimen) -> None:
    """Their state dict of a fresh optimizer moves nothing, and what they load goes on as the saved one."""
    model, others = Holder(parameters()), Holder(parameters())
    optimizer = s.make(model.parameters())
    found: Any = get_optimizer_state_dict(model, optimizer)  # takes a step with lr = 0 and zero gradients
    if not s.restless:
        assert_bits([*model.parameters()], parameters())
    assert found["param_groups"][0]["lr"] == s.lr
    run(s, optimizer, [*model.parameters()], [1, 2])
    for p, q in zip(others.parameters(), model.parameters(), strict=True):
        q.grad = None
        p.data.copy_(q)
    fresh = s.make(others.parameters())
    set_optimizer_state_dict(others, fresh, copy.deepcopy(get_optimizer_state_dict(model, optimizer)))
    assert_bits(states(fresh), states(optimizer))
    run(s, optimizer, [*model.parameters()], [3])
    run(s, fresh, [*others.parameters()], [3])
    assert_bits([*others.parameters()], [*model.parameters()])


TOOLS = [
    Item(schedulers_set_the_rate),
    Item(schedulers_that_look_at_more_work),
    Item(averages_follow),
    Item(gradients_add_up, without_closure),
    Item(a_gradient_scaler_changes_nothing, without_closure),
    Item(autocast_changes_nothing, without_closure),
    Item(hooks_see_each_step),
    Item(profilers_see_each_step),
    Item(hooks_see_each_state_dict),
    Item(it_prints_its_options),
    Item(checkpoints_of_distributed_training_work, without_closure),
]
