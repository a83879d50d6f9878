"""Draws sprint.png and grafted_muon.png: gains over the bar on every task, from what is beside this file.

python experiments/2026-11-29-discovery/figure.py
"""

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import precise
from matplotlib.figure import Figure
from scipy import stats

from evosearch.pictures import COLOURS, STYLE
from proxies import shown

HERE = Path(__file__).parent
FIGURES = {  # of a validation's record: names of programs, and what they are called here
    "sprint": (
        "sprint_second.json",
        {
            "sprint.opt, tuned again": "sprint",
            "nadamw_short.opt, tuned": "NAdamW with its averages",
            "muon, tuned": "Muon",
        },
    ),
    "grafted_muon": (
        "grafted_validation.json",
        {
            "plain2.opt, tuned again": "grafted_muon",
            "nadamw2.opt": "NAdamW with its constants (held out only)",
            "muon": "Muon (held out only)",
            "adamw, tuned": "AdamW",
        },
    ),
}
FRESH = {"grafted_muon": "plain2.opt, tuned again", "adamw": "adamw, tuned"}  # as what later replicates are drawn
Gains = dict[tuple[str, str], np.ndarray[Any, Any]]  # [replicates], by program and task


def read(name: str) -> tuple[Gains, list[list[str]]]:
    """Gains over the bar, later replicates in the place of a validation's and of controls'; tasks of both tiers."""
    found, controls = (json.loads((HERE / file).read_text()) for file in (name, "controls.json"))
    tiers = [found[tier]["losses"] for tier in ("selection", "held_out")]
    tables = [(tier["tasks"], zip(tier["names"], tier["test"], strict=True)) for tier in tiers]
    tables += [(controls["tasks"], controls["test"].items())]
    losses = {
        (program, shown(task)): np.log(values)
        for tasks, rows in tables
        for program, row in rows
        for task, values in zip(tasks, row, strict=True)
    }
    gains = {(program, task): losses[found["bar"], task] - values for (program, task), values in losses.items()}
    fresh = precise.read()
    bar = fresh[precise.BAR]
    later = {
        (FRESH.get(program, program), task): bar[task][: len(values)] - values[: len(bar[task])]
        for program, tasks in fresh.items()
        for task, values in tasks.items()
    }
    return gains | later, [[shown(task) for task in tier["tasks"]] for tier in tiers]


def draw(figure_name: str) -> None:
    """A row for each task, chosen on and held out; points are means over replicates, bars their 95 % intervals."""
    file, drawn = FIGURES[figure_name]
    known, tiers = read(file)
    tasks = [task for tier in tiers for task in tier]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 6.0), layout="constrained")
        axes = figure.subplots()
        for k, (end, shown) in enumerate(drawn.items()):
            gains = {
                i: values
                for i, task in enumerate(tasks)
                for (program, there), values in known.items()
                if there == task and program.rpartition("/")[2] == end
            }
            rows = np.array(list(gains)) + 0.2 * (k - (len(drawn) - 1) / 2)
            half = [stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) for values in gains.values()]
            means = [values.mean() for values in gains.values()]
            axes.errorbar(means, rows, xerr=half, fmt="o", color=COLOURS[k + 1], markersize=4, label=shown)
        axes.axvline(0, color=COLOURS[0], linewidth=0.8)
        axes.axhline(len(tiers[0]) - 0.5, color="#bbbbbb", linewidth=0.8)
        axes.set_yticks(range(len(tasks)), [task.rpartition(":")[2] for task in tasks])
        axes.set_ylim(len(tasks) - 0.4, -0.6)
        axes.set_xscale("symlog", linthresh=0.5)
        ticks = (-2, -1, -0.5, -0.25, 0, 0.25, 0.5, 1, 2)
        axes.set_xticks(ticks, map(str, ticks))
        axes.set_xlabel("log of tuned NAdamW's test loss over the program's; above the line chosen on, below held out")
        figure.legend(loc="outside lower center", ncols=2)
        figure.savefig(HERE / f"{figure_name}.png", dpi=150)


def main() -> None:
    """Draw both."""
    for name in FIGURES:
        draw(name)


if __name__ == "__main__":
    main()
