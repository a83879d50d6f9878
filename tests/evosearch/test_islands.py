"""Islands: apart but for what migrates, in a ring; the same rows whatever the workers do, resumed or not."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from evosearch import directory
from evosearch.archive import Archive, Entry
from evosearch.breed import Bred
from evosearch.config import Evolution, Scoring
from evosearch.evaluate import Measured
from evosearch.islands import Islands
from evosearch.score import Baseline, Stage
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows, search
from tests.evosearch.test_search import Shuffled


def entry(number: int, score: float) -> Entry:
    """A complete program with this score."""
    seeds = dict.fromkeys(range(2), 0.0)
    baseline = Baseline("", 0.1, {}, {"digits": {"full": seeds}})
    losses = ((math.exp(-score),),) * 2
    made = Bred(number, f"text {number}", "insert", f"{number + 1000:016x}")
    stages = (Stage("digits", "full", (0, 1), (0,), losses),)
    return Archive(Scoring(seeds=2), {"digits": (1e-3, 1e3)}, baseline).add(made, Measured(stages))


def islands(**changes: int) -> Islands:
    """Three islands of four members, all copies of one founder."""
    settings = {"islands": 3, "population": 4, "block": 8, "migrate_every": 16, "migrants": 1, "restart_after": 50}
    return Islands(Evolution(**(settings | changes)), [entry(-1, 0.0)])


def numbers(found: Islands) -> list[list[int]]:
    return [[member.bred.number for member in island.population.members] for island in found.each]


class TestTheRing:
    def test_the_best_of_each_enter_the_next_at_once(self) -> None:
        ring = islands()
        for i, island in enumerate(ring.each):
            island.population.add(entry(10 * i, 0.01 * i))
            island.population.add(entry(10 * i + 1, 0.1 + 0.01 * i))
        ring.migrate(0)
        assert numbers(ring) == [[-1, -1, 10 * i, 10 * i + 1] for i in range(3)]
        ring.migrate(1)  # 16 candidates have come
        assert numbers(ring) == [[-1, 10 * i, 10 * i + 1, (10 * i - 9) % 30] for i in range(3)]

    def test_no_migrants_and_one_island_stay_as_they_are(self) -> None:
        for ring in (islands(migrants=0), islands(islands=1)):
            ring.each[0].population.add(entry(5, 0.3))
            before = numbers(ring)
            for block in range(10):
                ring.migrate(block)
            assert numbers(ring) == before

    def test_blocks_and_homes(self) -> None:
        ring = islands()
        assert [ring.each.index(ring.of(block)) for block in range(5)] == [0, 1, 2, 0, 1]
        assert [ring.each.index(ring.home(entry(n, 0.0))) for n in (-1, 7, 8, 23, 24)] == [0, 0, 1, 2, 0]

    def test_an_island_starts_afresh_by_itself_after_its_share_of_candidates(self) -> None:
        ring, best = islands(), entry(7, 0.5)
        for island in ring.each:
            island.population.add(entry(3, 0.2))
        ring.of(1).note(entry(100, 0.4), 100)
        assert not ring.restart(0, 149, best)
        assert ring.restart(0, 150, best)
        assert not ring.restart(1, 150, best)
        assert numbers(ring) == [[-1] * 4, [-1, -1, -1, 3], [-1, -1, -1, 3]]
        assert ring.restart(0, 300, best)
        assert numbers(ring)[0] == [7] * 4

    def test_a_migrant_that_is_better_is_news(self) -> None:
        ring = islands()
        ring.each[0].population.add(entry(5, 0.3))
        ring.migrate(1)
        assert ring.each[1].best_at == 16
        assert ring.each[1].best_value > 0.2


def config(**changes: int):
    """The small search on two islands."""
    settings = {"islands": 2, "population": 12, "migrate_every": 32, "migrants": 3} | changes
    return dataclasses.replace(SMALL, programs=160, evolution=dataclasses.replace(SMALL.evolution, **settings))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished search on two islands."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return search(path, config()).directory


def test_one_island_is_no_island(tmp_path: Path) -> None:
    plain = search(tmp_path / "plain").directory
    one = dataclasses.replace(SMALL.evolution, islands=1, migrate_every=1, migrants=9)
    assert rows(search(tmp_path / "one", dataclasses.replace(SMALL, evolution=one)).directory) == rows(plain)


def test_the_order_of_results_changes_nothing(whole: Path, tmp_path: Path) -> None:
    workers = Shuffled(MAKE_CONTEXT, (config(),))
    assert rows(search(tmp_path / "run", config(), workers).directory) == rows(whole)


@pytest.mark.ray
def test_two_workers_give_the_same_rows(whole: Path, tmp_path: Path) -> None:
    assert rows(search(tmp_path / "run", config(), 2).directory) == rows(whole)


def test_a_resumed_search_is_the_same(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    for programs in (70, 133, 160):
        search(path, config(), programs=programs)
    assert rows(path) == rows(whole)


def strangers(path: Path) -> int:
    """Candidates whose parent does what nothing bred on their own island before them did."""
    _, store = directory.reopen(path)
    founders, found = [bred.fingerprint for bred, _ in store.founders()], list(store.rows(0))
    store.close()
    parents = {row.bred.number: row.bred.fingerprint for row in found} | {-1: founders[0]}
    seen = [set(founders), set(founders)]
    count = 0
    for row in found:
        island = row.bred.number // SMALL.evolution.block % 2
        count += parents[row.parent] not in seen[island]
        seen[island].add(row.bred.fingerprint)
    return count


def test_programs_move_by_migration_alone(whole: Path, tmp_path: Path) -> None:
    assert strangers(whole) > 0
    assert strangers(search(tmp_path / "run", config(migrants=0)).directory) == 0
