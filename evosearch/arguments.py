"""From what stands on the command line to values; every mistake is one sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import proxies
from evosearch import address
from evosearch.config import ConfigError
from evosearch.workers import AUTO


def tasks(given: Sequence[str]) -> tuple[str, ...]:
    """The names of tasks, with whole paths; "suite", "search" and "selection" stand for all of theirs."""
    groups = {"suite": proxies.SUITE, "search": proxies.of_tier("search"), "selection": proxies.of_tier("selection")}
    return tuple(dict.fromkeys(proxies.full_name(name) for item in given for name in groups.get(item, (item,))))


def workers(text: str) -> int:
    """A number of processes; AUTO is one for each core."""
    if text == "auto":
        return AUTO
    if not re.fullmatch(r"\d{1,6}", text) or int(text) < 1:
        raise ConfigError(f"--workers is '{text[:60]}' and must be a positive number, or 'auto' for one for each core.")
    return int(text)


def processes(workers: int) -> int:
    """Ray workers to open; 0 runs in this process, AUTO is for a cluster that is there already to say."""
    if workers == AUTO and address.joins():
        return AUTO
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = cores if workers == AUTO else workers
    return 0 if count == 1 else count


def output(text: str) -> Path:
    """A file to write; ConfigError, before anything is trained for it, where it cannot be."""
    path = Path(text)
    place = path.parent
    if path.is_dir():
        raise ConfigError(f"{path} is a directory; name the file to write.")
    if not place.is_dir():
        raise ConfigError(f"cannot write {path}: there is no directory {place}.")
    if not os.access(place, os.W_OK):
        raise ConfigError(f"cannot write {path}: no permission to write in {place}.")
    return path


def seconds(text: str) -> float:
    """A time in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match or not 0 < float(match[1]) < 1e9:
        raise ConfigError(f"'{text[:60]}' is no time; write it as 90s, 10m or 2h.")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]
