"""Exported optimizers in Hugging Face's Trainer and in Lightning; skipped where these are not installed.

The scripts run in processes of their own: what the frameworks warn of is not ours to mend, and stays there.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.experiments.scripts import exported, fresh, rows


def quiet(done: subprocess.CompletedProcess[str]) -> None:
    """Neither the scripts nor an exported file have warned of something, nor the scheduler of the order of steps."""
    for word in ("experiments/training", "exported.py", "lr_scheduler.step()"):
        assert word not in done.stderr


def test_the_trainer_resumes_with_the_losses_of_the_undisturbed(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    file = exported("muon", tmp_path / "exported.py")
    words = ["--optimizer", f"{file}:Muon", "--lr", 1e-2, "--weight-decay", 0.1, "--steps", 14, "--folder", tmp_path]
    quiet(fresh("with_trainer.py", *words, "--log", tmp_path / "whole.jsonl", warnings="default"))
    quiet(fresh("with_trainer.py", *words, "--log", tmp_path / "rest.jsonl", "--resume", warnings="default"))
    whole = rows(tmp_path / "whole.jsonl")
    assert [row["step"] for row in whole] == list(range(1, 15))
    assert whole[-1]["loss"] < whole[0]["loss"]
    assert rows(tmp_path / "rest.jsonl")[7:] == whole[7:]  # the first seven are read from the checkpoint


def test_lightning_resumes_with_the_losses_of_the_undisturbed(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    file = exported("lookahead(radam)", tmp_path / "exported.py")
    words = ["--optimizer", f"{file}:LookaheadRadam", "--lr", 1e-2, "--epochs", 2, "--folder", tmp_path]
    quiet(fresh("with_lightning.py", *words, "--log", tmp_path / "whole.jsonl", warnings="default"))
    quiet(fresh("with_lightning.py", *words, "--log", tmp_path / "rest.jsonl", "--resume", warnings="default"))
    whole = rows(tmp_path / "whole.jsonl")
    assert {row["epoch"] for row in whole} == {0, 1}
    assert whole[-1]["loss"] < whole[0]["loss"]
    assert rows(tmp_path / "rest.jsonl") == [row for row in whole if row["epoch"] == 1]


def test_lightning_gives_programs_that_ask_for_the_loss_a_closure(tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    file = exported("sam(adamw)", tmp_path / "exported.py")
    words = ["--optimizer", f"{file}:SamAdamw", "--lr", 1e-2, "--epochs", 2, "--folder", tmp_path, "--accumulate", 1]
    quiet(fresh("with_lightning.py", *words, "--log", tmp_path / "whole.jsonl", warnings="default"))
    losses = [row["loss"] for row in rows(tmp_path / "whole.jsonl")]
    assert len(losses) == 2 * 2 * 44  # two gradients for each of 44 batches in two epochs
    assert losses[-1] < losses[0]
