"""The fused step: a kernel made of a rule; `export` copies what a program needs of this file, which it reads as text.

On a CPU a rule that has a text in C is compiled by the C compiler, in a fifth of a second; every other by
torch.compile, in seconds.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from primitives.torch_c import UNCOMPILED, Kernel, c_kernel
from primitives.torch_runners import Lists, Number, Rule, as_float, in_turn


def fused(in_c: Mapping[Rule, str], rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors in place by a compiled kernel, which reads and writes each of them once."""
    dtypes, device = tuple(column[0].dtype for column in lists), lists[0][0].device
    if not fit(lists, dtypes, device):
        apart(in_c, rule, lists, numbers)
        return
    if device.type == "cpu" and rule in in_c:
        names = rule.__code__.co_varnames[: len(lists)]
        update = c_kernel(in_c[rule], names, tuple(numbers), dtypes)
    else:
        small = sum(map(Tensor.numel, lists[0])) < 2**15  # one thread is enough
        update = kernel(rule, tuple(numbers), dtypes, device, 2**8 if small else 2**17)
    if update is None:
        in_turn(rule, lists, numbers)
    else:
        torch.autograd.graph.increment_version(lists[0])  # a backward pass must see that they change
        update(lists, [*map(as_float, numbers.values())])


def apart(in_c: Mapping[Rule, str], rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors of which a kernel cannot take all: those together that it can, the others one by one."""
    rows = [*zip(*lists, strict=True)]
    dtypes, device = tuple(column[0].dtype for column in lists), lists[0][0].device
    fitting = [fit([[x] for x in row], dtypes, device) for row in rows]
    for run, wanted in ((functools.partial(fused, in_c), True), (in_turn, False)):
        some = [row for row, fits in zip(rows, fitting, strict=True) if fits == wanted]
        if some:
            run(rule, [*zip(*some, strict=True)], numbers)


def fit(lists: Lists, dtypes: Sequence[torch.dtype], device: torch.device) -> bool:
    """Whether a kernel can take these: plain tensors, of these types, as long as w, elements one after the other."""
    every = [*chain.from_iterable(lists)]
    lengths, types = [*map(Tensor.numel, every)], [x.dtype for x in every]
    return (
        {*map(type, every)} <= {Tensor, torch.nn.Parameter}
        and all(map(Tensor.is_contiguous, every))
        and lengths == lengths[: len(lists[0])] * len(lists)
        and {*types} == {*dtypes}
        and (len({*types}) == 1 or types == [dtype for dtype in dtypes for _ in lists[0]])
        and {*map(Tensor.get_device, every)} == {-1 if device.index is None else device.index}
    )


CHUNK = 8  # tensors that one call of a kernel of torch.compile updates: it is compiled once for any number of them


@functools.cache
def kernel(
    rule: Rule, names: tuple[str, ...], dtypes: tuple[torch.dtype, ...], device: torch.device, length: int
) -> Kernel | None:
    """A rule compiled by torch.compile for tensors whose elements lie one after the other, or None where that fails.

    torch.compile is asked once, for flat tensors; what it made is kept and called directly, which costs a fifth and
    checks nothing. Lengths are all different at first, so that none is taken for another; about `length`, which says
    whether threads pay.
    """
    made: list[tuple[Any, tuple[Any, ...]]] = []

    def update(lists: Lists, numbers: Tensor) -> None:
        in_turn(rule, lists, dict(zip(names, numbers.unbind(), strict=True)))

    def backend(graph: Any, inputs: Any) -> Callable[..., Any]:
        compiled = torch._inductor.compile(graph, inputs, options={"size_asserts": False})

        def first(*args: Any) -> Any:
            made.append((compiled, args))
            return compiled(*args)

        return first

    lengths = [length + 64 * i for i in range(CHUNK)]
    lists = [[torch.zeros(n, dtype=dtype, device=device) for n in lengths] for dtype in dtypes]
    precision = torch.float64 if torch.float64 in dtypes else torch.float32  # what tensors are computed in
    numbers = torch.ones(len(names), dtype=precision, device=device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a compiler says of itself
            torch.compile(update, backend=backend, dynamic=True, fullgraph=True)(lists, numbers)
        ((compiled, args),) = made
    except (RuntimeError, OSError, ImportError, ValueError) as error:
        warnings.warn(f"{UNCOMPILED} {str(error).strip().partition(chr(10))[0]}", stacklevel=3)
        return None
    known = [*map(id, chain.from_iterable(lists)), id(numbers), *lengths]
    places = [known.index(x if isinstance(x, int) else id(x)) for x in args]

    def chunk(lists: Lists, numbers: Tensor) -> None:
        missing = [lists[0][0].new_empty(0)] * (CHUNK - len(lists[0]))  # of which nothing is read
        given = [x.view(-1) for column in lists for x in [*column, *missing]]
        lengths = [*map(Tensor.numel, given[:CHUNK])]
        every = [*given, numbers, *lengths]
        compiled(*[every[i] for i in places])

    def call(lists: Lists, numbers: Sequence[float]) -> None:
        values = torch.tensor(numbers, dtype=precision, device=device)
        for i in range(0, len(lists[0]), CHUNK):
            chunk([column[i : i + CHUNK] for column in lists], values)

    return call
