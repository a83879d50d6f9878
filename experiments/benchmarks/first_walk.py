"""The seconds of a first walk, from a clone to a training by an exported optimizer, each step as a stranger types it.

    python experiments/benchmarks/first_walk.py [--here]

With --here this environment is used: nothing is cloned or installed. Machines are compiled anew in any case. Takes
about three minutes, and as long as pip takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINING = """
import torch
from sklearn.datasets import load_digits
from best import Best

torch.manual_seed(0)
data = load_digits()
images = torch.tensor(data.images[:, None], dtype=torch.float32) / 16
labels = torch.tensor(data.target)


def trained(make):
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(512, 10),
    )
    optimizer = make(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=300, cycle_momentum=False)
    for step in range(300):
        rows = torch.randint(0, 1500, (64,))
        loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return (model(images[1500:]).argmax(1) == labels[1500:]).float().mean()


print(f"AdamW {trained(lambda p: torch.optim.AdamW(p, lr=3e-3)):.3f}, Best {trained(lambda p: Best(p, lr=3e-3)):.3f}")
"""


def main() -> None:
    """Take the steps in a new folder and print what each took."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--here", action="store_true", help="use this environment: nothing is cloned or installed")
    here = options.parse_args().here
    with tempfile.TemporaryDirectory(prefix="first-walk-") as folder:
        os.environ |= {"EVOSEARCH_CACHE": f"{folder}/cache", "PYTHONPATH": str(ROOT) if here else ""}
        clone = Path(folder) / "clone"
        if here:
            clone.mkdir()
        else:
            step("clone", ["git", "clone", "-q", str(ROOT), str(clone)], Path(folder))
            step("virtual environment", [sys.executable, "-m", "venv", ".venv"], clone)
            step("install", [".venv/bin/pip", "install", "-q", "-e", "."], clone)
        python = sys.executable if here else str(clone / ".venv" / "bin" / "python")
        evosearch = [python, "-m", "evosearch.cli"]
        step("first search, with compilation", [*evosearch, "run", "--out", "first"], clone)
        step("second search", [*evosearch, "run", "--out", "second"], clone)
        for name in ("status", "inspect", "simplify", "export", "report"):
            of = "second" if name in ("status", "report") else "second:best"
            step(name, [*evosearch, name, of, *(["-o", "best.py"] if name == "export" else [])], clone)
        under_way = subprocess.Popen([*evosearch, "run", "--out", "third"], cwd=clone, stdout=subprocess.DEVNULL)
        time.sleep(20)
        step("status of a search under way", [*evosearch, "status", "third"], clone)
        step("stop", [*evosearch, "stop", "third"], clone)
        under_way.wait()
        (clone / "train.py").write_text(TRAINING)
        step("training with the export", [python, "train.py"], clone)
        print(f"  test accuracy: {(clone / 'training with the export.txt').read_text().strip()}")


def step(name: str, command: list[str], folder: Path) -> None:
    """Run a command, its output in a file, and print its seconds; CalledProcessError where it fails."""
    began = time.monotonic()
    with (folder / f"{name}.txt").open("w") as output:
        subprocess.run(command, cwd=folder, check=True, stdout=output, stderr=subprocess.STDOUT)
    print(f"{name:<32}{time.monotonic() - began:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
