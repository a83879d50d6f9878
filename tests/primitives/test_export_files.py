"""The text of an exported file: formatted, typed, readable, alone with torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.export import source
from primitives.program import Program
from primitives.reference import reference
from primitives.text import parse
from tests.primitives import test_export_matrices, test_export_oracles, test_export_variants
from tests.primitives.exporting import ALL
from tests.primitives.strategies import programs

KINDS = {"matrices": test_export_matrices, "oracles": test_export_oracles, "variants": test_export_variants}
PROGRAMS = ALL | {f"{kind}_{name}": p for kind, module in KINDS.items() for name, p in module.PROGRAMS.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for name, program in PROGRAMS.items():
        text = source(program, notes=["Found in run 7 after 12,000 programs.", 'Its "score" is 0.2\\3.'])
        (folder / f"exported_{name}.py").write_text(text)
    return folder


def test_files_are_as_ruff_would_write_them(files: Path) -> None:
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", str(files)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


RUN_ALL = """
import importlib, pathlib, sys
import torch
for path in sorted(pathlib.Path(".").glob("exported_*.py")):
    module = importlib.import_module(path.stem)
    [cls] = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, torch.optim.Optimizer)
             and "step" in vars(v)]
    model = torch.nn.Linear(4, 3)
    options = {"total_steps": 9} if path.stem == "exported_planned" else {}
    optimizer = cls(model.parameters(), **options)
    def closure():
        loss = model(torch.ones(2, 4)).square().mean() + sum(p.square().mean() for p in model.parameters())
        if not getattr(optimizer, "differentiates_twice", False):
            optimizer.zero_grad()
            loss.backward()
        return loss
    for _ in range(3):
        optimizer.step(closure)
    assert all(p.isfinite().all() for p in model.parameters()), path
assert not {"primitives", "evosearch", "proxies"} & {name.partition(".")[0] for name in sys.modules}
print("fine")
"""


def test_files_need_only_torch(files: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", RUN_ALL]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.slow
def test_files_pass_mypy(files: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, sorted(files.glob("*.py")))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_update_reads_like_the_program() -> None:
    text = source(reference("adamw"))
    assert "    m = beta1 * m + one_minus_beta1 * g\n" in text
    assert "    update = m * correction / (torch.sqrt(v * correction_2) + eps) + weight_decay * w\n" in text
    assert "    correction = divide(1, 1 - beta1**t)\n" in text
    assert "reshape" not in text
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert reference("adamw").doc in doc
    assert "update = bias_correct(m, beta1, t)" in doc


def test_conditions_on_numbers_are_decided_before_the_tensors() -> None:
    text = source(parse("def f(w, g, m, *, lr=1):\n    m = where(every(t, 10), g, m)\n    return w - lr * m, m\n"))
    assert "    condition = t % 10 == 0\n" in text
    assert "    m = choose(condition, g, m)\n" in text


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.text().filter(lambda doc: doc.isprintable()))
def test_any_program_and_note_gives_a_file_that_compiles(program: Program, note: str) -> None:
    compile(source(program, notes=[note]), "exported", "exec")
