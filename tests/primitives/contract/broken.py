"""How an optimizer is broken: the text of a right one with a change, made a class."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from tests.primitives.contract import right, sharp
from tests.primitives.contract.specimens import Specimen

TWINS = {"Right": right, "Sharp": sharp}


@dataclass(frozen=True)
class Broken:
    """A right optimizer with a fault: in its text each `old` becomes `new`, which this check must notice."""

    check: str
    twin: str
    changes: tuple[tuple[str, str], ...]


def twin(name: str) -> Specimen:
    """A right optimizer."""
    return _specimen(name, getattr(TWINS[name], name))


@cache
def broken(fault: Broken) -> Specimen:
    """The right optimizer with this fault."""
    text = inspect.getsource(TWINS[fault.twin])
    for old, new in fault.changes:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in {fault.twin} and must stand there once.")
        text = text.replace(old, new)
    module = ModuleType(f"tests.primitives.contract.broken_{abs(hash(fault))}")
    sys.modules[module.__name__] = module  # so that its optimizers pickle
    exec(compile(text, module.__name__, "exec"), module.__dict__)
    return _specimen(fault.twin, getattr(module, fault.twin))


def _specimen(name: str, optimizer: Any) -> Specimen:
    """What the checks must know of a twin, right or broken."""
    sharp = name == "Sharp"
    decays = {"rho": 0.5} if sharp else {"beta1": 0.8, "beta2": 0.98, "eps": 1e-3, "weight_decay": 0.2}
    wrong = [("lr", -1.0), *((key, value) for key in decays for value in (float("nan"), "0.1"))]
    wrong += [(key, 1.1) for key in decays if key in ("rho", "beta1", "beta2")]
    closure = "yes" if sharp else "no"
    return Specimen(
        name,
        lambda: optimizer,
        0.01,
        {"lr": 0.02, **decays},
        tuple(wrong),
        closure,
        coupled=sharp,
        elementwise=not sharp,
        roles=sharp,
    )
