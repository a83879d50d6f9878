"""On what a run was made: same rows are promised on the same kind of processor and the same libraries only."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("numba", "numpy", "torch")


def this_machine(device: str = "cpu") -> dict[str, str]:
    """The models of the processor and of a GPU where programs are trained on one, and versions that matter."""
    found = {"processor": _processor(), "python": platform.python_version(), **{n: version(n) for n in LIBRARIES}}
    return found if device == "cpu" else found | {"GPU": _gpu(device)}


def differences(then: dict[str, str], now: dict[str, str]) -> str:
    """What is not as it was, in words; empty where all is."""
    changed = [f"{name} was {then[name]} and is {now.get(name)}" for name in then if then[name] != now.get(name)]
    return ", ".join(changed)


def _gpu(device: str) -> str:
    import torch

    try:
        return torch.cuda.get_device_name(device)
    except (AssertionError, RuntimeError):  # a resource of that name without the hardware
        return "none"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
