"""A search of the published size: 300,000 generated programs, on local workers.

    python experiments/benchmarks/published_size.py [--proxy digits] [--programs 300000] [--workers 2] [--out DIR]

Prints wall time, programs per second, cache hits, the driver's own time for each candidate and its peak memory, then
the table on fresh seeds. `--proxy suite` is the default suite of three tasks.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import resource  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

from rich.console import Console  # noqa: E402

import proxies  # noqa: E402
from evosearch import directory, run  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.progress import Progress, show_result  # noqa: E402
from evosearch.workers import open_workers  # noqa: E402


def main() -> None:
    """Run the search and print what it took."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("--proxy", default="digits")
    options.add_argument("--programs", type=int, default=300_000)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path)
    args = options.parse_args()
    tasks = proxies.SUITE if args.proxy == "suite" else tuple(args.proxy.split(","))
    config = Config(proxies=tasks, programs=args.programs, seed=args.seed)
    path = args.out or Path(tempfile.mkdtemp()) / "run"
    console = Console(highlight=False, width=120)
    began = time.monotonic()
    store = directory.create(path, config)
    workers = open_workers(args.workers, "evosearch.breed:make_context", (config,))
    with Progress(console, path, 0, args.programs, None, began) as progress:
        result = run.go(
            config, path, store, workers, programs=args.programs, until=None, say=progress.say, watch=progress.watch
        )
    seconds = time.monotonic() - began
    workers.close()
    show_result(console, result, config)
    search, tally = result.search, result.search.tally
    looked_up = tally.trained + tally.hits
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{tally.generated:,} generated in {seconds / 60:.1f} min ({tally.generated / seconds:.0f}/s), ", end="")
    print(f"{args.workers} workers on {', '.join(tasks)}")
    print(f"{tally.trained:,} distinct programs trained ({tally.trained / seconds:.0f}/s); refused: {tally.refused}")
    print(f"cache hits: {tally.hits / looked_up:.1%} of {looked_up:,} that passed the checks")
    print(f"driver: {1e3 * search.driver_seconds / tally.generated:.3f} ms a candidate, {memory:.2f} GB at its peak")
    print(f"store: {(path / 'store.sqlite').stat().st_size / 2**20:.0f} MB; restarts: {tally.restarts}")


if __name__ == "__main__":
    main()
