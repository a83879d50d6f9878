"""How often does a search from AdamW arrive at a family that is known to be good, and after how many programs?

    python experiments/2026-11-29-rediscovery/rediscover.py [ARM ...] [--seeds 10] [--minutes 5] [--processes 2]

Each search runs in one process. It has arrived, and ends, when a program of the family (evosearch/behaviour.py: a
cosine of 0.9 with one of its members, where the arm says so one with momentum) has passed every hurdle and is better
than the tuned bar by more than its standard error; else it ends after so many minutes. Every finished search is added
to results.jsonl beside this file, and what is there is not run again. At the end the table of all that is there;
--table prints it alone.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import json  # noqa: E402
import math  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: E402
from dataclasses import dataclass, field  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
MOMENTUM = 0.8  # the least decay of the mean of gradients with which a program counts as one with momentum

ORTHOGONAL: dict[str, Any] = {  # five Newton-Schulz steps cost 300 additions: as a price that is all a task can give
    "proxies": ("digits_deep",),
    "language": {"also": ("newton_schulz",), "max_cost": 500.0},
    "evolution": {"cost_price": 0.0},
}
PRODUCTS = {**ORTHOGONAL, "language": {"also": ("matmul", "transpose"), "max_cost": 500.0}}
SIGN: dict[str, Any] = {"proxies": ("digits_narrow",)}
HEAVY: dict[str, Any] = {"proxies": (str(HERE / "heavy_tails.py"),)}
AT_RANDOM = {"tournament": 1, "restart_after": 10**9}  # parents without regard to their scores
CONSTANTS = {"insert": 0.0, "delete": 0.0, "change": 0.0}  # AdamW's own constants are all that changes


@dataclass(frozen=True)
class Arm:
    """What a search looks for, and how; of a family members with at least this decay of the mean of gradients count."""

    family: str
    memory: float
    base: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)


ARMS = {
    "orthogonal": Arm("orthogonal", MOMENTUM, ORTHOGONAL),
    "orthogonal, at random": Arm(
        "orthogonal", MOMENTUM, ORTHOGONAL, {"evolution": {**ORTHOGONAL["evolution"], **AT_RANDOM}}
    ),
    "orthogonal, constants only": Arm("orthogonal", MOMENTUM, ORTHOGONAL, {"mutations": CONSTANTS}),
    "orthogonal, by products of matrices": Arm("orthogonal", MOMENTUM, PRODUCTS),
    "sign": Arm("sign", 0.0, SIGN),
    "sign, at random": Arm("sign", 0.0, SIGN, {"evolution": AT_RANDOM}),
    "sign, constants only": Arm("sign", 0.0, SIGN, {"mutations": CONSTANTS}),
    "sign with momentum": Arm("sign", MOMENTUM, SIGN),
    "sign with momentum, heavy tails": Arm("sign", MOMENTUM, HEAVY),
    "sign with momentum, heavy tails, at random": Arm("sign", MOMENTUM, HEAVY, {"evolution": AT_RANDOM}),
    "sign with momentum, heavy tails, constants only": Arm("sign", MOMENTUM, HEAVY, {"mutations": CONSTANTS}),
}


class Arrival:
    """Watches a search for programs of a family: the first met, and the first that is better than the bar."""

    def __init__(self, arm: Arm, until: float, most: float = math.inf) -> None:
        self.arm, self.until, self.most, self.seen = arm, until, most, -1
        self.met: dict[str, Any] | None = None
        self.best: Any = None  # the entry that arrived

    def __call__(self, search: Any) -> None:
        """Look at what has passed every hurdle since the last block."""
        from evosearch.behaviour import LIKE, likeness
        from primitives.text import parse

        new = [entry for entry in search.archive.entries if entry.complete and entry.bred.number > self.seen]
        self.seen = search.archive.entries[-1].bred.number
        programs = [parse(entry.bred.text) for entry in new]
        for entry, cosines in zip(new, likeness(programs, self.arm.memory), strict=True):
            if cosines[self.arm.family] >= LIKE:
                self.met = self.met or {"generated": entry.bred.number, "score": round(entry.score, 4)}
                if entry.believed > 0 and self.best is None:
                    self.best = entry

    def ended(self) -> bool:
        """Whether it arrived, or its time or its candidates are over."""
        return self.best is not None or time.monotonic() > self.until or self.seen >= self.most


def one(arm: str, seed: int, minutes: float) -> dict[str, Any]:
    """One search of an arm."""
    return {"arm": arm, "seed": seed, **searched(ARMS[arm], seed, minutes)}


def searched(what: Arm, seed: int, minutes: float = math.inf, most: float = math.inf) -> dict[str, Any]:
    """Whether a search arrives in so much time and with so many candidates, and after how many programs."""
    from evosearch import directory, run
    from evosearch.api import configured
    from evosearch.behaviour import evenness, family
    from evosearch.checks import check
    from evosearch.final import Contestant, compete
    from evosearch.search import Search
    from evosearch.workers import open_workers
    from primitives.text import parse

    began = time.monotonic()
    config = configured({**what.base, **what.more}, {"seed": seed, "workers": 1})
    check(config)
    with tempfile.TemporaryDirectory() as folder:
        store = directory.create(Path(folder) / "run", config)
        workers = open_workers(0, "evosearch.breed:make_context", (config, None))
        prologue = run.Prologue(workers, config.scoring.deadline)
        references = run.prepare(config, store, prologue, lambda text: None)
        search = Search(config, store, workers, references.bar, store.founders())
        watch = Arrival(what, began + 60 * minutes, most)
        search.run(0, watch.ended, watch)
        seconds = time.monotonic() - began
        bar = references.tuned[next(iter(references.tuned))]
        found = watch.best or search.archive.leader()
        rows = [Contestant("bar", bar.text, bar.warmup, bar.exponents, 0, 0, 0.0)]
        if found is not None:
            rows.append(Contestant("found", found.bred.text, bar.warmup, found.exponents, 0, 0, 0.0))
        line = compete(rows, config, prologue.train)[-1]
        store.close()
        workers.close()
    program = None if found is None else parse(found.bred.text)
    return {
        "arrived": watch.best is not None, "generated": search.tally.generated,
        "number": None if watch.best is None else watch.best.bred.number, "trained": search.tally.trained,
        "met": watch.met, "seconds": round(seconds, 1), "text": "" if found is None else found.bred.text,
        "family": program and family(program), "even": program and vars(evenness(program)),
        "in search": found and round(found.score, 4), "fresh": [round(line.score, 4), round(line.half, 4)],
    }  # fmt: skip


def read() -> list[dict[str, Any]]:
    """What is there."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a frequency."""
    z, p = 1.96, hits / of
    middle, half = p + z * z / (2 * of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5
    return max(0.0, middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each arm."""
    lines = [
        "| arm | arrived | 95 % | after generated, median (range) | trained | minutes | first met | on fresh seeds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        mine = [row for row in rows if row["arm"] == arm]
        if not mine:
            continue
        hits = [row for row in mine if row["arrived"]]
        low, high = interval(len(hits), len(mine))
        some = hits or mine
        counts = sorted(row["generated"] for row in some)
        met = sorted(row["met"]["generated"] for row in mine if row["met"])
        fresh = sorted(row["fresh"][0] for row in some)
        lines.append(
            f"| {arm} | {len(hits)} of {len(mine)} | {low:.0%} to {high:.0%} | {_median(counts):,} "
            f"({counts[0]:,} to {counts[-1]:,}){'' if hits else ', not arrived'} | "
            f"{_median(sorted(row['trained'] for row in some)):,} | "
            f"{_median(sorted(row['seconds'] for row in some)) / 60:.1f} | "
            f"{f'{_median(met):,} in {len(met)}' if met else 'never'} | {_median(fresh):+.2f} |"
        )
    return "\n".join(lines)


def _median(values: list[Any]) -> Any:
    return values[len(values) // 2]


def main() -> None:
    """Run what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arms", nargs="*", metavar="ARM", help=f"of {', '.join(ARMS)} (default all)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=5.0, help="of a search, in one process")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    done = {(row["arm"], row["seed"]) for row in read()}
    todo = [(arm, seed) for seed in range(args.seeds) for arm in args.arms or ARMS if (arm, seed) not in done]
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        waiting = [] if args.table else [pool.submit(one, arm, seed, args.minutes) for arm, seed in todo]
        for future in as_completed(waiting):
            row = future.result()
            with RESULTS.open("a") as file:
                file.write(json.dumps(row) + "\n")
            how = "arrived" if row["arrived"] else "did not arrive"
            print(
                f"{row['arm']}, seed {row['seed']}: {how}, {row['generated']:,} generated, {row['seconds']:.0f} s",
                flush=True,
            )
    print(table(read()))


if __name__ == "__main__":
    main()
