"""Exported optimizers in the place of AdamW in a training script: saved, resumed in a fresh process, refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.experiments.scripts import exported, fresh, modules, rows


@pytest.fixture(scope="module")
def scripts() -> Iterator[list[Any]]:
    """The modules `train`, `optimizers` and `tasks`."""
    threads = torch.get_num_threads()
    with modules("train", "optimizers", "tasks") as found:
        yield found
    torch.set_num_threads(threads)


@pytest.mark.parametrize(
    ("task", "programs"),
    [("digits", ["lion", "muon", "clip_norm_nadam"]), ("text", ["lookahead_radam", "found"])],
)
def test_five_programs_resume_with_the_losses_of_the_undisturbed(
    tmp_path: Path, task: str, programs: list[str]
) -> None:
    words = ["--task", task, "--steps", 24, "--rates", 1, "--seeds", 0, "--only", *programs]
    table = fresh("five.py", *words, "--folder", tmp_path).stdout
    assert table.count("| yes |") == len(programs)
    for name in programs:
        whole = rows(tmp_path / f"{name}.whole.jsonl")
        assert [row["step"] for row in whole[:-1]] == list(range(1, 25))
        assert rows(tmp_path / f"{name}.resumed.jsonl") == whole[12:]
        assert whole[-2]["loss"] < whole[0]["loss"]


def trained(train: Any, folder: Path, *words: object) -> list[dict[str, float]]:
    train.main([str(word) for word in [*words, "--log", folder / "log.jsonl"]])
    return rows(folder / "log.jsonl")


def test_the_exported_adamw_trains_as_that_of_torch(tmp_path: Path, scripts: list[Any]) -> None:
    file = exported("adamw", tmp_path / "ours.py")
    words = ["--task", "text", "--steps", 12, "--lr", 3e-3, "--weight-decay", 0.1]
    ours = trained(scripts[0], tmp_path, *words, "--optimizer", f"{file}:Adamw")
    theirs = trained(scripts[0], tmp_path, *words, "--optimizer", "torch.optim.AdamW")
    assert [row["loss"] for row in ours[:-1]] == pytest.approx([row["loss"] for row in theirs[:-1]], rel=1e-4)


@pytest.mark.parametrize(
    ("program", "name", "lr"), [("sam(adamw)", "SamAdamw", 3e-3), ("hessian_free", "HessianFree", 0.3)]
)
def test_programs_that_ask_for_the_loss_resume_alike(
    tmp_path: Path, scripts: list[Any], program: str, name: str, lr: float
) -> None:
    file = exported(program, tmp_path / "asks.py")
    words = ["--optimizer", f"{file}:{name}", "--lr", lr, "--steps", 6]
    whole = trained(scripts[0], tmp_path, *words, "--save", tmp_path / "half.pt", "--save-at", 3)
    assert whole[-2]["loss"] < whole[0]["loss"]
    assert trained(scripts[0], tmp_path, *words, "--resume", tmp_path / "half.pt") == whole[3:]


def test_a_program_with_its_own_schedule_is_told_the_planned_steps(tmp_path: Path, scripts: list[Any]) -> None:
    file = exported("scheduled(adam, cosine)", tmp_path / "planned.py", "Planned")
    words = ["--optimizer", f"{file}:Planned", "--schedule", "constant", "--steps", 5]
    assert {row["lr"] for row in trained(scripts[0], tmp_path, *words)[:-1]} == {1e-3}


def test_groups_tell_roles_and_leave_vectors_undecayed(scripts: list[Any]) -> None:
    groups = {group["role"]: group for group in scripts[1].parameter_groups(scripts[2].Transformer(), 0.1)}
    assert {role: group["weight_decay"] for role, group in groups.items()} == {
        "embedding": 0.1,
        "hidden": 0.1,
        "head": 0.1,
        "vector": 0.0,
    }
    assert [len(groups[role]["params"]) for role in ("embedding", "hidden", "head")] == [2, 8, 1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--optimizer", "adamw"], "adamw names no optimizer: give torch.optim.NAME or FILE.py:CLASS."),
        (["--optimizer", "torch.optim.Best"], "torch.optim has no optimizer named Best."),
        (["--optimizer", "nowhere.py:Lion"], "There is no file nowhere.py: write it with `evosearch export "),
        (["--optimizer", "ours.py:Lion"], "ours.py has no optimizer named Lion."),
        (["--optimizer", "ours.py:Sgd", "--weight-decay", "0.1"], "Sgd has no weight_decay; it has lr,"),
        (["--save", "half.pt"], "--save FILE and --save-at N belong together."),
        (["--optimizer", "ours.py:Sgd", "--lr", "1e30"], "at step 2: try a smaller --lr."),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    tmp_path: Path,
    scripts: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    exported("sgd", tmp_path / "ours.py")
    with pytest.raises(SystemExit) as end:
        scripts[0].main(words)
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, scripts: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    scripts[0].main(["--steps", "2", "--save", str(tmp_path / "half.pt"), "--save-at", "1"])
    with pytest.raises(SystemExit):
        scripts[0].main(["--steps", "3", "--resume", str(tmp_path / "half.pt")])
    assert "half.pt is of another training: " in capsys.readouterr().err
