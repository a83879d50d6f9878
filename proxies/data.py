"""The data of the tasks: rows to train on, to validate on and to test on, built once per process."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

DIGITS = {"search": (0, 800, 1000, 1200), "selection": (1200, 1597, 1697, 1797)}  # where parts of a tier begin, and end
TEXT = {  # modules of the standard library by tier: to train on, to validate on, to test on
    "search": (
        ("argparse", "calendar", "configparser", "dataclasses", "fractions", "ipaddress", "shutil", "tarfile"),
        ("difflib", "optparse", "textwrap"),
        ("inspect", "ssl"),
    ),
    "selection": (
        ("doctest", "imaplib", "mailbox", "pickletools", "smtplib", "turtle"),
        ("pdb", "platform"),
        ("codecs", "locale"),
    ),
    "held out": (
        ("ast", "enum", "statistics", "subprocess", "threading", "typing"),
        ("pickle", "pydoc"),
        ("functools", "random", "socket"),
    ),
}
BYTES_PER_FILE = 25_000
CLASSES = 64  # of text: see `fold`


@dataclass(frozen=True, eq=False)
class Split:
    """Arrays that share their first axis, the examples: to train on, to tune by (validation), to report once (test).

    Floats are float64 and integers int64; a task casts floats to the dtype it trains in. `sources` name where the rows
    come from: a file, a part of a data set, a generator with its seed. No two tiers of tasks share one.
    """

    train: tuple[np.ndarray, ...]
    validation: tuple[np.ndarray, ...]
    test: tuple[np.ndarray, ...]
    sources: tuple[str, ...]


def divided(arrays: Sequence[np.ndarray], ends: tuple[int, int, int, int], *sources: str) -> Split:
    """Rows of some arrays as a Split: train, validation and test begin, and the test ends, at these rows."""
    parts = [tuple(x[first:last] for x in arrays) for first, last in pairwise(ends)]
    return Split(parts[0], parts[1], parts[2], sources)


def split_rows(*arrays: ArrayLike, seed: int = 0, source: str = "") -> Split:
    """Arrays that share their first axis as a Split: 60 % of the rows to train on, 20 % to validate, 20 % to test on.

    Rows are shuffled by the seed first; inputs come first, targets last.
    """
    rows = [np.asarray(array) for array in arrays]
    if not rows or any(x.ndim == 0 or len(x) != len(rows[0]) for x in rows):
        raise ValueError(f"these arrays have no rows in common: their shapes are {[x.shape for x in rows]}")
    if (n := len(rows[0])) < 5:
        raise ValueError(f"{n} rows cannot be divided into rows to train on, to validate on and to test on")
    if any(x.dtype.kind not in "biuf" for x in rows):
        raise ValueError(f"rows are numbers, and the arrays are of {', '.join(str(x.dtype) for x in rows)}")
    order = np.random.default_rng(seed).permutation(n)
    whole = [x[order].astype(np.float64 if x.dtype.kind == "f" else np.int64) for x in rows]
    return divided(whole, (0, n * 3 // 5, n * 4 // 5, n), source)


@cache
def digits(label_noise: float = 0.0, tier: str = "search") -> Split:
    """Handwritten digits of scikit-learn: pixels / 16 - 0.3 [n, 64] and labels [n], in a fixed order.

    `label_noise` is the part of the training labels that is replaced by a random class. The rows are divided between
    the tiers of tasks.
    """
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))
    x, y = pixels[order] / 16 - 0.3, labels[order].astype(np.int64)
    first, last = DIGITS[tier][:2]
    noisy = rng.random(last - first) < label_noise
    y[first:last] = np.where(noisy, rng.integers(0, 10, last - first), y[first:last])
    return divided((x, y), DIGITS[tier], f"digits, part for {tier}")


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
    train, validation, test = (
        ((part[0] - mean) @ (axes * scale), *part[1:]) for part in (split.train, split.validation, split.test)
    )
    return Split(train, validation, test, split.sources)


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


@cache
def text(length: int, tier: str = "search", windows: int = 128) -> Split:
    """Every window of length + 1 classes of Python source [n, length + 1]; validation and test on other files.

    `windows` of validation and of test stand at equal distances over their files.
    """
    view = np.lib.stride_tricks.sliding_window_view
    train, *others = (view(fold(source(names)), length + 1) for names in TEXT[tier])
    held = [part[np.linspace(0, len(part) - 1, windows).astype(np.int64)] for part in others]
    return Split((train,), (held[0],), (held[1],), tuple(name for names in TEXT[tier] for name in names))


@cache
def regression(inputs: int, outputs: int, noise: float, seed: int) -> Split:
    """A badly scaled linear problem: x [n, inputs] and y = x W' + b + noise [n, outputs].

    Directions shrink tenfold before a random rotation and columns tenfold after it, so the Hessian's
    condition number is of order 1e3 to 1e4 and no diagonal scaling removes it. The truth is drawn so that
    each direction explains as much of y as any other; y has a variance of about 1, `noise` is the standard
    deviation of what cannot be explained. The factor 20 puts the best rates of AdamW near 0.05.
    """
    train, validation, test = 2048, 512, 512
    rng = np.random.default_rng(seed)
    shrink = np.geomspace(1, 0.1, inputs)
    rotation = np.linalg.qr(rng.standard_normal((inputs, inputs)))[0]
    hidden = rng.standard_normal((train + validation + test, inputs))
    x = 20 * hidden * shrink @ rotation * rng.permutation(shrink)
    truth = rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
    y = hidden @ truth + 0.3 * rng.standard_normal(outputs)
    y += noise * rng.standard_normal(y.shape)
    ends = (0, train, train + validation, train + validation + test)
    return divided((x, y), ends, f"linear regression, seed {seed}")
