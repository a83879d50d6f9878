"""The archive: growing scores, the ranking, the Pareto front, and programs that are read again from the store."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evosearch.archive import Archive, Entry
from evosearch.breed import Bred
from evosearch.config import Scoring
from evosearch.evaluate import Measured
from evosearch.score import GAIN_CAP, Baseline, Stage
from evosearch.standing import GATE_SPREAD, LEAST_SPREAD, standing
from evosearch.store import Row, Store

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
    key = hashlib.blake2b((key or f"{number}").encode(), digest_size=8).hexdigest()
    return Bred(number, f"text {number}", "insert", key, 1.0, (1.0, 1.0), length, states, cost)


def full(*scores: float, first: int = 0, proxy: str = "digits", kind: str = "full") -> Stage:
    """A stage with these scores against a baseline of log loss 0."""
    losses = tuple((math.exp(-score),) for score in scores)
    return Stage(proxy, kind, tuple(range(first, first + len(scores))), (0,), losses)


class TestScores:
    def test_a_score_is_the_mean_over_all_seeds_spent(self) -> None:
        known = archive()
        entry = known.add(bred(1), Measured((full(0.2, kind="gate"), full(0.5, 0.7))))
        assert entry.score == pytest.approx(0.6)
        known.more(entry, Measured((full(-0.2, 0.2, first=2),)), 900)
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
        known.more(lucky, Measured((full(-0.2, 0.0, first=2),)), 900)
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
        assert list(known.ranking()) == []
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
                known.more(entry, Measured((full(rng.random(), rng.random(), first=first),)), 900)
            for entry in list(known.ranking())[:1]:
                assert known.leader() is entry
                if rng.random() < 0.5 and entry.seeds < 6:
                    known.more(entry, Measured((full(-1.0, rng.random(), first=entry.seeds),)), 900)
                    assert known.leader() is next(known.ranking())

    def test_what_the_worker_says_of_a_program_is_what_the_archive_would(self) -> None:
        known = archive("digits", "other")
        stages = (full(0.3, kind="gate"), full(0.4, 0.1), full(0.2, kind="gate", proxy="other"))
        place = standing(stages, BASE, known.bounds)
        entries = [known.add(bred(i), Measured(stages, standing=place if i else None)) for i in range(2)]
        assert entries[0].standing == entries[1].standing == place
        for entry in entries:
            known.more(entry, Measured((full(0.9, 0.5, first=2),)), 900)
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


def told(entry: Entry | None) -> tuple[object, ...]:
    """All that is known of an entry."""
    assert entry is not None
    return entry.bred, entry.status, entry.reason, entry.full, entry.standing, entry.scheduled, entry.believed


def once_more(known: Archive, number: int, key: str, measured: Measured) -> Entry:
    """Candidate `number` buys a known program more seeds."""
    entry = known.find(key)
    assert entry is not None
    entry.scheduled += 2
    known.more(entry, measured, number)
    return entry


def test_what_was_let_go_is_read_again_as_it_was(tmp_path: Path) -> None:
    rng, store = random.Random(0), Store(tmp_path / "store.sqlite", create=True)
    both = archive(), Archive(Scoring(seeds=2), {"digits": (1e-3, 1e3)}, BASE, store, 5)
    for first in range(0, 300, 5):
        rows, held = list[Row](), list[Entry]()
        entries = list(both[0].ranking())
        for number in range(first, first + 5):
            if known := bool(entries) and rng.random() < 0.4:
                one, score = replace(bred(number), fingerprint=rng.choice(entries).bred.fingerprint), rng.random()
                lost = rng.random() < 0.3
                measured = Measured((), "crash", "why") if lost else Measured((full(score, score, first=4),))
                held += [once_more(each, number, one.fingerprint, measured) for each in both]
            else:
                one = bred(number, "", rng.randrange(1, 9), rng.randrange(3), float(rng.randrange(9)))
                score, reason = rng.choice([0.1, rng.random()]), rng.choice(["", "", "below the hurdle"])
                measured = Measured((full(score, 0.1),), reason=reason)
                held += [each.add(one, measured) for each in both]
            rows.append(Row(one, None, known, measured))
        store.add(rows)
        assert told(both[1].leader()) == told(both[0].leader())
    held, entries = [], []
    whole, small = both
    assert len(small.entries) == 5
    assert [told(entry) for entry in small.ranking()] == [told(entry) for entry in whole.ranking()]
    assert [told(entry) for entry in small.front()] == [told(entry) for entry in whole.front()]
    assert all(told(small.find(entry.bred.fingerprint)) == told(entry) for entry in whole.entries)
    assert small.find("f" * 16) is None
    found = small.find(whole.entries[0].bred.fingerprint)
    assert found is small.find(whole.entries[0].bred.fingerprint)  # as long as somebody holds it
    store.close()
