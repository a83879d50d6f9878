"""The held-out tasks once more, with as many fresh replicates as standard errors of 0.02 take: precise.py [PROGRAM ...]

Tasks and 12 trials of all named constants as in the first look, on other seeds. How many replicates the bar and the
winner have on a task follows from the spread that the first look had shown, and from nothing else but standard errors;
every other program has as many as it takes until that of the winner's gain over it is small enough, and the winner more
where that is the quicker way. What a tuning chose is trained on several seeds, whose mean log test loss counts: luck in
training, on copying nearly all there is, then costs less than a replicate. Programs that are named have measured what
is missing, and the look is written to the user's ledger; then the gains of all that is there are printed. Stopped, it
goes on where it was.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import proxies
from evosearch.contest import MOST_REPLICATES, Choice, Entrant, contest
from evosearch.measure import STEPS_PER_DECADE
from evosearch.score import GAIN_CAP
from evosearch.trainings import Training, train_all
from evosearch.trials import with_constants
from primitives.text import show

HERE = Path(__file__).parent
LOSSES = HERE / "precise.jsonl"
BAR, WINNER = "nadamw", "grafted_muon"
LARGER = f"{HERE}/larger.py:"
PLAN = {  # of a task: chunks of bar and winner, replicates in each, trainings of what each tuning chose
    "breast_cancer": (10, 26, 4),
    f"{LARGER}deeper": (10, 12, 4),
    "counts": (10, 60, 4),
    f"{LARGER}longer": (10, 3, 4),
    "text_transformer": (10, 3, 4),
    f"{LARGER}wider": (15, 60, 4),
    "rosenbrock": (20, 250, 4),
    "adding": (24, 200, 4),
    "copying": (32, 35, 16),
}
ERROR = 0.02  # wanted, of the winner's gain over another program
FEWEST, MOST = 30, 8  # replicates from which on an error is believed; times the planned chunks, at most
TRIALS = 12
FIRST = 20_000  # seed of the first chunk's contest, beyond those of comparisons and validations
AFRESH = 2_000_000_000  # seeds of further trainings of what was chosen, beyond those of contests

Array = np.ndarray[Any, Any]


def measure(names: list[str]) -> None:
    """Write what is missing of these programs, chunk by chunk, after a look is written."""
    from evosearch import ledger
    from evosearch.resolve import resolve, shown
    from evosearch.run import Prologue
    from evosearch.workers import open_workers

    entrants = {Path(shown(name)).stem: Entrant(Path(shown(name)).stem, resolve(name), "all") for name in names}
    texts = {name: show(one.program) for name, one in entrants.items()}
    ledger.write(ledger.look(shlex.join(sys.argv), HERE, FIRST, texts, PLAN, "held out"), ledger.place())
    entrants.setdefault(WINNER, Entrant(WINNER, resolve(WINNER), "all"))
    workers = open_workers(2, "evosearch.contest:make_context", ((),))
    for task in PLAN:
        for name in texts:
            while following := next_chunk(name, task):
                began = time.perf_counter()
                losses = replicates(entrants[following[0]], task, following[1], Prologue(workers, 1800.0).call)
                place = following[0], proxies.shown(task), following[1]
                keep(dict(zip(("program", "task", "chunk"), place, strict=True)) | {"losses": losses})
                print(*place, f"{time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    workers.close()


def next_chunk(name: str, task: str) -> tuple[str, int] | None:
    """Program and number of the chunk that is next for this program on this task; nothing where all is there.

    Bar and winner have what is planned. Of another program and the winner, while the error of the gain is too large,
    that one is next whose replicate takes more of its square away.
    """
    chunks, count, _ = PLAN[task]
    losses = {who: found[proxies.shown(task)] for who, found in read().items() if proxies.shown(task) in found}
    there = {who: len(found) // count for who, found in losses.items()}
    if name in (BAR, WINNER):
        return (name, there.get(name, 0)) if there.get(name, 0) < chunks else None
    if len(losses.get(name, ())) < FEWEST:
        return name, there.get(name, 0)
    if gain(losses[WINNER], losses[name])[1] <= ERROR:
        return None
    who = max((name, WINNER), key=lambda each: losses[each].std(ddof=1) / len(losses[each]))
    return (who, there[who]) if there[who] < MOST * chunks else None


def replicates(one: Entrant, task: str, chunk: int, run: Any) -> list[float]:
    """The mean log test loss of each replicate of a chunk."""
    _, count, times = PLAN[task]
    found = contest([one], [task], seeds=count, trials=TRIALS, seed=FIRST + chunk, run=run, unseal=True)
    items = [again(one, task, found.chosen[0][0][r], chunk, r, k) for r in range(count) for k in range(times - 1)]
    more = np.array([ended.test[0] for ended in train_all(run, items, unseal=True)]).reshape(count, times - 1)
    bounded = np.clip(np.nan_to_num(more, nan=np.inf), *proxies.get(task, unseal=True).bounds)
    means = np.log(np.column_stack([found.test[0, 0], bounded])).mean(axis=1)
    return [round(float(x), 4) for x in means]


def again(one: Entrant, task: str, choice: Choice, chunk: int, replicate: int, time: int) -> Training:
    """One more training of what a tuning chose; seeds are the same for all programs."""
    seed = AFRESH + 100 * (MOST_REPLICATES * chunk + replicate) + time
    text = show(with_constants(one.program, dict(choice.constants)))
    return Training(task, seed, text, (STEPS_PER_DECADE * math.log10(choice.rate),), choice.warmup, test=True)


def rows() -> list[dict[str, Any]]:
    """What has been measured."""
    return [json.loads(line) for line in LOSSES.read_text().splitlines()] if LOSSES.exists() else []


def read() -> dict[str, dict[str, Array]]:
    """The mean log test losses of all replicates, by program and task."""
    chunks: dict[tuple[str, str], dict[int, list[float]]] = {}
    for row in rows():
        chunks.setdefault((row["program"], row["task"]), {})[row["chunk"]] = row["losses"]
    found: dict[str, dict[str, Array]] = {}
    for (name, task), some in chunks.items():
        found.setdefault(name, {})[task] = np.concatenate([some[k] for k in sorted(some)])
    return found


def keep(row: dict[str, Any]) -> None:
    """Append a row."""
    with LOSSES.open("a") as file:
        file.write(json.dumps(row) + "\n")


def gain(better: Array, worse: Array) -> tuple[float, float]:
    """The mean gain and its standard error, from losses; the first replicates of both have the same seeds."""
    common, most = min(len(better), len(worse)), max(len(better), len(worse))
    shared = np.cov(better[:common], worse[:common])[0, 1] / most
    square = better.var(ddof=1) / len(better) + worse.var(ddof=1) / len(worse) - 2 * shared
    return float(worse.mean() - better.mean()), math.sqrt(square)


def gains(better: str, worse: str, losses: dict[str, dict[str, Array]]) -> None:
    """Mean gain on each task with its standard error, the mean of all, capped, and the mean without each."""
    tasks = [task for task in map(proxies.shown, PLAN) if task in losses[better] and task in losses[worse]]
    print(f"\n{better} over {worse}")
    capped = []
    for task in tasks:
        pair = losses[better][task], losses[worse][task]
        mean, error = gain(*pair)
        share = min(1.0, GAIN_CAP / mean) if mean > 0 else 1.0
        capped.append((share * mean, share * error))
        counts = [len(each) for each in pair]
        half = stats.t.ppf(0.975, min(counts) - 1) * error
        each = pair[1][: min(counts)] - pair[0][: min(counts)]
        print(
            f"    {task:18} {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}], standard error {error:.3f} of "
            f"{counts[0]:,} and {counts[1]:,}; median {np.median(each):+.2f}"
        )
    told("all", capped)
    for task in tasks:
        told(f"without {task}", [pair for name, pair in zip(tasks, capped, strict=True) if name != task])


def told(name: str, capped: list[tuple[float, float]]) -> None:
    """The mean over tasks, whose replicates are independent, with its interval of 95 %."""
    means, errors = np.array(capped).T
    mean, half = means.mean(), 1.96 * np.sqrt((errors**2).sum()) / len(errors)
    print(f"    {name:26} {mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]")


def main() -> None:
    """Measure what is named, and print all."""
    if sys.argv[1:]:
        measure(sys.argv[1:])
    losses = read()
    for name in losses:
        if name != BAR:
            gains(name, BAR, losses)
    for name in losses:
        if name not in (BAR, WINNER):
            gains(WINNER, name, losses)


if __name__ == "__main__":
    main()
