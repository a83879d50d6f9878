"""Data sets on disk: read from the files they are handed out in, and refused in a sentence where they are not those."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from torch import nn

import proxies
from proxies import TaskError, formats
from proxies.convolution import FILTER
from proxies.local import Images, scores
from proxies.places import DATA_SETS
from proxies.proxy import Buffers
from proxies.train import train
from tests.proxies import disk
from tests.proxies.steppers import AdamW


def test_cifar10_as_python_2_wrote_it(tmp_path: Path) -> None:
    folder = disk.write_cifar10(tmp_path / "c")
    (images, labels), (held, held_labels) = formats.cifar10(folder)
    assert images.shape == (60, 32, 32, 3)
    planes, truth = disk.images(12, (3, 32, 32), seed=1)
    assert_array_equal(images[12:24], planes.transpose(0, 2, 3, 1))
    assert_array_equal(labels[12:24], truth)
    assert_array_equal(held_labels, disk.images(12, (3, 32, 32), seed=5)[1])
    assert held.dtype == np.uint8


@pytest.mark.parametrize("protocol", range(2, 6))
def test_cifar10_in_any_protocol(tmp_path: Path, protocol: int) -> None:
    folder = disk.write_cifar10(tmp_path / "c")
    planes, labels = disk.images(12, (3, 32, 32), seed=9)
    batch = {b"data": np.asfortranarray(planes.reshape(12, -1)), b"labels": labels.astype(">i8")}
    (folder / "data_batch_2").write_bytes(pickle.dumps(batch, protocol=protocol))
    (images, found), _ = formats.cifar10(folder)
    assert_array_equal(images[12:24], planes.transpose(0, 2, 3, 1))
    assert_array_equal(found[12:24], labels)


class Attack:
    """A pickle that would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch owned",)


def test_a_pickle_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = disk.write_cifar10(tmp_path / "c")
    for content in (Attack(), OrderedDict(), np.array([Attack()], dtype=object), np.array(["a"])):
        (folder / "data_batch_3").write_bytes(pickle.dumps({b"data": content, b"labels": [1]}, protocol=2))
        with pytest.raises(TaskError, match=r"data_batch_3 is no batch of CIFAR-10 \(it"):
            formats.cifar10(folder)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist(tmp_path: Path, zipped: bool) -> None:
    (images, labels), (held, _) = formats.mnist(disk.write_mnist(tmp_path / "m", zipped=zipped))
    pixels, truth = disk.images(60, (28, 28), seed=0)
    assert_array_equal(images[..., 0], pixels)
    assert_array_equal(labels, truth)
    assert held.shape == (20, 28, 28, 1)


@pytest.mark.parametrize("kind", DATA_SETS)
def test_parts_are_apart(tmp_path: Path, kind: str) -> None:
    split = proxies.get(disk.write(kind, tmp_path)).data()
    parts = [{row.tobytes() for row in part[0]} for part in (split.train, split.validation, split.test)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert min(map(len, parts)) >= 12


def test_text_is_divided_in_one_place_each(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(bytes(i * i // 40 % 251 for i in range(4000)))
    split = proxies.get(f"text:{tmp_path / 't.txt'}").data()
    whole = (tmp_path / "t.txt").read_bytes()
    assert bytes(split.train[0][0]) == whole[:65]
    assert bytes(split.train[0][-1]) == whole[3135:3200]
    assert bytes(split.validation[0][0]) == whole[3200:3265]
    assert bytes(split.test[0][-1]) == whole[-65:]


@pytest.mark.parametrize(("kind", "steps"), [("cifar10", 8), ("mnist", 12), ("text", 6)])
def test_adamw_learns(tmp_path: Path, kind: str, steps: int) -> None:
    proxy = proxies.get(disk.write(kind, tmp_path))
    outcome = train(proxy, [0, 0], np.array([0.0, 3e-3]), AdamW, steps=steps, test=True)
    assert outcome.validation[1] < 0.95 * outcome.validation[0]
    assert outcome.test is not None
    assert outcome.test[1] < 0.95 * outcome.test[0]


def test_the_network_is_that_of_torch() -> None:
    images = Images(8, (100.0, 110.0), (50.0, 60.0))
    layers = nn.Conv2d(2, 4, FILTER, padding=1), nn.Conv2d(4, 6, FILTER, padding=1), nn.Linear(24, 10)
    pixels = torch.randint(0, 256, (1, 7, 8, 8, 2))
    params = [p.detach().flatten(1) if p.dim() > 1 else p.detach() for layer in layers for p in layer.parameters()]
    head = params[4].view(10, 6, 2, 2).permute(0, 2, 3, 1).reshape(10, 24)  # channels come last here
    found = scores(images, [p[None] for p in (*params[:4], head, params[5])], pixels)
    x = (pixels[0] - torch.tensor(images.mean)) / torch.tensor(images.deviation)
    x = x.permute(0, 3, 1, 2)
    for convolution in layers[:2]:
        x = nn.functional.max_pool2d(convolution(x), 2).relu()
    torch.testing.assert_close(found[0], layers[2](x.flatten(1)).detach(), rtol=1e-5, atol=1e-5)


def test_validation_in_pieces_is_that_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = proxies.get(disk.write("mnist", tmp_path))
    buffers = Buffers(proxy.layout, 2, torch.float64)
    buffers.weights.copy_(0.1 * torch.randn(len(buffers.weights), dtype=torch.float64))
    model = proxy.model(buffers, [0, 0])
    whole = model.loss_on("validation")
    monkeypatch.setattr("proxies.local.TOGETHER", 5)
    torch.testing.assert_close(model.loss_on("validation"), whole, rtol=1e-12, atol=0)


MISTAKES = {
    "no folder": (
        "mnist",
        lambda p: p.rename(p.with_name("moved")),
        r"there is no file .*train-images-idx3-ubyte; mnist",
    ),
    "no batch": (
        "cifar10",
        lambda p: (p / "data_batch_4").unlink(),
        r"no file .*data_batch_4; cifar10:DIR is the folder",
    ),
    "no pickle": ("cifar10", lambda p: (p / "test_batch").write_bytes(b"<html>"), "test_batch is no batch of CIFAR-10"),
    "cut": (
        "cifar10",
        lambda p: (p / "test_batch").write_bytes((p / "test_batch").read_bytes()[:999]),
        "test_batch is no batch of CIFAR-10",
    ),
    "labels": (
        "mnist",
        lambda p: (p / "t10k-labels-idx1-ubyte").write_bytes(disk.idx(np.full(20, 77))),
        "not one label from 0 to 9 for each image",
    ),
    "few labels": (
        "mnist",
        lambda p: (p / "t10k-labels-idx1-ubyte").write_bytes(disk.idx(np.zeros(3))),
        "not one label from 0 to 9 for each image",
    ),
    "no idx": (
        "mnist",
        lambda p: (p / "train-images-idx3-ubyte").write_bytes(b"<html>"),
        "no idx file of bytes in 3 dimensions",
    ),
    "cut idx": (
        "mnist",
        lambda p: (p / "train-images-idx3-ubyte").write_bytes(disk.idx(np.zeros((3, 28, 28)))[:-1]),
        "no idx file of bytes in 3 dimensions",
    ),
    "no gzip": (
        "mnist",
        lambda p: (p / "t10k-images-idx3-ubyte").rename(p / "t10k-images-idx3-ubyte.gz"),
        "is no gzip file",
    ),
    "no text": ("text", lambda p: p.unlink(), r"there is no file .*text; text:FILE is a text file"),
    "short text": ("text", lambda p: p.write_text("short"), "has 5 bytes, and a text to train on has at least 1300"),
    "folder": ("text", lambda p: (p.unlink(), p.mkdir()), r"cannot be read \(Is a directory\)"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_a_sentence(tmp_path: Path, mistake: str) -> None:
    kind, spoil, says = MISTAKES[mistake]
    name = disk.write(kind, tmp_path)
    spoil(tmp_path / kind)
    with pytest.raises(TaskError, match=says) as raised:
        proxies.get(name)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)
