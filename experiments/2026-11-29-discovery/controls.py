"""More controls on the held-out tasks, beside those of a validation: python controls.py RUN VALIDATION.json PROGRAM ...

What a program loses depends on its name and text and on the seed, not on who else is there, so controls can come later.
Each PROGRAM has all its named constants tuned, on the seeds of the validation; the look is written to the user's ledger
first, the losses are added to controls.json beside this file. Prints the gains of each control over the bar and of the
winner over each control; `controls.py VALIDATION.json` prints that of what is there.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from evosearch.score import GAIN_CAP
from proxies import shown as task_name

HERE = Path(__file__).parent
RESULTS = HERE / "controls.json"


def measure(run: Path, plan: dict[str, Any], programs: list[str]) -> None:
    """Look at the held-out tasks, which is noted before."""
    from evosearch import ledger
    from evosearch.contest import COMPARISONS, Entrant, contest
    from evosearch.resolve import resolve, shown
    from evosearch.run import Prologue
    from evosearch.workers import open_workers
    from primitives.text import show

    options = {"seeds": plan["seeds"], "trials": plan["trials"], "seed": COMPARISONS + plan["seed"]}
    there = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"tasks": plan["held_out"], "plan": options}
    if (there["tasks"], there["plan"]) != (plan["held_out"], options):
        sys.exit(f"{RESULTS.name} holds controls of another validation; move it away first.")
    entrants = [Entrant(shown(name), resolve(name), "all") for name in programs]
    texts = {entrant.name: show(entrant.program) for entrant in entrants}
    ledger.write(
        ledger.look(shlex.join(sys.argv), run, plan["seed"], texts, plan["held_out"], "held out"), ledger.place()
    )
    workers = open_workers(2, "evosearch.contest:make_context", ((),))
    results = contest(entrants, plan["held_out"], **options, run=Prologue(workers, 600.0).call, unseal=True)
    workers.close()
    losses = {name: results.test[i].tolist() for i, name in enumerate(results.names)}
    RESULTS.write_text(json.dumps(there | {"test": there.get("test", {}) | losses}) + "\n")


def told(name: str, tasks: list[str], gains: Any) -> None:
    """A capped mean with its interval of 95 %, and the mean on each task with its standard error."""
    means = gains.mean(axis=1, keepdims=True)
    capped = (gains * np.minimum(1.0, GAIN_CAP / np.maximum(means, 1e-9))).mean(axis=0)
    half = stats.t.ppf(0.975, len(capped) - 1) * stats.sem(capped)
    print(f"{name:48} {capped.mean():+.3f} [{capped.mean() - half:+.3f}, {capped.mean() + half:+.3f}]")
    for task, values in zip(tasks, gains, strict=True):
        print(f"    {task_name(task):20} {values.mean():+.2f} ± {stats.sem(values):.2f}")


def main() -> None:
    """Measure what is named, and print all."""
    found = json.loads(next(Path(name) for name in sys.argv[1:] if name.endswith(".json")).read_text())
    if len(sys.argv) > 3:
        measure(Path(sys.argv[1]), found["plan"], sys.argv[3:])
    held, there = found["held_out"]["losses"], json.loads(RESULTS.read_text())
    of = {name: np.log(test) for name, test in zip(held["names"], held["test"], strict=True)}
    for name, test in there["test"].items():
        told(f"{name} over {found['bar']}", held["tasks"], of[found["bar"]] - np.log(test))
        for winner in found["winners"]:
            told(f"{winner.rpartition('/')[2]} over {name}", held["tasks"], np.log(test) - of[winner])


if __name__ == "__main__":
    main()
