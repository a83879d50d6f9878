"""The GPU's kernel on a CPU, compiled as plain C++: slow, for tests of its logic where there is no GPU.

All threads of a block run in turn from barrier to barrier, in either order: where both orders give the same bits, no
thread reads what another has not finished. Shared memory begins as NaN and is guarded at its end.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from string import Template

from primitives.bytecode import UnsupportedError
from primitives.machines.gpu_source import source
from primitives.machines.kernels import cache_folder
from primitives.table import derived

FOLDER = Path(__file__).parent
THREADS = 32  # of a block: enough to meet barriers, few to switch between
FLAGS = ("-std=c++17", "-O1", "-ffp-contract=off", "-w", "-shared", "-fPIC")
LIMIT = 227 * 1024  # bytes of shared memory of a block, as on an H200
FAULTS = {1: "some threads of a block met a barrier that others did not", 2: "it wrote beyond its shared memory"}


class Emulator:
    """Launches the kernel of a dtype; `backwards` runs the threads of a block last to first."""

    def __init__(self, dtype: str, threads: int = THREADS, backwards: bool = False) -> None:
        self.threads, self.limit, self.backwards = threads, LIMIT, backwards
        self.library = ctypes.CDLL(str(_compiled(dtype, threads)))

    def launch(self, blocks: int, shared: int, arguments: ctypes.Structure) -> None:
        """Run `blocks` blocks with that many bytes of shared memory each."""
        code = self.library.launch(
            ctypes.c_longlong(blocks), ctypes.c_longlong(shared), ctypes.byref(arguments), int(self.backwards)
        )
        if code:
            raise RuntimeError(f"The GPU's kernel has a fault: {FAULTS[code]}.")


def compiler() -> str:
    """The C++ compiler on this machine; empty where there is none."""
    return shutil.which(os.environ.get("CXX", "g++")) or shutil.which("c++") or ""


@cache
def _compiled(dtype: str, threads: int) -> Path:
    prelude = Template((FOLDER / "gpu_shim.txt").read_text(encoding="utf-8")).substitute(threads=threads)
    text = source(dtype, threads, prelude) + (FOLDER / "gpu_shim_end.txt").read_text(encoding="utf-8")
    if not compiler():
        raise UnsupportedError("The GPU's kernel runs on a CPU only where there is a C++ compiler, such as g++.")
    path = cache_folder() / f"gpu_{dtype}_{hashlib.sha256((text + ' '.join(FLAGS)).encode()).hexdigest()[:12]}.so"
    if not path.exists():
        partial = path.with_suffix(f".{os.getpid()}.tmp")
        done = subprocess.run(
            [compiler(), *FLAGS, "-x", "c++", "-", "-o", str(partial)], input=text, capture_output=True, text=True
        )
        if done.returncode:
            raise UnsupportedError(f"The GPU's kernel cannot be compiled for a CPU: {done.stderr.strip()[:500]}")
        os.replace(partial, path)
    return path


derived(_compiled.cache_clear)
