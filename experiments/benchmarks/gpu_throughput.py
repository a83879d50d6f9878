"""Programs per second on a GPU, by batch size, against what its memory and its arithmetic allow. Last line: the best.

    python experiments/benchmarks/gpu_throughput.py [--device cuda] [--programs 64 256 1024 4096] [--rounds 3]

The job is that of throughput.py: a perceptron 64-32-10 on digits, batch 32, 100 steps, 4 learning rates, one seed,
final validation included; the programs are mutants of AdamW, a few hundred distinct ones over and over. Their
compilation, which the driver's cores do, is timed by itself. Both bounds are measured in the same run: the bandwidth by
a copy, the arithmetic by a product of float32 matrices. What must move is weights and gradients once, and what each
update loads and stores; what must be computed is the products and the additions' worth of each update. `--emulate`
runs tiny sizes on the CPU, to test this script; its figures mean nothing.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))

from throughput import EXPONENTS, forget, mutants  # noqa: E402

import proxies  # noqa: E402
from evosearch.measure import ProgramStepper, compiled, measure, parsed, rate  # noqa: E402
from primitives.machines import batch  # noqa: E402
from primitives.machines.gpu_code import encode  # noqa: E402
from primitives.machines.gpu_driver import problem  # noqa: E402
from primitives.machines.gpu_machine import GpuMachine  # noqa: E402
from primitives.machines.gpu_source import OPCODES  # noqa: E402
from proxies.train import Training  # noqa: E402

DISTINCT = 256
ITEM = 4  # bytes of a float32


@dataclass(frozen=True)
class Size:
    """How large this run is."""

    device: str
    programs: tuple[int, ...]
    rounds: int
    steps: int
    repeats: int  # of one part of a step
    copied: int  # elements of the copy
    side: int  # of the product


@dataclass(frozen=True)
class Bounds:
    """Seconds of a step of one replica at the least, and what was measured for it."""

    bandwidth: float  # bytes a second
    arithmetic: float  # float32 operations a second
    memory_seconds: float
    compute_seconds: float


def timed(work: Callable[[], Any], repeats: int, device: str) -> float:
    """Seconds of one call, after one that is not timed."""
    wait: Callable[[], Any] = int if device == "cpu" else torch.cuda.synchronize
    work()
    wait()
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return (time.perf_counter() - began) / repeats


def bounds(texts: list[str], size: Size) -> Bounds:
    """Both bounds for the mean of these programs on digits."""
    proxy = proxies.get("digits")
    x, y = (torch.ones(size.copied, device=size.device) for _ in range(2))
    a, b, c = (torch.ones(size.side, size.side, device=size.device) for _ in range(3))
    bandwidth = 2 * ITEM * size.copied / timed(lambda: y.copy_(x), size.repeats, size.device)
    arithmetic = 2 * size.side**3 / timed(lambda: torch.mm(a, b, out=c), size.repeats, size.device)
    elements = sum(proxy.layout.sizes)
    codes = [compiled(text) for text in texts]
    moved = [sum(row[0] in (OPCODES["load"], OPCODES["store"]) for row in encode(code)[0]) for code in codes]
    products = [o * i for o, i in proxy.layout.shapes[::2]]
    flops = 2 * proxy.batch * (3 * sum(products) - products[0])
    additions = elements * float(np.mean([code.cost for code in codes]))
    return Bounds(
        bandwidth,
        arithmetic,
        ITEM * elements * (2 + float(np.mean(moved))) / bandwidth,
        flops / arithmetic + additions / (arithmetic / 2),  # a product counts two operations, an addition one
    )


def rounds(texts: list[str], size: Size) -> list[float]:
    """Programs per second of each round, everything but their compilation included."""
    found = []
    for _ in range(size.rounds + 1):
        began = time.perf_counter()
        measure(texts, proxies.get("digits"), [0], [EXPONENTS] * len(texts), steps=size.steps, device=size.device)
        found.append(len(texts) / (time.perf_counter() - began))
    return found[1:]


def parts(texts: list[str], size: Size) -> dict[str, float]:
    """Milliseconds of a whole step, of its gradients and of its update."""
    lrs = np.tile([rate(exponent) for exponent in EXPONENTS], len(texts))
    programs, which = [parsed(text) for text in texts], np.repeat(np.arange(len(texts)), len(EXPONENTS))

    def make(buffers: Any) -> ProgramStepper:
        return ProgramStepper(programs, which, lrs, 100, buffers)

    training = Training(proxies.get("digits"), [0] * len(lrs), make, None, torch.float32, size.device)
    rates = torch.as_tensor(0.0 * lrs, device=size.device)
    for t in (1, 2, 3):
        training.step(t, rates)
    stepper: Any = training.stepper
    calls: dict[str, Callable[[], Any]] = {
        "step": lambda: training.step(4, rates),
        "gradients": lambda: training.model.loss_and_grad(4),
        "update": lambda: stepper.run(None),
    }
    return {name: 1e3 * timed(call, size.repeats, size.device) for name, call in calls.items()}


def host(texts: list[str]) -> float:
    """Microseconds of parsing, compiling and encoding a program, on one core."""
    forget()
    began = time.perf_counter()
    for text in texts:
        encode(compiled(text))
    return 1e6 * (time.perf_counter() - began) / len(texts)


def main() -> int:
    """All batch sizes, both bounds, and how far the best is from them."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--device", default="cuda")
    options.add_argument("--programs", type=int, nargs="+", default=[64, 256, 1024, 4096])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--emulate", action="store_true", help="tiny sizes on the CPU, to test this script")
    args = options.parse_args()
    warnings.simplefilter("ignore")
    if args.emulate:
        batch.machine_for = lambda device, codes: GpuMachine
        size = Size("cpu", (1, 2), 1, 3, 1, 1000, 32)
    elif reason := problem(args.device):
        print(f"gpu_throughput: {reason}; nothing was measured.", file=sys.stderr)
        return 2
    else:
        size = Size(args.device, tuple(args.programs), args.rounds, 100, 50, 2**28, 8192)
    report(size, 2 if args.emulate else DISTINCT)
    return 0


def report(size: Size, distinct: int) -> None:
    """Measure and print."""
    texts = mutants(distinct)
    name = "emulated on a CPU" if size.device == "cpu" else torch.cuda.get_device_name(size.device)
    print(f"{name}, torch {torch.__version__}; {len(texts)} distinct programs, {host(texts):.0f} us each to compile")
    limit, trainings = bounds(texts, size), size.steps * len(EXPONENTS)
    memory, compute = (1 / (trainings * s) for s in (limit.memory_seconds, limit.compute_seconds))
    print(f"bandwidth {limit.bandwidth / 1e12:.3f} TB/s: {memory:,.0f} programs/s at most")
    print(f"float32 arithmetic {limit.arithmetic / 1e12:.2f} TFLOP/s: {compute:,.0f} programs/s at most")
    best = (0.0, 0)
    for count in size.programs:
        some = [texts[i % len(texts)] for i in range(count)]
        found, each = rounds(some, size), parts(some, size)
        best = max(best, (float(np.median(found)), count))
        print(
            f"{count:6d} programs, {count * len(EXPONENTS):6d} replicas: {np.median(found):10,.1f} programs/s "
            f"(from {min(found):,.1f} to {max(found):,.1f}); a step {each['step']:.3f} ms, "
            f"gradients alone {each['gradients']:.3f}, update alone {each['update']:.3f}"
        )
    shares = (100 * best[0] / bound for bound in (memory, compute))
    print("the best is {:.2g} % of the bandwidth's bound and {:.2g} % of the arithmetic's".format(*shares))
    print(f"{name}: {best[0]:,.1f} programs/s, {best[1]} programs at a time")


if __name__ == "__main__":
    sys.exit(main())
