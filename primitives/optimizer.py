"""A program as a `torch.optim.Optimizer` in memory: the exported file, compiled as a module."""

from __future__ import annotations

import hashlib
import linecache
import sys
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

from primitives.export import source
from primitives.program import Program

if TYPE_CHECKING:
    import torch


@cache
def to_torch(program: Program) -> type[torch.optim.Optimizer]:
    """The optimizer class of a program; its instances pickle wherever the class was made before."""
    text = source(program)
    name = f"primitives.exported_{program.name}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    path = f"<{name}>"
    exec(compile(text, path, "exec"), module.__dict__)  # our own text, printed from a parsed program
    sys.modules[name] = module
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # for tracebacks and inspect
    return _optimizer(module)


def _optimizer(module: ModuleType) -> type[torch.optim.Optimizer]:
    """The one class that the module defines."""
    import torch

    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and "step" in vars(value)
    )
    return found
