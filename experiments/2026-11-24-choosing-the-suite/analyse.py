"""Rank correlation of search scores with selection scores, and how it grows; the suite by correlation per second.

    python experiments/2026-11-24-choosing-the-suite/analyse.py

Reads losses.npz; writes results.json and figure.png. Scores are evosearch.score's: rates chosen by other seeds than
they score, gains on a task capped, against the stored tuned bar of each task.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from scipy.stats import spearmanr

import proxies
from evosearch.baseline import bar, stored
from evosearch.score import GAIN_CAP, own_logs

HERE = Path(__file__).parent
DRAWS = 400  # of the bootstrap over programs
OLD = ("digits", "least_squares", "transformer")  # the suite before
SPLITS = 20  # random choices of seeds
Array = np.ndarray[Any, Any]


def bar_log(task: str) -> float:
    """The bar's log loss on tuning seeds."""
    tuned = stored((task,))
    assert tuned is not None, f"no stored baseline for {task}"
    return tuned[bar(tuned)].loss


def scores(found: dict[str, Array], task: str, seeds: Sequence[int], rates: int = 5, kind: str = "full") -> Array:
    """The score of each program on a task [programs], of some seeds and the middle rates of its grid, capped."""
    losses, bounds, middle = found[f"{task}/{kind}"], proxies.get(task).bounds, slice(2 - rates // 2, 3 + rates // 2)
    own = [own_logs(rows[list(seeds), middle], bounds, 2).mean() for rows in losses]
    return np.minimum(bar_log(task) - np.array(own), GAIN_CAP)


def suite_score(found: dict[str, Array], tasks: Sequence[str], seeds: Sequence[int], **options: Any) -> Array:
    """The mean over tasks."""
    return np.mean([scores(found, task, seeds, **options) for task in tasks], axis=0)


def rank(a: Array, b: Array) -> float:
    """Spearman's correlation."""
    return float(spearmanr(a, b).statistic)


def interval(a: Array, b: Array) -> list[float]:
    """Its 95 % interval, by bootstrap over programs."""
    rng = np.random.default_rng(0)
    draws = [rank(a[i], b[i]) for i in (rng.integers(0, len(a), len(a)) for _ in range(DRAWS))]
    return [round(float(x), 3) for x in np.quantile(draws, [0.025, 0.975])]


def good(truth: Array) -> Array:
    """The better half of the programs: those a search has to tell apart."""
    return np.flatnonzero(truth >= np.median(truth))


def growth(found: dict[str, Array], tasks: Sequence[str], truth: Array) -> dict[str, Any]:
    """The correlation with seeds, with rates and with steps, means over random choices of seeds."""
    rng, better = np.random.default_rng(0), good(truth)

    def mean(count: int, **options: Any) -> list[float]:
        drawn = [suite_score(found, tasks, rng.choice(8, count, replace=False), **options) for _ in range(SPLITS)]
        return [round(float(np.mean([rank(s[k], truth[k]) for s in drawn])), 3) for k in (slice(None), better)]

    half = suite_score(found, tasks, range(4), kind="half")
    return {
        "seeds": {n: mean(n) for n in (1, 2, 4, 8)},
        "rates (4 seeds)": {n: mean(4, rates=n) for n in (1, 3, 5)},
        "half of the steps (4 seeds)": [round(rank(half[k], truth[k]), 3) for k in (slice(None), better)],
    }


def described(found: dict[str, Array], tasks: Sequence[str], truth: Array) -> dict[str, Any]:
    """The correlation of a suite's score, of four seeds and three rates, and its cost, all stages at the full."""
    score, better = suite_score(found, tasks, range(4), rates=3), good(truth)
    cost = sum(float(found[f"{t}/microseconds"]) for t in tasks) * 12e-6
    return {
        "tasks": list(tasks), "all": round(rank(score, truth), 3), "interval": interval(score, truth),
        "better half": round(rank(score[better], truth[better]), 3), "seconds a program": round(cost, 4),
    }  # fmt: skip


def subsets(found: dict[str, Array], tasks: Sequence[str], truth: Array) -> list[tuple[float, float, tuple[str, ...]]]:
    """Of every set of tasks: seconds a program and the correlation, the cheapest first."""
    known = {task: scores(found, task, range(4), rates=3) for task in tasks}
    every = [some for n in range(1, len(tasks) + 1) for some in combinations(tasks, n)]
    costs = [sum(float(found[f"{t}/microseconds"]) for t in some) * 12e-6 for some in every]
    ranks = [rank(np.mean([known[t] for t in some], axis=0), truth) for some in every]
    return sorted(zip(costs, ranks, every, strict=True))


def front(found: Sequence[tuple[float, float, tuple[str, ...]]]) -> list[tuple[float, float, tuple[str, ...]]]:
    """Those that no cheaper set beats."""
    best, kept = -1.0, []
    for cost, value, some in found:
        if value > best:
            best, kept = value, [*kept, (cost, value, some)]
    return kept


def main() -> None:
    """Everything, printed and kept."""
    found = dict(np.load(HERE / "losses.npz"))
    search, selection = (
        [task for task in proxies.of_tier(tier) if f"{task}/full" in found] for tier in ("search", "selection")
    )
    truth = suite_score(found, selection, range(8))
    every = subsets(found, search, truth)
    halves = [suite_score(found, selection, some) for some in (range(4), range(4, 8))]
    results = {
        "programs": len(truth), "search": search, "selection": selection,
        "selection score of four seeds with that of four others": round(rank(*halves), 3),
        "single tasks": {task: described(found, (task,), truth) for task in search},
        "default suite and others": [described(found, some, truth) for some in (proxies.SUITE, OLD, search)],
        "front": [{"seconds a program": round(c, 4), "all": round(r, 3), "tasks": t} for c, r, t in front(every)],
        "all search tasks": growth(found, search, truth), "default suite": growth(found, proxies.SUITE, truth),
    }  # fmt: skip
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))
    picture(results, every, suite_score(found, proxies.SUITE, range(4), rates=3), truth)


def picture(results: dict[str, Any], every: list[Any], score: Array, truth: Array) -> None:
    """Suite against selection, and the correlation as tasks and seeds are added."""
    fig, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    left.plot(np.clip(score, -2, None), np.clip(truth, -2, None), ".", ms=4)
    left.set(xlabel="search score, default suite, 4 seeds", ylabel="selection score, 8 seeds", title="programs")
    middle.plot([c for c, _, _ in every], [r for _, r, _ in every], ".", ms=3, color="lightgray")
    middle.plot([c for c, _, _ in front(every)], [r for _, r, _ in front(every)], "-", color="gray")
    for cost, value, some in every:
        if len(some) == 1 or set(some) == set(proxies.SUITE):
            middle.plot(cost, value, "o" if len(some) == 1 else "*", ms=5 if len(some) == 1 else 14)
            middle.annotate(some[0] if len(some) == 1 else "suite", (cost, value), fontsize=7)
    middle.set(xscale="log", xlabel="seconds a program and core", title="every set of search tasks")
    for name in ("default suite", "all search tasks"):
        seeds = results[name]["seeds"]
        for k, part in enumerate(("all", "better half")):
            right.plot(list(map(int, seeds)), [v[k] for v in seeds.values()], "o-", label=f"{name}, {part}")
    right.set(xlabel="seeds", title="seeds", xscale="log")
    right.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    right.minorticks_off()
    right.legend(fontsize=7)
    for ax in (middle, right):
        ax.set_ylabel("rank correlation with selection")
    fig.savefig(HERE / "figure.png", dpi=130)


if __name__ == "__main__":
    main()
