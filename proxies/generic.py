"""The generic path: any batched loss, or any torch module, becomes a proxy through automatic gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call, vmap

from proxies.batches import Feed, Stage, gathered, held
from proxies.data import Split, split_rows
from proxies.proxy import Buffers, Layout, Model, Part, Proxy

# Parameters [R, *shape] and examples [R, batch, ...] to the loss of each replica [R].
BatchedLoss = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
HELD_REPLICAS = {"cpu": 16, "cuda": 256}  # at once: bounds the memory of validation and test


class GenericModel:
    """Gradients of all replicas by one call of torch.autograd."""

    def __init__(
        self,
        loss: BatchedLoss,
        data: Callable[[], Split],
        feed: Feed,
        buffers: Buffers,
        seeds: Sequence[int],
        elementwise: bool = False,
    ) -> None:
        self.loss, self.split, self.feed = loss, data(), feed
        self.elementwise = elementwise
        self.dtype, self.device = buffers.weights.dtype, str(buffers.weights.device)
        # Leaves share the memory of the weights but not its version counter: weights may move in place.
        self.leaves = [view.data.requires_grad_() for view in buffers.views(buffers.weights)]
        self.grads = buffers.views(buffers.grads)
        self.orders = list(dict.fromkeys(seeds))
        which = [self.orders.index(seed) for seed in seeds]
        self.which = torch.tensor(which, device=self.device)
        self.block = -1
        self.examples: list[tuple[Tensor, ...]] = []

    def loss_and_grad(self, t: int) -> Tensor:
        """Write the gradient of step t into the buffers; return each replica's loss [R]."""
        loss = self.loss_of(t, self.leaves)
        found = torch.autograd.grad(loss.sum(), self.leaves, materialize_grads=True)  # of what is not used, zeros
        for kept, grad in zip(self.grads, found, strict=True):
            kept.copy_(grad)
        return loss.detach()

    def loss_of(self, t: int, params: Sequence[Tensor], rows: slice = slice(None)) -> Tensor:
        """The losses of step t of some replicas at these parameters, with their graph."""
        # Copied for each replica even if all share them: the same kernels run whatever is in the batch.
        examples = [array.index_select(0, self.which[rows]) for array in self._seen(t)]
        if self.elementwise or self.device != "cpu" or examples[0].shape[1] > 1:
            return self.loss(params, examples)
        # MKL rounds products of a matrix and one row by the number of replicas; so each is alone.
        each = (([p[r : r + 1] for p in params], [x[r : r + 1] for x in examples]) for r in range(len(params[0])))
        return torch.cat([self.loss(own, one) for own, one in each])

    def loss_on(self, part: Part) -> Tensor:
        """Mean loss of each replica [R] on the rows of a part."""
        examples = held(self.split, part, self.dtype, self.device)
        losses, together = [], HELD_REPLICAS[self.leaves[0].device.type]
        with torch.no_grad():
            for first in range(0, len(self.which), together):
                params = [leaf[first : first + together] for leaf in self.leaves]
                copies = [x.unsqueeze(0).repeat(len(params[0]), *[1] * x.dim()) for x in examples]
                losses.append(self.loss(params, copies))
        return torch.cat(losses)

    def _seen(self, t: int) -> Sequence[Tensor]:
        """The examples of step t: arrays [data orders, batch, ...]."""
        block, step = self.feed.place(t)
        if block != self.block:
            self._load(block)
        return self.examples[step]

    def _load(self, block: int) -> None:
        """Prepare the examples of every step of a block: tensors [data orders, batch, ...]."""
        arrays = [torch.stack(parts, dim=1).unbind(0) for parts in zip(*self._gathered(block), strict=True)]
        self.block, self.examples = block, list(zip(*arrays, strict=True))

    def _gathered(self, block: int) -> list[tuple[Tensor, ...]]:
        """The examples of a block, of each data order."""
        return [gathered(self.split, self.feed, seed, block, self.dtype, self.device) for seed in self.orders]


class DeviceModel(GenericModel):
    """The same with the examples at one place, for CUDA graphs: only `prepare` looks at the step."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.stage = Stage(self.feed, self._gathered)

    def prepare(self, t: int) -> None:
        """Say which step comes."""
        self.stage.prepare(t)

    def _seen(self, t: int) -> Sequence[Tensor]:
        self.stage.prepare(t)
        return self.stage.examples()


def generic_model(
    loss: BatchedLoss, data: Callable[[], Split], feed: Feed, *, elementwise: bool = False
) -> Callable[[Buffers, Sequence[int]], Model]:
    """What a Proxy holds as `model` when its gradients come from torch.autograd.

    `elementwise` says that the loss has no products of matrices, so that batches of one row need no care on a CPU.
    """

    def model(buffers: Buffers, seeds: Sequence[int]) -> Model:
        kind = GenericModel if buffers.weights.device.type == "cpu" else DeviceModel
        return kind(loss, data, feed, buffers, seeds, elementwise)

    return model


def roles_of(module: nn.Module) -> tuple[str, ...]:
    """A guess at the role of what is trained: nn.Embedding, vectors, the last matrix as head, the rest hidden."""
    embeddings = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Embedding)}
    named = list(_trained(module).items())
    matrices = [name for name, value in named if value.dim() > 1 and name not in embeddings]

    def role(name: str, value: Tensor) -> str:
        if value.dim() < 2:
            return "vector"
        if name in embeddings:
            return "embedding"
        return "head" if name == matrices[-1] else "hidden"

    return tuple(role(name, value) for name, value in named)


def from_module(
    name: str,
    make_module: Callable[[], nn.Module],
    data: Callable[[], Split | tuple[ArrayLike, ...]],
    loss: Callable[[Tensor, Tensor], Tensor] = nn.functional.cross_entropy,
    *,
    summary: str = "",
    steps: int = 100,
    batch: int = 32,
    floor: float = 1e-3,
    ceiling: float = 10.0,
    warmup: float = 0.1,
    roles: tuple[str, ...] | None = None,
    batching: str = "mini",
    microseconds: float = 100.0,
) -> Proxy:
    """A plain torch module and its data (inputs first, targets last) as a proxy.

    `data` gives a Split, or the arrays alone, which are then divided (see proxies.data.split_rows); it is called once.
    Replicas run through torch.func.vmap; a module that it cannot take runs one replica at a time. It stays in training
    mode on held rows too (BatchNorm takes their own means: running ones would mix replicas), and nothing in it may be
    random, such as Dropout: equal weights must have equal losses. `batching` is one of proxies.batches.BATCHINGS;
    inputs are decorrelated by `data=partial(proxies.data.decorrelated, data)`.
    Parameters with `requires_grad` False are not trained: they and other tensors of the module are those of one call of
    `make_module`, with torch's seed 0, for all seeds.
    `microseconds` is a guess for small modules; it says what trainings cost and changes nothing else.
    """
    module = _seeded(make_module, 0)
    rows = _once(data, name)
    feed = Feed(steps, batch, batching).checked(rows)
    named = _trained(module)

    def init(seed: int) -> list[Tensor]:
        return [value.detach().double() for value in _trained(_seeded(make_module, seed)).values()]

    return Proxy(
        name=name,
        summary=(summary or f"{type(module).__name__} as a plain torch module")
        + ("" if batching == "mini" else f", {batching} batches"),
        layout=Layout(tuple(named), tuple(map(_shape, named.values())), roles or roles_of(module)),
        steps=steps,
        batch=feed.rows(rows),
        floor=floor,
        ceiling=ceiling,
        init=init,
        model=generic_model(_module_loss(module, loss), rows, feed),
        data=rows,
        microseconds=microseconds,
        warmup=warmup,
    )


def _once(data: Callable[[], Split | tuple[ArrayLike, ...]], source: str) -> Callable[[], Split]:
    """The data as a Split, the same in every call: what is made of its rows is kept by the split."""

    @cache
    def rows() -> Split:
        found = data()
        return found if isinstance(found, Split) else split_rows(*found, source=source)

    return rows


def _seeded(make_module: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A module with the initial weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_module()


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that are not frozen, by name."""
    return {name: value for name, value in module.named_parameters() if value.requires_grad}


def _shape(value: Tensor) -> tuple[int, ...]:
    return tuple(value.shape)


def _module_loss(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> BatchedLoss:
    """The loss of a module with a leading replica dimension."""
    names = list(_trained(module))
    loops = False

    @cache  # a CUDA graph may not move them
    def frozen(dtype: torch.dtype, device: torch.device) -> dict[str, Tensor]:
        fixed = {name: value for name, value in module.named_parameters() if not value.requires_grad}
        return {name: value.detach().to(device, dtype) for name, value in fixed.items()}

    def one(params: Mapping[str, Tensor], examples: Sequence[Tensor]) -> Tensor:
        return loss(functional_call(module, dict(params), tuple(examples[:-1])), examples[-1])

    def batched(params: Sequence[Tensor], examples: Sequence[Tensor]) -> Tensor:
        nonlocal loops
        named = dict(zip(names, params, strict=True))
        for name, value in frozen(params[0].dtype, params[0].device).items():
            named[name] = value.expand(len(params[0]), *value.shape)  # one for each replica: the same kernels as alone
        if not loops:
            try:
                losses: Tensor = vmap(one)(named, tuple(examples))
                return losses
            except (RuntimeError, NotImplementedError) as error:
                loops = True
                warnings.warn(
                    f"{type(module).__name__} runs one replica at a time, many times slower, because "
                    f"torch.vmap cannot batch it: {str(error).splitlines()[0]}",
                    stacklevel=2,
                )
        replicas = range(len(params[0]))
        return torch.stack([one({n: p[r] for n, p in named.items()}, [x[r] for x in examples]) for r in replicas])

    return batched
