"""Which ideas earn their place in a search? A fractional factorial design over eight options of the configuration.

    python experiments/2026-11-29-which-ideas-earn/factorial.py [--seeds 2] [--trained 1500] [--processes 2]

Sixteen configurations (2^(8-4), resolution IV: no main effect is mixed up with another or with a pair), each with so
many seeds. A search from AdamW on the default suite ends after so many distinct programs were trained. Its best program
is then compared with the bar of the search on tasks of the selection tier: learning rate and warm-up of both tuned
alike on each, on paired seeds. A finished search is a line of results.jsonl; what is there is not run again. At the end
the effect of each option, with 95 % intervals, which --table prints alone.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import json  # noqa: E402
import math  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Mapping, Sequence  # noqa: E402
from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: E402
from itertools import product  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
TASKS = ("noisy_quadratic", "matrix_factorisation", "teacher_student", "modular_addition", "wine", "digits_autoencoder")
REPLICATES, TRIALS = 8, 6  # of the comparison on each task
CAP = 0.3  # of the gain on one task, as in the search

# Each option at its default, and changed.
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    "lexicase for half of the parents": {"evolution": {"lexicase": 0.5}},
    "blocks of other programs": {"mutations": {"graft": 1.0}},
    "several starts": {"evolution": {"start": ("adamw", "momentum", "lion", "rmsprop")}},
    "four islands of 100": {"evolution": {"islands": 4, "population": 100, "migrate_every": 1000}},
    "constants by CMA-ES for 30 %": {"evolution": {"constants": 0.3}},
    "no prices": {"evolution": {"length_price": 0.0, "state_price": 0.0, "cost_price": 0.0}},
    "niches for 30 % of the parents": {"evolution": {"niches": 0.3}},
    "two seeds first": {"scoring": {"seeds": 2}},
}


def design() -> list[tuple[bool, ...]]:
    """Sixteen rows of eight levels: four columns at all combinations, the others products of three of them."""
    rows = []
    for a, b, c, d in product((-1, 1), repeat=4):
        rows.append((a, b, c, d, b * c * d, a * c * d, a * b * c, a * b * d))
    return [tuple(level > 0 for level in row) for row in rows]


def configuration(levels: tuple[bool, ...], factors: Mapping[str, Any] = FACTORS) -> dict[str, Any]:
    """The settings that differ from the defaults."""
    settings: dict[str, Any] = {}
    for high, changes in zip(levels, factors.values(), strict=True):
        for table, values in changes.items() if high else ():
            settings.setdefault(table, {}).update(values)
    return settings


def one(row: int, seed: int, trained: int) -> dict[str, Any]:
    """One search, and what its best program is worth on the selection tasks."""
    from evosearch import directory, run
    from evosearch.api import configured
    from evosearch.checks import check
    from evosearch.contest import Entrant, contest
    from evosearch.search import Search
    from evosearch.workers import open_workers
    from primitives.text import parse

    began = time.monotonic()
    config = configured(configuration(design()[row]), {"seed": seed, "workers": 1})
    check(config)
    with tempfile.TemporaryDirectory() as folder:
        store = directory.create(Path(folder) / "run", config)
        workers = open_workers(0, "evosearch.breed:make_context", (config, None))
        prologue = run.Prologue(workers, config.scoring.deadline)
        references = run.prepare(config, store, prologue, lambda text: None)
        search = Search(config, store, workers, references.bar, store.founders())
        search.run(0, lambda: search.tally.trained >= trained, lambda search: None)
        best, seconds = search.archive.leader(), time.monotonic() - began
        store.close()
        assert best is not None
        pair = [Entrant("bar", parse(references.bar.text), ()), Entrant("found", parse(best.bred.text), ())]
        found = contest(pair, TASKS, seeds=REPLICATES, trials=TRIALS, seed=seed, run=prologue.call)
        workers.close()
    gains = np.log(found.test[0] / found.test[1]).mean(axis=1)
    return {
        "row": row, "seed": seed, "generated": search.tally.generated, "trained": search.tally.trained,
        "seconds": round(seconds), "in search": round(best.score, 4), "believed": round(best.believed, 4),
        "gains": [round(float(gain), 4) for gain in gains], "text": best.bred.text,
    }  # fmt: skip


def read(results: Path = RESULTS) -> list[dict[str, Any]]:
    """What is there."""
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def value(row: dict[str, Any]) -> float:
    """The mean gain over the selection tasks, each counted up to CAP."""
    return float(np.mean(np.minimum(row["gains"], CAP)))


def effects(rows: Sequence[int], y: Any) -> list[tuple[float, float]]:
    """The mean of y [runs], then the effect of each option, with half of its 95 % interval.

    By least squares over all runs, errors from what main effects do not explain.
    """
    levels = np.array([[1.0 if high else -1.0 for high in design()[row]] for row in rows])
    X = np.column_stack([np.ones(len(rows)), levels / 2])  # so that a coefficient is changed less default
    beta, *_ = np.linalg.lstsq(X, y, rcond=None)
    free = len(y) - X.shape[1]
    variance = float(np.sum((y - X @ beta) ** 2)) / free if free > 0 else math.nan
    half = stats.t.ppf(0.975, max(1, free)) * np.sqrt(variance * np.diag(np.linalg.pinv(X.T @ X)))
    return list(zip(beta.tolist(), half.tolist(), strict=True))


def table(rows: list[dict[str, Any]]) -> str:
    """The effect of each option on what is found."""
    lines = ["| option | on selection tasks | 95 % | in the search | 95 % |", "|---|---|---|---|---|"]
    cells: list[list[str]] = [[name] for name in ("mean of all runs", *FACTORS)]
    for y in (np.array([value(row) for row in rows]), np.array([row["in search"] for row in rows])):
        for cell, (b, h) in zip(cells, effects([row["row"] for row in rows], y), strict=True):
            cell += [f"{b:+.3f}", f"{b - h:+.3f} to {b + h:+.3f}"]
    return "\n".join([*lines, *("| " + " | ".join(cell) + " |" for cell in cells)])


def main() -> None:
    """Run what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trained", type=int, default=1500, help="distinct programs a search trains")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    done = {(row["row"], row["seed"]) for row in read()}
    todo = [(row, seed) for seed in range(args.seeds) for row in range(16) if (row, seed) not in done]
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        waiting = [] if args.table else [pool.submit(one, row, seed, args.trained) for row, seed in todo]
        for future in as_completed(waiting):
            row = future.result()
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{row['row']}, seed {row['seed']}: {value(row):+.3f}, {row['seconds']} s", flush=True)
    if rows := read():
        print(table(rows))


if __name__ == "__main__":
    main()
