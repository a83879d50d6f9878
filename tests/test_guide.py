"""Every block of the README and of the guide is run, or for what nothing here can run, read by bash and our parser."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evosearch.cli import COMMANDS, parser
from tests.documents import GUIDE, LANGUAGES, PAGES, ROOT, Block, blocks, evosearch_commands, play

# What the test writes behind a command, so that it takes seconds; a reader's command is without it.
SMALLER = {  # by how the command begins, the first that fits
    "run --out": "--programs 48 --proxy least_squares",
    "run --workers 2": "--programs 48 --proxy least_squares",
    "run": "--programs 16 --workers 1",
    "resume": "--programs +16 --workers 1",
    "compare": "--seeds 3 --trials 2",
    "validate": "--seeds 3 --trials 1 --candidates 1 --workers 1 --selection wine --held-out breast_cancer",
}
WITHOUT_RAY = {  # behind these too, but under the marker ray
    "run --out": "--workers 1",
    "compare": "--workers 1",
}

# Blocks with these words wait for a marker: they take long, or want what the marker says.
WAITS = {
    "evosearch compare": "ray",
    "evosearch validate": "ray",
    "evosearch resume": "ray",
    "evosearch run spirals.toml": "ray",
    "evosearch run softsign.toml": "slow",  # compiles the machines once more
    "evosearch run --workers 2": "ray",
    "pytest -m gpu": "never",  # the tests themselves
    "--device cuda": "gpu",
    "python3 -m venv": "never",  # installs; .ci/run runs the one with the tests
    "srun": "never",  # a SLURM cluster
    "kind: RayJob": "never",  # a Kubernetes cluster
    "ray job submit": "never",  # a Ray cluster with a dashboard
}
NEEDS = {"guide/frameworks": ("transformers", "accelerate", "lightning")}  # what warns there is not ours to mend
WITH_A_RUN = ("guide/reading", "guide/is_it_real")  # go on in the folder of guide/first_search


def marker(block: Block) -> str:
    """Which marker a block waits for; "" runs by default."""
    return next((mark for words, mark in WAITS.items() if words in block.text), "")


def environment(folder: Path, ray: bool = False) -> dict[str, str]:
    """Where `evosearch` is the one beside this Python, with the endings above, and the ledger is the test's."""
    own = folder / "bin" / "evosearch"
    own.parent.mkdir()
    cases = []
    for command, ending in SMALLER.items():
        more = "" if ray else WITHOUT_RAY.get(command, "")
        cases.append(f'"{command} "*) set -- "$@" {ending} {more};;')
    real = f'exec "{sys.executable}" -m evosearch.cli "$@"\n'
    own.write_text("\n".join(["#!/bin/sh", 'case "$* " in', *cases, "esac", real]))
    own.chmod(0o755)
    path = os.pathsep.join([str(own.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {
        **os.environ,
        "PATH": path,
        "EVOSEARCH_LEDGER": str(folder / "ledger.jsonl"),
        "COLUMNS": "100",
        "RAY_ADDRESS": "local",
    }


def run_page(page: str, folder: Path, marks: tuple[str, ...]) -> None:
    """Its blocks that wait for none but these markers."""
    for name in NEEDS.get(page, ()):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}")
    place = folder / "page"
    place.mkdir(exist_ok=True)
    found = [block for block in blocks(page) if marker(block) in ("", *marks)]
    warnings = "default" if page in NEEDS else "error"
    play(found, place, environment(folder, "ray" in marks), warnings)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the first page has been run."""
    folder = tmp_path_factory.mktemp("first")
    run_page("guide/first_search", folder, ())
    return folder / "page"


def started(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    if page in WITH_A_RUN:
        shutil.copytree(request.getfixturevalue("first"), tmp_path / "page")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if page == "guide/first_search":
        assert list(request.getfixturevalue("first").glob("runs/*/best.py"))
    else:
        run_page(page, started(page, tmp_path, request), ())


@pytest.mark.parametrize(
    ("page", "mark"),
    [
        pytest.param(page, mark, marks=getattr(pytest.mark, mark), id=f"{page}-{mark}")
        for page in PAGES
        for mark in ("ray", "slow", "gpu")
        if mark in {marker(block) for block in blocks(page)}
    ],
)
def test_the_whole_page_runs(page: str, mark: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run_page(page, started(page, tmp_path, request), (mark,))


@pytest.mark.parametrize("block", [b for page in PAGES for b in blocks(page)], ids=lambda b: f"{b.page}:{b.line}")
def test_the_block_is_one_of_its_language(block: Block, tmp_path: Path) -> None:
    from evosearch.config import load
    from primitives.text import parse

    assert block.language in LANGUAGES
    assert block.language != "text" or "evosearch " not in block.text
    if block.language == "python":
        compile(block.text, block.page, "exec")
    elif block.language == "toml":
        (tmp_path / "it.toml").write_text(block.text)
        load(tmp_path / "it.toml")
    elif block.language == "opt" and "softsign" not in block.text:
        parse(block.text)
    elif block.language == "yaml":
        assert pytest.importorskip("yaml").safe_load(block.text)
    elif block.language == "sh":
        subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for line in block.commands():
        for words in evosearch_commands(line):
            parser().parse_args(words)


def test_every_command_is_run_by_a_block() -> None:
    lines = [line for page in PAGES for block in blocks(page) if marker(block) != "never" for line in block.commands()]
    assert {words[0] for line in lines for words in evosearch_commands(line)} == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_commands_within_sentences_can_be_given(page: str) -> None:
    for span in re.findall(r"`(evosearch [^`]+)`", PAGES[page].read_text(encoding="utf-8")):
        for words in evosearch_commands(re.sub(r"\[.*?\]|\.\.\.", "", span)):
            if words[0] not in COMMANDS or len(words) > 1:  # else it is only named
                parser().parse_args(words)


def test_what_waits_is_somewhere() -> None:
    texts = [block.text for page in PAGES for block in blocks(page)]
    assert not [words for words in WAITS if not any(words in text for text in texts)]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", PAGES[page].read_text(encoding="utf-8")):
        assert target.startswith("https:") or (PAGES[page].parent / target).exists(), target


def test_the_index_and_the_readme_name_every_page() -> None:
    for name, folder in ((GUIDE / "README.md", ""), (ROOT / "README.md", "evosearch/guide/")):
        text = name.read_text(encoding="utf-8")
        assert all(f"({folder}{path.name})" in text for path in GUIDE.glob("*.md") if path.name != "README.md")
