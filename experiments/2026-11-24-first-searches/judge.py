"""Programs against tuned AdamW and Lion on fresh seeds: every one tuned at one budget, intervals paired by seed.

    python judge.py [--proxy suite] [--seeds 32] PROGRAM...

A PROGRAM is whatever `evosearch inspect` takes. Programs without hyperparameters have only their learning rate tuned.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
from dataclasses import replace  # noqa: E402

import proxies  # noqa: E402
from evosearch.baseline import Plan, trainings, tune  # noqa: E402
from evosearch.breed import found, make_context  # noqa: E402
from evosearch.config import Config  # noqa: E402
from evosearch.final import Contestant, compete  # noqa: E402
from evosearch.resolve import resolve  # noqa: E402


def main() -> None:
    """Tune, measure, print."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    options.add_argument("programs", nargs="*")
    options.add_argument("--proxy", default="digits")
    options.add_argument("--seeds", type=int, default=32)
    args = options.parse_args()
    tasks = proxies.SUITE if args.proxy == "suite" else tuple(args.proxy.split(","))
    config = Config(proxies=tasks)
    config = replace(config, scoring=replace(config.scoring, final_seeds=args.seeds))
    context = make_context(config)

    def run(plan: Plan, items: object) -> list[object]:
        return trainings(context, plan, items)  # type: ignore[arg-type]

    bar = tune(resolve("adamw"), config, run)
    tuned = [("adamw, tuned", bar)]
    tuned += [(spec, tune(resolve(spec), config, run, bar.warmup)) for spec in ("lion", *args.programs)]
    records = found(context, None, [(i, t.text) for i, (_, t) in enumerate(tuned)])
    contestants = [
        Contestant(name, t.text, t.exponents, b.length, b.states, b.cost)
        for (name, t), b in zip(tuned, records, strict=True)
    ]
    print(f"warm-up {bar.warmup:.0%}; tuned AdamW:\n{bar.text}")
    for line in compete(contestants, bar.warmup, config, run):
        losses = ", ".join(f"{name} {loss:.4f}" for name, loss in line.losses.items())
        rates = ", ".join(f"{rate:.3g}" for rate in line.rates.values())
        print(f"{line.name:28s} {line.score:+.3f} ± {line.half:.3f}   {losses}   lr {rates}")


if __name__ == "__main__":
    main()
