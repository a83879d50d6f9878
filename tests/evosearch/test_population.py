"""The population: tournaments, copies, age, hurdles."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter

import numpy as np
import pytest

from evosearch.archive import Entry
from evosearch.config import Evolution, Scoring
from evosearch.evaluate import Measured
from evosearch.population import ENOUGH, Population, quantile
from tests.evosearch.test_archive import archive, bred, full


@pytest.fixture(autouse=True)
def plain_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round numbers for scores: no cap on what a task gives."""
    monkeypatch.setattr("evosearch.standing.GAIN_CAP", math.inf)


def population(members: int = 10, **changes: float) -> tuple[Population, list[Entry]]:
    """A population and its single founder."""
    founder = archive().add(bred(-1), Measured((full(0.0, 0.0),)))
    prices = {"length_price": 0.0, "state_price": 0.0, "cost_price": 0.0}
    evolution = dataclasses.replace(Evolution(population=members, tournament=200, copies=0.2), **(prices | changes))
    found = Population(evolution, [founder])
    found.refill([founder])
    return found, [founder]


def entry(number: int, score: float = 0.1, key: str = "", **sizes: float) -> Entry:
    return archive().add(dataclasses.replace(bred(number, key), **sizes), Measured((full(score, score),)))


class TestPopulation:
    def test_the_oldest_goes(self) -> None:
        members, [founder] = population(4)
        for number in range(3):
            assert members.add(entry(number))
        assert [e.bred.number for e in members.members] == [-1, 0, 1, 2]
        members.add(entry(3))
        members.add(entry(4))
        assert [e.bred.number for e in members.members] == [1, 2, 3, 4]
        assert founder not in members.members

    def test_copies_are_counted_and_capped(self) -> None:
        members, _ = population(10)  # at most two of one fingerprint
        assert members.cap == 2
        assert [members.add(entry(i, key="5a3e")) for i in range(4)] == [True, True, False, False]
        for i in range(4, 12):
            members.add(entry(i))
        assert members.copies == Counter(e.bred.fingerprint for e in members.members) | Counter()
        members.add(entry(12))
        members.add(entry(13))  # the first two copies are gone by now
        assert members.add(entry(14, key="5a3e"))

    def test_founders_are_exempt_from_the_cap(self) -> None:
        members, [founder] = population(10)
        for i in range(5):
            members.add(entry(i))
        assert all(members.add(founder) for _ in range(10))
        assert {e.bred.number for e in members.members} == {-1}

    def test_who_has_no_score_does_not_enter(self) -> None:
        members, _ = population()
        assert not members.add(archive().add(bred(1), Measured((), "crash", "why")))
        assert len(members.members) == 10

    def test_a_tournament_picks_the_most_believed(self) -> None:
        members, _ = population(3)
        steady, lucky = entry(1, 0.4), archive().add(bred(2), Measured((full(1.2, 0.0),)))
        assert lucky.score > steady.score
        members.add(steady)
        members.add(lucky)
        assert members.choose([random.Random(0)]) == [steady]

    @pytest.mark.parametrize(
        ("price", "name", "amount"),
        [("length_price", "length", 4), ("state_price", "states", 2), ("cost_price", "cost", 9)],
    )
    def test_a_tournament_counts_prices(self, price: str, name: str, amount: float) -> None:
        for rate, winner in ((0.0, 1), (0.1, 2)):
            members, _ = population(2, **{price: rate})
            members.add(entry(1, 0.30, **{name: amount}))
            members.add(entry(2, 0.25, **{name: amount - 1}))
            assert members.choose([random.Random(0)])[0].bred.number == winner

    def test_small_tournaments_leave_a_chance_to_others(self) -> None:
        members, _ = population(10, tournament=2)
        for i in range(10):
            members.add(entry(i, i / 10))
        rng = random.Random(1)
        picks = Counter(e.bred.number for e in members.choose([rng] * 2000))
        assert set(picks) == set(range(10))
        for i in range(10):  # the best of two draws with replacement
            assert picks[i] == pytest.approx(2000 * (2 * i + 1) / 100, abs=60)

    def test_thresholds_are_quantiles_less_a_margin(self) -> None:
        members, _ = population(5)
        for i in range(5):
            members.add(entry(i, i / 10))
        found = members.thresholds(Scoring(hurdle=0.5, margin=0.02))
        assert found == {("digits", "full"): pytest.approx(0.2 - 0.02)}
        assert members.thresholds(Scoring(hurdle=1.0, margin=0.0))["digits", "full"] == pytest.approx(0.4)

    def test_of_the_latest_candidates_a_part_goes_on(self) -> None:
        members, _ = population(40)
        scoring = Scoring(halving=0.25, hurdle=0.5)
        for i in range(ENOUGH - 1):
            members.note(entry(i, i / 100))
        assert members.thresholds(scoring) == {}
        for i in range(ENOUGH - 1, 60):  # of which the latest 40 count
            members.note(entry(i, i / 100))
        [(stage, threshold)] = members.thresholds(scoring).items()
        assert stage == ("digits", "full")
        assert sum(i / 100 >= threshold for i in range(20, 60)) == 10

    def test_quantiles_are_numpys_to_the_last_bit(self) -> None:
        rng = random.Random(0)
        for _ in range(500):
            values = [rng.gauss(0, 1) for _ in range(rng.randrange(1, 60))]
            part = rng.choice([0.0, 0.5, 0.6, 0.75, 1.0, rng.random()])
            assert quantile(values, part) == np.quantile(values, part)

    def test_places_are_drawn_as_randrange_draws_them(self) -> None:
        members, _ = population(7, tournament=1)
        for i in range(7):
            members.add(entry(i))
        expected = [members.members[random.Random(seed).randrange(7)] for seed in range(100)]
        assert members.choose(random.Random(seed) for seed in range(100)) == expected

    def test_the_best_are_distinct_and_of_equals_the_older(self) -> None:
        members, [founder] = population(10)
        for number, score in enumerate([0.1, 0.3, 0.3, -0.5]):
            members.add(entry(number, score))
        members.add(members.members[-3])
        assert [e.bred.number for e in members.best(4)] == [1, 2, 0, -1]
        assert members.best(4)[-1] is founder

    def test_a_fresh_start_is_in_equal_parts(self) -> None:
        members, _ = population(9)
        some = [entry(i) for i in range(3)]
        members.refill(some)
        assert members.copies == {e.bred.fingerprint: 3 for e in some}
        assert len(members.members) == 9
        assert not members.add(some[0])  # above the cap of two, and no founder
