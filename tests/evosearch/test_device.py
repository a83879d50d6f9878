"""A search on a GPU: refused in one sentence where there is none, and what trainings on it would give, emulated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import proxies
from evosearch import cli, commands, handshake, machine, measure
from evosearch.config import Config, ConfigError, from_dict
from primitives.machines import batch
from primitives.machines.gpu_driver import problem
from primitives.machines.gpu_machine import GpuMachine
from primitives.reference import reference
from primitives.text import show
from proxies.generic import DeviceModel
from proxies.perceptron_device import DevicePerceptron
from proxies.proxy import Buffers
from tests.primitives.gpu import NEEDS_COMPILER

TEXTS = [show(reference(name)) for name in ("adamw", "lion", "sgd", "nadam")]
SICK = "def f(w, g, *, lr=0.1):\n    return w - lr * log(g - 1000)\n"
GRID = [(-8, -10)]


@pytest.fixture
def no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with patch("torch.cuda.is_available", return_value=False):
        yield tmp_path


def test_a_missing_gpu_is_one_sentence_before_anything_is_written(no_gpu, capsys):
    for device in ("cuda", "cuda:1"):
        assert cli.main(["run", "--device", device, "--out", "here"]) == 2
        said = capsys.readouterr()
        assert said.err.startswith("evosearch: torch sees no CUDA device here")
        assert said.err.endswith("; use --device cpu.\n")
        assert said.err.count("\n") == 1
    assert not list(no_gpu.iterdir())


def test_a_search_on_a_gpu_does_not_resume_without_it(no_gpu, capsys):
    from evosearch import directory

    directory.create(no_gpu / "there", Config(device="cuda", programs=5)).close()
    assert cli.main(["resume", "there"]) == 2
    assert "torch sees no CUDA device here" in capsys.readouterr().err


def test_a_device_has_a_name_and_one_gpu_is_for_one_worker():
    assert from_dict({"device": "cuda:1"}).device == "cuda:1"
    for wrong in ("gpu", "cuda:", "cuda:-1", "CUDA"):
        with pytest.raises(ConfigError, match="must be cpu, cuda or cuda:N"):
            from_dict({"device": wrong})
    with pytest.raises(ConfigError, match=r"cuda:1 is one GPU; for one in each of 2 workers use --device cuda\.$"):
        from_dict({"device": "cuda:1", "workers": 2})
    assert from_dict({"device": "cuda", "workers": 2}).workers == 2


@pytest.mark.parametrize(
    ("words", "count", "needs"),
    [
        (["--device", "cuda"], 0, {"CPU": 1.0, "GPU": 1.0}),
        (["--device", "cuda:0"], 0, {"CPU": 1.0, "GPU": 1.0}),
        (["--device", "cuda", "--workers", "3"], 3, {"CPU": 1.0, "GPU": 1.0}),
        (["--workers", "3"], 3, {"CPU": 1.0}),
    ],
)
def test_each_worker_on_ray_asks_for_a_gpu(words, count, needs, tmp_path, monkeypatch):
    """One process uses one GPU; several are workers that are asked for."""
    asked = []

    def open_workers(n: int, make_context: str, args: object, resources: dict[str, float]) -> None:
        asked.append((n, resources))
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands, "check_device", lambda device: None)
    monkeypatch.setattr(commands, "open_workers", open_workers)
    assert cli.main(["run", "--programs", "5", *words]) == 130
    assert asked == [(count, needs)]


def test_a_run_notes_its_gpu():
    with patch("torch.cuda.get_device_name", return_value="A GPU"):
        then = machine.this_machine("cuda")
    assert then["GPU"] == "A GPU"
    assert machine.differences(then, {**then, "GPU": "Another"}) == "GPU was A GPU and is Another"
    assert "GPU" not in machine.this_machine()


def test_workers_on_other_gpus_are_refused():
    with patch("torch.cuda.get_device_name", return_value="A GPU"):
        first = handshake.introduction("cuda")
    other = {**first, "host": "there", "GPU": "Another"}
    assert "there has GPU Another (not A GPU), unlike" in handshake.objection(other, handshake.introduction(), first)
    assert handshake.objection(first, handshake.introduction(), first) == ""


def losses(texts: list[str], name: str, device: str = "cpu") -> np.ndarray:
    return measure.measure(texts, proxies.get(name), [0, 1], GRID * len(texts), steps=25, device=device)


def on_device(task: Any, buffers: Buffers, seeds: list[int]) -> DevicePerceptron:
    """The model that a perceptron has on a GPU."""
    return DevicePerceptron(task.data, task.relu, task.feed, task.classes, buffers, seeds)


@NEEDS_COMPILER
@pytest.mark.parametrize("name", ["least_squares", "digits"])
def test_trainings_on_the_emulated_kernel_end_as_on_a_cpu(name):
    """With a program among them that is never finite, and dropped on the way."""
    texts = [*TEXTS, SICK]
    wanted = losses(texts, name)
    with patch.object(batch, "machine_for", lambda device, codes: GpuMachine):
        with patch("proxies.generic.GenericModel", DeviceModel), patch("proxies.perceptron.Perceptron", on_device):
            found = losses(texts, name)
        alone = losses(texts[1:2], name)
    assert np.isinf(found[-1]).all()
    np.testing.assert_allclose(found[:-1], wanted[:-1], rtol=1e-4)
    np.testing.assert_array_equal(alone[0], wanted[1])


@pytest.mark.parametrize("name", ["least_squares", "digits", "transformer"])
@pytest.mark.parametrize("repeat", [1, 2])
@pytest.mark.gpu
def test_trainings_on_a_gpu_end_as_on_a_cpu_and_twice_alike(name, repeat):
    if reason := problem("cuda"):
        pytest.skip(reason)
    texts = [*TEXTS, SICK] * repeat
    found = losses(texts, name, "cuda")
    np.testing.assert_array_equal(losses(texts, name, "cuda"), found)
    finite = np.isfinite(found)
    np.testing.assert_array_equal(finite, np.isfinite(wanted := losses(texts, name)))
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=0.02)
