"""An exported optimizer in the Trainer of Hugging Face: a small GPT-2 with random weights, on Python's own help texts.

    evosearch export lion -o lion.py
    python with_trainer.py --optimizer lion.py:Lion --lr 3e-4 --weight-decay 0.1 --folder gpt2 --log losses.jsonl
    python with_trainer.py --optimizer lion.py:Lion --lr 3e-4 --weight-decay 0.1 --folder gpt2 --resume

The Trainer never passes a closure, so programs that need one (`needs_closure`) are for `train.py`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from optimizers import build, warmup_cosine
from tasks import CHARACTERS, WINDOW, text_characters
from torch import Tensor
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments


class Windows(Dataset[dict[str, Tensor]]):
    """The text cut into windows; the model itself shifts the labels."""

    def __init__(self, characters: Tensor) -> None:
        self.rows = characters[: len(characters) // WINDOW * WINDOW].view(-1, WINDOW)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        return {"input_ids": self.rows[row], "labels": self.rows[row]}


def model(width: int = 64) -> GPT2LMHeadModel:
    """Two blocks of GPT-2 from a configuration; nothing is downloaded."""
    config = GPT2Config(
        vocab_size=CHARACTERS,
        n_positions=WINDOW,
        n_embd=width,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config)


def trainer(arguments: argparse.Namespace) -> Trainer:
    """A Trainer around the exported optimizer and its schedule; it saves in the middle."""
    torch.manual_seed(arguments.seed)
    made = model()
    optimizer = build(arguments.optimizer, made, arguments.lr, arguments.steps, arguments.weight_decay)
    if getattr(optimizer, "needs_closure", False):
        raise SystemExit(f"{arguments.optimizer} needs a closure, which the Trainer does not pass: use train.py.")
    training = TrainingArguments(
        output_dir=str(arguments.folder),
        max_steps=arguments.steps,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        bf16=arguments.bf16,
        logging_steps=1,
        save_steps=arguments.steps // 2,
        seed=arguments.seed,
        use_cpu=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
    )
    train, _ = text_characters()
    return Trainer(
        model=made,
        args=training,
        train_dataset=Windows(train),
        optimizers=(optimizer, warmup_cosine(optimizer, arguments.steps)),
    )


def main() -> None:
    """Train, from the start or from the checkpoint in the middle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--optimizer", default="torch.optim.AdamW", help="torch.optim.NAME or FILE.py:CLASS")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--weight-decay", type=float, help="of matrices; vectors get 0")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true", help="matrix products in bfloat16")
    parser.add_argument("--folder", type=Path, required=True, help="for checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the middle")
    parser.add_argument("--log", type=Path, help="write losses here, a line of JSON for each step")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    made = trainer(arguments)
    checkpoint = arguments.folder / f"checkpoint-{arguments.steps // 2}"
    made.train(resume_from_checkpoint=str(checkpoint) if arguments.resume else None)
    if arguments.log:
        rows = [json.dumps(row, sort_keys=True) for row in made.state.log_history if "loss" in row]
        arguments.log.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
