r"""Losses of more than 200 varied programs on every search and selection task, for rank correlations.

    evosearch run --proxy digits --proxy digits_narrow --proxy low_rank --proxy least_squares \
        --programs 5000 --seed 7 --out RUN
    python experiments/2026-11-24-choosing-the-suite/measure.py RUN

The programs: PER_STAGE distinct ones of the run from each stage they reached (by quantiles of their scores, so bad ones
too), and all plain reference programs. Each is trained at a wide grid of rates, then on fresh seeds around its best.
Kept in programs.json and losses.npz after each task; tasks that are there are left out.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from proxies.threads import pin_environment

pin_environment()

import numpy as np  # noqa: E402

import proxies  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.evaluate import grid  # noqa: E402
from evosearch.run import Prologue  # noqa: E402
from evosearch.score import logs  # noqa: E402
from evosearch.store import Store  # noqa: E402
from evosearch.trials import WIDE  # noqa: E402
from evosearch.tuning import Plan  # noqa: E402
from evosearch.workers import open_workers  # noqa: E402
from primitives.machines.batch import company  # noqa: E402
from primitives.reference import names, reference  # noqa: E402
from primitives.text import show  # noqa: E402

HERE = Path(__file__).parent
PER_STAGE = 28
GATE_SEEDS = (800_000, 800_001)  # of the wide grid
SEEDS = tuple(range(810_000, 810_008))  # of the rates around the best
HALF = 0.5  # of the steps, for how correlation grows with them


def varied(directory: Path) -> list[str]:
    """Texts of distinct programs of a run, from bad to good, and the plain reference programs."""
    store = Store(directory / "store.sqlite")
    by_stage: dict[int, list[tuple[float, str]]] = {}
    seen = set()
    for row in store.rows(0):
        if row.measured is None or row.known or row.bred.fingerprint in seen or row.bred.status != "ok":
            continue
        seen.add(row.bred.fingerprint)
        last = row.measured.stages[-1]
        if np.isfinite(last.losses).any():
            by_stage.setdefault(len(row.measured.stages), []).append((float(np.nanmin(last.losses)), row.bred.text))
    store.close()
    texts = []
    for programs in by_stage.values():
        programs.sort()
        places = np.linspace(0, len(programs) - 1, min(PER_STAGE, len(programs))).astype(int)
        texts += [programs[i][1] for i in places]
    return [*dict.fromkeys(texts), *(show(reference(name)) for name in names() if company(reference(name)) == ())]


def losses_on(task: str, texts: list[str], prologue: Prologue) -> dict[str, Any]:
    """Validation losses of each program: [programs, seeds, rates] over a wide grid, then around its best."""
    proxy = proxies.get(task)
    wide = prologue.train(Plan(task, GATE_SEEDS, proxy.warmup), [(text, WIDE) for text in texts])
    best = [WIDE[int(logs(rows, proxy.bounds).mean(axis=0).argmin())] for rows in wide]
    near = [tuple(b + e for e in grid(5, 1)) for b in best]
    items = list(zip(texts, near, strict=True))
    full = prologue.train(Plan(task, SEEDS, proxy.warmup), items)
    half = prologue.train(Plan(task, SEEDS[:4], proxy.warmup, HALF), items)
    return {"wide": np.stack(wide), "near": np.array(near), "full": np.stack(full), "half": np.stack(half)}


def main() -> None:
    """Measure what is missing."""
    chosen, kept = HERE / "programs.json", HERE / "losses.npz"
    if not chosen.is_file():
        chosen.write_text(json.dumps(varied(Path(sys.argv[1])), indent=1) + "\n")
    texts = json.loads(chosen.read_text())
    found = dict(np.load(kept)) if kept.is_file() else {}
    workers = open_workers(2, "evosearch.breed:make_context", (Config(),))
    try:
        prologue = Prologue(workers, 900.0)
        for task in (*proxies.of_tier("search"), *proxies.of_tier("selection")):
            if f"{task}/full" in found:
                continue
            began = time.monotonic()
            for key, values in losses_on(task, texts, prologue).items():
                found[f"{task}/{key}"] = values.astype(np.float32)
            seconds = time.monotonic() - began
            trainings = len(texts) * (len(GATE_SEEDS) * len(WIDE) + 5 * len(SEEDS) + 0.5 * 5 * 4)
            found[f"{task}/microseconds"] = np.array(2e6 * seconds / trainings)  # a training, on one of two cores
            np.savez_compressed(kept, **found)
            print(f"{task:22} {seconds:7.0f} s", flush=True)
    finally:
        workers.close()


if __name__ == "__main__":
    main()
