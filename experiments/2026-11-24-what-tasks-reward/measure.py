"""Every first-order method on every search and selection task: test losses on fresh seeds at the best learning rate.

    python experiments/2026-11-24-what-tasks-reward/measure.py [TASK ...]

Two blocks: all methods with their default constants, their learning rate tuned; and the methods of TUNED with all their
constants tuned at equal budget (evosearch.tuning). Results are kept after each task in results.json; a task that is
named is measured again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from proxies.threads import pin_environment

pin_environment()

import numpy as np  # noqa: E402

import evosearch  # noqa: E402
import proxies  # noqa: E402
from evosearch.baseline import SETS  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.evaluate import grid  # noqa: E402
from evosearch.machine import this_machine  # noqa: E402
from evosearch.run import Prologue  # noqa: E402
from evosearch.score import logs  # noqa: E402
from evosearch.trials import WIDE  # noqa: E402
from evosearch.tuning import TUNING_SEED, Plan, Run, Tuned, tune  # noqa: E402
from evosearch.workers import open_workers  # noqa: E402
from primitives.reference import names  # noqa: E402
from primitives.text import show  # noqa: E402

HERE = Path(__file__).parent
DEAR = 8.0  # milliseconds of a training from which on a third as many sets of constants are tried, of every method
FRESH = tuple(range(900_000, 900_008))
SECOND_ORDER = {"adagrad_full", "conjugate_gradient", "hessian_free", "newton", "nonlinear_cg", "nonlinear_cg_fr"}
WRAPPED = ("by_shape(muon_everywhere, adamw)", "lookahead(adamw)", "clip_norm(momentum)")
TUNED = ("adamw", "nadamw", "lion", "muon", "adagrad", "rmsprop", "momentum", "sgd")


def milliseconds(task: str) -> float:
    """Of a training, about."""
    return proxies.get(task).microseconds * proxies.get(task).steps / 1000


def first_order() -> tuple[str, ...]:
    """The reference programs that use gradients alone, and a few wrappers around them."""
    return (*(name for name in names() if name not in SECOND_ORDER), *WRAPPED)


def at_defaults(specs: Sequence[str], task: str, run: Run) -> list[Tuned]:
    """Each method with its own constants at its best learning rate: a wide grid, then nearby."""
    bounds = proxies.get(task).bounds
    texts, centres = [show(evosearch.load(spec)) for spec in specs], [0] * len(specs)
    for seeds, grids in ((2, [WIDE] * len(specs)), (4, None)):
        grids = grids or [tuple(c + e for e in grid(5, 1)) for c in centres]
        plan = Plan(task, tuple(TUNING_SEED + i for i in range(seeds)), proxies.get(task).warmup)
        found = run(plan, list(zip(texts, grids, strict=True)))
        centres = [g[int(logs(rows, bounds).mean(axis=0).argmin())] for g, rows in zip(grids, found, strict=True)]
    return [Tuned(t, proxies.get(task).warmup, {task: c}) for t, c in zip(texts, centres, strict=True)]


def tested(tuned: Sequence[Tuned], task: str, run: Run) -> list[list[float]]:
    """Test losses on the fresh seeds."""
    found: list[list[float]] = []
    for t in tuned:
        [rows] = run(Plan(task, FRESH, t.warmup, test=True), [(t.text, (t.exponents[task],))])
        found.append([float(f"{x:.6g}") for x in np.asarray(rows)[:, 0]])
    return found


def measure_task(task: str, run: Run) -> dict[str, Any]:
    """Everything about one task."""
    began = time.monotonic()
    default = at_defaults(first_order(), task, run)
    sets = SETS if milliseconds(task) < DEAR else SETS // 3
    tuned = [tune(evosearch.load(spec), (task,), run, sets) for spec in TUNED]
    rows = {}
    for kind, specs, settings in (("default", first_order(), default), ("tuned", TUNED, tuned)):
        for spec, t, losses in zip(specs, settings, tested(settings, task, run), strict=True):
            rows[f"{spec} ({kind})"] = {
                "losses": losses, "exponent": t.exponents[task], "warmup": t.warmup, "text": t.text,
            }  # fmt: skip
    return {
        "sets": sets,
        "seconds": round(time.monotonic() - began, 1),
        "bounds": proxies.get(task).bounds,
        "methods": rows,
    }


def main() -> None:
    """Measure what is named or missing."""
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.is_file() else {"machine": this_machine(), "tasks": {}}
    todo = sys.argv[1:] or [*proxies.of_tier("search"), *proxies.of_tier("selection")]
    workers = open_workers(2, "evosearch.breed:make_context", (Config(),))
    try:
        prologue = Prologue(workers, 900.0)
        for task in todo:
            if task in results["tasks"] and not sys.argv[1:]:
                continue
            results["tasks"][task] = measure_task(task, prologue.train)
            path.write_text(json.dumps(results, separators=(",", ":")) + "\n")
            print(f"{task:22} {results['tasks'][task]['seconds']:7.0f} s", flush=True)
    finally:
        workers.close()


if __name__ == "__main__":
    main()
