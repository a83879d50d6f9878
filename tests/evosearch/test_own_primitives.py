"""Searches and commands with a user's own primitives. Each in a process of its own: what is entered there stays."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evosearch.config import Language, to_toml
from tests.evosearch.small import SMALL, rows

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "own-primitive"
EXAMPLE = FOLDER / "bounded.py"
TINY = dataclasses.replace(
    SMALL,
    programs=32,
    workers=1,
    scoring=dataclasses.replace(SMALL.scoring, seed_pool=4, max_seeds=4, gate_lrs=2, tune=1, final_seeds=2, hurdle=0.0),
)
COMPOSITES = "from primitives.primitive import composite\nprimitives = [composite('mean_size', 'x', 'mean(abs(x))')]\n"


SCRIPT = """
import contextlib, io, json, sys
from evosearch.cli import main
for step in json.loads(sys.argv[1]):
    if isinstance(step, str):
        exec(step)
        continue
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(step)
    print(json.dumps([code, out.getvalue()]))
"""


def evosearch(*steps: list[str] | str, cwd: Path) -> list[tuple[int, str]]:
    """Exit code and output of each command, all in one new process; a text among them is Python to be run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-c", SCRIPT, json.dumps(steps)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    return [(code, out) for code, out in map(json.loads, lines)]


def texts(run: Path) -> str:
    return "\n".join(row[4] for row in rows(run))


def test_a_search_and_what_is_asked_of_it(tmp_path):
    """By composites, for which nothing is compiled; with the primitive as the only one, so that it is met."""
    (tmp_path / "mine.py").write_text(COMPOSITES)
    (tmp_path / "tiny.toml").write_text(to_toml(TINY))
    run = ["run", "tiny.toml", "--primitives", "mine.py", "--only", "mean_size", "--out", "run"]
    more = ["resume", "run", "--programs", "+16"]
    remark = "open('mine.py', 'a').write('# another remark')"
    (code, _), (again, out) = evosearch(run, remark, more, cwd=tmp_path)
    assert (code, again) == (0, 0), out
    assert f"{tmp_path / 'mine.py'} has changed" in out
    assert "mean_size(" in texts(tmp_path / "run")
    assert f'primitives = ["{tmp_path / "mine.py"}"]' in (tmp_path / "run" / "config.toml").read_text()

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    found = evosearch(["inspect", "../run:0"], ["export", "../run:1", "-o", "x.py"], cwd=elsewhere)
    assert [code for code, _ in found] == [0, 0]
    (tmp_path / "mine.py").unlink()
    [(code, out)] = evosearch(["resume", "../run", "--programs", "+16"], cwd=elsewhere)
    assert code == 2
    assert f"there is no file {tmp_path / 'mine.py'}" in out


def test_the_vocabulary_is_that_of_the_configuration(tmp_path):
    """What one search has, another one in the same process has not."""
    script = f"""
from evosearch.config import ConfigError, Config, Language
from evosearch.vocabulary import vocabulary
from evosearch import checks
before = vocabulary(Language())
assert vocabulary(Language(primitives=({str(EXAMPLE)!r},))) == (*before, "softsign", "mean_size")
assert vocabulary(Language(max_states=1)) == before
import dataclasses
for language, evolution in ((dict(only=("softsign",)), {{}}), ({{}}, dict(start=({str(FOLDER / "soft_lion.opt")!r},)))):
    config = Config(language=Language(**language))
    config = dataclasses.replace(config, evolution=dataclasses.replace(config.evolution, **evolution))
    try:
        checks.check_language(config)
    except ConfigError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("there is no primitive 'softsign'")
    assert second.endswith("name its file too, by --primitives FILE.")


COMMANDS = (
    (["list"], "softsign(x)"),
    (["inspect", "soft_lion.opt", "--latex"], "\\operatorname{softsign}"),
    (["simplify", "soft_lion.opt"], "softsign("),
    (["same", "soft_lion.opt", "soft_lion.opt"], "The same map"),
    (["export", "soft_lion.opt", "-o", "OUT.py"], "from OUT import SoftLion"),
    (["export", "soft_lion.opt", "-o", "OUT.py", "--target", "optax"], "from OUT import soft_lion"),
)


def test_commands_with_a_program_take_them(tmp_path):
    """As the example's README says."""
    for name in ("bounded.py", "soft_lion.opt"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    found = evosearch(*([*command, "--primitives", "bounded.py"] for command, _ in COMMANDS), cwd=tmp_path)
    for (command, says), (code, out) in zip(COMMANDS, found, strict=True):
        assert code == 0, command
        assert says in out, command


def test_mistakes_are_sentences(tmp_path):
    text = EXAMPLE.read_text()
    (tmp_path / "kernel.py").write_text(text.replace('kernel="x/(F(1) + abs(x))"', 'kernel="x/(F(1) + x)"'))
    (tmp_path / "export.py").write_text(text.replace("x / (1 + torch.abs(x))", "torch.tanh(x)"))
    commands = (["run", "--primitives", name] for name in ("kernel.py", "export.py", "none.py"))
    kernel, other, none = evosearch(*commands, cwd=tmp_path)
    assert {kernel[0], other[0], none[0]} == {2}
    assert kernel[1].startswith("evosearch: kernel.py: at x = ")
    assert "the kernel of softsign gives" in kernel[1]
    assert "the text for torch of softsign gives" in other[1]
    assert "there is no file" in none[1]
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_search_with_a_kernel_of_ones_own(tmp_path):
    """Which compiles the machine anew; a start that uses it, so that every candidate does."""
    language = Language(primitives=(str(EXAMPLE),), only=("softsign", "ema"))
    evolution = dataclasses.replace(TINY.evolution, start=(str(FOLDER / "soft_lion.opt"),))
    (tmp_path / "tiny.toml").write_text(to_toml(dataclasses.replace(TINY, language=language, evolution=evolution)))
    [(code, out)] = evosearch(["run", "tiny.toml", "--out", "run"], cwd=tmp_path)
    assert code == 0, out
    assert texts(tmp_path / "run").count("softsign(") > 10
    assert rows(tmp_path / "run")


@pytest.mark.ray
def test_workers_load_them_too(tmp_path):
    """The rows are those of one process."""
    (tmp_path / "mine.py").write_text(COMPOSITES)
    language = Language(primitives=(str(tmp_path / "mine.py"),), only=("mean_size", "ema"))
    (tmp_path / "tiny.toml").write_text(to_toml(dataclasses.replace(TINY, language=language)))
    runs = (["run", "tiny.toml", "--workers", number, "--out", name] for name, number in (("one", "1"), ("two", "2")))
    options = ["--primitives", "mine.py", "--proxy", "least_squares", "--seeds", "3", "--trials", "1", "--workers", "2"]
    tasks = ["--candidates", "1", "--selection", "wine", "--held-out", "breast_cancer"]
    judged = ["validate", "one", "--seeds", "3", "--trials", "1", "--workers", "2", *tasks]
    found = evosearch(*runs, ["compare", "one", "two", *options], judged, cwd=tmp_path)
    assert [code for code, _ in found] == [0, 0, 0, 0], found
    assert rows(tmp_path / "one") == rows(tmp_path / "two")
    assert "least_squares" in found[2][1]
    assert "wine" in found[3][1]
