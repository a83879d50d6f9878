"""How grafted_muon trains, and how much its rate matters: response.json, curves.png and rates.png beside this file.

python experiments/2026-11-29-discovery/response.py [--draw]

On six selection tasks each program is trained with its constants as they ship at thirteen learning rates, a quarter of
a decade apart, on six seeds; and at the best of these on twelve others, watched on the way.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evosearch.pictures import COLOURS, STYLE
from evosearch.report.curves import Band, Subject, measure
from evosearch.resolve import resolve
from primitives.text import show

HERE = Path(__file__).parent
RESULTS = HERE / "response.json"
PROGRAMS = ("grafted_muon", "adamw", "nadamw", "muon")
TASKS = ("teacher_student", "modular_addition", "digits_convolution", "digits_autoencoder", "noisy_quadratic", "wine")
WARM_UP = 0.1
HIGHEST = 4.0  # of the lowest loss: what is above is not drawn


def trained() -> dict[str, Any]:
    """Bands by task: of the rates and of the courses of each program."""
    subjects = [Subject(name, show(resolve(name)), WARM_UP) for name in PROGRAMS]
    found = measure(subjects, TASKS, lambda text: print(text, flush=True))
    return {on.task: {"rates": [*map(numbers, on.rates)], "curves": [*map(numbers, on.curves)]} for on in found}


def numbers(band: Band) -> dict[str, list[float]]:
    """A band for a file."""
    values = {"xs": band.xs, "means": band.means, "lows": band.lows, "highs": band.highs}
    return {name: [float(f"{x:.5g}") for x in array] for name, array in values.items()}


def draw(found: dict[str, Any], key: str, label: str) -> None:
    """A panel for each task, a line for each program with its 95 % interval."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.5), layout="constrained")
        for axes, (task, bands) in zip(figure.subplots(2, 3).flat, found.items(), strict=True):
            panel(axes, task, bands[key], key == "rates")
        figure.supxlabel(label, fontsize=9.0)
        figure.supylabel("validation loss", fontsize=9.0)
        handles, names = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=len(names))
        figure.savefig(HERE / f"{key}.png", dpi=150)


def panel(axes: Axes, task: str, bands: list[dict[str, list[float]]], rates: bool) -> None:
    """One task."""
    for name, colour, band in zip(PROGRAMS, (COLOURS[2], *COLOURS[:2], COLOURS[3]), bands, strict=True):
        axes.plot(band["xs"], band["means"], color=colour, label=name, linewidth=1.2)
        axes.fill_between(band["xs"], band["lows"], band["highs"], color=colour, alpha=0.15, linewidth=0)
    axes.set_yscale("log")
    axes.set_title(task)
    if rates:
        least = min(min(band["means"]) for band in bands)
        axes.set_xscale("log")
        axes.set_ylim(0.9 * least, HIGHEST * least)


def main() -> None:
    """Train, unless told to draw only; draw."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--draw", action="store_true", help="draw what response.json holds")
    if not options.parse_args().draw:
        RESULTS.write_text(json.dumps(trained()) + "\n")
    found = json.loads(RESULTS.read_text())
    draw(found, "curves", "step")
    draw(found, "rates", "learning rate")


if __name__ == "__main__":
    main()
