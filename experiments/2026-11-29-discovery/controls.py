"""More controls on the held-out tasks, beside those of a validation: python controls.py RUN VALIDATION.json PROGRAM ...

What a program loses depends on its name and text and on the seed, not on who else is there, so controls can come later.
Each PROGRAM has all its named constants tuned, on the seeds of the validation; the look is written to the user's ledger
first. Prints the gains over the validation's bar, and writes losses to controls.json beside this file.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from evosearch import ledger
from evosearch.contest import Entrant, contest
from evosearch.resolve import resolve, shown
from evosearch.run import Prologue
from evosearch.validation import OWN_SEEDS
from evosearch.workers import open_workers
from primitives.text import show
from proxies import shown as task_name

HERE = Path(__file__).parent
CAP = 0.3


def main() -> None:
    """Look, and say what was seen."""
    run, validation, *programs = sys.argv[1:]
    found = json.loads(Path(validation).read_text())
    plan, held = found["plan"], found["held_out"]["losses"]
    entrants = [Entrant(shown(name), resolve(name), "all") for name in programs]
    texts = {entrant.name: show(entrant.program) for entrant in entrants}
    look = ledger.look(shlex.join(sys.argv), Path(run), plan["seed"], texts, plan["held_out"], "held out")
    ledger.write(look, ledger.place())
    workers = open_workers(2, "evosearch.contest:make_context", ((),))
    options = {"seeds": plan["seeds"], "trials": plan["trials"], "seed": OWN_SEEDS + plan["seed"]}
    results = contest(entrants, plan["held_out"], **options, run=Prologue(workers, 600.0).call, unseal=True)
    workers.close()
    losses = {name: results.test[i].tolist() for i, name in enumerate(results.names)}
    (HERE / "controls.json").write_text(json.dumps({"tasks": plan["held_out"], "plan": options, "test": losses}) + "\n")
    bar = np.log(held["test"][held["names"].index(found["bar"])])
    for name, test in losses.items():
        gains = bar - np.log(test)
        means = gains.mean(axis=1, keepdims=True)
        capped = (gains * np.minimum(1.0, CAP / np.maximum(means, 1e-9))).mean(axis=0)
        half = stats.t.ppf(0.975, len(capped) - 1) * stats.sem(capped)
        print(f"{name:20} {capped.mean():+.3f} [{capped.mean() - half:+.3f}, {capped.mean() + half:+.3f}]")
        for task, values in zip(plan["held_out"], gains, strict=True):
            print(f"    {task_name(task):20} {values.mean():+.2f} ± {stats.sem(values):.2f}")


if __name__ == "__main__":
    main()
