"""The configuration: what is written is read back, and what cannot be meant is refused in one sentence."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from evosearch import config as module
from evosearch.config import Config, ConfigError, Evolution, Language, Mutations, Scoring, from_dict, load, to_toml

TABLES = ("language", "mutations", "evolution", "scoring")
DEFAULTS = Config()
NUMBERS = [  # (table, name) of every number; the top level is the table ""
    (table, field.name)
    for table in ("", *TABLES)
    for field in dataclasses.fields(getattr(DEFAULTS, table) if table else DEFAULTS)
    if field.type in ("int", "float")
]


def refusal(path: Path, text: str | bytes) -> str:
    """The sentence with which a configuration file is refused."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def nested(table: str, name: str, value: Any) -> dict[str, Any]:
    return {table: {name: value}} if table else {name: value}


CONFIGS = (
    Config(),
    Config(
        proxies=("least_squares", "digits"), programs=7, budget=1.5, seed=-3, workers=2,
        language=Language(only=("sign", "add"), without=("pi",), max_states=0, max_length=5, max_cost=1e3),
        mutations=Mutations(insert=0.0, again=0.25),
        evolution=Evolution(
            start=('odd "name"\\.opt', "clip_norm(lion,\n\t max_norm=1\x7f)"), population=9, copies=1e-3,
            restart_after=1,
        ),
        scoring=Scoring(gate_steps=0.1, oddness=False, gradient_scale=False, margin=-0.5, hurdle=0.0),
    ),
)  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS)
def test_load_reads_what_to_toml_writes(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config), encoding="utf-8")
    assert load(path) == config


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "empty.toml").write_text("")
    assert load(tmp_path / "empty.toml") == Config()


def test_a_whole_number_serves_for_a_fraction() -> None:
    found = from_dict({"scoring": {"margin": 1}}).scoring.margin
    assert (found, type(found)) == (1.0, float)


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("program = 3", "did you mean 'programs'?"),
        ("[scoring]\nsede = 3", "did you mean 'seeds'?"),
        ("[evolutoin]\npopulation = 3", "did you mean 'evolution'?"),
        ("[evolution]\nzzz = 3", "the keys are start, population,"),
    ],
)
def test_a_misspelt_key_gets_a_suggestion(text: str, suggestion: str, tmp_path: Path) -> None:
    message = refusal(tmp_path / "c.toml", text)
    assert suggestion in message
    assert str(tmp_path / "c.toml") in message


@pytest.mark.parametrize(
    "text",
    [
        "seed = 1.5",
        "seed = true",
        'seed = "1"',
        "budget = true",
        "device = 1",
        'proxies = "digits"',
        "proxies = [1]",
        "scoring = 3",
        "[scoring]\noddness = 1",
        "[scoring]\nmargin = []",
        "[seed]\na = 1",
    ],
)
def test_wrong_types(text: str, tmp_path: Path) -> None:
    message = refusal(tmp_path / "c.toml", text)
    assert re.search(r"must be of type|list of names|table of settings", message)


@pytest.mark.parametrize("text", ["programs", "= 3", "[scoring", "a = 1\na = 2", b"\xff\xfe\x00"])
def test_what_is_no_toml(text: str | bytes, tmp_path: Path) -> None:
    assert "is not a TOML file" in refusal(tmp_path / "c.toml", text)


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_what_cannot_be_read(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(tmp_path / name)


@pytest.mark.parametrize(("table", "name"), NUMBERS)
def test_every_number_has_limits(table: str, name: str) -> None:
    """No search can begin with any number at all: it would hang or break hours later."""
    kind = type(getattr(getattr(DEFAULTS, table) if table else DEFAULTS, name))
    for wrong in (float("nan"),) if kind is float else ():
        with pytest.raises(ConfigError, match=name):
            from_dict(nested(table, name, wrong))
    if name not in ("seed", "margin"):  # these two may be negative
        with pytest.raises(ConfigError, match=name):
            from_dict(nested(table, name, kind(-2)))


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("", "workers", 0),
        ("", "device", "tpu"),
        ("", "proxies", []),
        ("", "proxies", ["digits", "digits"]),
        ("language", "max_length", 0),
        ("mutations", "again", 1.0),  # would never end
        ("evolution", "start", []),
        ("evolution", "population", 1),
        ("evolution", "tournament", 0),
        ("evolution", "block", 0),
        ("evolution", "lag", 2),
        ("evolution", "restart_after", 0),
        ("evolution", "copies", 1.5),
        ("scoring", "batch", 0),
        ("scoring", "again", 1.1),
        ("scoring", "gate_lrs", 0),
        ("scoring", "gate_steps", 0.0),
        ("scoring", "gate_steps", 1.5),
        ("scoring", "lrs", 0),
        ("scoring", "seeds", 0),
        ("scoring", "seed_pool", 3),  # fewer than are bought at a time
        ("scoring", "max_seeds", 40),  # more than there are: some would count twice
        ("scoring", "hurdle", 1.5),
        ("scoring", "worth", 1.5),
        ("scoring", "deadline", 0.0),
        ("scoring", "tune", 0),
        ("scoring", "final_seeds", 1),
    ],
)
def test_what_is_out_of_range(table: str, name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        from_dict(nested(table, name, value))
    assert "\n" not in str(caught.value)


def test_some_mutation_must_be_possible() -> None:
    with pytest.raises(ConfigError, match="mutations"):
        from_dict({"mutations": dict.fromkeys(("insert", "delete", "change", "resample", "scale"), 0)})


def test_every_field_has_a_comment() -> None:
    """Each number of the configuration stands beside its unit or reason."""
    source = Path(module.__file__).read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name != "ConfigError":
            assert ast.get_docstring(node), node.name
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    assert "  # " in lines[item.lineno - 1] or item.target.id in TABLES, item.target.id


def test_a_search_may_do_nothing_but_graft_and_donors_are_for_that() -> None:
    none = dict.fromkeys(("insert", "delete", "change", "resample", "scale"), 0.0)
    assert Config(mutations=Mutations(**none, graft=1.0)).check()
    with pytest.raises(ConfigError, match=r"must be above 0\.$"):
        Config(mutations=Mutations(**none)).check()
    with pytest.raises(ConfigError, match=r"donors are for mutations\.graft"):
        Config(mutations=Mutations(donors=("lion",))).check()
