"""Every task: its tier, what makes it, and with which options. A new task is one entry here; nothing imports torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Tier = Literal["search", "selection", "held out"]


@dataclass(frozen=True)
class Task:
    """A task of the suite. Programs are bred on search tasks, chosen on selection tasks and judged on held-out ones."""

    name: str
    tier: Tier
    make: str  # "module:function" in this package; called with the name and the options
    options: Mapping[str, Any] = field(default_factory=dict)
    learns: float = 0.8  # AdamW's validation loss over that at the start, the best of three rates, is below this


def _perceptron(name: str, tier: Tier, *, learns: float = 0.8, **options: Any) -> Task:
    return Task(name, tier, "perceptron:perceptron", options, learns)


FRESH = {"problem": 101}  # held-out problems that nobody saw while their sizes were chosen

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("digits", "search", "perceptron:perceptron", learns=0.15),
        Task("least_squares", "search", "least_squares:least_squares", learns=0.5),
        Task("transformer", "search", "transformer:transformer"),
        _perceptron("digits_narrow", "search", learns=0.45, hidden=(16, 16), label_noise=0.2, batch=8, steps=80),
        _perceptron("digits_deep", "search", learns=0.15, hidden=(24, 24, 24, 24), activation="relu"),
        _perceptron("digits_long", "search", learns=0.08, hidden=(16, 16), batch=16, steps=1000),
        Task("rare_features", "search", "sparse:rare_features", learns=0.2),
        Task("low_rank", "search", "factorisation:low_rank", learns=0.2),
        Task("digits_convolution", "selection", "convolution:convolution", {"tier": "selection"}, learns=0.2),
        Task("digits_autoencoder", "selection", "autoencoder:autoencoder", {"tier": "selection"}, learns=0.1),
        Task("text_recurrent", "selection", "recurrent:reader", {"tier": "selection"}, learns=0.72),
        _perceptron(
            "wine",
            "selection",
            learns=0.5,
            data="wine",
            label_noise=0.2,
            floor=0.02,
            ceiling=3.0,
            hidden=(16, 16),
            activation="relu",
            batch=16,
            steps=30,
        ),
        _perceptron("diabetes", "selection", data="diabetes", floor=0.02, ceiling=4.0, hidden=(24,), batch=16),
        _perceptron(
            "teacher_student",
            "selection",
            learns=0.2,
            data="teacher_student",
            floor=0.04,
            ceiling=4.0,
            noise=0.2,
            hidden=(24,),
            batch=16,
            steps=150,
        ),
        _perceptron(
            "modular_addition",
            "selection",
            learns=0.7,
            data="modular_addition",
            floor=0.02,
            ceiling=10.0,
            hidden=(32,),
            activation="relu",
            steps=300,
        ),
        Task("noisy_quadratic", "selection", "landscapes:noisy_quadratic", learns=0.02),
        Task("matrix_factorisation", "selection", "factorisation:matrix_factorisation", learns=0.4),
        Task("copying", "held out", "recurrent:copying", FRESH, learns=0.6),
        Task("adding", "held out", "recurrent:adding", FRESH, learns=0.05),
        Task(
            "text_transformer",
            "held out",
            "transformer:transformer",
            {"width": 20, "layers": 2, "length": 12, "units": 40, "steps": 160, "tier": "held out"},
        ),
        _perceptron(
            "breast_cancer",
            "held out",
            learns=0.2,
            data="breast_cancer",
            floor=0.02,
            ceiling=2.0,
            hidden=(8, 8, 8),
            batch=8,
        ),
        Task("rosenbrock", "held out", "landscapes:rosenbrock", FRESH, learns=0.15),
        Task("counts", "held out", "counts:counts", FRESH, learns=0.3),
    )
}

# The default suite, cheapest first: the set of search tasks with the best rank correlation with the selection tier for
# its cost, among all programs and among the better ones (experiments/2026-11-24-choosing-the-suite).
SUITE = ("least_squares", "digits_deep", "rare_features")


def of_tier(tier: Tier) -> tuple[str, ...]:
    """The names of the tasks of a tier, in order."""
    return tuple(name for name, task in TASKS.items() if task.tier == tier)
