"""Programs per second and core: the batch machine against the naive design, in one run. Last line: the ratio.

    python experiments/benchmarks/throughput.py [--rounds 5] [--workers]

The job is the same for both: a perceptron 64-32-10 on digits, batch 32, 100 steps, 4 learning rates, one seed,
final validation included; programs are mutants of AdamW as a search meets them (the refused ones left out). For the
batch machine parsing and compilation of each program are included. Seconds are CPU seconds of one thread.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import platform  # noqa: E402
import random  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))

import naive  # noqa: E402
import torch  # noqa: E402

import proxies  # noqa: E402
from evosearch.breed import describe  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.flat import MutationError, searchable  # noqa: E402
from evosearch.measure import measure, parsed, rate  # noqa: E402
from evosearch.mutate import mutate  # noqa: E402
from primitives.machines import batch  # noqa: E402
from primitives.program import Program  # noqa: E402
from primitives.reference import reference  # noqa: E402
from primitives.text import parse  # noqa: E402

EXPONENTS = (-12, -10, -8, -6)  # learning rates 1e-3 to 3e-2
EACH = 160  # programs of a round of the batch machine
NAIVE_EACH = 6


def mutants(count: int) -> list[str]:
    """Texts of distinct programs, one to four mutations from AdamW, that pass the checks before training."""
    config, start = Config(), searchable(reference("adamw"))
    found: list[Program] = []
    for seed in range(10 * count):
        rng, program = random.Random(seed), start
        try:
            for _ in range(rng.randint(1, 4)):
                program, _name = mutate(program, rng, config.mutations, config.language)
        except MutationError:
            continue
        found.append(program)
    labels = [(i, "") for i in range(len(found))]
    texts = {bred.fingerprint: bred.text for bred in describe(found, labels, config) if bred.status == "ok"}
    return list(texts.values())[:count]


def forget() -> None:
    """Parse and compile again what comes."""
    parsed.cache_clear()
    batch.compiled.cache_clear()


def batch_round(texts: list[str]) -> float:
    """Programs per CPU second of the batch machine."""
    forget()
    began = time.process_time()
    measure(texts, proxies.get("digits"), [0], [EXPONENTS] * len(texts))
    return len(texts) / (time.process_time() - began)


def naive_round(texts: list[str]) -> float:
    """Programs per CPU second of the naive design."""
    programs = [parse(text) for text in texts]
    began = time.process_time()
    for program in programs:
        for exponent in EXPONENTS:
            naive.train(program, rate(exponent))
    return len(texts) / (time.process_time() - began)


def child(seconds: float) -> None:
    """Measure for some seconds of wall time; print how many programs were done."""
    texts = mutants(EACH)
    batch_round(texts)
    print("ready", flush=True)
    sys.stdin.readline()
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        batch_round(texts)
        done += len(texts)
    print(done / (time.perf_counter() - began), flush=True)


def processes(count: int, seconds: float) -> float:
    """Programs per second of wall time of some processes at once."""
    command = [sys.executable, __file__, "--child", str(seconds)]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in running)


def main() -> None:
    """Both designs by turns, medians over rounds, and the ratio."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=6.0, help="for one and two processes")
    options.add_argument("--child", type=float, help=argparse.SUPPRESS)
    args = options.parse_args()
    warnings.simplefilter("ignore")
    if args.child:
        child(args.child)
        return
    texts = mutants(EACH)
    batch_round(texts[:16])
    naive_round(texts[:1])
    batch, slow = [], []
    for k in range(args.rounds):
        batch.append(batch_round(texts))
        first = k * NAIVE_EACH % (len(texts) - NAIVE_EACH)
        slow.append(naive_round(texts[first : first + NAIVE_EACH]))
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread; {args.rounds} rounds")
    print(f"naive: module, autograd, per-tensor interpreter   {_row(slow)}")
    print(f"batch machine, {len(texts)} distinct programs           {_row(batch)}")
    one, two = processes(1, args.seconds), processes(2, args.seconds)
    print(f"processes: one {one:.0f}, two {two:.0f} programs/s of wall time: {two / one:.2f}x")
    print(f"ratio {np.median(batch) / np.median(slow):.1f}")


def _row(values: list[float]) -> str:
    return f"{np.median(values):8.1f} programs/s and core (from {min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
