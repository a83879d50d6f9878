"""The ask/tell loop: what it gives, that it is the same again, and that nothing of it is lost."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch

import evosearch
from evosearch import load
from evosearch.asktell import Asked, AskTell
from evosearch.breed import breed
from evosearch.cli import main
from evosearch.config import ConfigError
from evosearch.directory import reopen
from evosearch.mistakes import StoreError
from evosearch.tables import search_facts
from primitives.text import parse

SMALL = {"evolution": {"population": 20, "block": 8, "tournament": 4}, "seed": 3}


def merit(text: str) -> float:
    """A score that depends on the text alone."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 16**6


def answered(loop: AskTell, asked: list[Asked]) -> None:
    """Tell of all but some, the last first; some fail."""
    for one in reversed(asked):
        if one.id % 7 == 3:
            loop.tell(one, failure="out of memory")
        elif one.id % 7 != 4:
            loop.tell(one.id, merit(one.text))


def begun(path: Path, **settings: object) -> AskTell:
    """A loop whose start is told."""
    loop = AskTell({**SMALL, **settings}, out=path)
    [start] = loop.ask(5)
    loop.tell(start, 0.5)
    return loop


def test_the_start_comes_first_and_alone(tmp_path: Path) -> None:
    with AskTell(SMALL, out=tmp_path, evolution={"start": ["sgd", "lion"]}) as loop:
        first, second = loop.ask(9)
        assert (first.id, second.id, loop.ask(9)) == (-1, -2, [])
        loop.tell(second, 0.1, lr=1e-4)
        assert loop.ask() == []
        loop.tell(first, 0.3)
        assert [one.id for one in loop.ask(2)] == [0, 1]
        assert loop.best is not None
        assert "score of 0.3 was told" in loop.best.doc


def test_an_interrupted_call_has_not_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a notebook, where Ctrl-C ends a call and the loop is used on."""
    logs = []
    for interrupted in (False, True):
        path = tmp_path / str(interrupted)
        loop = begun(path)
        answered(loop, loop.ask(6))
        if interrupted:
            with monkeypatch.context() as patch:
                patch.setattr("evosearch.asktell.breed", failing_after(2, KeyboardInterrupt))
                with pytest.raises(KeyboardInterrupt):
                    loop.ask(9)
            with monkeypatch.context() as patch:
                patch.setattr(loop.store, "add", failing_after(0, StoreError("the disk is full")))
                with pytest.raises(StoreError, match="full"):
                    loop.tell(loop.pending[0], 1.0)
        answered(loop, loop.ask(9))
        loop.close()
        with AskTell(out=path) as again:
            logs.append((again.pending, [(e.bred.number, e.score) for e in again.archive.entries], again.ask(3)))
    assert logs[0] == logs[1]


def test_a_second_interruption_closes_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = begun(tmp_path)
    answered(loop, loop.ask(6))
    waiting = loop.pending
    with monkeypatch.context() as patch:
        patch.setattr("evosearch.asktell.breed", failing_after(2, KeyboardInterrupt))
        patch.setattr(loop, "_again", failing_after(0, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            loop.ask(9)
    with pytest.raises(StoreError):
        loop.ask(2)
    with AskTell(out=tmp_path) as again:
        assert again.pending == waiting


def failing_after(calls: int, error: BaseException | type[BaseException]) -> Any:
    """A function as `breed` that fails after so many calls."""
    left = iter(range(calls))

    def function(*args: Any, **values: Any) -> Any:
        if next(left, None) is None:
            raise error
        return breed(*args, **values)

    return function


def test_a_comparison_of_loops_names_no_tasks(tmp_path: Path) -> None:
    with begun(tmp_path / "loop"):
        assert search_facts(tmp_path / "loop").tasks == ("told",)


def test_a_loop_may_change_its_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with begun(Path("loop")) as loop:
        [one] = loop.ask()
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        loop.tell(one, 1.0)
        assert loop.run.path == tmp_path / "loop"


def test_children_of_a_failure_are_asked_near_the_rate_that_it_was_asked_with(tmp_path: Path) -> None:
    with AskTell(SMALL, out=tmp_path) as loop:
        [start] = loop.ask()
        loop.tell(start, failure="out of memory")
        assert start.lr == 0.001
        assert all(1e-5 <= one.lr <= 0.1 for one in loop.ask(8))
    assert load(f"{tmp_path}:-1").doc.startswith("Given as start 1; it has no search score: out of memory.")


def test_candidates_are_programs_and_optimizers_and_differ(tmp_path: Path) -> None:
    with begun(tmp_path) as loop:
        asked = loop.ask(12)
        assert len({one.id for one in asked}) == len({one.text for one in asked}) == 12
        assert loop.pending == asked
        for one in asked:
            assert parse(one.text)
            assert one.program.defaults["lr"] == one.lr
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = asked[0].to_torch()([weight])
        weight.grad = torch.ones(3)
        optimizer.step()
        assert not torch.equal(weight.detach(), torch.ones(3))


def test_the_same_calls_give_the_same_programs_also_after_restarts(tmp_path: Path) -> None:
    """Some are never told, some fail; the second loop is closed and opened now and then."""
    logs = []
    for name, restarts in (("whole", False), ("parts", True)):
        loop, log = begun(tmp_path / name), []
        for k in range(9):
            if restarts and k % 3 == 1:
                waiting = loop.pending
                loop.close()
                loop = AskTell(out=tmp_path / name)
                assert loop.pending == waiting
            log.append(loop.ask(5))
            answered(loop, log[-1])
        logs.append((log, loop.best, loop.pending))
        loop.close()
    assert logs[0] == logs[1]
    assert logs[0][2]
    other = begun(tmp_path / "other", seed=4)
    assert other.ask(5) != logs[0][0][0]
    other.close()


def test_better_parents_have_more_children(tmp_path: Path) -> None:
    """Told that fewer statements are better, it finds shorter programs."""
    with begun(tmp_path) as loop:
        lengths = []
        for _ in range(12):
            asked = loop.ask(6)
            lengths += [len(parse(one.text).body) for one in asked]
            for one in asked:
                loop.tell(one, -float(len(parse(one.text).body)))
        assert sum(lengths[-24:]) < sum(lengths[:24])


def test_the_directory_is_one_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "loop"
    with begun(place) as loop:
        for _ in range(3):
            answered(loop, loop.ask(6))
        best, run = loop.best, loop.run
        assert loop.run.front[0].score == pytest.approx(max(e.score for e in loop.archive.entries), abs=1e-4)
    assert evosearch.open_run(place).best == best == evosearch.load(f"{place}:best")
    scores = {row["text"]: row["score"] for row in run.rows() if row["score"] is not None and not row["known"]}
    assert scores == {text: merit(text) for text in scores}
    assert any(row["reason"] == "out of memory" and row["status"] == "failed" for row in run.rows())
    assert "asked and told" in repr(run)
    number = next(row["number"] for row in run.rows() if row["score"] is not None)
    for which in (f"{place}:{number}", f"{place}:front[0]"):
        assert "was told" in evosearch.load(which).doc
    assert "was told" in evosearch.open_run(place).front[0].program.doc
    assert main(["inspect", f"{place}:{number}"]) == 0
    assert main(["export", f"{place}:best", "-o", str(tmp_path / "best.py")]) == 0
    capsys.readouterr()
    for command in ("resume", "validate", "status", "report"):
        assert main([command, str(place)]) == 2
        assert "is an ask/tell loop; evosearch.AskTell" in capsys.readouterr().err
    with AskTell(out=place):
        assert main(["stop", str(place)]) == 2
    assert "end that process" in capsys.readouterr().err


def test_a_start_of_which_fingerprints_know_no_size_has_children(tmp_path: Path) -> None:
    start = tmp_path / "start.opt"
    start.write_text("def start(w, g, m, *, lr=0.01):\n    m = ema(m, g, 0.9)\n    return w - lr * arcsin(m), m\n")
    with begun(tmp_path / "loop", evolution={**SMALL["evolution"], "start": [str(start)]}) as loop:
        assert {one.lr for one in loop.ask(3)} == {0.01}


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    with begun(tmp_path / "loop") as loop:
        [one] = loop.ask()
        for call, says in (
            (lambda: loop.ask(0), "ask is for 1 to 10,000 candidates, not 0"),
            (lambda: loop.ask("3"), "not '3'"),
            (lambda: loop.tell(one), "either a score or failure"),
            (lambda: loop.tell(one, 1.0, failure="no"), "either a score or failure"),
            (lambda: loop.tell(one, 1.0, lr=0.0), "must be above 0"),
            (lambda: loop.tell(-1, 1.0), "candidate -1 was told already"),
            (lambda: loop.tell(99, 1.0), "candidate 99 was never asked"),
            (lambda: loop.tell("0", 1.0), "tell is of a candidate or its number, not of '0'"),  # type: ignore[arg-type]
            (lambda: loop.tell(one, "0.3"), "is '0.3' and must be a number"),  # type: ignore[arg-type]
        ):
            with pytest.raises(ConfigError, match=says):
                call()
        with pytest.raises(StoreError, match="belongs to a search that is under way"):
            AskTell(out=tmp_path / "loop")
        loop.tell(one, float("nan"))
        assert loop.pending == []
    with pytest.raises(ConfigError, match="begun with another seed"):
        AskTell(out=tmp_path / "loop", seed=5)
    for name in ("niches", "constants"):
        with pytest.raises(ConfigError, match=f"evolution.{name} is for searches that train"):
            AskTell(out=tmp_path / name, evolution={name: 0.5})
    with pytest.raises(ConfigError, match="unknown key 'evolutoin'; did you mean 'evolution'"):
        AskTell(out=tmp_path / "new", evolutoin={})
    assert not (tmp_path / "new").exists()
    with AskTell(out=tmp_path / "starts", evolution={"start": ["sgd", "lion"]}) as loop:
        loop.ask()
        with pytest.raises(ConfigError, match="candidate -2 was never asked"):
            loop.tell(-2, 1.0)
    _, store = reopen(tmp_path / "loop")
    assert [row.measured.reason for row in store.rows(0) if row.measured] == ["its score is nan"]
    store.close()


def test_a_searchs_directory_is_refused(tmp_path: Path) -> None:
    from evosearch import directory
    from evosearch.config import Config

    directory.create(tmp_path / "run", Config()).close()
    with pytest.raises(StoreError, match="`evosearch resume"):
        AskTell(out=tmp_path / "run")
