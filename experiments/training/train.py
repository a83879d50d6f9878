"""A plain training script for any torch optimizer; it saves, and goes on in another process with the same losses.

python train.py --task text --optimizer torch.optim.AdamW --lr 3e-3
evosearch export lion -o lion.py
python train.py --task text --optimizer lion.py:Lion --lr 3e-4 --save half.pt --save-at 150
python train.py --task text --optimizer lion.py:Lion --lr 3e-4 --resume half.pt
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from optimizers import build, warmup_cosine
from tasks import TASKS, Task, loss_of
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


@dataclass
class Training:
    """All that a training is made of; what a checkpoint must hold."""

    task: Task
    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    order: Generator  # of the batches
    step: int = 0

    def state(self) -> dict[str, Any]:
        """The checkpoint: weights, states, schedule, steps done, and both sources of random numbers."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "order": self.order.get_state(),
            "random": torch.get_rng_state(),  # of dropout
            "step": self.step,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.order.set_state(state["order"])
        torch.set_rng_state(state["random"])
        self.step = state["step"]


def begin(arguments: argparse.Namespace) -> Training:
    """A training before its first step, or where the checkpoint was saved."""
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    task = TASKS[arguments.task]()
    model = task.model()
    settings = dict(arguments.set)
    optimizer = build(arguments.optimizer, model, arguments.lr, arguments.steps, arguments.weight_decay, **settings)
    scheduler = LambdaLR(optimizer, lambda step: 1.0)
    if arguments.schedule == "cosine":
        scheduler = warmup_cosine(optimizer, arguments.steps)
    training = Training(task, model, optimizer, scheduler, Generator().manual_seed(arguments.seed))
    if arguments.resume:
        saved = torch.load(arguments.resume, weights_only=True)
        if saved["arguments"] != identity(arguments):
            raise ValueError(f"{arguments.resume} is of another training: {saved['arguments']}.")
        training.load(saved)
    return training


def identity(arguments: argparse.Namespace) -> dict[str, Any]:
    """What must agree between a training and its continuation."""
    return {"task": arguments.task, "optimizer": arguments.optimizer.rpartition(":")[2], "steps": arguments.steps}


def closure_of(training: Training) -> Callable[[], Tensor]:
    """The closure of this step: it gives the loss on one batch, and its gradients unless the optimizer takes them."""
    batch = training.task.batch(training.order)
    differentiates = getattr(training.optimizer, "differentiates_twice", False)

    def closure() -> Tensor:
        loss = loss_of(training.model, batch)
        if not differentiates:
            training.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
        return loss

    return closure


def train(training: Training, steps: int) -> Iterator[dict[str, float]]:
    """Train to that many steps in all; after each, its number, loss and learning rate."""
    optimizer = training.optimizer
    training.model.train()
    while training.step < steps:
        closure = closure_of(training)
        rate = optimizer.param_groups[0]["lr"]
        if getattr(optimizer, "needs_closure", False):
            loss = torch.as_tensor(optimizer.step(closure))  # type: ignore[arg-type]
        else:
            loss = closure()
            optimizer.step()
        training.scheduler.step()
        training.step += 1
        value = loss.detach().item()
        if not math.isfinite(value):
            raise ValueError(f"The loss is {value} at step {training.step}: try a smaller --lr.")
        yield {"step": training.step, "loss": value, "lr": float(rate)}


@torch.no_grad()
def validate(training: Training) -> dict[str, float]:
    """Loss and accuracy on the rows that no step has seen."""
    inputs, targets = training.task.validation
    training.model.eval()
    right = training.model(inputs).argmax(-1) == targets
    return {
        "validation_loss": float(loss_of(training.model, training.task.validation)),
        "accuracy": float(right.float().mean()),
    }


def run(arguments: argparse.Namespace, log: TextIO | None) -> None:
    """Train, save where asked, validate; each row is written as a line of JSON."""
    training = begin(arguments)
    for row in train(training, arguments.steps):
        if log:
            print(json.dumps(row), file=log, flush=True)
        if row["step"] % 50 == 0:
            print(f"step {row['step']:5}   loss {row['loss']:.4f}   lr {row['lr']:.2e}")
        if arguments.save and row["step"] == arguments.save_at:
            torch.save(training.state() | {"arguments": identity(arguments)}, arguments.save)
    last = validate(training)
    if log:
        print(json.dumps(last), file=log)
    print(f"validation loss {last['validation_loss']:.4f}, accuracy {last['accuracy']:.4f}")


def setting(text: str) -> tuple[str, float]:
    """NAME=NUMBER as a pair."""
    name, _, number = text.partition("=")
    return name, float(number)


def parser() -> argparse.ArgumentParser:
    """The options of the script."""
    made = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--task", choices=sorted(TASKS), default="digits")
    made.add_argument("--optimizer", default="torch.optim.AdamW", help="torch.optim.NAME or FILE.py:CLASS")
    made.add_argument("--lr", type=float, default=1e-3, help="the highest learning rate (default 1e-3)")
    made.add_argument("--weight-decay", type=float, help="of matrices; vectors get 0 (default: the optimizer's own)")
    made.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=NUMBER", help="any other")
    made.add_argument(
        "--schedule", choices=["cosine", "constant"], default="cosine", help="warm-up and cosine, or none"
    )
    made.add_argument("--steps", type=int, default=300)
    made.add_argument("--seed", type=int, default=0, help="of weights, batches and dropout")
    made.add_argument("--threads", type=int, default=1, help="networks so small are fastest on one (default)")
    made.add_argument("--save", type=Path, metavar="FILE", help="write a checkpoint here")
    made.add_argument("--save-at", type=int, metavar="N", help="after N steps")
    made.add_argument("--resume", type=Path, metavar="FILE", help="go on from a checkpoint")
    made.add_argument("--log", type=Path, metavar="FILE", help="write losses here, a line of JSON for each step")
    return made


def main(words: list[str] | None = None) -> None:
    """The command; a wrong input ends it with a sentence and exit code 2."""
    arguments = parser().parse_args(words)
    try:
        if (arguments.save is None) != (arguments.save_at is None):
            raise ValueError("--save FILE and --save-at N belong together.")
        if arguments.log is None:
            run(arguments, None)
        else:
            with arguments.log.open("w", encoding="utf-8") as log:
                run(arguments, log)
    except (ValueError, OSError) as fault:
        print(fault, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
