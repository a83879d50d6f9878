"""The data of the tasks: rows to train on and rows to validate on, built once per process."""

from __future__ import annotations

import hashlib
import re
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

TRAIN_DIGITS = 1500  # of 1797; the other 297 validate
TRAIN_FILES = (
    "argparse",
    "calendar",
    "configparser",
    "dataclasses",
    "fractions",
    "ipaddress",
    "shutil",
    "tarfile",
)
VALIDATION_FILES = ("difflib", "optparse", "textwrap")
BYTES_PER_FILE = 25_000  # 8 files: about 200 kB to train on
CLASSES = 64  # of text: see `fold`


@dataclass(frozen=True, eq=False)
class Split:
    """Arrays that share their first axis, the examples: those to train on and those to validate on.

    Floats are float64 and integers int64; a task casts floats to the dtype it trains in.
    """

    train: tuple[np.ndarray, ...]
    validation: tuple[np.ndarray, ...]


@cache
def digits(label_noise: float = 0.0) -> Split:
    """Handwritten digits of scikit-learn: pixels / 16 - 0.3 [n, 64] and labels [n], in a fixed order.

    `label_noise` is the part of the training labels that is replaced by a random class.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    x, y = pixels[order] / 16 - 0.3, labels[order].astype(np.int64)
    noisy = rng.random(TRAIN_DIGITS) < label_noise
    train = np.where(noisy, rng.integers(0, 10, TRAIN_DIGITS), y[:TRAIN_DIGITS])
    return Split((x[:TRAIN_DIGITS], train), (x[TRAIN_DIGITS:], y[TRAIN_DIGITS:]))


def decorrelated(data: Callable[[], Split]) -> Split:
    """The same rows with inputs [n, d] whose covariance over the training rows is the identity (PCA whitening).

    The mean and the principal axes are those of the training rows, for the validation rows too. Directions in which
    the inputs hardly vary (below 1e-10 of the largest variance) become zero. Document 000.
    """
    return _whitened(data())  # kept by the split: tasks that share rows share them decorrelated too


@cache
def _whitened(split: Split) -> Split:
    x = split.train[0]
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.floating):
        raise ValueError("Only vector inputs can be decorrelated.")
    mean = x.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov(x - mean, rowvar=False, bias=True))
    kept = variances > 1e-10 * variances.max()
    scale = np.where(kept, 1 / np.sqrt(np.where(kept, variances, 1)), 0)
    train, validation = ((part - mean) @ (axes * scale) for part in (x, split.validation[0]))
    return Split((train, *split.train[1:]), (validation, *split.validation[1:]))


def fold(text: bytes) -> np.ndarray:
    """Bytes as classes 0..63, int64: ASCII 32-95 minus 32, with 96-127 folded onto 64-95 (a = A, { = [).

    Newlines and whatever is not ASCII share the class of `@`, which is rare in text.
    """
    codes = np.frombuffer(text, dtype=np.uint8).astype(np.int64)
    folded = np.where((codes >= 96) & (codes < 128), codes - 32, codes)
    return np.where((folded < 32) | (folded >= 96), ord("@"), folded) - 32


def source(names: tuple[str, ...]) -> bytes:
    """The first 25 kB of each named module of the standard library, joined in alphabetical order.

    Runs of spaces count as one, or indentation would be a third of the text.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    files = [(folder / f"{name}.py").read_bytes() for name in sorted(names)]
    return b"".join(re.sub(b" +", b" ", file)[:BYTES_PER_FILE] for file in files)


def text_hash() -> str:
    """SHA-256 of the text, which differs between versions of Python: to be stored beside scores."""
    return hashlib.sha256(source(TRAIN_FILES) + b"\0" + source(VALIDATION_FILES)).hexdigest()


@cache
def text(length: int, windows: int = 128) -> Split:
    """Every window of length + 1 classes of Python source [n, length + 1]; validation on other files.

    `windows` of validation stand at equal distances over their files.
    """
    view = np.lib.stride_tricks.sliding_window_view
    train, held = (view(fold(source(names)), length + 1) for names in (TRAIN_FILES, VALIDATION_FILES))
    chosen = np.linspace(0, len(held) - 1, windows).astype(np.int64)
    return Split((train,), (held[chosen],))


@cache
def regression(inputs: int, outputs: int, noise: float, seed: int) -> Split:
    """A badly scaled linear problem: x [n, inputs] and y = x W' + b + noise [n, outputs].

    Directions shrink tenfold before a random rotation and columns tenfold after it, so the Hessian's
    condition number is of order 1e3 to 1e4 and no diagonal scaling removes it. The truth is drawn so that
    each direction explains as much of y as any other; y has a variance of about 1, `noise` is the standard
    deviation of what cannot be explained. The factor 20 puts the best rates of AdamW near 0.05.
    """
    train, validation = 2048, 512
    rng = np.random.default_rng(seed)
    shrink = np.geomspace(1, 0.1, inputs)
    rotation = np.linalg.qr(rng.standard_normal((inputs, inputs)))[0]
    hidden = rng.standard_normal((train + validation, inputs))
    x = 20 * hidden * shrink @ rotation * rng.permutation(shrink)
    truth = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
    y = hidden @ truth + 0.3 * rng.standard_normal(outputs)
    y += noise * rng.standard_normal(y.shape)
    return Split((x[:train], y[:train]), (x[train:], y[train:]))
