"""Which ideas shorten the way to what is known to be good? The same design, where searches get somewhere.

    python experiments/2026-11-29-which-ideas-earn/arrival.py [--seeds 2] [--most 12000] [--processes 2]

Eight options of the configuration in sixteen configurations (factorial.py, 2^(8-4)), each with so many seeds. A search
from AdamW on a deep perceptron, with Newton-Schulz steps among the primitives, ends when it has arrived at
orthogonalised momentum (../2026-11-29-rediscovery) or after so many candidates. The effect of an option is on the log2
of the candidates until then: -1 halves the way. A search that did not arrive counts as if it had at its end, so effects
are smaller than they are. A finished search is a line of arrivals.jsonl; what is there is not run again.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import dataclasses  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "2026-11-29-rediscovery")]

import factorial  # noqa: E402
import rediscover  # noqa: E402

RESULTS = HERE / "arrivals.jsonl"
FACTORS: dict[str, dict[str, dict[str, Any]]] = {
    **{name: changes for name, changes in factorial.FACTORS.items() if "lexicase" not in name and "price" not in name},
    "no prices of length and states": {"evolution": {"length_price": 0.0, "state_price": 0.0}},
    "a third goes on at each stage": {"scoring": {"halving": 1 / 3}},
}


def one(row: int, seed: int, most: int) -> dict[str, Any]:
    """A search of a configuration."""
    more = factorial.configuration(factorial.design()[row], FACTORS)
    arm = rediscover.ARMS["orthogonal"]
    tables = {name: {**arm.base.get(name, {}), **values} for name, values in more.items()}
    found = rediscover.searched(dataclasses.replace(arm, more=tables), seed, most=most)
    return {"row": row, "seed": seed, "most": most, **found}


def table(rows: list[dict[str, Any]]) -> str:
    """How often and when searches arrived with and without each option, and the effects."""
    counts = np.array([min(row["number"], row["most"]) if row["arrived"] else row["most"] for row in rows])
    effects = factorial.effects([row["row"] for row in rows], np.log2(counts))
    lines = ["| option | arrived without | with | log2 of the candidates | 95 % |", "|---|---|---|---|---|"]
    for i, (name, (effect, half)) in enumerate(zip(("mean of all runs", *FACTORS), effects, strict=True)):
        cells = [f"{sum(row['arrived'] for row in rows)} of {len(rows)}", ""]
        if i:
            high = [factorial.design()[row["row"]][i - 1] for row in rows]
            cells = [
                f"{sum(row['arrived'] for row, h in zip(rows, high, strict=True) if h == level)} of {high.count(level)}"
                for level in (False, True)
            ]
        lines.append(f"| {name} | {' | '.join(cells)} | {effect:+.2f} | {effect - half:+.2f} to {effect + half:+.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is not there yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--most", type=int, default=12_000, help="candidates of a search")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="run nothing")
    args = parser.parse_args()
    done = {(row["row"], row["seed"]) for row in factorial.read(RESULTS)}
    todo = [(row, seed) for seed in range(args.seeds) for row in range(16) if (row, seed) not in done]
    with ProcessPoolExecutor(args.processes, max_tasks_per_child=1) as pool:
        waiting = [] if args.table else [pool.submit(one, row, seed, args.most) for row, seed in todo]
        for future in as_completed(waiting):
            found = future.result()
            with RESULTS.open("a") as file:
                file.write(json.dumps(found) + "\n")
            how = "arrived" if found["arrived"] else "did not arrive"
            print(f"row {found['row']}, seed {found['seed']}: {how}, {found['seconds']:.0f} s", flush=True)
    print(table(factorial.read(RESULTS)))


if __name__ == "__main__":
    main()
