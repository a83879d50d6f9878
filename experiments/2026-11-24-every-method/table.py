"""Every method trains the digits proxy: final validation losses at the best rate of one common grid.

    python experiments/2026-11-24-every-method/table.py [METHOD ...]

Methods named are measured again, the others are kept from results.json; the table is written to table.md.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from proxies.threads import pin_environment

pin_environment()

import numpy as np  # noqa: E402

import evosearch  # noqa: E402
from evosearch.measure import measure, rate  # noqa: E402
from primitives.facts import facts  # noqa: E402
from primitives.reference import names  # noqa: E402
from primitives.text import show  # noqa: E402
from proxies import get  # noqa: E402

HERE = Path(__file__).parent
SEEDS = range(900_000, 900_004)
EXPONENTS = tuple(range(-16, 9, 2))  # 1e-4 to 100, two rates for each factor of ten
FEW_SEEDS, FEW_EXPONENTS = SEEDS[:1], (-8, -4, 0)  # where a Hessian or a full square is formed
WRAPPED = (
    "lookahead(adamw)",
    "sam(adamw)",
    "sam(momentum)",
    "clip_norm(momentum)",
    "by_shape(muon_everywhere, adamw)",
    "lookahead(sam(clip_norm(adamw)))",
    "newton(damping=1)",
)


def measured(spec: str) -> dict[str, object]:
    """The mean final validation loss at each rate, and what was spent."""
    program = evosearch.load(spec)
    small = facts(program).shapes == "small models"
    seeds, exponents = (FEW_SEEDS, FEW_EXPONENTS) if small else (SEEDS, EXPONENTS)
    began = time.monotonic()
    losses = measure([show(program)], get("digits"), list(seeds), [list(exponents)])[0]
    means = losses.mean(axis=0)
    best = int(np.argmin(means))
    return {
        "rates": [rate(e) for e in exponents],
        "losses": [[float(x) for x in row] for row in losses.T],
        "best_rate": rate(exponents[best]),
        "loss": float(means[best]),
        "sem": float(losses[:, best].std(ddof=1) / np.sqrt(len(seeds))) if len(seeds) > 1 else None,
        "edge": best in (0, len(exponents) - 1),
        "seeds": len(seeds),
        "seconds": round(time.monotonic() - began, 2),
    }


def table(results: dict[str, dict[str, object]]) -> str:
    """The results in the order of their losses."""
    lines = ["| method | validation loss | best lr | seeds | gradients a step |", "|---|---|---|---|---|"]
    for spec, r in sorted(results.items(), key=lambda item: item[1]["loss"]):
        if not np.isfinite(r["loss"]):
            lines.append(f"| `{spec}` | diverged at every rate | | {r['seeds']} | |")
            continue
        spread = "" if r["sem"] is None else f" ± {r['sem']:.4f}"
        edge = " (edge of the grid)" if r["edge"] else ""
        cells = [f"`{spec}`", f"{r['loss']:.4f}{spread}", f"{r['best_rate']:.2g}{edge}", str(r["seeds"])]
        lines.append(f"| {' | '.join([*cells, facts(evosearch.load(spec)).gradients])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is asked for or missing; results are kept after each method."""
    path = HERE / "results.json"
    results = json.loads(path.read_text()) if path.is_file() else {}
    for spec in (*names(), *WRAPPED):
        if spec in sys.argv[1:] or (spec not in results and len(sys.argv) == 1):
            results[spec] = measured(spec)
            print(f"{spec:36} {results[spec]['loss']:.4f} at {results[spec]['best_rate']:.2g}", flush=True)
            path.write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "table.md").write_text(table(results))


if __name__ == "__main__":
    main()
