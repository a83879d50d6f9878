"""Small data sets in the formats that local tasks read; images are noise around a pattern of their class."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


def images(many: int, shape: tuple[int, ...], seed: int) -> Rows:
    """Images as bytes [n, *shape] and labels [n]."""
    patterns = np.random.default_rng(0).integers(0, 256, (10, *shape))
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(many) % 10)
    noisy = patterns[labels] + rng.normal(0, 40, (many, *shape))
    return noisy.clip(0, 255).astype(np.uint8), labels


def write_cifar10(folder: Path, rows: int = 12) -> Path:
    """Six batches as Python 2 pickled them: names of old modules, keys and contents as bytes."""
    folder.mkdir()
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        planes, labels = images(rows, (3, 32, 32), seed=k)
        batch = {b"data": planes.reshape(rows, -1), b"labels": labels.tolist(), b"filenames": [b"x.png"] * rows}
        content = pickle.dumps(batch, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        (folder / name).write_bytes(content)
    return folder


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the idx format."""
    head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, dtype=">i4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def write_mnist(folder: Path, rows: int = 60, *, zipped: bool = False) -> Path:
    """The four idx files."""
    folder.mkdir()
    for k, (part, many) in enumerate((("train", rows), ("t10k", rows // 3))):
        pixels, labels = images(many, (28, 28), seed=k)
        for name, array in ((f"{part}-images-idx3-ubyte", pixels), (f"{part}-labels-idx1-ubyte", labels)):
            content = idx(array)
            (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def write_text(path: Path) -> Path:
    """A text of a few kilobytes, some of it not ASCII."""
    words = "the quick brown fox jumps over a lazy dog — naïve façade".split()
    chosen = np.random.default_rng(0).choice(words, 900)
    path.write_text(" ".join(chosen), encoding="utf-8")
    return path


def write(kind: str, folder: Path) -> str:
    """The name of a local task of this kind, whose data is written into the folder."""
    folder.mkdir(exist_ok=True)
    makers = {"cifar10": write_cifar10, "mnist": write_mnist, "text": write_text}
    return f"{kind}:{makers[kind](folder / kind)}"
