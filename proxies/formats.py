"""Reads data sets in the files they are handed out in: CIFAR-10's pickles, MNIST's idx, text. Nothing is downloaded."""

from __future__ import annotations

import gzip
import io
import pickle
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from proxies.places import TaskError

Rows = tuple[np.ndarray, np.ndarray]  # images as bytes, uint8 [n, height, width, channels], and labels, int64 [n]
CIFAR10 = "cifar10:DIR is the folder of CIFAR-10's Python version, with data_batch_1 to data_batch_5 and test_batch"
MNIST = (
    "mnist:DIR is a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each as it is or with .gz"
)
TEXT = "text:FILE is a text file"
SIDE, CHANNELS = 32, 3  # of CIFAR-10


def cifar10(folder: Path) -> tuple[Rows, Rows]:
    """The rows of the five batches, and those of the test batch. Krizhevsky 2009."""
    parts = [_cifar10_batch(folder / f"data_batch_{i}") for i in range(1, 6)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return (images, labels), _cifar10_batch(folder / "test_batch")


def _cifar10_batch(path: Path) -> Rows:
    content = _read(path, CIFAR10)
    try:
        batch = _Arrays(io.BytesIO(content), encoding="bytes").load()
        planes, labels = (_array(batch[key]) for key in (b"data", b"labels"))
        images = planes.astype(np.uint8).reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
    except Exception as error:  # a file that is no pickle, or another, can raise whatever it likes
        raise TaskError(f"{path} is no batch of CIFAR-10 ({_short(error)}); {CIFAR10}.") from error
    return _checked(path, images, labels.astype(np.int64), CIFAR10)


@dataclass
class _Array:
    """What a pickle says of an array."""

    array: np.ndarray = field(default_factory=lambda: np.empty(0))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, content = state
        self.array = np.frombuffer(content, dtype=kind.code).reshape(shape, order="F" if fortran else "C")


@dataclass
class _Kind:
    """What a pickle says of a dtype, of numbers only."""

    code: np.dtype[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1] if isinstance(state[1], str) else state[1].decode()
        if order == ">":
            self.code = self.code.newbyteorder(">")


def _kind(code: str | bytes, *_: Any) -> _Kind:
    found: np.dtype[Any] = np.dtype(code.decode() if isinstance(code, bytes) else code)
    if found.kind not in "biuf":
        raise pickle.UnpicklingError("its arrays are not of numbers")
    return _Kind(found)


def _from_buffer(buffer: Any, kind: _Kind, shape: tuple[int, ...], order: str) -> _Array:
    return _Array(np.frombuffer(buffer, dtype=kind.code).reshape(shape, order="F" if order == "F" else "C"))


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _kind,
    ("multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): lambda text, *_: text.encode("latin1"),  # how Python 3 writes bytes for Python 2
}


class _Arrays(pickle.Unpickler):
    """Unpickles dictionaries, lists and arrays, as Python 2 or 3 wrote them, and runs nothing that a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        for core in ("numpy.core.", "numpy._core."):
            module = module.removeprefix(core)
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array")
        return ALLOWED[module, name]


def _array(value: Any) -> np.ndarray:
    return value.array if isinstance(value, _Array) else np.asarray(value)


def mnist(folder: Path) -> tuple[Rows, Rows]:
    """The rows to train on, and those to test on. LeCun et al. 1998."""
    return _mnist_part(folder, "train"), _mnist_part(folder, "t10k")


def _mnist_part(folder: Path, part: str) -> Rows:
    images, path = _idx(folder, f"{part}-images", 3)
    labels, _ = _idx(folder, f"{part}-labels", 1)
    return _checked(path, images[..., None], labels.astype(np.int64), MNIST)


def _idx(folder: Path, name: str, dimensions: int) -> tuple[np.ndarray, Path]:
    """An array of bytes: 0, 0, 8, the number of dimensions, each as a big-endian int32, then the values."""
    names = [f"{name}{dot}idx{dimensions}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
    path = next((folder / n for n in names if (folder / n).is_file()), folder / names[0])
    content = _read(path, MNIST)
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, OSError, zlib.error) as error:
        raise TaskError(f"{path} is no gzip file ({_short(error)}); {MNIST}.") from error
    head = 4 + 4 * dimensions
    shape = tuple(np.frombuffer(content[4:head], dtype=">i4").tolist()) if len(content) >= head else ()
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) - head != np.prod(shape, dtype=object):
        raise TaskError(f"{path} is no idx file of bytes in {dimensions} dimensions; {MNIST}.")
    return np.frombuffer(content, dtype=np.uint8, offset=head).reshape(shape).copy(), path


def text(path: Path) -> np.ndarray:
    """The bytes of a file, uint8 [n]."""
    return np.frombuffer(_read(path, TEXT), dtype=np.uint8)


def _read(path: Path, expected: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise TaskError(f"there is no file {path}; {expected}.") from error
    except OSError as error:
        raise TaskError(f"{path} cannot be read ({error.strerror}); {expected}.") from error


def _checked(path: Path, images: np.ndarray, labels: np.ndarray, expected: str) -> Rows:
    if labels.shape != (len(images),) or not len(labels) or not 0 <= labels.min() <= labels.max() < 10:
        raise TaskError(f"{path} has not one label from 0 to 9 for each image; {expected}.")
    return np.ascontiguousarray(images), labels


def _short(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
