"""The manifest is that of today's tasks; tiers share no source and no row, and no two tasks are alike."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import numpy as np
import pytest

import proxies
from proxies import TASKS
from proxies.data import TEXT, Split, digits, split_rows, text
from proxies.manifest import MODULES, PATH, fingerprint, manifest, stored, text_of

REWRITE = "run `python -m proxies.manifest`, and commit proxies/manifest.json with the change of the tasks"


@cache
def data(name: str) -> Split:
    return proxies.made(TASKS[name]).data()


@cache
def rows(name: str) -> tuple[frozenset[bytes], ...]:
    """The inputs of each part as bytes."""
    split = data(name)
    return tuple(frozenset(row.tobytes() for row in part[0]) for part in (split.train, split.validation, split.test))


def test_the_stored_manifest_is_that_of_todays_tasks() -> None:
    today, then = manifest(), stored()
    changed = sorted(name for name in {*today, *then} if today.get(name) != then.get(name))
    assert not changed, f"{', '.join(changed)}: not as in the manifest; {REWRITE}"


def test_no_source_serves_two_tiers() -> None:
    tiers = defaultdict(set)
    for name, task in TASKS.items():
        assert data(name).sources, f"{name} does not say where its rows come from"
        for source in data(name).sources:
            tiers[source].add(task.tier)
    assert not {source: found for source, found in tiers.items() if len(found) > 1}
    modules = [name for parts in TEXT.values() for names in parts for name in names]
    assert len(set(modules)) == len(modules), "a file of text serves twice"


@pytest.mark.parametrize("name", TASKS)
def test_parts_of_a_task_share_no_row(name: str) -> None:
    """Where rows are drawn from few, as words are, parts may share as much as the training rows repeat themselves."""
    train, validation, test = rows(name)
    repeated = 1 - len(train) / len(data(name).train[0])
    for one, other in ((train, validation), (train, test), (validation, test)):
        assert len(one & other) <= min(0.1, repeated) * len(other)


def test_tiers_share_no_row() -> None:
    found: dict[str, set[bytes]] = defaultdict(set)
    for name, task in TASKS.items():
        if len(rows(name)[0]) == len(data(name).train[0]):  # rows that never repeat by themselves
            found[task.tier] |= frozenset.union(*rows(name))
    for tier, others in found.items():
        for other in found:
            assert tier == other or not others & found[other], f"rows of {tier} are rows of {other} too"


def test_no_two_tasks_are_alike() -> None:
    alike = defaultdict(list)
    for name, task in TASKS.items():
        proxy = proxies.made(task)
        alike[proxy.layout.shapes, proxy.steps, proxy.batch].append(name)
    assert not [names for names in alike.values() if len(names) > 1], "same layout, steps and batch"


def test_the_hash_is_of_the_rows_but_not_of_their_last_bits() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    split = split_rows(x, np.arange(20), source="x")
    assert fingerprint(split) == fingerprint(split_rows(x + 1e-12, np.arange(20), source="y"))
    assert fingerprint(split) != fingerprint(split_rows(x + 1e-3, np.arange(20), source="x"))
    assert fingerprint(split) != fingerprint(split_rows(x, np.arange(20)[::-1], source="x"))
    assert fingerprint(digits()) != fingerprint(digits(tier="selection"))


def test_text_goes_by_the_names_of_its_files() -> None:
    assert set(text(8).sources) <= MODULES
    assert fingerprint(text(8)) == fingerprint(text(12))
    assert fingerprint(text(8)) != fingerprint(text(8, tier="selection"))


def test_the_file_is_as_it_would_be_written() -> None:
    assert PATH.read_text(encoding="utf-8") == text_of(stored()), REWRITE
