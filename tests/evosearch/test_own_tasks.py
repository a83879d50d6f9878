"""Searches on a user's own task: by the command, from any directory, and when the file has changed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import proxies
from evosearch import directory
from evosearch.breed import make_context, own_files
from evosearch.cli import main
from evosearch.config import to_toml
from proxies import SUITE, TaskError, own
from tests.evosearch.small import SMALL, search

OWN = Path(__file__).parents[2] / "experiments" / "own-task" / "spirals.py"
TINY = dataclasses.replace(
    SMALL,
    proxies=("spirals.py",),
    programs=16,
    workers=1,
    scoring=dataclasses.replace(SMALL.scoring, seed_pool=3, max_seeds=3, gate_lrs=2, tune=1, final_seeds=2),
)


def short_example(folder: Path) -> Path:
    """The example, trained for fewer steps."""
    text = OWN.read_text(encoding="utf-8")
    assert "steps=150" in text
    (folder / "spirals.py").write_text(text.replace("steps=150", "steps=20"), encoding="utf-8")
    return folder / "spirals.py"


def test_a_search_by_the_command_and_on_from_elsewhere(tmp_path, monkeypatch, capsys):
    short_example(tmp_path)
    (tmp_path / "tiny.toml").write_text(to_toml(TINY))
    monkeypatch.chdir(tmp_path)
    assert main(["run", "tiny.toml", "--out", "run"]) == 0
    out = capsys.readouterr().out
    assert "spirals.py:spirals" in out
    config, store = directory.reopen(tmp_path / "run")
    assert config.proxies == (f"{tmp_path / 'spirals.py'}:spirals",)
    assert store.count() == 16
    assert store.get("tasks") == {config.proxies[0]: proxies.digest(config.proxies[0])}
    store.close()
    assert "on spirals.py:spirals." in (tmp_path / "run" / "best.py").read_text()

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with open(tmp_path / "spirals.py", "a") as file:
        file.write("\n# another remark\n")
    assert main(["resume", "../run", "--programs", "+8"]) == 0
    assert "the file of spirals.py:spirals has changed" in capsys.readouterr().out

    (tmp_path / "spirals.py").unlink()
    own._module.cache_clear()  # as in another process
    proxies._placed.cache_clear()
    assert main(["resume", "../run", "--programs", "+8"]) == 2
    assert "there is no file" in capsys.readouterr().err


def test_the_same_rows_as_a_task_of_another_name(tmp_path):
    """What a task is called, and where it stands, changes nothing."""
    logs = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        name = proxies.full_name(str(short_example(tmp_path / folder)))
        result = search(tmp_path / folder / "run", dataclasses.replace(TINY, proxies=(name,)))
        logs.append([(line.name, line.score, line.text) for line in result.lines])
    assert logs[0] == logs[1]


@pytest.mark.parametrize("as_json", [False, True])
def test_it_is_told_of(capsys, as_json):
    assert main(["proxies", "digits", str(OWN), *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    if as_json:
        digits, own = json.loads(out)
        assert (digits["name"], digits["tier"]) == ("digits", "search")
        assert (own["name"], own["tier"], own["steps"]) == (f"{OWN}:spirals", "own", 150)
        assert own["floor"] < own["ceiling"]
    else:
        assert "spirals.py:spirals" in out
        assert "two spirals" in out


def test_a_group_of_tasks_is_told_of(capsys):
    assert main(["proxies", "suite", "wine", "--json"]) == 0
    assert [task["name"] for task in json.loads(capsys.readouterr().out)] == [*SUITE, "wine"]


def test_mistakes_are_sentences(tmp_path, capsys):
    (tmp_path / "bad.py").write_text("import nothing_of_this_name\n")
    for command in ("run", "proxies"):
        name = str(tmp_path / "bad.py")
        assert main([command, *(["--proxy"] if command == "run" else []), name]) == 2
        assert capsys.readouterr().err == (
            f"evosearch: {name}, line 1: ModuleNotFoundError: No module named 'nothing_of_this_name'.\n"
        )


def test_a_task_of_an_installed_package(tmp_path, monkeypatch):
    """Its entry point's name is its name, in any process."""
    place = tmp_path / "site-packages"
    (place / "pack-1.0.dist-info").mkdir(parents=True)
    (place / "pack-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: pack\nVersion: 1.0\n")
    points = "[evosearch.proxies]\nspirals = pack:spirals\nbroken = pack:nothing\nnumber = pack:number\n"
    (place / "pack-1.0.dist-info" / "entry_points.txt").write_text(points)
    short_example(place).rename(place / "pack.py")
    with open(place / "pack.py", "a") as file:
        file.write("\n\ndef number() -> int:\n    return 3\n")
    monkeypatch.syspath_prepend(str(place))
    assert proxies.get("spirals").name == proxies.full_name("spirals") == "spirals"
    assert proxies.digest("spirals") is None
    for name, says in (("broken", "'broken' cannot be loaded: AttributeError"), ("number", "value of type int")):
        with pytest.raises(TaskError, match=says):
            proxies.get(name)
    monkeypatch.chdir(tmp_path)
    assert main(["proxies", "spirals", "--json"]) == 0


def test_a_worker_whose_file_is_another_is_refused(tmp_path):
    config = dataclasses.replace(TINY, proxies=(proxies.full_name(str(short_example(tmp_path))),))
    expected = own_files(config)
    assert list(expected) == list(config.proxies)
    assert make_context(config, expected).proxies == make_context(config).proxies
    with open(tmp_path / "spirals.py", "a") as file:
        file.write("\n# a remark\n")
    with pytest.raises(ValueError, match=r"spirals.* on .* is not the file that the driver began with; put the same"):
        make_context(config, expected)
    assert own_files(SMALL) == {}
