"""A figure of how a program answers to four sequences of gradients."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from primitives.analysis.response import responses
from primitives.program import Program, ProgramError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOUR = "#0072b2"


def figure(program: Program) -> Figure:
    """The update over lr at each step, a panel for each sequence; ProgramError where it asks the loss for more."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("a plot needs matplotlib; pip install matplotlib.") from error
    found = responses(program)
    if found.refused:
        raise ProgramError(found.refused)

    class Shown(Figure):
        """A figure that a notebook shows without pyplot."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    made = Shown(figsize=(6.0, 7.0), layout="constrained")
    made.suptitle(f"{program.name}: the update over lr, step by step")
    panels = made.subplots(len(found.found), 1, sharex=True, squeeze=False)[:, 0]
    for axes, response in zip(panels, found.found, strict=True):
        steps = range(1, len(response.update) + 1)
        axes.axhline(0.0, color="#bbbbbb", linewidth=0.8)
        axes.plot(steps, response.update, ".-", color=COLOUR, linewidth=1.0, markersize=4.0)
        axes.set_title(response.caption, loc="left", fontsize=9.0, wrap=True)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("step")
    return made
