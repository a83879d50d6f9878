"""How often does a search from AdamW arrive at a family that is known to be good, and after how many programs?

    python experiments/2026-11-29-rediscovery/rediscover.py [ARM ...] [--seeds 10] [--minutes 5] [--processes 2]

Each search runs in one process and ends when its best program is of the family (by evosearch/behaviour.py), or after
so many minutes. Every finished one is added to results.jsonl beside this file; what is there is not run again. At the
end the table of all that is there, which --table prints alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"

ORTHOGONAL: dict[str, Any] = {  # five Newton-Schulz steps cost 300 additions: as a price that is all a task can give
    "proxies": ("digits_deep",),
    "language": {"also": ("newton_schulz",), "max_cost": 500.0},
    "evolution": {"cost_price": 0.0},
}
SIGN: dict[str, Any] = {"proxies": ("digits_narrow",)}
AT_RANDOM = {"tournament": 1, "restart_after": 10**9}  # parents without regard to their scores
CONSTANTS = {"insert": 0.0, "delete": 0.0, "change": 0.0}  # AdamW's own constants are all that changes

ARMS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # family, task and language, what else
    "orthogonal": ("orthogonal", ORTHOGONAL, {}),
    "orthogonal, at random": ("orthogonal", ORTHOGONAL, {"evolution": {"cost_price": 0.0, **AT_RANDOM}}),
    "orthogonal, constants only": ("orthogonal", ORTHOGONAL, {"mutations": CONSTANTS}),
    "sign": ("sign", SIGN, {}),
    "sign, at random": ("sign", SIGN, {"evolution": AT_RANDOM}),
    "sign, constants only": ("sign", SIGN, {"mutations": CONSTANTS}),
}


class Arrival:
    """A callback that ends a search once its best program is of a family; notes the first program met that is."""

    def __init__(self, wanted: str, minutes: float) -> None:
        self.wanted, self.minutes = wanted, minutes
        self.last: Any = None

    def __call__(self, now: Any) -> bool:
        from evosearch.behaviour import family

        self.last = now
        arrived = now.best is not None and family(now.best) == self.wanted
        return arrived or now.seconds > 60 * self.minutes


def one(arm: str, seed: int, minutes: float) -> dict[str, Any]:
    """One search: whether it arrived, and after how many programs."""
    import evosearch
    from evosearch.behaviour import family, likeness
    from primitives.text import parse

    wanted, base, more = ARMS[arm]
    watch, began = Arrival(wanted, minutes), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        run = evosearch.search(
            {**base, **more}, out=f"{folder}/run", seed=seed, workers=1, budget=60 * minutes + 120, callbacks=[watch],
            quiet=True,
        )  # fmt: skip
        rows = run.rows()
        table = run.table
    now, text = watch.last, watch.last.text
    met = [row["number"] for row in rows if row["status"] == "ok" and not row["known"]]
    first = next((n for n in met if family(parse(rows[n]["text"])) == wanted), None)
    found = next((line for line in table if line["text"] == text), None)
    return {
        "arm": arm, "seed": seed, "arrived": family(parse(text)) == wanted, "generated": now.generated,
        "trained": now.trained, "first": first, "seconds": round(time.monotonic() - began, 1),
        "score": now.score, "seeds": now.seeds, "likeness": likeness([parse(text)])[0], "text": text,
        "fresh": None if found is None else [found["score"], found["half"]],
    }  # fmt: skip


def read() -> list[dict[str, Any]]:
    """What is there."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def interval(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a frequency."""
    z, p = 1.96, hits / of
    middle, half = p + z * z / (2 * of), z * (p * (1 - p) / of + z * z / (4 * of * of)) ** 0.5
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each arm."""
    lines = [
        "| arm | arrived | 95 % | generated, median (range) | trained, median | first met, median | minutes, median |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm in ARMS:
        mine = [row for row in rows if row["arm"] == arm]
        if not mine:
            continue
        hits = [row for row in mine if row["arrived"]]
        low, high = interval(len(hits), len(mine))
        counts = sorted(row["generated"] for row in (hits or mine))
        met = sorted(row["first"] for row in mine if row["first"] is not None)
        lines.append(
            f"| {arm} | {len(hits)} of {len(mine)} | {low:.0%} to {high:.0%} | {_median(counts):,} "
            f"({counts[0]:,} to {counts[-1]:,}) | {_median(sorted(row['trained'] for row in (hits or mine))):,} | "
            f"{f'{_median(met):,} ({len(met)} met)' if met else 'never'} | "
            f"{_median(sorted(row['seconds'] for row in (hits or mine))) / 60:.1f} |"
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
            print(f"{row['arm']}, seed {row['seed']}: {how}, {row['generated']:,} generated, {row['seconds']:.0f} s", flush=True)
    print(table(read()))


if __name__ == "__main__":
    main()
