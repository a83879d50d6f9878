"""A larger rung: a character-level transformer of 1.2 million parameters on Python's own source code.

    python experiments/2026-11-29-discovery/rung.py [NAME ...] [--steps 400] [--seeds 4] [--processes 2]

The protocol is nanoGPT's for a CPU (windows of 64 characters, batches of 12, width 128, no dropout, gradients clipped
to norm 1, linear warm-up, cosine decay, weight decay 0.1 on matrices only), with six layers in place of four and fewer
steps. Each optimizer's learning rate is tuned on the same six rates, a factor of two apart, one training each, by the
loss on validation files; then `--seeds` fresh seeds, the same for all, are tested on other files. Every training is a
line of rung.jsonl beside this file, and what is there is not trained again. The table is printed at the end; --table
prints it alone.
"""

from __future__ import annotations

from proxies.threads import pin_environment

pin_environment()

import argparse  # noqa: E402 (threads are pinned before torch is imported)
import hashlib  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402
import sys  # noqa: E402
import sysconfig  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from concurrent.futures import ProcessPoolExecutor, as_completed  # noqa: E402
from functools import cache  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402
from scipy import stats  # noqa: E402
from torch import Generator, Tensor, nn  # noqa: E402
from torch.optim import Optimizer  # noqa: E402

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "training"))

from optimizers import parameter_groups, warmup_cosine  # noqa: E402
from tasks import Transformer, loss_of, windows  # noqa: E402

RESULTS = HERE / "rung.jsonl"
BATCH, WIDTH, DEPTH, DECAY, CLIP = 12, 128, 6, 0.1, 1.0
RATES = tuple(5e-4 * 2**k for k in range(6))
TUNING_SEED = 1000
Step = Callable[[], None]


@cache
def text() -> dict[str, Tensor]:
    """The standard library of this Python as ASCII codes: of twenty files one to validate on and one to test on."""
    folder = Path(sysconfig.get_path("stdlib"))
    files = [path for path in sorted(folder.rglob("*.py")) if not {"site-packages", "test", "tests"} & set(path.parts)]
    parts: dict[str, list[bytes]] = {"train": [], "validation": [], "test": []}
    for place, path in enumerate(files):
        parts[{18: "validation", 19: "test"}.get(place % 20, "train")].append(path.read_bytes())
    return {name: _codes(b"\n".join(some)) for name, some in parts.items()}


def _codes(raw: bytes) -> Tensor:
    ascii_only = raw.decode("utf-8", errors="replace").encode("ascii", errors="replace")
    return torch.frombuffer(bytearray(ascii_only), dtype=torch.uint8).long()


def by_evosearch(program: str, **settings: float) -> Callable[[nn.Module, float], Optimizer]:
    """The optimizer that evosearch makes of a program, in one group for each role."""

    def make(model: nn.Module, lr: float) -> Optimizer:
        import evosearch

        loaded = evosearch.load(program)
        cls = evosearch.to_torch(loaded)
        groups = parameter_groups(model, DECAY if "weight_decay" in loaded.defaults else None)
        return cls(groups, lr=lr, **settings)

    return make


def adamw(model: nn.Module, lr: float) -> Optimizer:
    """torch's AdamW with nanoGPT's constants."""
    return torch.optim.AdamW(_known(parameter_groups(model, DECAY)), lr=lr, betas=(0.9, 0.99))


def nadamw(model: nn.Module, lr: float) -> Optimizer:
    """torch's NAdam with decoupled decay."""
    groups = _known(parameter_groups(model, DECAY))
    return torch.optim.NAdam(groups, lr=lr, betas=(0.9, 0.99), decoupled_weight_decay=True)


def _known(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in group.items() if key != "role"} for group in groups]


OPTIMIZERS: dict[str, Callable[[nn.Module, float], Optimizer]] = {"adamw": adamw, "nadamw": nadamw}
PROGRAMS = ("matched", "grafted", "rotated")  # files beside this one; matched.opt is Muon


def optimizer_of(name: str, model: nn.Module, lr: float) -> Optimizer:
    """The optimizer of a name in the table, or of a program, beside this file or any other: "matched beta=0.85"."""
    base, *given = name.split()
    program = str(HERE / f"{base}.opt") if base in PROGRAMS else base
    settings = {key: float(value) for key, _, value in (part.partition("=") for part in given)}
    return OPTIMIZERS.get(name, by_evosearch(program, **settings))(model, lr)


def training(name: str, lr: float, seed: int, steps: int) -> dict[str, Any]:
    """One training from its seed: losses on the validation and the test files, in nats a character."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = Transformer(WIDTH, DEPTH, 4, dropout=0.0)
    order = Generator().manual_seed(seed)
    optimizer = optimizer_of(name, model, lr)
    schedule = warmup_cosine(optimizer, steps)
    train = text()["train"]
    began = time.perf_counter()
    for _ in range(steps):
        places = torch.randint(len(train) - 65, (BATCH,), generator=order)
        loss = loss_of(model, windows(train, places))
        if not math.isfinite(loss.item()):
            break
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - began
    found = {part: evaluated(model, part) for part in ("validation", "test")}
    return {"name": name, "lr": lr, "seed": seed, "steps": steps, **found, "seconds": round(seconds, 1)}


@torch.no_grad()
def evaluated(model: nn.Module, part: str, most: int = 512) -> float:
    """The mean loss over evenly spaced windows of a part of the text; NaN stays."""
    characters = text()[part]
    starts = torch.linspace(0, len(characters) - 66, most).long()
    return sum(float(loss_of(model, windows(characters, some))) * len(some) for some in starts.split(64)) / most


def done() -> list[dict[str, Any]]:
    """The trainings that are finished."""
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def best_rate(rows: list[dict[str, Any]], name: str, steps: int) -> float:
    """The rate with the lowest validation loss of those tuned on."""
    tuned = [row for row in rows if (row["name"], row["seed"], row["steps"]) == (name, TUNING_SEED, steps)]
    return min(tuned, key=lambda row: row["validation"] if math.isfinite(row["validation"]) else math.inf)["lr"]


def work(jobs: list[tuple[str, float, int, int]], processes: int) -> None:
    """Train what is not there yet, each row appended as it comes."""
    there = {(row["name"], row["lr"], row["seed"], row["steps"]) for row in done()}
    left = [job for job in jobs if job not in there]
    with ProcessPoolExecutor(processes) as pool, RESULTS.open("a") as file:
        for future in as_completed([pool.submit(training, *job) for job in left]):
            row = future.result()
            print(json.dumps(row), file=file, flush=True)
            print(f"{row['name']:>12}  lr {row['lr']:.4g}  seed {row['seed']}  {row['validation']:.4f}", flush=True)


def table(names: list[str], steps: int) -> None:
    """Test losses over fresh seeds, and the gain over AdamW in nats a character with its interval of 95 %, paired."""
    rows = [row for row in done() if row["steps"] == steps and row["seed"] < TUNING_SEED]
    digest = hashlib.sha256(text()["train"].numpy().tobytes()).hexdigest()[:8]
    count = sum(p.numel() for p in Transformer(WIDTH, DEPTH, 4).parameters())
    print(f"\n{count:,} parameters, {steps} steps of {BATCH} x 64 characters of {len(text()['train']):,} ({digest})")
    print(f"{'':24} {'rate':>8} {'test loss':>10} {'below adamw':>24} {'seconds':>8}")
    first = {row["seed"]: row["test"] for row in rows if row["name"] == "adamw"}
    for name in names:
        own = {row["seed"]: row for row in rows if row["name"] == name}
        if not own:
            continue
        gains = np.array([first[seed] - row["test"] for seed, row in own.items() if seed in first])
        half = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains) if len(gains) > 1 else math.nan
        mean = np.mean([row["test"] for row in own.values()])
        seconds, rate = np.median([row["seconds"] for row in own.values()]), next(iter(own.values()))["lr"]
        between = f"{gains.mean():+.4f} ± {half:.4f}"
        print(f"{Path(name).name:24} {rate:8.3g} {mean:10.4f} {between:>24} {seconds:8.1f}")


def main() -> None:
    """Tune, train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*OPTIMIZERS, *PROGRAMS], help="names in the table, or programs")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    a = parser.parse_args()
    if not a.table:
        work([(name, lr, TUNING_SEED, a.steps) for name in a.names for lr in RATES], a.processes)
        rates = {name: best_rate(done(), name, a.steps) for name in a.names}
        work([(name, rates[name], seed, a.steps) for seed in range(a.seeds) for name in a.names], a.processes)
    table(a.names, a.steps)


if __name__ == "__main__":
    main()
