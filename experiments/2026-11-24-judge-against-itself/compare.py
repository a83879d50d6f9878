"""How often does `compare` call AdamW different from AdamW? Many contests of it with a renamed copy of itself.

    python compare.py [--contests 200] [--seeds 10] [--trials 4] [--proxy digits --proxy least_squares]

Each contest has a seed of its own, and the copy trials of its own. "paired" judges each contest as the command does:
both sides are trained on the same seeds. "independent" judges one side of a contest against the other side of the next
one, which shares nothing with it: pilot, tuning seeds and training seeds differ. Writes results.json and figure.png.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import json  # noqa: E402
import time  # noqa: E402
from dataclasses import replace  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from scipy import stats  # noqa: E402

from evosearch.contest import Entrant, Results, contest  # noqa: E402
from evosearch.machine import this_machine  # noqa: E402
from evosearch.run import Prologue  # noqa: E402
from evosearch.verdicts import verdicts  # noqa: E402
from evosearch.workers import open_workers  # noqa: E402
from primitives.reference import reference  # noqa: E402

HERE = Path(__file__).parent
DRAWS = 50  # of the bootstraps, which no verdict reads


def main() -> None:
    """Hold the contests, judge them both ways, write."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--contests", type=int, default=200)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--trials", type=int, default=4)
    options.add_argument("--proxy", action="append")
    args = options.parse_args()
    tasks = tuple(args.proxy or ("digits", "least_squares"))
    began = time.monotonic()
    held = [one(tasks, args.seeds, args.trials, seed) for seed in range(args.contests)]
    crossed = [across(a, b) for a, b in zip(held, [*held[1:], held[0]], strict=True)]
    found = {"paired": judged(held), "independent": judged(crossed)}
    record = {
        "options": {**vars(args), "proxy": tasks},
        "minutes": round((time.monotonic() - began) / 60, 2),
        "trainings": sum(results.trainings for results in held),
        "machine": this_machine(),
        **found,
    }
    (HERE / "results.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    draw(found)
    for name, values in found.items():
        rates = ", ".join(f"{key} {values[key]} of {args.contests}" for key in ("primary", "any_task"))
        print(f"{name}: called different: {rates}; spread of the gain {np.std(values['gains']):.4f}")
    print(f"{record['trainings']:,} trainings, {record['minutes']} minutes")


def one(tasks: tuple[str, ...], seeds: int, trials: int, seed: int) -> Results:
    """A contest of AdamW with itself."""
    program = reference("adamw")
    run = Prologue(open_workers(0, "evosearch.contest:make_context"), 600.0).call
    sides = [Entrant("adamw", program), Entrant("adamw, renamed", program)]
    return contest(sides, tasks, seeds=seeds, trials=trials, seed=seed, run=run)


def across(a: Results, b: Results) -> Results:
    """The first side of one contest against the second of another."""
    return replace(a, test=np.stack([a.test[0], b.test[1]]), steps=np.stack([a.steps[0], b.steps[1]]))


def judged(held: list[Results]) -> dict[str, object]:
    """How often the primary verdict, and any verdict on a task, is not "undecided"; gains and p-values."""
    found = [verdicts(results, draws=DRAWS)[0] for results in held]
    return {
        "primary": sum(v.verdict != "undecided" for v in found),
        "any_task": sum(any(t.verdict != "undecided" for t in v.by_task) for v in found),
        "gains": [round(v.gain.mean, 5) for v in found],
        "p": [round(v.gain.p, 5) for v in found],
        "p_by_task": {t.task: [round(v.by_task[k].gain.p, 5) for v in found] for k, t in enumerate(found[0].by_task)},
    }


def draw(found: dict[str, dict[str, object]]) -> None:
    """The distribution of p-values, which is uniform where the test keeps what it promises."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, 2), found.items(), strict=True):
        axes.plot([0, 1], [0, 1], color="#bbbbbb")
        tests = {"primary": values["p"], **values["p_by_task"]}  # type: ignore[dict-item]
        for colour, (label, p) in zip(("#000000", "#0072b2", "#d55e00", "#009e73"), tests.items(), strict=False):
            ordered = np.sort(np.asarray(p))
            axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered), color=colour, label=label)
        interval = stats.binomtest(values["primary"], len(values["p"])).proportion_ci()  # type: ignore[arg-type]
        share = values["primary"] / len(values["p"])  # type: ignore[operator, arg-type]
        axes.set_title(
            f"{name}: different in {share:.1%} [{interval.low:.1%}, {interval.high:.1%}]", loc="left", size=9
        )
        axes.set_xlabel("p-value before correction")
        axes.set_ylabel("share of contests at or below")
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(HERE / "figure.png", dpi=130)


if __name__ == "__main__":
    main()
