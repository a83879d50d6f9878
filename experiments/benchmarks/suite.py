"""What each task costs: programs per second and core, and milliseconds a training, in one run.

    python experiments/benchmarks/suite.py [TASK ...] [--rounds 3]

A program is what a search trains of one: four learning rates on one seed, all steps, validation included. Programs are
mutants of AdamW as a search meets them; parsing and compiling them is included. CPU seconds of one thread, medians.
Without names: all search and selection tasks, then the default suite together.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import statistics  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent))

from throughput import EXPONENTS, forget, mutants  # noqa: E402

import proxies  # noqa: E402
from evosearch.machine import this_machine  # noqa: E402
from evosearch.measure import measure  # noqa: E402

EACH = 32  # programs of a round: as many as a job of a search has


def seconds_of(task: str, texts: list[str]) -> float:
    """CPU seconds for a program on a task."""
    forget()
    began = time.process_time()
    measure(texts, proxies.get(task), [0], [EXPONENTS] * len(texts))
    return (time.process_time() - began) / len(texts)


def main() -> None:
    """Print a row for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="tasks to measure (default: search and selection)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds; medians are printed")
    args = parser.parse_args()
    tasks = args.tasks or [*proxies.of_tier("search"), *proxies.of_tier("selection")]
    texts = mutants(EACH)
    print(", ".join(f"{name} {value}" for name, value in this_machine().items()))
    print(f"{'task':24}{'programs/s and core':>20}{'ms a training':>16}")
    cost = {}
    for task in tasks:
        seconds_of(task, texts[:2])  # compiles, and prepares the data
        cost[task] = statistics.median(seconds_of(task, texts) for _ in range(args.rounds))
        print(f"{task:24}{1 / cost[task]:20.1f}{1e3 * cost[task] / len(EXPONENTS):16.2f}", flush=True)
    if not args.tasks:
        whole = sum(cost[task] for task in proxies.SUITE)
        print(f"default suite ({', '.join(proxies.SUITE)}): {1 / whole:.1f} programs/s and core")


if __name__ == "__main__":
    main()
