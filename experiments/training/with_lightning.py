"""An exported optimizer in Lightning: a convolutional network on digits, bfloat16, two batches for each step.

    evosearch export "lookahead(radam)" -o slow.py
    python with_lightning.py --optimizer slow.py:LookaheadRadam --lr 1e-2 --folder digits --log losses.jsonl
    python with_lightning.py --optimizer slow.py:LookaheadRadam --lr 1e-2 --folder digits --resume

Lightning passes every optimizer a closure, so programs that need one work too, with --accumulate 1 only: a closure
that is called again adds its gradients to those of the batches before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from optimizers import build, warmup_cosine
from tasks import Batch, ConvolutionalNetwork, digits_rows, loss_of
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


class Digits(lightning.LightningModule):
    """The network with its optimizer and schedule, and the loss of each batch."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__()
        self.network = ConvolutionalNetwork()
        self.arguments = arguments
        self.losses: list[dict[str, float]] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = loss_of(self.network, batch)
        self.losses.append({"epoch": self.current_epoch, "batch": index, "loss": loss.item()})
        return loss

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        asked = self.arguments
        steps = int(self.trainer.estimated_stepping_batches)
        optimizer = build(asked.optimizer, self.network, asked.lr, steps, asked.weight_decay)
        if getattr(optimizer, "differentiates_twice", False):
            raise SystemExit(f"{asked.optimizer} differentiates the loss itself: use train.py.")
        if getattr(optimizer, "needs_closure", False) and asked.accumulate > 1:
            raise SystemExit(f"{asked.optimizer} needs a closure: give --accumulate 1.")
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": warmup_cosine(optimizer, steps), "interval": "step"},
        }


def batches(size: int = 32) -> DataLoader[tuple[Tensor, ...]]:
    """The rows of each epoch in an order that only its number decides, so that a resumed training meets the same."""
    (x, y), _ = digits_rows()
    rows = TensorDataset(x, y)
    order: DistributedSampler[Any] = DistributedSampler(rows, num_replicas=1, rank=0, seed=0)
    return DataLoader(rows, size, sampler=order, drop_last=True)


def main() -> None:
    """Train, from the start or from the checkpoint in the middle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--optimizer", default="torch.optim.AdamW", help="torch.optim.NAME or FILE.py:CLASS")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, help="of matrices; vectors get 0")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--accumulate", type=int, default=2, help="batches for each step")
    parser.add_argument("--precision", default="bf16-mixed", choices=["32-true", "bf16-mixed", "16-mixed"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the middle")
    parser.add_argument("--log", type=Path, help="write losses here, a line of JSON for each batch")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    module = Digits(arguments)
    half = arguments.epochs // 2
    keep = ModelCheckpoint(arguments.folder, "{epoch}", every_n_epochs=half, save_top_k=-1)
    trainer = lightning.Trainer(
        accelerator="cpu",
        precision=arguments.precision,
        max_epochs=arguments.epochs,
        accumulate_grad_batches=arguments.accumulate,
        gradient_clip_val=1.0,
        callbacks=[keep],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    checkpoint = arguments.folder / f"epoch={half - 1}.ckpt"
    trainer.fit(module, batches(), ckpt_path=str(checkpoint) if arguments.resume else None)
    if arguments.log:
        arguments.log.write_text("".join(f"{json.dumps(row)}\n" for row in module.losses), encoding="utf-8")


if __name__ == "__main__":
    main()
