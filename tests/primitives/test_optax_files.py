"""The text of an exported optax file: formatted, typed, readable, alone with JAX and optax."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primitives.export_optax import optax_source
from primitives.program import Program
from primitives.reference import reference
from primitives.text import parse
from tests.primitives.optax_files import PROGRAMS
from tests.primitives.strategies import programs


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    for name, program in PROGRAMS.items():
        text = optax_source(program, notes=["Found in run 7 after 12,000 programs.", 'Its "score" is 0.2\\3.'])
        (folder / f"exported_{name}.py").write_text(text)
    return folder


def test_files_are_as_ruff_would_write_them(files: Path) -> None:
    for command in (["format", "--check"], ["check"]):
        arguments = ["--isolated", "--line-length", "120", str(files)]
        done = subprocess.run([sys.executable, "-m", "ruff", *command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


STRANGER = """
import importlib, pathlib, sys
import jax, jax.numpy as jnp, optax
from exported_adamw import adamw

def loss(params, x, y):
    return jnp.mean((jnp.tanh(x @ params["a"]) @ params["b"] - y) ** 2)

keys = jax.random.split(jax.random.key(0), 4)
params = {"a": jax.random.normal(keys[0], (4, 8)), "b": jax.random.normal(keys[1], (8, 1))}
x, y = jax.random.normal(keys[2], (64, 4)), jax.random.normal(keys[3], (64, 1))
optimizer = optax.chain(optax.clip_by_global_norm(1.0), adamw(optax.cosine_decay_schedule(0.05, 100)))

@jax.jit
def step(params, state):
    grads = jax.grad(loss)(params, x, y)
    updates, state = optimizer.update(grads, state, params)
    return optax.apply_updates(params, updates), state

first, state = loss(params, x, y), optimizer.init(params)
for _ in range(100):
    params, state = step(params, state)
assert loss(params, x, y) < first / 4, (first, loss(params, x, y))
for path in sorted(pathlib.Path(".").glob("exported_*.py")):
    importlib.import_module(path.stem)
assert not {"primitives", "evosearch", "proxies", "torch"} & {name.partition(".")[0] for name in sys.modules}
print("fine")
"""


def test_a_strangers_training_needs_only_jax_and_optax(files: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", STRANGER]
    done = subprocess.run(command, cwd=files, capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr
    for path in files.glob("*.py"):
        found = set(re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(), re.MULTILINE))
        assert found <= {"__future__", "collections.abc", "math", "typing", "jax", "jax.numpy", "jax.typing", "optax"}


@pytest.mark.slow
def test_files_pass_mypy(files: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", *map(str, files.glob("*.py"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_step_reads_like_the_program() -> None:
    text = optax_source(reference("adamw"))
    assert "    m = beta1 * m + (1 - beta1) * g\n" in text
    assert "    update = m / (1 - beta1**t) / (jnp.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * w\n" in text
    assert "reshape" not in text
    assert reference("adamw").doc.split("\n")[0] in text
    text = optax_source(
        parse("def f(w, g, m, *, lr=1):\n    m = where(every(t, 10), g, m)\n    return w - lr * m, m\n")
    )
    assert "    m = jnp.where(t % 10 == 0, g, m)\n" in text


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs(), st.text().filter(lambda doc: doc.isprintable()))
def test_any_program_and_note_gives_a_file_that_compiles(program: Program, note: str) -> None:
    compile(optax_source(program, notes=[note]), "exported", "exec")
