"""The command `export --target optax`: what it writes, says and refuses, and what it does not import."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from evosearch.cli import main


def test_the_function_can_have_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.py"
    assert main(["export", "sgd", "-o", str(path), "--target", "optax", "--class", "mine"]) == 0
    assert "from made import mine" in capsys.readouterr().out
    assert "\ndef mine(learning_rate: optax.ScalarOrSchedule = " in path.read_text()
    assert main(["export", "sgd", "-o", str(path), "--target", "optax", "--class", "print"]) == 2
    assert "'print' cannot be the name of the function; choose another." in capsys.readouterr().err


def test_what_asks_the_loss_is_refused_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "sam(adamw)", "-o", str(tmp_path / "sam.py"), "--target", "optax"]) == 2
    said = capsys.readouterr().err
    assert re.fullmatch(
        r"evosearch: .* asks the loss itself \(grad_at\), which .* export it with --target torch\.\n", said
    )
    assert not list(tmp_path.iterdir())


def test_it_imports_neither_torch_nor_jax(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom evosearch.cli import main\n"
        "assert main(['export', 'muon', '-o', 'muon.py', '--target', 'optax']) == 0\n"
        "heavy = {'torch', 'jax', 'optax', 'numba', 'ray'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL, cwd=tmp_path)
