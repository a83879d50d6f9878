"""How rules are run on lists of tensors; `export` copies what a program needs of this file, which it reads as text.

A rule takes w, g and the states of one tensor, and numbers by name, and returns the new w and states. A runner applies
it to lists of tensors in place: one by one, by foreach functions, or by a compiled kernel.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor

Number = float | Tensor  # a tensor where the step is captured, differentiated or compiled
Rule = Callable[..., tuple[Any, ...]]
Lists = Sequence[Sequence[Tensor]]
Run = Callable[[Rule, Lists, dict[str, Number]], None]


def wide(x: Tensor) -> Tensor:
    """The tensor in the precision of computation: at least float32."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def number(x: Number) -> Tensor:
    """A number as a tensor."""
    return x if isinstance(x, Tensor) else torch.tensor(x, dtype=torch.float64)


def copied(x: Tensor) -> Tensor:
    """A copy. A compiler may take torch.clone for the tensor itself, though that is overwritten before the copy is."""
    return x * 1


def as_float(x: Number) -> float:
    """A number as a float, which a tensor is read for."""
    return float(x.detach()) if isinstance(x, Tensor) else float(x)


def as_given(value: Tensor, *numbers: Number) -> Number:
    """A value that was computed from numbers: a float if all of them are, except in a graph."""
    traced = torch.compiler.is_compiling() or any(isinstance(x, Tensor) for x in numbers)
    return value if traced else as_float(value)


def choose(condition: bool | Number, x: Any, y: Any) -> Any:
    """x where the condition on numbers holds, else y."""
    if not isinstance(condition, Tensor):
        return x if condition else y
    return torch.where(condition != 0, *(number(z) if isinstance(z, int | float) else z for z in (x, y)))


def in_turn(rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors in place, one by one: w, g and the states of each."""
    for w, g, *states in zip(*lists, strict=True):
        old = [x.clone() for x in (w, *states)] if torch.is_grad_enabled() else [w, *states]
        new = rule(wide(old[0]), wide(g), *old[1:], **numbers)
        for x, y in zip((w, *states), new, strict=True):
            x.copy_(y)


def sum_over(rule: Rule, lists: Lists, numbers: dict[str, Number]) -> Tensor:
    """The sum over tensors of what a rule says of each."""
    terms = [rule(wide(w), wide(g), *states, **numbers)[0] for w, g, *states in zip(*lists, strict=True)]
    return torch.stack(terms).sum()


def spread(function: Callable[..., Tensor]) -> Callable[..., TensorList]:
    """A function of tensors as a method of a TensorList."""
    return lambda *args: TensorList.__torch_function__(function, (), args)


class TensorList:
    """Tensors as one operand: what torch does to it is done to all, by one foreach call where there is one."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = list(tensors)

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> TensorList:
        foreach = getattr(torch, f"_foreach_{function.__name__}", None)
        if foreach is not None and isinstance(args[0], cls) and not kwargs:
            return cls(foreach(*(x.tensors if isinstance(x, cls) else x for x in args)))
        length = next(len(x.tensors) for x in args if isinstance(x, cls))
        columns = [x.tensors if isinstance(x, cls) else [x] * length for x in args]
        return cls([function(*row, **(kwargs or {})) for row in zip(*columns, strict=True)])

    __add__ = __radd__ = spread(torch.add)
    __mul__ = __rmul__ = spread(torch.mul)
    __sub__, __rsub__ = spread(torch.sub), spread(torch.rsub)
    __truediv__, __rtruediv__ = spread(torch.div), spread(lambda x, y: y / x)
    __pow__, __rpow__ = spread(torch.pow), spread(lambda x, y: y**x)
    __mod__, __rmod__ = spread(torch.remainder), spread(lambda x, y: y % x)
    __lt__, __le__, __gt__, __ge__ = spread(torch.lt), spread(torch.le), spread(torch.gt), spread(torch.ge)
    __neg__, type_as = spread(torch.neg), spread(lambda x, y: x.type_as(y))


def together(rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors in place, all at once by torch's foreach functions."""
    w, g, *states = ([*tensors] for tensors in lists)
    new = rule(*(TensorList([*map(wide, x)]) for x in (w, g)), *map(TensorList, states), **numbers)
    for x, y in zip((w, *states), new, strict=True):
        torch._foreach_copy_(x, y.tensors)


def fused(rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors in place by a compiled kernel, which reads and writes each of them once."""
    dtypes, device = tuple(column[0].dtype for column in lists), lists[0][0].device
    small = sum(map(Tensor.numel, lists[0])) < 2**15  # one thread is enough
    update = kernel(rule, tuple(numbers), dtypes, device, 2**8 if small else 2**17)
    if update is None:
        in_turn(rule, lists, numbers)
    elif fit(lists, dtypes, device):
        values = torch.tensor([*map(as_float, numbers.values())], dtype=precision(dtypes), device=device)
        for i in range(0, len(lists[0]), CHUNK):
            update([column[i : i + CHUNK] for column in lists], values)
    else:
        rows = [*zip(*lists, strict=True)]
        fitting = [fit([[x] for x in row], dtypes, device) for row in rows]
        for run, wanted in ((fused, True), (in_turn, False)):
            some = [row for row, fits in zip(rows, fitting, strict=True) if fits == wanted]
            if some:
                run(rule, [*zip(*some, strict=True)], numbers)


def fit(lists: Lists, dtypes: Sequence[torch.dtype], device: torch.device) -> bool:
    """Whether a kernel can take these: plain tensors, of these types, as long as w, elements one after the other."""
    every = [*chain.from_iterable(lists)]
    plain = {*map(type, every)} <= {Tensor, torch.nn.Parameter} and all(map(Tensor.is_contiguous, every))
    typed = all({x.dtype for x in column} == {dtype} for column, dtype in zip(lists, dtypes, strict=True))
    lengths = [*map(Tensor.numel, lists[0])]
    alike = all([*map(Tensor.numel, column)] == lengths for column in lists[1:])
    return (
        plain and typed and alike and {*map(Tensor.get_device, every)} == {-1 if device.index is None else device.index}
    )


def precision(dtypes: Sequence[torch.dtype]) -> torch.dtype:
    """The dtype in which tensors are computed with, and so the numbers that they meet."""
    return torch.float64 if torch.float64 in dtypes else torch.float32


CHUNK = 8  # tensors that one call of a kernel updates: a kernel is compiled once for any number of tensors


@functools.cache
def kernel(
    rule: Rule, names: tuple[str, ...], dtypes: tuple[torch.dtype, ...], device: torch.device, length: int
) -> Callable[[Lists, Tensor], None] | None:
    """A rule compiled for rows of tensors whose elements lie one after the other, or None where that fails.

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
    numbers = torch.ones(len(names), dtype=precision(dtypes), device=device)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what a compiler says of itself
            torch.compile(update, backend=backend, dynamic=True, fullgraph=True)(lists, numbers)
        ((compiled, args),) = made
    except (RuntimeError, OSError, ImportError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        sentence = "The fused step cannot be compiled here; the plain one is used, as with fused=False:"
        warnings.warn(f"{sentence} {reason}", stacklevel=2)
        return None
    known = [*map(id, chain.from_iterable(lists)), id(numbers), *lengths]
    places = [known.index(x if isinstance(x, int) else id(x)) for x in args]

    def call(lists: Lists, numbers: Tensor) -> None:
        missing = [lists[0][0].new_empty(0)] * (CHUNK - len(lists[0]))  # of which nothing is read
        given = [x.view(-1) for column in lists for x in [*column, *missing]]
        lengths = [*map(Tensor.numel, given[:CHUNK])]
        every = [*given, numbers, *lengths]
        compiled(*[every[i] for i in places])

    return call
