"""A crew's roster says the same as a look at all workers, and looks at few."""

from __future__ import annotations

import random
from collections import deque
from unittest import mock

import pytest

from evosearch.roster import AHEAD, NEVER, Roster, Worker
from evosearch.workers import Job, Piece
from tests.evosearch.fake_cluster import FakeCluster, crew_on


def piece(deadline: float, *, suspect: bool = False) -> Piece:
    return Piece(Job(0, "builtins:list", (1,), deadline=deadline), 0, 1, suspect)


def agrees(roster: Roster, workers: list[Worker]) -> None:
    """Compare with what the workers themselves say."""
    waiting = {worker.waits_for(): worker for worker in workers if worker.waits_for() is not None}
    assert set(roster.awaited()) == set(waiting)
    assert all(roster.of(reference) is worker for reference, worker in waiting.items())
    for load in range(AHEAD):
        some = [worker for worker in workers if worker.load() == load]
        free = roster.free(load)
        assert free in some if some else free is None
    assert roster.alarm() <= min((worker.expires() for worker in workers), default=NEVER)
    assert list(roster) == workers


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_it_says_what_the_workers_say(seed: int) -> None:
    rng, roster, workers, now = random.Random(seed), Roster(), list[Worker](), 0.0
    for k in range(400):
        now += rng.random()
        what, worker = rng.random(), rng.choice(workers) if workers else None
        if worker is None or what < 0.1:
            worker = Worker("actor", f"introduction {k}", f"start {k}", now)
            workers.append(worker)
            roster.note(worker)
        elif what < 0.15:
            workers.remove(worker)
            roster.remove(worker)
        elif what < 0.18:
            before = {w: w.expires() for w in workers}
            roster.delay(5.0)
            assert all(w.expires() == end + 5.0 for w, end in before.items())
        else:
            if worker.introduction or worker.starting:
                worker.introduction, worker.starting = None, worker.starting if worker.introduction else None
            elif worker.load() < AHEAD and what < 0.6:
                worker.since = worker.since if worker.running else now
                worker.running.append((k, piece(rng.choice([1.0, 20.0]), suspect=what < 0.2 and not worker.running)))
            elif worker.running:
                worker.running.popleft()
                worker.since = now
            roster.note(worker)
        agrees(roster, workers)
        over = {w for w in workers if w.expires() <= now}
        assert set(roster.expired(now)) == over
        for w in over:  # each is to be told once more for as long as nothing is done about it
            assert w in roster.expired(now)
        assert not over or roster.alarm() <= now


def test_a_shorter_deadline_behind_a_longer_one_is_kept() -> None:
    roster, worker = Roster(), Worker("actor", None, None, 0.0)
    worker.running = deque([("long", piece(600.0)), ("short", piece(1.0))])
    roster.note(worker)
    assert roster.alarm() == 600.0
    worker.running.popleft()
    worker.since = 10.0
    roster.note(worker)
    assert roster.alarm() == 11.0
    assert roster.expired(10.9) == []
    assert roster.expired(11.0) == [worker]


def test_alarms_of_many_jobs_do_not_pile_up() -> None:
    roster, worker = Roster(), Worker("actor", None, None, 0.0)
    for k in range(1000):
        worker.since = float(k)
        worker.running = deque([(k, piece(600.0))])
        roster.note(worker)
    assert len(roster._alarms) == 1


def test_a_job_costs_a_few_looks_however_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    for count in (10, 300):
        workers = crew_on(FakeCluster(a=count), count, monkeypatch)
        workers.submit(Job(-1, "builtins:list", ()))
        workers.next()
        with mock.patch.object(Worker, "load", autospec=True, side_effect=Worker.load) as load:
            for ticket in range(50):
                workers.submit(Job(ticket, "builtins:list", ()))
                workers.next()
        looks.append(load.call_count)
        workers.close()
    assert looks[0] == looks[1] <= 4 * 50
