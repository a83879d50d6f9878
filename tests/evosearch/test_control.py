"""Random search is the same search, but for who becomes a parent."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from evosearch import control, directory
from evosearch.files import CONTROL
from evosearch.run import Prologue, prepare
from evosearch.store import Store
from evosearch.workers import open_workers
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows, search


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a finished small search."""
    return search(tmp_path_factory.mktemp("controlled") / "run").directory


def at_random(run, programs: int):
    """Its control, up to so many programs."""
    config, store = directory.reopen(run)
    mine = control.at_random(config, programs)
    workers = open_workers(0, MAKE_CONTEXT, (mine,))
    try:
        bar = prepare(config, store, Prologue(workers, 10), print).bar
        return control.random_search(mine, run, store, workers, bar)
    finally:
        store.close()


def test_the_control_is_of_the_same_size_and_goes_on_where_it_stopped(run):
    before = rows(run)
    at_random(run, 40)
    archive = at_random(run, SMALL.programs)
    assert rows(run) == before
    found = rows(run / CONTROL)
    assert len(found) == len(before)
    assert found[0] == before[0]  # the founder
    assert [row[4] for row in found[1:]] != [row[4] for row in before[1:]]  # other programs from the first on
    assert archive.leader() is not None
    assert rows_of_one_piece(run) == found
    assert (run / CONTROL / "best.opt").exists()


def rows_of_one_piece(run):
    """The rows of the same control, made at one go."""
    for path in (run / CONTROL).iterdir():
        path.unlink()
    at_random(run, SMALL.programs)
    return rows(run / CONTROL)


def test_parents_are_drawn_without_regard_to_score(run):
    config = control.at_random(SMALL, 10)
    assert (config.evolution.tournament, config.programs, config.budget) == (1, 10, 0)
    assert config.seed != SMALL.seed
    unchanged = {"tournament": SMALL.evolution.tournament, "restart_after": SMALL.evolution.restart_after}
    assert dataclasses.replace(config.evolution, **unchanged) == SMALL.evolution
    assert (config.scoring, config.language, config.mutations) == (SMALL.scoring, SMALL.language, SMALL.mutations)
    config.check()
    at_random(run, SMALL.programs)
    parents = [Counter(row.parent for row in bred(path)) for path in (run, run / CONTROL)]
    assert max(parents[0].values()) > max(parents[1].values())


def bred(path):
    store = Store(path / "store.sqlite")
    found = [row for row in store.rows(0) if row.bred.number >= SMALL.evolution.block * SMALL.evolution.lag]
    store.close()
    return found
