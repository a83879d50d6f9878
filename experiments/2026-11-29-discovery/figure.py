"""Draws sprint.png: gains over the bar on every task, from sprint_second.json beside this file.

python experiments/2026-11-29-discovery/figure.py
"""

import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from evosearch.pictures import COLOURS, STYLE

HERE = Path(__file__).parent
DRAWN = {
    "sprint.opt, tuned again": "sprint",
    "nadamw_short.opt, tuned": "NAdamW with its averages",
    "muon, tuned": "Muon",
}


def main() -> None:
    """A row for each task, chosen on and held out; points are means over replicates, bars their 95 % intervals."""
    found = json.loads((HERE / "sprint_second.json").read_text())
    tiers = [found["selection"]["losses"], found["held_out"]["losses"]]
    tasks = [task.rpartition(":")[2] for tier in tiers for task in tier["tasks"]]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 5.5), layout="constrained")
        axes = figure.subplots()
        for k, (name, shown) in enumerate(DRAWN.items()):
            gains = np.concatenate([gain(tier, found["bar"], name) for tier in tiers])
            half = stats.t.ppf(0.975, gains.shape[1] - 1) * stats.sem(gains, axis=1)
            rows = np.arange(len(tasks)) + 0.22 * (k - 1)
            axes.errorbar(gains.mean(axis=1), rows, xerr=half, fmt="o", color=COLOURS[k + 1], markersize=4, label=shown)
        axes.axvline(0, color=COLOURS[0], linewidth=0.8)
        axes.axhline(len(tiers[0]["tasks"]) - 0.5, color="#bbbbbb", linewidth=0.8)
        axes.set_yticks(range(len(tasks)), tasks)
        axes.set_ylim(len(tasks) - 0.4, -0.6)
        axes.set_xscale("symlog", linthresh=0.5)
        axes.set_xticks([-2, -1, -0.5, -0.25, 0, 0.25, 0.5, 1], ["-2", "-1", "-0.5", "-0.25", "0", "0.25", "0.5", "1"])
        axes.set_xlabel("log of tuned NAdamW's test loss over the program's; above the line chosen on, below held out")
        axes.legend(loc="lower left")
        figure.savefig(HERE / "sprint.png", dpi=150)


def gain(tier: dict[str, list[object]], bar: str, name: str) -> np.ndarray:
    """Of the program whose name ends so, [tasks, replicates]."""
    row = next(i for i, full in enumerate(tier["names"]) if str(full).endswith(name))
    losses = np.log(np.array(tier["test"]))
    return np.asarray(losses[tier["names"].index(bar)] - losses[row])


if __name__ == "__main__":
    main()
