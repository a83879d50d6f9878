"""Every machine against the reference interpreter, and a replica's result against its own in other company."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from primitives.bytecode import UnsupportedError, compile_program
from primitives.machines import kernels
from primitives.machines.numba_machine import NumbaMachine
from primitives.machines.torch_machine import TorchMachine
from primitives.namespaces import NUMPY
from primitives.primitive import Primitive
from primitives.program import Assign, Call, Program, State
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse, parse_expr, show
from tests.primitives.batches import LOSS, TOTAL, Array, Batch, Problem, interpret, rounding_noise, run
from tests.primitives.random_programs import random_program

MACHINES = pytest.mark.parametrize("machine", [NumbaMachine, TorchMachine])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
STEPS = 3


def check_agreement(machine: type, programs: Sequence[Program], problem: Problem, lr: Sequence[float]) -> None:
    """Equal up to a few times what noise of rounding does, and a few units in the last place."""
    found = run(machine, programs, problem, lr)
    for row, program in enumerate(programs):
        truth = interpret(program, problem, row, lr[row])
        noisy = []
        for seed in range(8):
            with rounding_noise(seed, problem.dtype):
                noisy.append(interpret(program, problem, row, lr[row]))
        for t in range(problem.steps):
            for k in range(len(problem.shapes)):
                others = np.stack([run[t][k] for run in noisy])
                fault = disagreement(found[t][row][k], truth[t][k], others)
                assert not fault, f"step {t + 1}, tensor {k}, lr {lr[row]}: {fault}\n{show(program)}"


def disagreement(found: Array, truth: Array, noisy: Array) -> str:
    """What is wrong with an array, in words; noise that moves values in or out of the finite allows anything."""
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        spread = np.abs(noisy - truth).max(axis=0)
        if np.isfinite(spread).any():  # the few runs may miss one element of many
            spread = np.maximum(spread, np.median(spread[np.isfinite(spread)]))
        tolerance = 8 * spread + 8 * info.eps * np.abs(truth) + info.smallest_normal
        error = np.abs(found.astype(np.float64) - truth)
        same = (found == truth) | (np.isnan(found) & np.isnan(truth)) | (error <= tolerance)
    alike = (np.isfinite(noisy) & np.isfinite(truth)) | (noisy == truth) | (np.isnan(noisy) & np.isnan(truth))
    bad = alike.all(axis=0) & ~same
    if not bad.any():
        return ""
    i = np.argwhere(bad)[0]
    return f"{bad.sum()} differ, first at {i}: {found[tuple(i)]} for {truth[tuple(i)]} +- {tolerance[tuple(i)]}"


@MACHINES
@DTYPES
@pytest.mark.parametrize("seed", range(0, 120, 6))
def test_random_programs_agree_with_the_interpreter(machine, dtype, seed):
    programs = [random_program(i) for i in range(seed, seed + 6) for _ in range(2)]
    problem = Problem(len(programs), STEPS, dtype, seed=seed)
    check_agreement(machine, programs, problem, [0.01, 0.5] * 6)


POINTWISE = [p for p in PRIMITIVES.values() if p.form == "pointwise"]
CONSTANTS = (0.75, -2.0, 3.0, 1e-8)


def domain(dtype: type, dense: bool) -> Array:
    """Magnitudes of the whole range in both signs, the neighbourhoods of 0 and 1, halves, and what is no number."""
    info = np.finfo(dtype)
    exponents = np.arange(info.minexp - 10, info.maxexp, 0.37 if dense else 23.1)
    near = np.concatenate(
        [1 + np.arange(-9, 10) * info.eps, np.linspace(0, 4, 200 if dense else 9), 1 / np.arange(1, 7)]
    )
    positive = np.concatenate([np.exp2(exponents), near, [info.max, info.tiny, 88.7, 103.0, 709.5, np.inf]])
    return np.concatenate([positive, -positive, [np.nan]]).astype(dtype)


def applied(machine: type, op: str, args: Sequence[Array | float]) -> Array:
    """A primitive on a machine: arrays come as one gradient a step and wait in states, numbers are constants."""
    arrays = [x for x in args if isinstance(x, np.ndarray)]
    slots = iter([*(f"s{i}" for i in range(1, len(arrays))), "g"])
    call = Call(op, tuple(next(slots) if isinstance(x, np.ndarray) else x for x in args))
    states = tuple(State(f"s{i}") for i in range(1, len(arrays)))
    shifted = [*(state.name for state in states[1:]), "g"][: len(states)]
    program = parse(show(Program("f", states, (), (), (call, *shifted))))
    problem = Problem(1, len(arrays), arrays[0].dtype.type, [arrays[0].shape])
    problem.grads = [[[x]] for x in arrays]
    return run(machine, [program], problem, [0.1])[-1][0][0]


def combinations(p: Primitive, dtype: type) -> Iterator[list[Array | float]]:
    """Arguments for a primitive: arrays over the domain, and numbers in every place but all."""
    if p.arity == 1:
        yield [domain(dtype, dense=True)]
        return
    grid = [x.ravel() for x in np.meshgrid(*[domain(dtype, dense=False)] * 2)]
    rng = np.random.default_rng(0)
    arrays = [*grid, *(rng.permutation(grid[0]) for _ in range(p.arity - 2))]
    for letters in product("TS", repeat=p.arity):
        if "T" in letters:
            yield [x if letter == "T" else c for letter, x, c in zip(letters, arrays, CONSTANTS, strict=False)]


def ulps_off(found: Array, truth: Array) -> Array:
    """Distance in units in the last place of found's dtype; zero among denormals, infinite where the kind differs."""
    info = np.finfo(found.dtype)
    with np.errstate(all="ignore"):
        rounded = truth.astype(found.dtype)
        error = np.abs(found.astype(np.float64) - truth)
        off = error / np.maximum(np.spacing(np.abs(rounded)), info.smallest_normal)
        same = (found == rounded) | (np.isnan(found) & np.isnan(truth)) | (error <= 2 * info.smallest_normal)
    return np.where(same, 0, np.where(np.isnan(off), np.inf, off))


@DTYPES
@MACHINES
@pytest.mark.parametrize("p", [p for p in POINTWISE if p.arity], ids=lambda p: p.name)
def test_primitive_is_as_accurate_as_its_record_says(machine, p, dtype):
    for args in combinations(p, dtype):
        found = applied(machine, p.name, args)
        # What is exact has NumPy's bits; what is not is compared with a wider truth where there is one.
        wide = np.float64 if p.ulps else dtype
        with np.errstate(all="ignore"):
            truth = np.asarray(p.meaning(NUMPY, *(np.asarray(np.asarray(x, dtype), wide) for x in args)))
        allowed = p.ulps * (2 if dtype == np.float64 else 1) + (machine is TorchMachine)
        off = ulps_off(found, np.broadcast_to(truth, found.shape))
        if p.name == "mod" and machine is TorchMachine:  # torch makes NaN where the quotient overflows
            with np.errstate(all="ignore"):
                off[np.isnan(found) & np.isinf(np.divide(*args))] = 0
        worst = int(np.argmax(off))
        inputs = [x[worst] if isinstance(x, np.ndarray) else x for x in args]
        assert off[worst] <= allowed, f"{off[worst]} ulps at {inputs}: {found[worst]} for {truth[worst]}"


@MACHINES
@pytest.mark.parametrize("p", POINTWISE, ids=lambda p: p.name)
def test_primitive_of_numbers_is_computed_in_float64(machine, p):
    args = ", ".join(("lr", "loss", "base_lr", "T")[: p.arity])
    program = parse(f"def f(w, g, s, *, lr=0.1):\n    s = {p.name}({args})\n    return s, s\n")
    rates = [1e-300, 0.3, 1.0, 7.5]
    found = run(machine, [program] * 4, Problem(4, 1, np.float64, [(3,)]), rates)[0]
    with np.errstate(all="ignore"):
        truth = [float(p.meaning(NUMPY, *map(np.float64, (lr, LOSS, lr, TOTAL)[: p.arity]))) for lr in rates]
    np.testing.assert_allclose([model[0][0] for model in found], truth, rtol=1e-15)


REFERENCES = [p for p in map(reference, names()) if not compile_program(p).needs]
MIXTURE = [random_program(seed) for seed in (24, 1252, 1299, 1443, 1452, 77)]


@MACHINES
@DTYPES
def test_reference_programs_agree_with_the_interpreter(machine, dtype):
    programs = [program for program in REFERENCES for _ in range(2)]
    check_agreement(machine, programs, Problem(len(programs), 10, dtype), [1e-3, 1e-2] * len(REFERENCES))


@MACHINES
@DTYPES
def test_a_replica_does_not_depend_on_its_company(machine, dtype):
    """Bit for bit: alone, in a batch, in another order, and beside neighbours that are full of NaN."""
    programs = [*REFERENCES, *MIXTURE, *[EVERYTHING] * 3]
    problem = Problem(len(programs), STEPS, dtype)
    alone = [trajectory(Batch(machine, [p], problem, [row], [0.1]))[0] for row, p in enumerate(programs)]
    order = np.random.default_rng(0).permutation(len(programs)).tolist()
    together = trajectory(Batch(machine, [programs[row] for row in order], problem, order, [0.1] * len(order)))
    for place, row in enumerate(order):
        assert same_bits(together[place], alone[row]), show(programs[row])
    for row in range(1, len(programs), 2):
        for g in problem.grads[0][row]:
            g[...] = np.nan
    beside = trajectory(Batch(machine, programs, problem, range(len(programs)), [0.1] * len(programs)))
    assert all(same_bits(beside[row], alone[row]) for row in range(0, len(programs), 2))


@MACHINES
@DTYPES
def test_a_replica_does_not_depend_on_those_dropped(machine, dtype):
    programs = [*REFERENCES, *MIXTURE, EVERYTHING] * 2
    problem = Problem(len(programs), 6, dtype)
    alive = [row % 5 in (0, 3) for row in range(len(programs))]
    batch = Batch(machine, programs, problem, range(len(programs)), [0.1] * len(programs))
    for t in range(1, 4):
        batch.step(t)
    batch.keep(alive)
    after = [batch.step(t) for t in range(4, 7)]
    rows = [row for row, stays in enumerate(alive) if stays]
    never = Batch(machine, [programs[row] for row in rows], problem, rows, [0.1] * len(rows))
    expected = [never.step(t) for t in range(1, 7)][3:]
    for row, *models in zip(rows, *after, *expected, strict=True):
        assert all(map(same_bits, models[:3], models[3:])), show(programs[row])


@pytest.mark.parametrize(
    ("update", "needs"), [("matmul(inv_root(matmul(g, transpose(g)), 2, 1), g)", "matrix"), ("hvp(g)", "oracle")]
)
def test_the_machine_for_cpus_refuses_in_one_sentence(update, needs):
    program = parse(f"def f(w, g, *, lr=0.1):\n    return w - lr * {update}\n")
    with pytest.raises(
        UnsupportedError, match=f"NumbaMachine has tensors, numbers and products of matrices, no {needs}"
    ):
        Batch(NumbaMachine, [program], Problem(1, 1, np.float32), [0], [0.1])


@MACHINES
def test_keeping_nothing_leaves_an_empty_batch(machine):
    count = len(REFERENCES)
    batch = Batch(machine, REFERENCES, Problem(count, 2, np.float32), range(count), [0.1] * count)
    batch.step(1)
    batch.keep([False] * count)
    assert batch.step(2) == []


def everything() -> Program:
    """A program that adds up every pointwise primitive and reduction, bounded, with 0.25 in the place of NaN."""
    terms = [Call(p.name, ("g", "s")[: p.arity]) for p in PRIMITIVES.values() if p.form in ("reduction", "model")]
    for p in POINTWISE:
        terms += [Call(p.name, args[: p.arity]) for args in (("g", "w", 0.3, "s"), ("s", "lr", "g", "w")) if p.arity]
    body = []
    total: str | float = 0.0
    for i, term in enumerate(terms):
        body.append(Assign(f"x{i}", Call("tanh", (term,))))
        known = Call("where", (Call("equal", (f"x{i}", f"x{i}")), f"x{i}", 0.25))
        body.append(Assign(f"y{i}", Call("add", (total, known))))
        total = f"y{i}"
    new_w = parse_expr("w - lr * tanh(z)", ("w", "lr", "z"))
    return Program("everything", (State("s", "w"),), (("lr", 0.1),), (*body, Assign("z", total)), (new_w, "z"))


EVERYTHING = everything()


def trajectory(batch: Batch) -> list[list[Array]]:
    """For each replica its weights, tensor after tensor and step after step."""
    steps = [batch.step(t) for t in range(1, batch.problem.steps + 1)]
    return [[x for step in steps for x in step[i]] for i in range(len(batch.rows))]


def same_bits(a: Sequence[Array], b: Sequence[Array]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def python(code: str, **environment: str) -> subprocess.Popen[str]:
    """Another process, with a cache of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | environment, text=True, stdout=subprocess.PIPE
    )


NEW_PRIMITIVE = """
from primitives import table
from primitives.primitive import primitive
table.PRIMITIVES["half"] = primitive("half", "x", lambda f, x: x / 2, "x/2", kernel="x/F(2)")
from primitives.machines import kernels
assert "D[j] = A[j] / F(2)" in kernels.source("float32")
assert ("half", "T", False) in kernels.OPCODES
from primitives.bytecode import compile_program
from primitives.text import parse
code = compile_program(parse("def f(w, g):\\n    return half(g)\\n"))
print(code.stretches[0].body[0].op)
"""


def test_a_new_entry_of_the_table_is_in_the_machine():
    process = python(NEW_PRIMITIVE)
    assert process.communicate()[0].strip() == "half"


def test_the_source_is_python_and_names_every_primitive():
    for dtype in ("float32", "float64"):
        text = kernels.source(dtype)
        ast.parse(text)
        assert len(kernels.OPCODES) == len(set(kernels.OPCODES.values()))
        assert all(f"op == {code}:" in text for code in kernels.OPCODES.values())
    assert {op for op, _, _ in kernels.OPCODES} >= {p.name for p in POINTWISE if p.arity}


def test_the_cache_is_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOSEARCH_CACHE", str(tmp_path / "here"))
    assert kernels.cache_folder() == tmp_path / "here"


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("EVOSEARCH_CACHE", str(blocked / "below"))
    folder = kernels.cache_folder()
    assert folder.is_dir()
    assert blocked not in folder.parents


def test_what_is_compiled_in_is_part_of_the_name(monkeypatch, tmp_path):
    monkeypatch.setenv("EVOSEARCH_CACHE", str(tmp_path))
    for name in kernels.COMPILED_IN:
        assert Path(kernels.__file__).with_name(name).exists()
    assert set(kernels.COMPILED_IN) >= {
        f"{name}.py" for name in ("elementary", "pointers") if f"machines.{name} import" in kernels.source("float32")
    }


COMPILE = """
import numpy as np
from primitives.machines import kernels
machine = kernels.load("float32")
code = np.array([[kernels.NUMBER_OPCODES["exp"], 1, 0, 0, 0, 0]], np.int32)
code[0, 2] = 0
numbers = np.array([1.0, 0.0])
machine.run_numbers(code, 0, 1, numbers)
print(numbers[1])
"""


def test_two_processes_may_compile_at_the_same_time(tmp_path):
    both = [python(COMPILE, EVOSEARCH_CACHE=str(tmp_path)) for _ in range(2)]
    assert [float(process.communicate()[0]) for process in both] == [pytest.approx(np.e)] * 2
    assert [process.returncode for process in both] == [0, 0]
    assert len(list(tmp_path.glob("machine_float32_*.py"))) == 1
    assert not list(tmp_path.glob("*.tmp"))
    again = python(COMPILE, EVOSEARCH_CACHE=str(tmp_path))
    assert float(again.communicate()[0]) == pytest.approx(np.e)
