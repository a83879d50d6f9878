"""The manifest of the suite: of each task its tier, where its rows come from, and a hash of them.

`python -m proxies.manifest` writes it anew into proxies/manifest.json; a change of it in a commit says that tasks have
become others, and scores on them with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

import proxies
from proxies.data import TEXT, Split
from proxies.tasks import TASKS

PATH = Path(str(files("proxies"))) / "manifest.json"
DECIMALS = 4  # of floats: what processors and libraries disagree on is far below
MODULES = {name for parts in TEXT.values() for names in parts for name in names}  # whose text differs between Pythons


def manifest() -> dict[str, dict[str, Any]]:
    """The manifest of today's tasks, by name."""
    found = {}
    for name, task in TASKS.items():
        split = proxies.made(task).data()
        found[name] = {"tier": task.tier, "sources": list(split.sources), "sha256": fingerprint(split)}
    return found


def stored() -> dict[str, dict[str, Any]]:
    """The manifest as it was last written."""
    found: dict[str, dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def sealed() -> frozenset[str]:
    """Where the rows of held-out tasks come from."""
    return frozenset(s for record in stored().values() if record["tier"] == "held out" for s in record["sources"])


def fingerprint(split: Split) -> str:
    """SHA-256 of all rows, floats rounded; of the names alone where rows are text of Python's standard library."""
    if set(split.sources) <= MODULES:
        return _hash(name.encode() + b"\n" for name in split.sources)
    arrays = [array for part in (split.train, split.validation, split.test) for array in part]
    return _hash(piece for array in arrays for piece in (str(array.shape).encode(), _plain(array).tobytes()))


def _plain(array: np.ndarray) -> np.ndarray:
    """Integers that stand for the values, whatever the dtype and the last bits."""
    if np.issubdtype(array.dtype, np.floating):
        array = np.rint(array * 10**DECIMALS)
    return np.ascontiguousarray(array, dtype="<i8")


def _hash(pieces: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.hexdigest()


def text_of(found: dict[str, dict[str, Any]]) -> str:
    """The manifest as JSON, a task in each line."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(record)}" for name, record in found.items()) + "\n}\n"


def main() -> None:
    """Write it anew."""
    found = manifest()
    PATH.write_text(text_of(found), encoding="utf-8")
    print(f"Wrote {PATH}: {len(found)} tasks.")


if __name__ == "__main__":
    main()
