"""Pins threads and instruction set, so that results are bit-identical whatever shares a batch."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def _by_intel() -> bool:
    """Whether the processor is one of Intel's."""
    try:
        return "GenuineIntel" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "Intel" in platform.processor()


# One thread: batches are too small to split, and processes scale where threads do not.
# One code path in MKL and ATen: results then do not depend on alignment or batch size. Intel's processors need the
# strict form, a twentieth to a tenth slower: without it MKL's products depend on how many share a batch.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "NUMBA_DISABLE_INTEL_SVML": "1",
    "MKL_CBWR": "AVX2,STRICT" if _by_intel() else "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
}


def pin_variables() -> None:
    """Set what libraries read at import, where the user has not: call it before anything imports torch or numba."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def pin_environment() -> None:
    """The variables, then torch's threads and denormals, which takes as long as importing torch."""
    pin_variables()
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
