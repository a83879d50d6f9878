"""Figures of a contest: gains by task with intervals, and the performance profile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import proxies
from evosearch import statistics
from evosearch.config import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evosearch.contest import Results
    from evosearch.verdicts import Verdict

FORMATS = (".png", ".svg", ".pdf")
WIDEST = 120  # characters of a row of the legend
LONGEST = 40  # characters of a name in a label
COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: any eye
STYLE: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.0,
    "legend.frameon": False,
    "svg.hashsalt": "evosearch",  # the same file each time
}


def check(path: Path) -> None:
    """ConfigError unless the file can be a figure."""
    if path.suffix not in FORMATS:
        raise ConfigError(f"a figure is a {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file, not {path}.")


def contest(results: Results, found: tuple[Verdict, ...], path: Path) -> None:
    """Write the figure of a contest, whole or not at all."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    rows = len(results.tasks) + 1
    columns = max(1, min(len(results.names), WIDEST // (6 + max(map(len, results.names)))))
    height = max(3.0, 0.8 + 0.22 * rows * max(1, len(found))) + 0.2 * -(-len(results.names) // columns)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, height), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _gains(left, results, found)
        _profile(right, results)
        figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=columns)
        partial = path.with_name(f"{path.name}.partial")
        figure.savefig(partial, format=path.suffix[1:], dpi=150)
    os.replace(partial, path)


def _colour(k: int) -> str:
    return COLOURS[k % len(COLOURS)]


def _gains(axes: Axes, results: Results, found: tuple[Verdict, ...]) -> None:
    """A row for each task and one for the mean; what is decided has a full mark."""
    labels = [*map(proxies.shown, results.tasks), "mean, capped"]
    for k, verdict in enumerate(found):
        shift = 0.6 * ((k + 0.5) / len(found) - 0.5)
        marks = [*((t.gain, t.verdict) for t in verdict.by_task), (verdict.gain, verdict.verdict)]
        for row, (gain, word) in enumerate(marks):
            colour = _colour(k + 1)
            inside = "white" if word == "undecided" else colour
            axes.plot([gain.low, gain.high], [row + shift] * 2, color=colour, linewidth=1.5)
            axes.plot([gain.mean], [row + shift], "o", color=colour, markersize=5, markerfacecolor=inside)
    axes.axvline(0, color=_colour(0), linewidth=0.8)
    axes.axhline(len(results.tasks) - 0.5, color="#bbbbbb", linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    first = results.names[0] if len(results.names[0]) <= LONGEST else "the first"
    axes.set_xlabel(f"log(test loss of {first} / own), with 95 % intervals")
    axes.set_title("Gain; full marks are decided after Holm's correction")


def _profile(axes: Axes, results: Results) -> None:
    """Of each entrant, the share of (task, replicate) within a ratio of the best loss there."""
    over = results.test / results.test.min(axis=0)
    ratios = np.geomspace(1.0, max(1.05, min(10.0, float(np.quantile(over, 0.95)))), 400)
    for k, (name, shares) in enumerate(zip(results.names, statistics.profile(results.test, ratios), strict=True)):
        axes.plot(ratios, shares, drawstyle="steps-post", color=_colour(k), label=name, linewidth=1.5)
    axes.set_xscale("log")
    axes.set_xlim(ratios[0], ratios[-1])
    ticks = [float(f"{x:.2g}") for x in np.geomspace(ratios[0], ratios[-1], 5)]
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("test loss over the best")
    axes.set_ylabel("share of tasks and replicates")
    axes.set_title("Performance profile")
