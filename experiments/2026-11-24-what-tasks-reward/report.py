"""The table and the figure of what each task rewards, from results.json.

    python experiments/2026-11-24-what-tasks-reward/report.py

A cell is the gain: log of tuned AdamW's test loss over the method's, mean over the paired fresh seeds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt

import proxies
from evosearch.score import logs
from evosearch.statistics import student

HERE = Path(__file__).parent
BAR = "adamw (tuned)"


def gains(results: dict[str, Any]) -> tuple[list[str], list[str], np.ndarray, np.ndarray]:
    """Methods (best first), tasks, and [methods, tasks]: mean gain and half of its 95 % interval."""
    tasks = [t for t in (*proxies.of_tier("search"), *proxies.of_tier("selection")) if t in results["tasks"]]
    methods = list(results["tasks"][tasks[0]]["methods"])
    mean, half = np.zeros((len(methods), len(tasks))), np.zeros((len(methods), len(tasks)))
    for k, task in enumerate(tasks):
        record = results["tasks"][task]
        bar = logs(record["methods"][BAR]["losses"], record["bounds"])
        for i, method in enumerate(methods):
            found = student(bar - logs(record["methods"][method]["losses"], record["bounds"]))
            mean[i, k], half[i, k] = found.mean, (found.high - found.low) / 2
    order = np.argsort(-np.clip(mean, -1, 0.3).mean(axis=1), kind="stable")
    return [methods[i] for i in order], tasks, mean[order], half[order]


def table(methods: list[str], tasks: list[str], mean: np.ndarray, half: np.ndarray) -> str:
    """Markdown; bold where the interval lies above 0."""
    lines = [f"| method | {' | '.join(tasks)} |", "|---" * (len(tasks) + 1) + "|"]
    for i, method in enumerate(methods):
        cells = [f"{m:+.2f}" if h < abs(m) else f"{m:+.2f} ·" for m, h in zip(mean[i], half[i], strict=True)]
        cells = [f"**{c}**" if m - h > 0 else c for c, m, h in zip(cells, mean[i], half[i], strict=True)]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def figure(methods: list[str], tasks: list[str], mean: np.ndarray, half: np.ndarray) -> None:
    """A map: blue where a method beats tuned AdamW, red where it loses; a dot where the interval holds 0."""
    fig, ax = plt.subplots(figsize=(1.5 + 0.62 * len(tasks), 1.5 + 0.27 * len(methods)), layout="constrained")
    image = ax.imshow(np.clip(mean, -0.5, 0.5), cmap="RdBu", vmin=-0.5, vmax=0.5, aspect="auto")
    for (i, k), m in np.ndenumerate(mean):
        shown = f"{m:+.2f}" if abs(m) < 9.95 else f"{m:+.0f}"
        dark = abs(m) > 0.35
        ax.text(k, i, shown + ("·" if half[i, k] >= abs(m) else ""), ha="center", va="center", fontsize=6,
                color="white" if dark else "black")  # fmt: skip
    ax.set_xticks(range(len(tasks)), tasks, rotation=55, ha="right", fontsize=8)
    ax.set_yticks(range(len(methods)), methods, fontsize=7)
    first = sum(proxies.TASKS[task].tier == "search" for task in tasks)
    ax.axvline(first - 0.5, color="black", lw=1)
    ax.set_title("gain over tuned AdamW (log of test losses); left: search tasks, right: selection tasks", fontsize=9)
    fig.colorbar(image, ax=ax, shrink=0.5)
    fig.savefig(HERE / "map.png", dpi=130)


def main() -> None:
    """Write table.md and map.png."""
    found = gains(json.loads((HERE / "results.json").read_text()))
    (HERE / "table.md").write_text(table(*found))
    figure(*found)
    methods, tasks, mean, half = found
    for k, task in enumerate(tasks):
        better = [f"{m} {mean[i, k]:+.2f}" for i, m in enumerate(methods) if mean[i, k] - half[i, k] > 0]
        print(f"{task}: {', '.join(better) or 'nothing'}")


if __name__ == "__main__":
    main()
