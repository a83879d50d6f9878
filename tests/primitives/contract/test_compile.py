"""Compiled steps of exported optimizers: a few in each run, all of them under -m slow."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import pytest
import torch

from primitives.optimizer import to_torch
from primitives.text import parse
from tests.primitives.contract.broken import Broken, broken, twin
from tests.primitives.contract.checks_compile import COMPILE, FUSED
from tests.primitives.contract.faults import COMPILE_FAULTS
from tests.primitives.contract.specimens import exported, program, specimen, texts

CHECKS = {check.__name__: check for check in (*COMPILE, *FUSED)}
QUICK = ("sgd", "nadam", "muon", "clip_norm(adamw, max_norm=1)")
FUSED_QUICK = ("adamw", "heavy_ball")
NAMES = [name for name in texts() if specimen(name, program(name)).closure == "no"]

needs_a_compiler = pytest.mark.skipif(
    not all(map(shutil.which, ("cc", "c++"))), reason="there are no compilers of C and C++"
)


def some(names: tuple[str, ...]) -> list[object]:
    """All programs, those that are not named as slow tests."""
    return [pytest.param(name, marks=() if name in names else pytest.mark.slow) for name in NAMES]


@pytest.mark.parametrize("check", [check.__name__ for check in COMPILE])
@pytest.mark.parametrize("name", some(QUICK))
def test_an_exported_optimizer_compiles(name: str, check: str) -> None:
    CHECKS[check](exported(name))


@needs_a_compiler
@pytest.mark.parametrize("name", some(FUSED_QUICK))
def test_an_exported_optimizer_fuses(name: str) -> None:
    CHECKS["fused_does_as_the_plain_step"](exported(name))


def test_without_a_compiler_it_falls_back() -> None:
    uncompiled = parse("def uncompiled(w, g, m, *, lr=0.1):\n    m = ema(m, g, 0.9)\n    return w - lr * sign(m), m")
    CHECKS["without_a_compiler_fused_is_plain"](specimen("uncompiled", uncompiled))


KERNELS = {  # program: how many kernels of C and of torch.compile a default step makes with few and many elements
    "def {}(w, g, *, lr=1):\n    return w - lr * sign(g)": {100: (1, 0), 2**20: (1, 0)},
    "def {}(w, g, *, lr=1):\n    return w - lr * sign(g) / rms(sign(g))": {100: (0, 0), 2**19: (0, 0), 2**20: (0, 1)},
}


@needs_a_compiler
@pytest.mark.parametrize(("text", "elements"), [(text, n) for text, kernels in KERNELS.items() for n in kernels])
@pytest.mark.parametrize("foreach", [None, True])
def test_a_kernel_is_the_default_where_it_pays(text: str, elements: int, foreach: bool | None) -> None:
    if foreach and "rms" in text:
        return
    optimizer: Any = to_torch(parse(text.format(f"pays_{elements}_{foreach}")))
    w = torch.nn.Parameter(torch.ones(elements))
    w.grad = torch.ones_like(w)
    optimizer([w], foreach=foreach).step()
    assert torch.allclose(w, torch.zeros_like(w))
    module: Any = sys.modules[optimizer.__module__]
    made = tuple(make.cache_info().currsize for make in (module.c_kernel, module.kernel))
    assert made == ((0, 0) if foreach else KERNELS[text][elements])


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_optimizer_passes(check: str) -> None:
    CHECKS[check](twin("Right"))


@pytest.mark.parametrize("fault", COMPILE_FAULTS, ids=lambda fault: fault.check)
def test_a_broken_optimizer_is_noticed(fault: Broken) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        CHECKS[fault.check](broken(fault))


def test_every_check_has_a_fault_to_notice() -> None:
    assert {fault.check for fault in COMPILE_FAULTS} == {*CHECKS}


@needs_a_compiler
def test_one_program_has_kernels_for_large_and_small_models() -> None:
    lion: Any = to_torch(program("lion"))
    for shapes in (((300, 200), (200,)), ((16, 32), (16,), (16, 16), (10, 16), (1,), (3, 1, 2))):
        torch.manual_seed(0)
        params = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
        twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
        quick, plain = lion(params, fused=True), lion(twins, fused=False)
        for _ in range(2):
            for p, q in zip(params, twins, strict=True):
                p.grad = torch.randn_like(p)
                q.grad = p.grad.clone()
            quick.step()
            plain.step()
        assert all(torch.allclose(p, q, rtol=1e-5) for p, q in zip(params, twins, strict=True))


@needs_a_compiler
def test_a_kernel_takes_no_tensor_that_it_does_not_know() -> None:
    params = [torch.nn.Parameter(torch.ones(shape)) for shape in ((4, 6), (5,), (6, 4), (3, 3))]
    params[2].data = params[2].data.T  # whose elements do not lie one after the other
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    lion: Any = to_torch(program("lion"))
    plain, quick = lion(twins, fused=False), lion(params, fused=True)
    for optimizer, weights in ((plain, twins), (quick, params)):
        for seed in (1, 2):
            torch.manual_seed(seed)
            for w in weights:
                w.grad = torch.randn(w.shape)
            optimizer.step()
            optimizer.state[weights[1]]["m"] = optimizer.state[weights[1]]["m"].double()
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(params, twins, strict=True))
    quick.state[params[3]]["m"] = torch.zeros(2)
    with pytest.raises(RuntimeError, match="size"):
        quick.step()
