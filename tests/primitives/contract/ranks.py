"""What two processes do together with an optimizer, and one process alone: trainings of the same small network."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict, set_optimizer_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Shard, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from tests.primitives.contract.broken import broken, twin
from tests.primitives.contract.driving import tensors
from tests.primitives.contract.faults import RANK_FAULTS
from tests.primitives.contract.specimens import Optimizer, Specimen, exported

Case = tuple[str, str]  # a way of training, and whose optimizer
FULL = StateDictOptions(full_state_dict=True)


def specimen_of(key: str) -> Specimen:
    """A right twin, a broken one by its number, or an exported program by its name."""
    if key.isdigit():
        return broken(RANK_FAULTS[int(key)])
    return twin(key) if key in ("Right", "Sharp") else exported(key)


def network() -> nn.Sequential:
    """A network whose tensors cannot be halved evenly."""
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    for p, value in zip(model.parameters(), tensors(0, [tuple(p.shape) for p in model.parameters()]), strict=True):
        p.data.copy_(value)
    return model


def train(s: Specimen, model: nn.Module, optimizer: Optimizer, part: slice, seeds: tuple[int, ...] = (1, 2, 3)) -> None:
    """A step for each seed, on these rows of its batch."""
    for seed in seeds:
        (x,) = (batch[part] for batch in tensors(seed, ((8, 4),)))

        def closure(x: Any = x) -> Any:
            optimizer.zero_grad()
            loss: Tensor = model(x).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()

        if s.closure == "no":
            closure()
            optimizer.step()
        else:
            optimizer.step(closure)


def alone(s: Specimen) -> list[Tensor]:
    """The weights after a training on all rows by one process."""
    model = network()
    train(s, model, s.make(model.parameters()), slice(0, 8))
    return weights(model)


def weights(model: nn.Module) -> list[Tensor]:
    """The whole weights, wherever they are."""
    return [(p.full_tensor() if isinstance(p, DTensor) else p).detach().clone() for p in model.parameters()]


def replicated(s: Specimen, half: slice) -> list[Tensor]:
    """The weights after a training with DistributedDataParallel."""
    model = network()
    train(s, DistributedDataParallel(model), s.make(model.parameters()), half)
    return weights(model)


def sharded(s: Specimen, half: slice) -> list[Tensor]:
    """The weights after a training with fully_shard."""
    model = _sharded_network()
    train(s, model, s.make(model.parameters()), half)
    return weights(model)


def checkpointed(s: Specimen, half: slice) -> list[Tensor]:
    """The same, where after the first step a new optimizer takes over from a whole state dict."""
    model = _sharded_network()
    optimizer = s.make(model.parameters())
    train(s, model, optimizer, half, (1,))
    saved = copy.deepcopy(get_optimizer_state_dict(model, optimizer, options=FULL))
    for p in model.parameters():
        p.grad = None
    fresh = s.make(model.parameters())
    set_optimizer_state_dict(model, fresh, saved, options=FULL)
    train(s, model, fresh, half, (2, 3))
    return weights(model)


def _sharded_network() -> nn.Module:
    model = network()
    for layer in (model[0], model[2], model):
        fully_shard(layer, mesh=init_device_mesh("cpu", (2,)))
    return model


def cut(s: Specimen, half: slice) -> list[Tensor]:
    """A matrix after steps on seeded gradients, both distributed by columns."""
    mesh = init_device_mesh("cpu", (2,))
    w = nn.Parameter(distribute_tensor(tensors(0)[0], mesh, [Shard(1)]))
    optimizer = s.make([w])
    for seed in (1, 2, 3):
        w.grad = distribute_tensor(tensors(seed)[0], mesh, [Shard(1)])
        optimizer.step((lambda: torch.zeros(())) if s.closure != "no" else None)  # type: ignore[arg-type]
    return weights(nn.ParameterList([w]))


def whole(s: Specimen) -> list[Tensor]:
    """The same matrix in one piece."""
    w = nn.Parameter(tensors(0)[0])
    optimizer = s.make([w])
    for seed in (1, 2, 3):
        w.grad = tensors(seed)[0]
        optimizer.step()
    return [w.detach()]


WAYS = {"replicated": replicated, "sharded": sharded, "checkpointed": checkpointed, "cut": cut}


def rank(number: int, folder: Path, cases: list[Case]) -> None:
    """One of two processes: trains each case and writes the weights, or what was raised, into the folder."""
    torch.set_num_threads(1)
    store = f"file://{folder / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=number, world_size=2, timeout=timedelta(seconds=60))
    found: dict[Case, Any] = {}
    for way, key in cases:
        try:
            found[way, key] = WAYS[way](specimen_of(key), slice(4 * number, 4 * number + 4))
        except Exception as error:
            found[way, key] = f"{type(error).__name__}: {error}"
    dist.barrier()
    torch.save(found, folder / f"rank{number}.pt")
    dist.destroy_process_group()
