"""What the searches found, one record each.

python experiments/2026-11-29-discovery/summary.py RUN ... > searches.json
"""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

KEPT = ("seconds", "generated", "trained", "hits", "refused", "best", "front", "curve", "verdict")


def record(path: Path) -> dict[str, Any]:
    """The configuration of a run where it matters, and what `evosearch status` says of it."""
    config = tomllib.loads((path / "config.toml").read_text())
    printed = subprocess.run(["evosearch", "status", str(path), "--json"], capture_output=True, check=True, text=True)
    status = json.loads(printed.stdout)
    return {
        "run": path.name,
        "seed": config["seed"],
        "proxies": [Path(name).name for name in config["proxies"]],
        "language": config["language"],
        "evolution": config["evolution"],
        **{key: status[key] for key in KEPT},
    }


def main() -> None:
    """Print the records, and to the terminal a line for each."""
    found = [record(Path(name)) for name in sys.argv[1:]]
    print(json.dumps(found, indent=1))
    for run in found:
        line = f"{run['run']:20} seed {run['seed']}  {run['generated']:>9,} generated  {run['trained']:>8,} trained"
        print(f"{line}  {run['seconds'] / 60:5.1f} min  {run['verdict']}", file=sys.stderr)
    print(f"{sum(run['generated'] for run in found):,} programs in all", file=sys.stderr)


if __name__ == "__main__":
    main()
