"""The benchmark of the GPU machine: runs in small on a CPU, and says in one sentence that there is no GPU."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from primitives.machines.gpu_driver import problem
from tests.primitives.gpu import NEEDS_COMPILER

SCRIPT = Path(__file__).parents[2] / "experiments" / "benchmarks" / "gpu_throughput.py"


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


@NEEDS_COMPILER
def test_it_runs_in_small_on_a_cpu() -> None:
    done = benchmark("--emulate")
    assert done.returncode == 0, done.stderr
    assert re.search(r"emulated on a CPU: [\d.,]+ programs/s, \d programs at a time$", done.stdout.strip())
    assert "% of the bandwidth's bound" in done.stdout


@pytest.mark.skipif(not problem("cuda"), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = benchmark()
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"gpu_throughput: torch sees no CUDA device here.*; nothing was measured\.\n", done.stderr)
