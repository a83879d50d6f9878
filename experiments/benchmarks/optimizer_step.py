"""What a step of an exported optimizer costs, beside its peers and the measured memory bandwidth. Last line: the ratio.

    python experiments/benchmarks/optimizer_step.py [--rounds 60] [--threads N] [--device cpu]

Two models: 9.4 million parameters in 60 tensors, as of a small transformer, and a tiny one of about a thousand. Every
optimizer has parameters and gradients of its own, and takes one turn in each round, in an order shuffled anew, as what
ran before it decides what the caches hold; times are medians over the rounds. The bound of a step is what its program
must move (weights, gradients and states are read, weights and states written) at the bandwidth of the best of three
additions that take turns in the same rounds, each round copies of its buffers. Bandwidth changes within a second where
a machine has neighbours, so below the table quick steps are held against additions right beside them, too, each after a
step of another optimizer: medians of these ratios. The tiny model lies in the cache: there the bound is only a scale.
The ratio is our fused AdamW over torch's, on the large model.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from step_peers import Family, Step, families
from torch.nn import Parameter

from evosearch.machine import this_machine

Shapes = list[tuple[int, ...]]

LARGE: Shapes = [(768, 256), (256, 256), (1024, 256), (256, 1024), (256,)] * 12
TINY: Shapes = [(16, 32), (16,), (16, 16), (16,), (10, 16), (10,)]
TINY_STEPS = 50  # a turn of the tiny model, so that the clock does not count
BUFFER = 10_000_000  # numbers in a buffer of the additions that measure bandwidth
COPIES = 8  # of these buffers: neither a cache of half a gigabyte nor where one buffer lies shall decide
LEGEND = """\
over bound, over first: relative to the bound, to the first optimizer of the program
warm-up: three steps, compilation into an empty cache included (the large model comes first)
apart: mean distance of the weights from those of the first optimizer, relative to the mean way that these went"""


@dataclass(frozen=True)
class Run:
    """An optimizer of a family at work on a model of its own."""

    family: Family
    name: str
    model: list[Parameter]
    step: Step


@dataclass(frozen=True)
class Times:
    """Seconds: of the warm-up as a whole, and of a step in each round."""

    warm_up: float
    rounds: list[float]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.rounds)


def parameters(shapes: Shapes, device: str) -> list[Parameter]:
    """Parameters with gradients; the same numbers at each call."""
    generator = torch.Generator().manual_seed(0)
    made = [Parameter(0.02 * torch.randn(shape, generator=generator).to(device)) for shape in shapes]
    for p in made:
        p.grad = 0.01 * torch.randn(p.shape, generator=generator).to(device)
    return made


def runs(known: list[Family], shapes: Shapes, device: str) -> list[Run]:
    """Every optimizer of every family, with a model of its own."""
    made = [(f, name, make, parameters(shapes, device)) for f in known for name, make in f.makers.items()]
    return [Run(family, name, model, make(model)) for family, name, make, model in made]


def additions(shapes: Shapes, device: str) -> dict[str, tuple[Step, int]]:
    """Additions that touch each number once, with the bytes that they move; each goes round copies of its numbers."""

    def one() -> Step:
        x = torch.ones(BUFFER, device=device)
        return lambda: x.add_(1)

    def two() -> Step:
        x, y = torch.ones(BUFFER, device=device), torch.ones(BUFFER, device=device)
        return lambda: torch.add(x, y, out=x)

    def many() -> Step:
        x, y = ([torch.ones(shape, device=device) for shape in shapes] for _ in range(2))
        return lambda: torch._foreach_add_(x, y)

    def around(make: Callable[[], Step]) -> Step:
        steps = cycle([make() for _ in range(COPIES)])
        return lambda: next(steps)()

    number = sum(math.prod(shape) for shape in shapes)
    return {
        "one buffer, x += 1": (around(one), 8 * BUFFER),
        "two buffers, x += y": (around(two), 12 * BUFFER),
        "60 tensors, x += y": (around(many), 12 * number),
    }


def turn(step: Step, steps: int, device: str) -> float:
    """Seconds of one step, of so many in a row."""
    wait: Any = torch.cuda.synchronize if device == "cuda" else int
    wait()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    return (time.perf_counter() - began) / steps


def measure(calls: list[Step], rounds: int, steps: int, device: str) -> list[Times]:
    """Warm up by three steps of each and a round; then each takes a turn in each round, in another order each time."""
    warm = [sum(turn(call, 1, device) for _ in range(3)) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    gc.collect()
    gc.disable()
    for k in range(rounds + 1):
        for chosen in random.Random(k).sample(range(len(calls)), len(calls)):
            times[chosen].append(turn(calls[chosen], steps, device))
    gc.enable()
    return [Times(w, t[1:]) for w, t in zip(warm, times, strict=True)]


def apart(one: list[Parameter], other: list[Parameter], start: list[Parameter]) -> float:
    """The mean distance of two models' weights, relative to the mean way that those of the second one went."""
    x, y, z = (torch.cat([p.detach().flatten() for p in model]) for model in (one, other, start))
    return float((x - y).abs().mean() / (y - z).abs().mean())


def show(console: Console, title: str, every: list[Run], times: list[Times], bandwidth: float) -> None:
    """Print a row for each optimizer; the bandwidth is in bytes a second."""
    table = Table("program", "optimizer", title=f"{title}, milliseconds a step")
    for head in ("median", "middle half", "over bound", "over first", "warm-up s", "apart"):
        table.add_column(head, justify="right", no_wrap=True)
    start = parameters([tuple(p.shape) for p in every[0].model], every[0].model[0].device.type)
    first, number = -1, sum(p.numel() for p in start)
    for i, (run, t) in enumerate(zip(every, times, strict=True)):
        if begins := first < 0 or run.family is not every[first].family:
            first = i
            table.add_section()
        low, _, high = statistics.quantiles(t.rounds, n=4, method="inclusive")
        bound = run.family.bytes * number / bandwidth
        table.add_row(
            run.family.program.name if begins else "",
            run.name,
            f"{1e3 * t.median:.3f}",
            f"{1e3 * low:.3f} - {1e3 * high:.3f}",
            f"{t.median / bound:.2f}",
            f"{t.median / times[first].median:.2f}",
            f"{t.warm_up:.2f}",
            f"{apart(run.model, every[first].model, start):.0e}",
        )
    console.print(table)


def beside(every: list[Run], adds: dict[str, tuple[Step, int]], rounds: int, device: str) -> None:
    """Print how long quick steps take relative to what they move at the bandwidth of additions beside them."""
    number = sum(p.numel() for p in every[0].model)
    quick = [run for run in every if "fused" in run.name or "compiled" in run.name]
    over: list[dict[str, list[float]]] = [{name: [] for name in adds} for _ in quick]
    chance = random.Random(0)
    for _ in range(rounds):
        for i in chance.sample(range(len(quick)), len(quick)):
            items = {"": (quick[i].step, quick[i].family.bytes * number), **adds}
            speeds = {}
            for name in chance.sample(list(items), len(items)):
                quick[(i + chance.randrange(1, len(quick))) % len(quick)].step()
                step, moved = items[name]
                speeds[name] = moved / turn(step, 1, device)
            for name in adds:
                over[i][name].append(speeds[name] / speeds[""])
    for run, found in zip(quick, over, strict=True):
        told = (f"{statistics.median(ratios):.2f} {name}" for name, ratios in found.items())
        print(f"{run.family.program.name} ({run.name}) over the bound by an addition beside it: {'; '.join(told)}")


def large(console: Console, known: list[Family], rounds: int, device: str) -> tuple[float, float]:
    """Measure the large model beside the additions; returns bytes a second, and our fused AdamW over torch's."""
    every, adds = runs(known, LARGE, device), additions(LARGE, device)
    times = measure([step for step, _ in adds.values()] + [run.step for run in every], rounds, 1, device)
    speeds = {name: moved / t.median for (name, (_, moved)), t in zip(adds.items(), times, strict=False)}
    print("bandwidth: " + "; ".join(f"{name} {speed / 1e9:.1f} GB/s" for name, speed in speeds.items()))
    bandwidth, times = max(speeds.values()), times[len(adds) :]
    show(console, "9.4 million parameters in 60 tensors", every, times, bandwidth)
    beside(every, adds, rounds, device)
    medians = {(run.family.program.name, run.name): t.median for run, t in zip(every, times, strict=True)}
    return bandwidth, medians["adamw", "ours, fused"] / medians["adamw", "torch, fused"]


def tiny(console: Console, known: list[Family], rounds: int, device: str, bandwidth: float) -> None:
    """Measure the tiny model."""
    every = runs(known, TINY, device)
    times = measure([run.step for run in every], rounds, TINY_STEPS, device)
    show(console, "970 parameters in 6 tensors", every, times, bandwidth)


def main() -> None:
    """Measure both models, print their tables, and the ratio."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=60, metavar="N", help="rounds, two or more; medians are printed")
    options.add_argument("--threads", type=int, metavar="N", help="threads of torch (default: its own choice)")
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="where the models are")
    args = options.parse_args()
    if args.rounds < 2:
        options.error("--rounds must be 2 or more.")
    if args.threads:
        torch.set_num_threads(args.threads)
    console = Console(highlight=False, width=128)
    print(", ".join(f"{name} {value}" for name, value in this_machine().items()), end=", ")
    print(torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads")
    with tempfile.TemporaryDirectory() as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty  # so that compilation is measured too
        known = families()
        bandwidth, ratio = large(console, known, args.rounds, args.device)
        tiny(console, known, args.rounds, args.device, bandwidth)
    print(f"{LEGEND}\nratio {ratio:.2f}")


if __name__ == "__main__":
    main()
