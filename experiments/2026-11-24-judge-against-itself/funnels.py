"""How often does the funnel bring forth a winner where there is none? Searches whose candidates are all AdamW, renamed.

    python funnels.py [--funnels 100] [--programs 200] [--candidates 6] [--seeds 8] [--trials 6]

Each funnel has 200 candidates, all of them the AdamW that was tuned for the search task; each is scored there on two
seeds of its own, so the best have luck and nothing else. They go through the selection and the held-out tier as in
`evosearch validate`: the same contest, the same rules, the best two tuned again too. "over_themselves" counts funnels
where a candidate as found would have gone on, were its own text the bar: there is no difference to be found. Every
funnel has its own seeds of tuning and training. The tasks are small ones of this script; its ledger is a temporary
file. Writes funnels.json.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import json  # noqa: E402
import os  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402

import proxies  # noqa: E402
from evosearch import funnel as rules  # noqa: E402
from evosearch import ledger  # noqa: E402
from evosearch.breed import make_context  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.contenders import BARS, TUNED_AGAIN, Contender  # noqa: E402
from evosearch.evaluate import grid  # noqa: E402
from evosearch.machine import this_machine  # noqa: E402
from evosearch.measure import measure as losses  # noqa: E402
from evosearch.run import Prologue  # noqa: E402
from evosearch.score import own_logs  # noqa: E402
from evosearch.tuning import Tuned, tune  # noqa: E402
from evosearch.validation import Plan, Validation, measure  # noqa: E402
from evosearch.workers import InProcess  # noqa: E402
from primitives.reference import reference  # noqa: E402
from primitives.text import show  # noqa: E402
from proxies.tasks import Task  # noqa: E402

HERE = Path(__file__).parent
SQUARES, DIGITS = "least_squares:least_squares", "perceptron:perceptron"
SMALL = {"inputs": 16, "outputs": 4, "steps": 40}
SEARCH = "small_search"
TASKS = (
    Task(SEARCH, "search", SQUARES, {**SMALL, "problem": 10}),
    Task("small_digits", "selection", DIGITS, {"hidden": (8,), "steps": 40, "tier": "selection"}),
    Task("small_squares", "selection", SQUARES, {**SMALL, "problem": 11, "noise": 0.3}),
    Task("small_rows", "held out", SQUARES, {**SMALL, "problem": 12, "batch": 8}),
    Task("small_wide", "held out", SQUARES, {**SMALL, "problem": 13, "inputs": 24, "noise": 0.5}),
)
ITSELF = "adamw, as in the search"
SEARCH_SEEDS = 2  # of each candidate
TUNED_SETS = 32  # of constants tried for the search task, once


def main() -> None:
    """Send every funnel's luckiest candidates through the tiers, count, write."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    for name, default in (("funnels", 100), ("programs", 200), ("candidates", 6), ("seeds", 8), ("trials", 6)):
        options.add_argument(f"--{name}", type=int, default=default)
    args = options.parse_args()
    proxies.TASKS.update({task.name: task for task in TASKS})
    began = time.monotonic()
    prologue = Prologue(InProcess(make_context, (Config(proxies=(SEARCH,)),)), 600.0)
    tuned = {name: tune(reference(name), (SEARCH,), prologue.train, TUNED_SETS) for name in BARS}
    with tempfile.TemporaryDirectory() as folder:
        os.environ[ledger.VARIABLE] = str(Path(folder) / "users.jsonl")
        found = [funnel(i, tuned, args, prologue, Path(folder)) for i in range(args.funnels)]
        looks = len(ledger.looks(ledger.place()))
    record = {
        "options": vars(args),
        "minutes": round((time.monotonic() - began) / 60, 2),
        "machine": this_machine(),
        "winners": sum(bool(v.winners) for v in found),
        "with_survivors": sum(bool(v.survivors) for v in found),
        "over_themselves": sum(over_themselves(v) for v in found),
        "survivors": [list(v.survivors) for v in found],
        "bars": {name: sum(v.bar == name for v in found) for name in sorted({v.bar for v in found})},
        "looks": looks,
        "gains_on_selection": [[round(s.gain.mean, 4) for s in v.selected] for v in found],
    }
    (HERE / "funnels.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for what in ("over_themselves", "with_survivors", "winners"):
        interval = stats.binomtest(record[what], args.funnels).proportion_ci()
        print(f"{what}: {record[what]} of {args.funnels} funnels [{interval.low:.1%}, {interval.high:.1%}]")
    print(f"bars: {record['bars']}; {looks} looks; {record['minutes']} minutes")


def funnel(i: int, tuned: dict[str, Tuned], args: argparse.Namespace, prologue: Prologue, folder: Path) -> Validation:
    """One search of luck alone and its validation."""
    lucky = [f"{number}" for number in luckiest(i, tuned["adamw"], args.programs)[: args.candidates]]
    text = tuned["adamw"].text
    contenders = [Contender(name, text, (), name) for name in lucky]
    contenders += [Contender(f"{name}, tuned again", text, "all", name) for name in lucky[:TUNED_AGAIN]]
    contenders += [Contender(f"{name}, tuned", show(reference(name)), "all", bar=True) for name in BARS]
    contenders += [Contender(f"{name}, as in the search", tuned[name].text, (), bar=True) for name in BARS]
    names = {tier: tuple(task.name for task in TASKS if task.tier == tier) for tier in ("selection", "held out")}
    plan = Plan(names["selection"], names["held out"], args.seeds, args.trials, args.candidates, seed=1 + i)
    validation = Validation(plan, "", args.programs, tuple(contenders))
    while tier := validation.next:
        validation = measure(validation, tier, folder, i, f"funnels.py, funnel {i}", prologue.call, lambda text: None)
    return validation


def over_themselves(validation: Validation) -> bool:
    """Whether a candidate as found passes on the selection tier over a control of the same text."""
    assert validation.selection is not None
    names = [c.name for c in validation.contenders if c.candidate and not c.free]
    return any(s.passes for s in rules.standings(validation.selection.losses, ITSELF, names))


def luckiest(i: int, adamw: Tuned, programs: int) -> list[int]:
    """Candidates by their search score, the best first: the same program, each on seeds of its own."""
    first = i * programs * SEARCH_SEEDS
    seeds = range(first, first + programs * SEARCH_SEEDS)
    task, around = proxies.get(SEARCH), tuple(adamw.exponents[SEARCH] + e for e in grid(3, 1))
    [found] = losses([adamw.text], task, seeds, [around], warmup=adamw.warmup)
    scores = [own_logs(own, task.bounds, 2).mean() for own in found.reshape(programs, SEARCH_SEEDS, -1)]
    return np.argsort(scores).tolist()


if __name__ == "__main__":
    main()
