"""How rules are run on lists of tensors; `export` copies what a program needs of this file, which it reads as text.

A rule takes w, g and the states of one tensor, and numbers by name, and returns the new w and states. A runner applies
it to lists of tensors in place: one by one, by foreach functions, or by a compiled kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    __ne__ = spread(torch.ne)  # type: ignore[assignment]
    __neg__, type_as = spread(torch.neg), spread(lambda x, y: x.type_as(y))


def together(rule: Rule, lists: Lists, numbers: dict[str, Number]) -> None:
    """Update tensors in place, all at once by torch's foreach functions."""
    w, g, *states = ([*tensors] for tensors in lists)
    new = rule(*(TensorList([*map(wide, x)]) for x in (w, g)), *map(TensorList, states), **numbers)
    for x, y in zip((w, *states), new, strict=True):
        torch._foreach_copy_(x, y.tensors)
