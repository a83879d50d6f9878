"""The archive and the population: growing scores, the Pareto front, tournaments, copies, age, hurdles."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter

import numpy as np
import pytest

from evosearch.archive import Archive, Entry, Population, quantile
from evosearch.breed import Bred
from evosearch.config import Evolution, Scoring
from evosearch.evaluate import Measured
from evosearch.score import GAIN_CAP, Baseline, Stage
from evosearch.standing import GATE_SPREAD, LEAST_SPREAD, standing

SEEDS = tuple(range(8))
BASE = Baseline(
    "", 0.1, {}, {p: {kind: dict.fromkeys(SEEDS, 0.0) for kind in ("gate", "full")} for p in ("digits", "other")}
)


@pytest.fixture(autouse=True)
def plain_gains(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Round numbers for scores: no cap on what a task gives, but where the cap is tested."""
    if "cap" not in request.node.name:
        for module in ("score", "standing"):
            monkeypatch.setattr(f"evosearch.{module}.GAIN_CAP", math.inf)


def archive(*proxies: str) -> Archive:
    return Archive(Scoring(seeds=2), dict.fromkeys(proxies or ("digits",), (1e-3, 1e3)), BASE)


def bred(number: int, key: str = "", length: int = 3, states: int = 1, cost: float = 5.0) -> Bred:
    return Bred(number, f"text {number}", "insert", key or f"key {number}", 1.0, (1.0, 1.0), length, states, cost)


def full(*scores: float, first: int = 0, proxy: str = "digits", kind: str = "full") -> Stage:
    """A stage with these scores against a baseline of log loss 0."""
    losses = tuple((math.exp(-score),) for score in scores)
    return Stage(proxy, kind, tuple(range(first, first + len(scores))), (0,), losses)


class TestScores:
    def test_a_score_is_the_mean_over_all_seeds_spent(self) -> None:
        known = archive()
        entry = known.add(bred(1), Measured((full(0.2, kind="gate"), full(0.5, 0.7))))
        assert entry.score == pytest.approx(0.6)
        known.more(entry, Measured((full(-0.2, 0.2, first=2),)))
        assert (entry.seeds, entry.score) == (4, pytest.approx(0.3))
        assert entry.scores["digits", "gate"] == pytest.approx(0.2)

    def test_the_gain_on_one_task_is_capped_and_a_loss_is_not(self) -> None:
        known = archive("digits", "other")
        entry = known.add(bred(1), Measured((full(0.9, 0.7), full(-0.5, -0.3, proxy="other"))))
        assert entry.score == pytest.approx((GAIN_CAP - 0.4) / 2)
        assert entry.believed < entry.score

    def test_what_is_believed_is_less_by_the_standard_error(self) -> None:
        known = archive()
        spread = [0.0, 1.0, 0.4, 0.1]
        entry = known.add(bred(1), Measured((full(*spread),)))
        assert entry.believed == pytest.approx(np.mean(spread) - np.std(spread, ddof=1) / 2)
        same = known.add(bred(2), Measured((full(0.3, 0.3, 0.3, 0.3),)))
        assert same.believed == pytest.approx(0.3 - LEAST_SPREAD / 2)
        gate = known.add(bred(3), Measured((full(0.3, kind="gate"),), reason="below the hurdle"))
        assert gate.believed == pytest.approx(0.3 - GATE_SPREAD)

    def test_fresh_seeds_take_a_lucky_score_away(self) -> None:
        known = archive()
        lucky = known.add(bred(1), Measured((full(0.9, 0.8),)))
        steady = known.add(bred(2), Measured((full(0.5, 0.5),)))
        assert known.leader() is lucky
        known.more(lucky, Measured((full(-0.2, 0.0, first=2),)))
        assert known.leader() is steady

    def test_the_score_is_over_all_proxies(self) -> None:
        known = archive("digits", "other")
        entry = known.add(bred(1), Measured((full(0.4, 0.4), full(-0.2, 0.0, proxy="other"))))
        assert entry.score == pytest.approx((0.4 - 0.1) / 2)
        assert entry.complete

    def test_who_was_ended_on_the_way_gains_nothing_by_it(self) -> None:
        known = archive("digits", "other")
        good = known.add(bred(1), Measured((full(0.4, 0.4),), reason="below the hurdle"))
        bad = known.add(bred(2), Measured((full(-0.4, -0.4),), reason="below the hurdle"))
        assert (good.score, bad.score) == (pytest.approx(0.2), pytest.approx(-0.4))
        assert not good.complete
        assert known.ranking() == []
        assert known.leader() is None

    def test_of_equals_the_simpler_leads(self) -> None:
        known, sizes = archive(), [(4, 1, 5.0), (3, 1, 5.0), (3, 0, 5.0), (3, 0, 4.0), (3, 0, 4.0)]
        for number, (length, states, cost) in enumerate(sizes):
            known.add(bred(number, "", length, states, cost), Measured((full(0.3, 0.3),)))
        assert [e.bred.number for e in known.ranking()] == [3, 4, 2, 1, 0]

    def test_the_leader_is_always_the_first_of_the_ranking(self) -> None:
        rng, known = random.Random(0), archive()
        for number in range(200):
            score = rng.choice([0.1, 0.2, rng.random()])
            entry = known.add(bred(number), Measured((full(score, score),), reason=rng.choice(["", "", "hurdle"])))
            if entry.complete and rng.random() < 0.5:
                first = len(entry.full["digits"].seeds)
                known.more(entry, Measured((full(rng.random(), rng.random(), first=first),)))
            for entry in known.ranking()[:1]:
                assert known.leader() is entry
                if rng.random() < 0.5 and entry.seeds < 6:
                    known.more(entry, Measured((full(-1.0, rng.random(), first=entry.seeds),)))
                    assert known.leader() is known.ranking()[0]

    def test_what_the_worker_says_of_a_program_is_what_the_archive_would(self) -> None:
        known = archive("digits", "other")
        stages = (full(0.3, kind="gate"), full(0.4, 0.1), full(0.2, kind="gate", proxy="other"))
        place = standing(stages, BASE, known.bounds)
        entries = [known.add(bred(i), Measured(stages, standing=place if i else None)) for i in range(2)]
        assert entries[0].standing == entries[1].standing == place
        for entry in entries:
            known.more(entry, Measured((full(0.9, 0.5, first=2),)))
        assert entries[0].standing == entries[1].standing != place

    @pytest.mark.parametrize("status", ["failed", "scale", "crash", "timeout", "oom"])
    def test_failures_have_no_score(self, status: str) -> None:
        known = archive()
        stages = () if status == "crash" else (full(0.5, kind="gate"),)
        entry = known.add(bred(1), Measured(stages, status, "why"))
        assert (entry.score, entry.believed, entry.complete) == (-math.inf, -math.inf, False)
        assert known.front() == []


@pytest.mark.parametrize("seed", range(5))
def test_the_front_by_brute_force(seed: int) -> None:
    rng, known = random.Random(seed), archive()
    for number in range(60):
        sizes = rng.randrange(1, 6), rng.randrange(3), float(rng.randrange(1, 5))
        score = rng.choice([0.1, 0.2, 0.3, 0.4, 0.5]) + 0.1 * rng.random()
        reason = "below the hurdle" if rng.random() < 0.2 else ""
        known.add(bred(number, "", *sizes), Measured((full(score, score),), reason=reason))

    def values(e: Entry) -> tuple[float, ...]:
        return -e.believed, e.bred.length, e.bred.states, e.bred.cost

    def beaten(e: Entry) -> bool:
        others = [values(other) for other in known.ranking() if other is not e]
        return any(all(a <= b for a, b in zip(o, values(e), strict=True)) and o != values(e) for o in others)

    expected = [e for e in known.ranking() if not beaten(e)]
    assert known.front() == expected
    assert known.front()[0] is known.leader()
    assert all(e.complete for e in expected)


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
        assert [members.add(entry(i, key="same")) for i in range(4)] == [True, True, False, False]
        for i in range(4, 12):
            members.add(entry(i))
        assert members.copies == Counter(e.bred.fingerprint for e in members.members) | Counter()
        members.add(entry(12))
        members.add(entry(13))  # the first two copies are gone by now
        assert members.add(entry(14, key="same"))

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
