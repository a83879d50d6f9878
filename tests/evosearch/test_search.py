"""Same seed, same run, whatever the workers do; nothing is lost; one sick candidate harms no other."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import gc
import importlib.util
import os
import random
import re
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
import torch

from evosearch import directory, lineage
from evosearch.breed import make_context
from evosearch.config import ConfigError, Language, Mutations
from evosearch.evaluate import evaluate
from evosearch.resolve import resolve
from evosearch.run import _note_machine
from evosearch.search import COLLECT, _fewer_collections
from evosearch.store import Store
from evosearch.workers import InProcess, Job
from primitives.text import problems, show
from tests.evosearch.small import MAKE_CONTEXT, SMALL, rows, scoring, search


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished small search."""
    path = tmp_path_factory.mktemp("whole") / "run"
    return search(path)


def test_same_seed_same_rows_and_another_seed_others(whole, tmp_path):
    again = search(tmp_path / "again")
    other = search(tmp_path / "other", dataclasses.replace(SMALL, seed=1))
    assert rows(again.directory) == rows(whole.directory)
    assert rows(other.directory) != rows(whole.directory)
    assert [line.score for line in again.lines] == [line.score for line in whole.lines]


def test_the_search_found_trained_and_bought_seeds(whole):
    tally = whole.search.tally
    assert tally.generated == SMALL.programs
    assert tally.trained > 10
    assert tally.hits > 0
    assert any(entry.seeds > SMALL.scoring.seeds for entry in whole.search.archive.entries)
    assert {line.name for line in whole.lines[:3]} == {"adamw, tuned", "nadamw, tuned", "lion, tuned"}
    assert whole.lines[0].score == 0


def test_n_and_m_are_n_plus_m(whole, tmp_path):
    for first in (1, 40, 95):
        path = tmp_path / str(first)
        search(path, programs=first)
        assert len([row for row in rows(path) if row[0] >= 0]) == first
        search(path)
        assert rows(path) == rows(whole.directory)


def test_old_programs_are_read_again_from_the_store(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("evosearch.search.LATEST", 0)
    search(tmp_path / "run", programs=50)
    found = search(tmp_path / "run").search
    assert len(found.archive.entries) == SMALL.evolution.block < found.tally.trained
    assert rows(tmp_path / "run") == rows(whole.directory)
    assert [e.bred for e in found.archive.front()] == [e.bred for e in whole.search.archive.front()]


def test_a_start_whose_updates_get_infinite_is_a_start(tmp_path):
    late = tmp_path / "late.opt"
    text = "def late(w, g, m, *, lr=0.001):\n    m = ema(m, g, 0.9)\n    return w - lr * exp(exp(t * norm(w))) * m, m\n"
    late.write_text(text)
    config = dataclasses.replace(SMALL, evolution=dataclasses.replace(SMALL.evolution, start=("adamw", str(late))))
    assert search(tmp_path / "run", config, programs=16).search.tally.generated == 16


def test_a_start_of_which_fingerprints_know_no_size_has_children(tmp_path):
    start = tmp_path / "start.opt"
    start.write_text("def start(w, g, m, *, lr=0.01):\n    m = ema(m, g, 0.9)\n    return w - lr * arcsin(m), m\n")
    config = dataclasses.replace(SMALL, evolution=dataclasses.replace(SMALL.evolution, start=(str(start),)))
    found = search(tmp_path / "run", config, programs=16).search
    assert found.founders[0].bred.size == 0
    assert found.tally.trained > 1


def test_where_no_start_trains_a_sentence_says_so(tmp_path):
    never = tmp_path / "never.opt"
    never.write_text("def never(w, g, m, *, lr=0.001):\n    m = ema(m, g, 0.9)\n    return w - lr * g / (m - m), m\n")
    config = dataclasses.replace(SMALL, evolution=dataclasses.replace(SMALL.evolution, start=(str(never),)))
    with pytest.raises(ConfigError, match="no starting program trains on every task"):
        search(tmp_path / "run", config, programs=16)


def test_with_successive_halving_a_part_goes_on(tmp_path):
    ended = []
    for part in (0.2, 0.8):
        search(tmp_path / f"{part}", scoring(halving=part))
        ended.append(sum("below the hurdle" in str(row) for row in rows(tmp_path / f"{part}")))
    assert ended[0] > ended[1] > 0


def test_the_collector_of_cycles_is_as_it_was_after_a_search():
    before = gc.get_threshold()
    with contextlib.suppress(ZeroDivisionError), _fewer_collections():
        assert gc.get_threshold()[0] >= COLLECT
        raise ZeroDivisionError
    assert gc.get_threshold() == before


@pytest.mark.parametrize("batch", [1, 5])
def test_the_size_of_batches_changes_nothing(whole, tmp_path, batch):
    assert rows(search(tmp_path / "run", scoring(batch=batch)).directory) == rows(whole.directory)


class Shuffled(InProcess):
    """Finishes jobs in a random order."""

    def submit(self, job: Job) -> None:
        super().submit(dataclasses.replace(job, priority=random.randrange(1000)))


def test_the_order_of_results_changes_nothing(whole, tmp_path):
    workers = Shuffled(MAKE_CONTEXT, (SMALL,))
    assert rows(search(tmp_path / "run", workers=workers).directory) == rows(whole.directory)


SCRIPT = """
import sys
from pathlib import Path
from proxies.threads import pin_environment
pin_environment()
from tests.evosearch.small import search
search(Path(sys.argv[1]))
"""


def test_kill_nine_loses_nothing(whole, tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists() and (path / "store.sqlite").exists() and len(rows_or_none(path)) > 20:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = rows_or_none(path)
    assert 0 < len(before) <= len(rows(whole.directory))
    search(path)
    assert rows(path) == rows(whole.directory)


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_a_run_that_is_killed_around_its_first_commit_can_be_resumed(whole, tmp_path, monkeypatch, written):
    path, add = tmp_path / "run", Store.add

    def killed(self, rows, **values):
        if written:
            add(self, rows, **values)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            search(path)
    search(path)
    assert rows(path) == rows(whole.directory)


def rows_or_none(path: Path) -> list[tuple[object, ...]]:
    try:
        return rows(path)
    except Exception:  # the schema may not be there yet
        return []


def unbearable(text: str) -> bool:
    return zlib.crc32(text.encode()) % 5 == 0


def fragile(context, hurdles, items):
    """An evaluation that cannot bear one program in five."""
    if any(unbearable(item.text) and not item.founder for item in items):
        raise RuntimeError("sick")
    return evaluate(context, hurdles, items)


class Fragile(InProcess):
    """Evaluates with `fragile`."""

    def submit(self, job: Job) -> None:
        if job.handler == "evosearch.evaluate:evaluate":
            job = dataclasses.replace(job, handler="tests.evosearch.test_search:fragile")
        super().submit(job)


def test_a_candidate_that_brings_workers_down_is_a_row_and_harms_no_other(tmp_path):
    path = search(tmp_path / "run", workers=Fragile(make_context, (SMALL,))).directory
    _, store = directory.reopen(path)
    found = [row for row in store.rows(0) if row.measured is not None]
    store.close()
    sick = [row for row in found if unbearable(row.bred.text)]
    assert sick
    assert all(row.measured.status == "crash" and "sick" in row.measured.reason for row in sick)
    assert all(row.measured.status != "crash" for row in found if row not in sick)


def test_the_files_of_a_run(whole):
    best = resolve(f"{whole.directory}:best")
    assert problems(show(best)) == ()
    with open(whole.directory / "front.csv", newline="", encoding="utf-8") as file:
        front = list(csv.DictReader(file))
    assert front
    assert resolve(f"{whole.directory}:front[0]").states == resolve(f"{whole.directory}:{front[0]['number']}").states
    steps = lineage.of(f"{whole.directory}:best")
    assert steps[0].number < 0
    assert steps[-1].number == int(front[0]["number"])
    assert not list(whole.directory.glob("*.partial"))


def test_the_best_program_is_a_torch_optimizer(whole):
    spec = importlib.util.spec_from_file_location("best_of_a_run", whole.directory / "best.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = torch.nn.Linear(3, 2)
    before = model.weight.detach().clone()
    optimizer = module.Best(model.parameters(), lr=0.01)
    model(torch.ones(4, 3)).square().mean().backward()
    optimizer.step()
    assert torch.isfinite(model.weight).all()
    assert not torch.equal(model.weight, before)


def test_several_programs_can_start(tmp_path):
    config = dataclasses.replace(
        SMALL, programs=16, evolution=dataclasses.replace(SMALL.evolution, start=("adamw", "sgd", "lion"))
    )
    result = search(tmp_path / "run", config)
    assert [entry.bred.number for entry in result.search.founders] == [-1, -2, -3]
    assert all(entry.complete for entry in result.search.founders)


@pytest.mark.parametrize("workers", [pytest.param("1"), pytest.param("2", marks=pytest.mark.ray)])
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path, workers):
    command = [sys.executable, "-m", "evosearch.cli", "run", "--budget", "100s", "--workers", workers, "--out", "run"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 90
    try:
        while time.monotonic() < deadline and len(rows_or_none(tmp_path / "run")) < 200:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    saved = re.search(r"(\d+) candidates are saved. Go on with: evosearch resume run", out)
    assert saved
    assert int(saved[1]) == len(rows(tmp_path / "run")) - 1


@pytest.mark.ray
def test_ray_workers_give_the_same_rows(whole, tmp_path):
    for count in (1, 2):
        assert rows(search(tmp_path / str(count), workers=count).directory) == rows(whole.directory)


def test_another_machine_is_noted(whole):
    store = directory.Store(whole.directory / "store.sqlite")
    made = store.get("machine")
    assert set(made) == {"processor", "python", "numba", "numpy", "torch"}
    store.put("machine", {**made, "processor": "abacus"})
    said: list[str] = []
    _note_machine("cpu", store, said.append)
    store.put("machine", made)
    _note_machine("cpu", store, said.append)
    store.close()
    assert len(said) == 1
    assert said[0].startswith("note: processor was abacus and is ")


def test_a_search_from_muon_tells_tensors_apart_by_role(tmp_path):
    """What it asks of a head stays another thing than what it asks of a hidden matrix; the same again as together."""
    language = Language(also=("newton_schulz", "is_hidden"), max_cost=1000.0)
    evolution = dataclasses.replace(SMALL.evolution, start=("muon",))
    config = dataclasses.replace(SMALL, programs=48, language=language, evolution=evolution)
    search(tmp_path / "run", config)
    found = rows(tmp_path / "run")
    assert sum("is_hidden()" in row[4] for row in found) > len(found) / 2
    search(tmp_path / "parts", config, programs=16)
    search(tmp_path / "parts", config)
    assert rows(tmp_path / "parts") == found


def test_a_search_with_matrices_blocks_and_a_mate_is_the_same_in_one_go_and_in_two(tmp_path):
    language = Language(also=("matmul", "transpose", "row_mean", "newton_schulz"), max_cost=1000.0)
    mutations = Mutations(graft=1.0, donors=("lion", "muon_everywhere"))
    config = dataclasses.replace(SMALL, language=language, mutations=mutations)
    whole = search(tmp_path / "whole", config)
    search(tmp_path / "parts", config, programs=37)
    parts = search(tmp_path / "parts", config)
    found = rows(whole.directory)
    assert found == rows(parts.directory)
    assert any("graft" in row[2] for row in found)
    assert any(op in row[4] for row in found for op in ("newton_schulz(", "matmul(", "orthogonalize("))
