"""The GPU machine keeps every promise of the machine for CPUs: emulated here, and by itself where there is a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from primitives.bytecode import UnsupportedError, compile_program
from primitives.machines import gpu_machine, gpu_source, gpu_text
from primitives.machines.gpu_driver import problem
from primitives.machines.numba_machine import NumbaMachine
from primitives.table import PRIMITIVES
from primitives.text import parse, show
from tests.primitives import test_machines as contract
from tests.primitives.batches import Batch, Problem, run
from tests.primitives.gpu import EMULATED, NEEDS_COMPILER, ON_GPU, Backwards, Emulated, OnGpu, Wide
from tests.primitives.random_programs import random_program

MACHINES = pytest.mark.parametrize("machine", [EMULATED, ON_GPU])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
CLIPPED = parse("def f(w, g, *, lr=0.1):\n    return w - lr * min(1, 0.001 / global_norm(g)) * g\n")
ALL = [CLIPPED, *contract.REFERENCES, *contract.MIXTURE, contract.EVERYTHING]


@MACHINES
@DTYPES
@pytest.mark.parametrize("seed", range(0, 120, 30))
def test_random_programs_agree_with_the_interpreter(machine, dtype, seed):
    contract.test_random_programs_agree_with_the_interpreter(machine, dtype, seed)


@MACHINES
@DTYPES
def test_reference_programs_agree_with_the_interpreter(machine, dtype):
    programs = contract.REFERENCES
    problem = Problem(len(programs), 2, dtype)
    contract.check_agreement(machine, programs, problem, [1e-2] * len(programs))


@MACHINES
@DTYPES
@pytest.mark.parametrize("p", [p for p in contract.POINTWISE if p.arity], ids=lambda p: p.name)
def test_primitive_is_as_accurate_as_its_record_says(machine, p, dtype):
    if machine is OnGpu and dtype is np.float64 and p.ulps:  # CUDA's own functions, which may be off by three units
        p = replace(p, ulps=p.ulps + 1)
    contract.test_primitive_is_as_accurate_as_its_record_says(machine, p, dtype)


@MACHINES
@pytest.mark.parametrize("p", contract.POINTWISE, ids=lambda p: p.name)
def test_primitive_of_numbers_is_computed_in_float64(machine, p):
    contract.test_primitive_of_numbers_is_computed_in_float64(machine, p)


@MACHINES
@DTYPES
def test_a_replica_does_not_depend_on_its_company(machine, dtype):
    contract.test_a_replica_does_not_depend_on_its_company(machine, dtype)


@MACHINES
@DTYPES
def test_a_replica_does_not_depend_on_those_dropped(machine, dtype):
    contract.test_a_replica_does_not_depend_on_those_dropped(machine, dtype)


@MACHINES
def test_keeping_nothing_leaves_an_empty_batch(machine):
    contract.test_keeping_nothing_leaves_an_empty_batch(machine)


@NEEDS_COMPILER
def test_it_moves_weights_as_the_machine_for_cpus_does_bit_for_bit():
    programs = [
        p for p in [*ALL, *map(random_program, range(300, 340))] if "power" not in show(p) and "**" not in show(p)
    ]
    problem = Problem(len(programs), contract.STEPS, np.float32)
    ours, theirs = (run(machine, programs, problem, [0.1] * len(programs)) for machine in (Emulated, NumbaMachine))
    for step, other in zip(ours, theirs, strict=True):
        for found, wanted, program in zip(step, other, programs, strict=True):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=show(program))


@NEEDS_COMPILER
@DTYPES
@pytest.mark.parametrize("other", [Backwards, Wide])
def test_no_thread_reads_what_another_has_not_finished(dtype, other):
    """Threads of a block in another order, or more of them (which add up in another order, in float64)."""
    problem = Problem(len(ALL), contract.STEPS, dtype)
    runs = [
        contract.trajectory(Batch(machine, ALL, problem, range(len(ALL)), [0.1] * len(ALL)))
        for machine in (Emulated, other)
    ]
    for first, second, program in zip(*runs, ALL, strict=True):
        if other is Backwards:
            assert contract.same_bits(first, second), show(program)
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == np.float32 else 1e-9, err_msg=show(program))


@NEEDS_COMPILER
@pytest.mark.parametrize(("update", "needs"), [("row_mean(g)", "products"), ("hvp(g)", "oracle")])
def test_it_refuses_matrices_and_oracles_in_one_sentence(update, needs):
    program = parse(f"def f(w, g, *, lr=0.1):\n    return w - lr * {update}\n")
    with pytest.raises(UnsupportedError, match=f"GpuMachine has tensors and numbers only, no {needs}"):
        Batch(Emulated, [program], Problem(1, 1, np.float32), [0], [0.1])


@NEEDS_COMPILER
def test_it_refuses_what_shared_memory_cannot_hold():
    program = parse("def f(w, g, m, *, lr=0.1):\n    m = m + norm(g)\n    return w - lr * m, m\n")
    with pytest.raises(UnsupportedError, match="bytes of shared memory, and there are 232448; TorchMachine takes it"):
        Batch(Emulated, [program], Problem(1, 1, np.float32, [(1,)] * 3000), [0], [0.1])


def test_the_kernel_has_every_primitive_and_moves_memory_once():
    for dtype in ("float32", "float64"):
        text = gpu_source.source(dtype, 128)
        for p in PRIMITIVES.values():
            if p.form in ("reduction", "model") or (p.form == "pointwise" and p.arity):
                assert f"case {gpu_source.OPCODES[p.name]}: {{  // {p.name}\n" in text
    adam = compile_program(contract.reference("adam"))
    rows, [ends] = gpu_machine.Packed([adam]).rows[0], gpu_machine.Packed([adam]).stretches[0]
    ops = rows[int(ends[1]) : int(ends[4]), 0].tolist()
    assert (ops.count(gpu_source.OPCODES["load"]), ops.count(gpu_source.OPCODES["store"])) == (4, 3)


def test_what_has_no_form_in_c_is_said_in_one_sentence():
    names = gpu_text.functions("float32")
    assert gpu_text.expression("x if x != x or x > y else y", names) == "(((x != x) || (x > y)) ? x : y)"
    with pytest.raises(ValueError, match=r"`\[x\]` has no translation to CUDA C"):
        gpu_text.expression("[x]", names)


def test_a_missing_gpu_is_one_clause(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert problem("cuda").startswith("torch sees no CUDA device here")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert problem("cuda:3") == "there is no cuda:3, torch sees 1 CUDA device"
    monkeypatch.setattr("primitives.machines.gpu_driver._nvrtc_path", lambda: "")
    assert problem("cuda:0").startswith("NVRTC, which compiles the GPU's kernel, is not installed")
    assert problem("cpu") == ""
