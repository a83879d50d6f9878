"""The bars: AdamW, NAdamW and Lion, tuned once for a set of tasks and stored with all that was tried; score 0.

The bar is the better of AdamW and NAdamW on the tuning seeds. Which constants are best is taken from the store, how
well they do is measured again on every machine.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import proxies
from evosearch.config import Config, Scoring
from evosearch.evaluate import grid
from evosearch.machine import this_machine
from evosearch.mistakes import StoreError
from evosearch.score import WIDTH, Baseline, own_logs
from evosearch.tuning import SEEDS, Plan, Run, Tried, Tuned, tune
from primitives.reference import reference
from primitives.text import show
from proxies import manifest

NAMES = ("adamw", "nadamw", "lion")
SETS = Scoring().tune  # of constants that a stored tuning tried
FOLDER = Path(str(files("evosearch"))) / "baselines"


def baselines(tasks: Sequence[str], sets: int, run: Run, say: Callable[[str], None]) -> dict[str, Tuned]:
    """AdamW, NAdamW and Lion tuned for these tasks together: as stored, else tuned now."""
    found = stored(tasks) if sets == SETS else None
    if found is None:
        found = {}
        for name in NAMES:
            say(f"tuning {name}: constants, warm-up, learning rates")
            found[name] = tune(reference(name), tasks, run, sets)
    return found


def bar(tuned: Mapping[str, Tuned]) -> str:
    """The name of the bar."""
    return min(("adamw", "nadamw"), key=lambda name: tuned[name].loss)


def stored(tasks: Sequence[str]) -> dict[str, Tuned] | None:
    """What is stored for these tasks; None where there is nothing, or tasks or programs have changed since."""
    path = path_of(tasks)
    if not path.is_file():
        return None
    record, found = read(path)
    return found if record["definition"] == (definition(tasks) or None) else None


def read(path: Path) -> tuple[dict[str, Any], dict[str, Tuned]]:
    """What a file holds, and the tunings in it by name; StoreError where it is none of `to_record`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found = from_record(record)
        math.fsum([found[name].loss for name in NAMES])
        math.fsum([exponent for t in found.values() for exponent in t.exponents.values()])
        return {"definition": record["definition"], "tasks": record["tasks"], "machine": dict(record["machine"])}, found
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{path} is no tuned baseline ({type(error).__name__}); delete it, then `evosearch baselines --rerun`."
        ) from error


def path_of(tasks: Sequence[str]) -> Path:
    """The file for a set of tasks."""
    name = "+".join(tasks)
    long = hashlib.sha256(name.encode()).hexdigest()[:12]
    return FOLDER / f"{name if len(tasks) == 1 else f'{len(tasks)}-tasks-{long}'}.json"


def definition(tasks: Sequence[str]) -> str:
    """What a tuning depends on, as a hash: tasks, programs and budget."""
    if not all(task in proxies.TASKS for task in tasks):
        return ""  # a user's own task may change at any time
    opened = map(proxies.get, tasks)
    known = [(p.name, p.layout, p.steps, p.batch, p.bounds, p.warmup, p.summary) for p in opened]
    rows = manifest.stored()
    data = [(proxies.TASKS[task].options, rows.get(task)) for task in tasks]
    return hashlib.sha256(repr((known, data, [show(reference(n)) for n in NAMES], SETS, SEEDS)).encode()).hexdigest()


def to_record(tasks: Sequence[str], tuned: Mapping[str, Tuned], seconds: float) -> dict[str, Any]:
    """Everything about a tuning, as plain values."""
    about = {"tasks": list(tasks), "definition": definition(tasks), "machine": this_machine()}
    programs = {name: {**asdict(t), "tried": [list(asdict(x).values()) for x in t.tried]} for name, t in tuned.items()}
    return {**about, "seconds": round(seconds, 1), "programs": programs}


def from_record(record: Mapping[str, Any]) -> dict[str, Tuned]:
    """The inverse of `to_record`."""
    found = {}
    for name, values in record["programs"].items():
        tried = tuple(
            Tried(n, w, tuple(map(tuple, constants)), tuple(map(tuple, exponents)), loss)
            for n, w, constants, exponents, loss in values["tried"]
        )
        found[name] = Tuned(**{**values, "tried": tried})
    return found


def baseline(tuned: Tuned, config: Config, run: Run) -> Baseline:
    """The tuned program measured on each training seed, in gate and full trainings, on grids as candidates have them.

    Its grids stand around its tuned rates, and all other seeds of the pool choose for a seed; a candidate's full grid
    stands around the best of its gate, and the few seeds that it has bought choose. So a candidate that is the bar
    scores a little below 0.
    """
    seeds = tuple(range(config.scoring.seed_pool))
    kinds = {"gate": (config.scoring.gate_steps, config.scoring.gate_lrs, 2), "full": (1.0, config.scoring.lrs, 1)}
    found: dict[str, dict[str, dict[int, float]]] = {}
    for name in config.proxies:
        found[name] = {}
        for kind, (part, count, step) in kinds.items():
            exponents = tuple(tuned.exponents[name] + e for e in grid(count, step))
            [losses] = run(Plan(name, seeds, tuned.warmup, part), [(tuned.text, exponents)])
            own = own_logs(losses, proxies.get(name).bounds, WIDTH[kind])
            found[name][kind] = dict(zip(seeds, own.tolist(), strict=True))
    return Baseline(tuned.text, tuned.warmup, tuned.exponents, found)
