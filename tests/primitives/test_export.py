"""An exported program is a good torch citizen and does what the interpreter and torch's own optimizers do."""

from __future__ import annotations

import ast
import copy
import io
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from primitives.export import source
from primitives.interpreter import start, step
from primitives.namespaces import NUMPY
from primitives.optimizer import to_torch
from primitives.program import Program
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from tests.primitives.strategies import program_using, programs

Optimizer = torch.optim.Optimizer

SPECIMENS = {
    "clipped": """def clipped(w, g, m, *, lr=0.1, max_norm=0.5):
    h = clip_by_global_norm(g, max_norm)
    m = ema(m, h, 0.9)
    return w - lr * m / (1e-3 + global_norm(m)), m
""",
    "normed": """def normed(w, g, scale=1, *, lr=0.1):
    scale = max(scale * 0.9, norm(g))
    trust = where(norm(w) > 0.1, norm(w) / scale, 1)
    return w - lr * trust * g, scale
""",
    "factored": """def factored(w, g, r, c, *, lr=0.1, rho=0.9, eps=1e-6):
    r = ema(r, row_mean(square(g)), rho)
    c = ema(c, column_mean(square(g)), rho)
    v = r * c / (mean(c) + eps)
    return w - lr * sqrt(columns(w) / rows(w)) * g / (sqrt(v) + eps), r, c
""",
    "started": """def started(w, g, slow=w, s=lr, k=beta, fixed=0.25, *, lr=0.1, beta=0.5):
    s = where(g * (w - slow) > 0, s * 1.2, s * 0.5)
    fixed = fixed + g
    return w - s * fixed, ema(slow, w, k), s, k * 0.99, fixed
""",
    "planned": """def planned(w, g, prev, *, lr=0.1):
    rate = lr * max(0, 1 - t / T) * base_lr / 0.1
    return w - rate * (g + cos(pi() * t / 2) * prev), g
""",
    "adapted": """def adapted(w, g, m, v, *, lr=0.1, beta1=0.9, beta2=0.99):
    m = ema(m, g, beta1)
    v = ema(v, square(g), beta2)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    step_size = where(rho > 4, r * sqrt(1 - beta2**t), 0)
    update = where(rho > 4, step_size * bias_correct(m, beta1, t) / (sqrt(v) + 1e-8), bias_correct(m, beta1, t))
    return w - lr * update, m, v
""",
    "swapped": """def swapped(w, g, a=w, b=1, *, lr=0.1):
    old = a
    return w - lr * (a - b) - lr * g, b + 0 * g, old
""",
    "taken": '''def sum_(w, g, params, l, step, torch, *, lr=0.1, maximize=0.5, float=2, total_steps=1):
    """Names that mean something in Python: "quoted", a back\\\\slash, \\"\\"\\"."""
    new_w = g * maximize * float
    math = l + new_w * total_steps
    return w - lr * math, params + g, math, step + 1, torch * 0.5 + g
''',
    "unread": """def unread(w, g, n, *, lr=0.1):
    return w - lr, n + global_norm(w)
""",
    "wide": "def wide(w, g, "
    + ", ".join(f"a_state_with_a_long_name_{i}" for i in range(7))
    + ", *, lr=0.1, a_hyperparameter_with_a_long_name=0.5):\n"
    + "    update = "
    + " + ".join(f"sqrt(abs(a_state_with_a_long_name_{i}) + a_hyperparameter_with_a_long_name)" for i in range(7))
    + "\n    return w - lr * update, "
    + ", ".join(f"a_state_with_a_long_name_{(i + 1) % 7} * 0.5 + {i} * g" for i in range(7))
    + "\n",
}
PROGRAMS = {name: parse(text) for name, text in SPECIMENS.items()} | {name: reference(name) for name in names()}
SHAPES = ((3, 4), (4,), (2, 3, 2, 2))


def exported(program: Program) -> Any:
    """The class of a program, whose constructor takes its hyperparameters."""
    return to_torch(program)


def random_arrays(seed: int, scale: float = 1.0) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * scale for shape in SHAPES]


def make(program: Program, params: Any, **options: Any) -> Optimizer:
    if "total_steps" in source(program) and "total_steps" not in program.defaults:
        options["total_steps"] = 20
    optimizer: Optimizer = exported(program)(params, **options)
    return optimizer


def by_interpreter(program: Program, steps: int, nudge: float = 0.0) -> list[list[np.ndarray[Any, Any]]]:
    """The weights after each step, from weights and gradients that are a little off where `nudge` is."""
    weights = [w * (1 + nudge) for w in random_arrays(0)]
    lr = program.defaults["lr"]
    states = start(program, weights, lr)
    path = []
    for t in range(1, steps + 1):
        grads = [g * (1 - nudge) for g in random_arrays(t)]
        weights, states = step(program, weights, grads, states, t=t, lr=lr, total_steps=20, loss=0.25 * t)
        path.append(weights)
    return path


def by_torch(program: Program, steps: int, dtype: torch.dtype = torch.float64) -> list[list[np.ndarray[Any, Any]]]:
    params = [nn.Parameter(torch.tensor(w, dtype=dtype)) for w in random_arrays(0)]
    optimizer = make(program, params)
    path = []
    for t in range(1, steps + 1):
        for p, g in zip(params, random_arrays(t), strict=True):
            p.grad = torch.tensor(g, dtype=dtype)
        optimizer.step(lambda t=t: 0.25 * t)  # type: ignore[misc]
        path.append([p.detach().numpy().copy() for p in params])
    return path


def assert_same(ours: Sequence[Any], theirs: Sequence[Any], rtol: float = 1e-10) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_agrees_with_the_interpreter(name: str) -> None:
    program = PROGRAMS[name]
    for ours, theirs in zip(by_torch(program, 8), by_interpreter(program, 8), strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("name", PROGRAMS)
def test_runs_in_float32(name: str) -> None:
    ours, truth = by_torch(PROGRAMS[name], 3, torch.float32)[-1], by_interpreter(PROGRAMS[name], 3)[-1]
    assert all(x.dtype == np.float32 for x in ours)
    for a, b in zip(ours, truth, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


ROUNDED = (
    "cos sin tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 exp10 expm1 log log2 log10 "
    "log1p sqrt cbrt power total mean_over"
).split()


@contextmanager
def other_rounding(nudge: float) -> Iterator[None]:
    """The interpreter with functions that are a little off, and with torch's sign, which is 0 for nan."""

    def off(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: function(*args) * (1 + nudge)

    with pytest.MonkeyPatch.context() as patch:
        for name in ROUNDED:
            patch.setattr(NUMPY, name, off(getattr(NUMPY, name)))
        patch.setattr(NUMPY, "sign", lambda x: np.where(np.isnan(x), 0.0, np.sign(x)))
        yield


def agrees_where_stable(program: Program) -> None:
    """Equal to the interpreter, unless rounding errors alone would already make a difference."""
    with other_rounding(0.0):
        truth = by_interpreter(program, 2)[-1]
    for nudge in (1e-14, -1e-14):
        with other_rounding(nudge):
            other = by_interpreter(program, 2, nudge)[-1]
        assume(all(np.allclose(a, b, rtol=1e-11, atol=0, equal_nan=True) for a, b in zip(truth, other, strict=True)))
    assert_same(by_torch(program, 2)[-1], truth, 1e-8)


quick = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("op", PRIMITIVES)
def test_every_primitive_agrees_with_the_interpreter(op: str) -> None:
    quick(given(program_using(op))(agrees_where_stable))()


@settings(quick, max_examples=60)
@given(programs())
def test_random_programs_agree_with_the_interpreter(program: Program) -> None:
    agrees_where_stable(program)


# --- torch's own optimizers


def network() -> tuple[nn.Module, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=torch.float64) * 0.5)
    x, y = (torch.randn(20, n, generator=generator, dtype=torch.float64) for n in (5, 3))
    return model, x, y


def groups(model: nn.Module, **second: float) -> list[dict[str, Any]]:
    params = list(model.parameters())
    return [{"params": params[:2]}, {"params": params[2:], **second}]


def train(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def saved_and_loaded(optimizer: Optimizer, fresh: Optimizer) -> Optimizer:
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer))
    return fresh


ADAM = {"lr": 3e-3, "beta1": 0.8, "beta2": 0.97, "eps": 1e-6}
TWINS: dict[str, tuple[dict[str, float], Callable[[Any], Optimizer]]] = {
    "sgd": ({"lr": 0.03}, lambda p: torch.optim.SGD(p, lr=0.03)),
    "momentum": (
        {"lr": 0.03, "beta": 0.7, "weight_decay": 0.1},
        lambda p: torch.optim.SGD(p, lr=0.03, momentum=0.7, weight_decay=0.1),
    ),
    "adam": (ADAM, lambda p: torch.optim.Adam(p, lr=3e-3, betas=(0.8, 0.97), eps=1e-6)),
    "adamw": (
        {**ADAM, "weight_decay": 0.3},
        lambda p: torch.optim.AdamW(p, lr=3e-3, betas=(0.8, 0.97), eps=1e-6, weight_decay=0.3),
    ),
}


@pytest.mark.parametrize("reload", [False, True], ids=["straight", "saved and loaded half-way"])
@pytest.mark.parametrize("name", TWINS)
def test_equals_torch(name: str, reload: bool) -> None:
    options, twin = TWINS[name]
    second = {"lr": 0.01} | ({"weight_decay": 0.02} if "weight_decay" in options else {})
    (ours, x, y), (theirs, _, _) = network(), network()
    optimizer = exported(reference(name))(groups(ours, **second), **options)
    train(ours, optimizer, x, y, 25)
    if reload:
        optimizer = saved_and_loaded(optimizer, exported(reference(name))(groups(ours)))
    train(ours, optimizer, x, y, 25)
    train(theirs, twin(groups(theirs, **second)), x, y, 50)
    assert_same([p.detach() for p in ours.parameters()], [p.detach() for p in theirs.parameters()])


def test_rmsprop_and_lion_equal_their_formulas() -> None:
    for name, formula in (("rmsprop", _rmsprop), ("lion", _lion)):
        params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
        options = {"lr": 0.02, "rho": 0.8, "eps": 1e-3} if name == "rmsprop" else {"lr": 0.02, "weight_decay": 0.1}
        optimizer = exported(reference(name))(params, **options)
        weights, memory = random_arrays(0), [np.zeros(shape) for shape in SHAPES]
        for t in range(50):
            for i, g in enumerate(random_arrays(t)):
                params[i].grad = torch.tensor(g)
                weights[i], memory[i] = formula(weights[i], g, memory[i])
            optimizer.step()
        assert_same([p.detach() for p in params], weights)


def _rmsprop(w: Any, g: Any, v: Any) -> tuple[Any, Any]:
    v = 0.8 * v + 0.2 * g**2
    return w - 0.02 * g / np.sqrt(v + 1e-3), v


def _lion(w: Any, g: Any, m: Any) -> tuple[Any, Any]:
    update = np.sign(0.9 * m + 0.1 * g) + 0.1 * w
    return w - 0.02 * update, 0.99 * m + 0.01 * g


# --- a good torch citizen


def two_steps(optimizer: Optimizer, params: Sequence[Tensor], seed: int = 1) -> None:
    for t in (seed, seed + 1):
        for p, g in zip(params, random_arrays(t), strict=True):
            p.grad = torch.tensor(g, dtype=p.dtype)
        optimizer.step(lambda: 0.5)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", PROGRAMS)
def test_saving_copying_and_pickling_change_nothing(name: str, dtype: torch.dtype) -> None:
    params = [nn.Parameter(torch.tensor(w, dtype=dtype)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    two_steps(optimizer, params)
    both: list[Any] = [copy.deepcopy((params, optimizer)), pickle.loads(pickle.dumps((params, optimizer)))]
    twin = copy.deepcopy(params)
    both.append((twin, saved_and_loaded(optimizer, make(PROGRAMS[name], twin))))
    two_steps(optimizer, params, 3)
    for others, copied in both:
        two_steps(copied, others, 3)
        assert all(torch.equal(a, b) for a, b in zip(params, others, strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_updates_in_place_and_leaves_gradients_alone(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    addresses = [p.data_ptr() for p in params]
    two_steps(optimizer, params)
    memory = [v.data_ptr() for p in params for v in optimizer.state[p].values() if isinstance(v, Tensor)]
    two_steps(optimizer, params, 3)
    assert addresses == [p.data_ptr() for p in params]
    assert memory == [v.data_ptr() for p in params for v in optimizer.state[p].values() if isinstance(v, Tensor)]
    assert len({*memory, *addresses}) == len(memory) + len(addresses)
    assert_same([p.grad for p in params], random_arrays(4))
    assert all(optimizer.state[p]["step"] == 4 for p in params)


@pytest.mark.parametrize("name", PROGRAMS)
def test_maximize_is_the_negative_gradient_and_loss(name: str) -> None:
    up = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    down = copy.deepcopy(up)
    for sign, params, maximize in ((1, up, True), (-1, down, False)):
        optimizer = make(PROGRAMS[name], params, maximize=maximize)
        for p, g in zip(params, random_arrays(1), strict=True):
            p.grad = torch.tensor(sign * g)
        optimizer.step(lambda sign=sign: sign * 0.5)  # type: ignore[misc]
    assert all(torch.equal(a, b) for a, b in zip(up, down, strict=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_parameter_without_a_gradient_waits(name: str) -> None:
    params = [nn.Parameter(torch.tensor(w)) for w in random_arrays(0)]
    optimizer = make(PROGRAMS[name], params)
    optimizer.step(lambda: 0.5)
    assert not optimizer.state
    params[0].grad = torch.tensor(random_arrays(1)[0])
    optimizer.step(lambda: 0.5)
    assert [len(optimizer.state.get(p, ())) > 0 for p in params] == [True, False, False]
    assert torch.equal(params[1], torch.tensor(random_arrays(0)[1]))
    two_steps(optimizer, params)
    assert [optimizer.state[p]["step"] for p in params] == [3, 2, 2]
    assert all(p.isfinite().all() for p in params)


def test_the_global_norm_is_over_the_parameters_that_have_a_gradient() -> None:
    program = parse("def f(w, g, *, lr=1):\n    return w - lr * g / global_norm(g)")
    params = [nn.Parameter(torch.zeros(2)) for _ in range(3)]
    optimizer = exported(program)([{"params": params[:1]}, {"params": params[1:]}])
    params[0].grad, params[2].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    optimizer.step()
    torch.testing.assert_close(torch.stack([*params]), torch.tensor([[-0.6, 0.0], [0.0, 0.0], [0.0, -0.8]]))


def test_the_closure_runs_with_gradients_and_its_loss_comes_back() -> None:
    p = nn.Parameter(torch.tensor([3.0]))
    optimizer = exported(reference("sgd"))([p], lr=0.5)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    assert optimizer.step(closure) == 9.0
    assert p.item() == 0.0
    assert optimizer.step() is None


@pytest.mark.parametrize("name", PROGRAMS)
def test_scalars_and_strided_parameters(name: str) -> None:
    """A parameter without dimensions is one row of one; memory order does not matter."""
    scalar = nn.Parameter(torch.tensor(0.5))
    plain = nn.Parameter(torch.tensor(random_arrays(0)[2]))
    strided = nn.Parameter(plain.detach().clone(memory_format=torch.channels_last))
    for params in ([scalar, plain], [copy.deepcopy(scalar), strided]):
        optimizer = make(PROGRAMS[name], params)
        for t in (1, 2):
            params[0].grad, params[1].grad = torch.tensor(0.1 * t), torch.tensor(random_arrays(t)[2])
            optimizer.step(lambda: 0.5)
        assert params[0].shape == ()
        assert params[0].isfinite()
    torch.testing.assert_close(strided.detach(), plain.detach(), rtol=1e-12, atol=0)


def test_schedulers_and_group_options_are_read_at_each_step() -> None:
    program = parse("def f(w, g, *, lr=1, a=1):\n    return w - lr * a * base_lr * g")
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = exported(program)([p], lr=0.5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (t + 2))
    moved = []
    for a in (1.0, 3.0):
        optimizer.param_groups[0]["a"] = a
        p.grad, before = torch.ones_like(p), p.item()
        optimizer.step()
        scheduler.step()
        moved.append(before - p.item())
    np.testing.assert_allclose(moved, [0.5 / 2 * 0.5, 0.5 / 3 * 3 * 0.5])


def test_base_lr_without_a_scheduler_is_the_first_lr() -> None:
    program = parse("def f(w, g, s=lr, *, lr=1):\n    return w - base_lr * s * g, s")
    p = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = exported(program)([p], lr=0.5)
    for lr in (0.5, 0.1):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = torch.ones_like(p)
        optimizer.step()
    assert p.item() == -0.5


def test_refuses_what_it_cannot_do_in_one_sentence_and_moves_nothing() -> None:
    first, second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3, 2))
    optimizer = exported(reference("adam"))([first, second])
    first.grad, second.grad = torch.ones(2), torch.ones(3, 2).to_sparse()
    with pytest.raises(RuntimeError, match=r"^Adam works with dense real gradients only\.$"):
        optimizer.step()
    assert torch.equal(first, torch.ones(2))
    assert not any(optimizer.state.values())
    strange = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    strange.grad = torch.ones_like(strange)
    with pytest.raises(RuntimeError, match="dense real gradients"):
        exported(reference("sgd"))([strange]).step()
    with pytest.raises(ValueError, match=r"^lr must not be negative and is -1\.$"):
        exported(reference("sgd"))([first], lr=-1)
    with pytest.raises(ValueError, match="negative"):
        exported(reference("sgd"))([{"params": [first], "lr": -1}])
    with pytest.raises(TypeError, match="total_steps"):
        exported(PROGRAMS["planned"])([first])
    reads_loss = parse("def polyak(w, g, *, lr=1):\n    return w - lr * loss / dot(g, g) * g")
    with pytest.raises(RuntimeError, match=r"^Polyak reads the loss: call step\(closure\)\.$"):
        exported(reads_loss)([first]).step()
    for name in ("class", "two words", "Tensor", "1"):
        with pytest.raises(ValueError, match="cannot be the name of a class"):
            source(reference("sgd"), name)


def test_the_class_is_made_once_and_has_a_name() -> None:
    assert to_torch(reference("adamw")) is to_torch(parse(Path("primitives/zoo/adamw.opt").read_text()))
    assert exported(reference("adamw")).__name__ == "Adamw"
    assert "class Mine(torch.optim.Optimizer)" in source(reference("adamw"), "Mine")
    renamed = {
        parse(f"def {name}(w, g, *, lr=1):\n    return w - lr * g") for name in ("none", "zip", "tensor", "_1", "w")
    }
    assert all(issubclass(exported(program), Optimizer) for program in renamed)


# --- the file


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
    [cls] = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, torch.optim.Optimizer)]
    model = torch.nn.Linear(4, 3)
    options = {"total_steps": 9} if path.stem == "exported_planned" else {}
    optimizer = cls(model.parameters(), **options)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).square().sum().backward()
        optimizer.step(lambda: 1.0)
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
    assert "    m = beta1 * m + (1 - beta1) * g\n" in text
    assert "    update = m / (1 - beta1**t) / (torch.sqrt(v / (1 - beta2**t)) + eps) + weight_decay * w\n" in text
    assert "reshape" not in text
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert reference("adamw").doc in doc
    assert "update = bias_correct(m, beta1, t)" in doc


@settings(quick, max_examples=30)
@given(programs(), st.text().filter(lambda doc: doc.isprintable()))
def test_any_program_and_note_gives_a_file_that_compiles(program: Program, note: str) -> None:
    compile(source(program, notes=[note]), "exported", "exec")
