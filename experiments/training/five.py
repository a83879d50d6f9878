"""Five exported optimizers in the place of AdamW: trained, saved in the middle, resumed in a fresh process.

    python five.py --task digits --folder /tmp/digits

Says for each whether the resumed losses are those of the undisturbed training, bit for bit, and its validation loss
beside torch.optim.AdamW. Each learning rate is the best of a few on seed 0; the losses are of other seeds.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import train

SCRIPT = Path(__file__).with_name("train.py")
FOUND = Path(__file__).parents[1] / "2026-11-24-first-searches" / "programs" / "suite_299622.opt"
Row = dict[str, float]


@dataclass(frozen=True)
class Entry:
    """A program to export, and the learning rate that others are tried around."""

    program: str
    lr: float


FIVE = {
    "lion": Entry("lion", 3e-4),
    "muon": Entry("muon", 3e-2),
    "lookahead_radam": Entry("lookahead(radam)", 1e-2),
    "clip_norm_nadam": Entry("clip_norm(nadam)", 3e-3),
    "found": Entry(str(FOUND), 1e-3),  # the best program of a search
}
ADAMW = "torch.optim.AdamW"
CENTRES = {ADAMW: 3e-3} | {name: entry.lr for name, entry in FIVE.items()}


def export(name: str, folder: Path) -> str:
    """Write the stand-alone file of one of the five; what `--optimizer` calls it."""
    path = folder / f"{name}.py"
    command = [
        sys.executable,
        "-m",
        "evosearch.cli",
        "export",
        FIVE[name].program,
        "-o",
        str(path),
        "--class",
        "Exported",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return f"{path}:Exported"


def losses(words: list[Any], log: Path, *, fresh: bool = False) -> list[Row]:
    """The rows that the training script writes, run here or in a fresh process."""
    texts = [str(word) for word in [*words, "--log", log]]
    if fresh:
        subprocess.run([sys.executable, str(SCRIPT), *texts], check=True, stdout=subprocess.DEVNULL)
    else:
        with contextlib.redirect_stdout(io.StringIO()):
            train.main(texts)
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def resumed_alike(words: list[Any], steps: int, folder: Path, name: str) -> bool:
    """Whether a training saved in the middle ends in a fresh process as the undisturbed one does, bit for bit."""
    half = steps // 2
    checkpoint = folder / f"{name}.pt"
    whole = losses(words, folder / f"{name}.whole.jsonl")
    saved = losses([*words, "--save", checkpoint, "--save-at", half], folder / f"{name}.saved.jsonl")
    resumed = losses([*words, "--resume", checkpoint], folder / f"{name}.resumed.jsonl", fresh=True)
    return saved == whole and resumed == whole[half:] and len(whole) == steps + 1


def tuned(words: list[Any], centre: float, rates: int, folder: Path) -> float:
    """The learning rate with the least validation loss on seed 0, of `rates` half a decade apart.

    Where the best is the first or the last, more are tried on that side.
    """
    tried: dict[int, float] = {}
    wanted = [place - rates // 2 for place in range(rates)]
    while rates > 1 and wanted:
        for place in wanted:
            words_now = [*words, "--lr", rate(centre, place)]
            with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):  # it may diverge
                tried[place] = losses(words_now, folder / "tuning.jsonl")[-1]["validation_loss"]
            tried.setdefault(place, math.inf)
        best = min(tried, key=tried.__getitem__)
        wanted = [place for place in (best - 1, best + 1) if place not in tried]
    return rate(centre, best) if tried else centre


def rate(centre: float, place: int) -> float:
    """The learning rate so many half decades above the centre, in two digits."""
    return float(f"{centre * 10 ** (place / 2):.2g}")


def measured(words: list[Any], seeds: int, folder: Path) -> str:
    """Mean and spread of the validation loss, and the mean accuracy, over seeds from 1 up."""
    rows = [losses([*words, "--seed", 1 + seed], folder / "seed.jsonl")[-1] for seed in range(seeds)]
    found = [row["validation_loss"] for row in rows]
    spread = statistics.stdev(found) if seeds > 1 else 0.0
    accuracy = statistics.mean(row["accuracy"] for row in rows)
    return f"{statistics.mean(found):.4f} ± {spread:.4f} | {accuracy:.3f}"


def main() -> None:
    """The table; exit code 1 where a resumed training differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--task", default="digits")
    parser.add_argument("--only", nargs="+", choices=list(CENTRES), default=list(CENTRES), metavar="NAME")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rates", type=int, default=5, help="learning rates tried for each")
    parser.add_argument("--seeds", type=int, default=3, help="trainings that the loss is a mean of; 0 for none")
    parser.add_argument("--folder", type=Path, required=True, help="for exported files, checkpoints and losses")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    alike = True
    print("| optimizer | lr | validation loss | accuracy | resumed alike |\n|---|---|---|---|---|")
    for name in asked.only:
        optimizer = name if name == ADAMW else export(name, asked.folder)
        words = ["--task", asked.task, "--steps", asked.steps, "--optimizer", optimizer]
        lr = tuned(words, CENTRES[name], asked.rates, asked.folder)
        words += ["--lr", lr]
        same = resumed_alike(words, asked.steps, asked.folder, name)
        alike = alike and same
        figures = measured(words, asked.seeds, asked.folder) if asked.seeds else "|"
        print(f"| {name} | {lr:g} | {figures} | {'yes' if same else 'NO'} |", flush=True)
    if not alike:
        raise SystemExit("A resumed training differs from the undisturbed one.")


if __name__ == "__main__":
    main()
