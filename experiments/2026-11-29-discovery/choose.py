"""Programs on the selection tier, each tuned at the same budget: which deserve the look at the held-out tasks?

    python experiments/2026-11-29-discovery/choose.py [PROGRAM ...] [--fixed PROGRAM ...] [--tasks NAME ...]
        [--seeds 8] [--trials 12] [--table]

PROGRAM has all its named constants tuned, one after --fixed learning rate and warm-up only. What a program loses does
not depend on who else is there (evosearch/contest.py), so each program and task is a line of choose.jsonl beside this
file and is measured once. The table has the gain over AdamW: log of its test loss over the program's, its mean over
replicates of tuning and training with the standard error, and the mean over tasks, each counted up to 0.3.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
RESULTS = HERE / "choose.jsonl"
BASELINES = ("adamw", "nadamw", "radam", "lion", "momentum", "muon")
TASKS = (
    "wine", "diabetes", "teacher_student", "matrix_factorisation", "modular_addition", "noisy_quadratic",
    "digits_convolution", "digits_autoencoder", "text_recurrent",
)  # fmt: skip


def measured() -> dict[tuple[str, str], dict[str, Any]]:
    """What is there, by key and task."""
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    return {(row["key"], row["task"]): row for row in map(json.loads, lines)}


def entrants(a: argparse.Namespace) -> dict[str, Any]:
    """The programs, by a key of all that their losses depend on."""
    from evosearch.contest import Entrant
    from evosearch.resolve import resolve
    from primitives.text import show

    found = {}
    for spec, free in [(p, "all") for p in a.programs] + [(p, ()) for p in a.fixed]:
        program = resolve(spec)
        name = program.name if free == "all" else f"{program.name}, as found"
        text = f"{name} {free} {a.seeds} {a.trials} {show(program)}"
        found[hashlib.sha256(text.encode()).hexdigest()[:12]] = Entrant(name, program, free)
    return found


def measure(a: argparse.Namespace) -> None:
    """Tune and train what is not there yet."""
    from evosearch.contest import contest
    from evosearch.run import Prologue
    from evosearch.warm import compile_machines
    from evosearch.workers import open_workers
    from primitives.text import show

    there = measured()
    left = [(t, k, e) for t in a.tasks for k, e in entrants(a).items() if (k, t) not in there]
    if not left:
        return
    compile_machines(a.tasks, print)
    workers = open_workers(2, "evosearch.contest:make_context", ((),))
    run = Prologue(workers, 600.0).call
    with RESULTS.open("a") as file:
        for task, key, entrant in left:
            began = time.monotonic()
            found = contest([entrant], [task], seeds=a.seeds, trials=a.trials, seed=5, run=run)
            row = {"key": key, "task": task, "name": entrant.name, "free": entrant.free, "seeds": a.seeds}
            row |= {"trials": a.trials, "text": show(entrant.program), "test": found.test[0, 0].tolist()}
            row |= {"validation": found.validation[0, 0].tolist()}
            print(json.dumps(row), file=file, flush=True)
            print(f"{task:22} {entrant.name:28} {time.monotonic() - began:6.1f} s", flush=True)
    workers.close()


def table(a: argparse.Namespace) -> None:
    """The gains over AdamW."""
    rows = measured()
    names = {key: entrant.name for key, entrant in entrants(a).items()}
    first = next(key for key, name in names.items() if name == "adamw")
    print(f"{'':28}" + "".join(f"{task[:12]:>13}" for task in a.tasks) + f"{'mean':>16}")
    for key, name in names.items():
        cells, by_task = [], []
        for task in a.tasks:
            if (key, task) not in rows or (first, task) not in rows:
                cells.append(f"{'':>13}")
                continue
            gains = np.log(rows[first, task]["test"]) - np.log(rows[key, task]["test"])
            by_task.append(gains * min(1.0, 0.3 / max(gains.mean(), 1e-9)) if gains.mean() > 0.3 else gains)
            cells.append(f"{gains.mean():+7.2f} ±{gains.std(ddof=1) / len(gains) ** 0.5:4.2f}")
        means = np.mean(by_task, axis=0)
        cells.append(f"{means.mean():+9.3f} ±{means.std(ddof=1) / len(means) ** 0.5:5.3f}")
        print(f"{name:28}" + "".join(cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", nargs="*", default=[])
    parser.add_argument("--fixed", nargs="*", default=[])
    parser.add_argument("--tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--table", action="store_true")
    a = parser.parse_args()
    a.programs = [*dict.fromkeys([*BASELINES, *a.programs])]
    if not a.table:
        measure(a)
    table(a)


if __name__ == "__main__":
    main()
