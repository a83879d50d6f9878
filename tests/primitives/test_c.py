"""Rules in C: what a kernel computes is what the plain step computes, for every primitive, dtype and size."""

from __future__ import annotations

import re
import shutil
import sys
import warnings
from typing import Any

import pytest
import torch

from primitives.c_text import TAKEN, c_text
from primitives.optimizer import to_torch
from primitives.program import Program
from primitives.reference import reference
from primitives.table import PRIMITIVES
from primitives.text import parse
from primitives.torch_c import C_STEP
from tests.primitives.exporting import ALL

pytestmark = pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler")

POINTWISE = [p for p in PRIMITIVES.values() if p.form == "pointwise" and p.args]
PARTS = [POINTWISE[i::3] for i in range(3)]  # as many programs, each with a state for each primitive
VALUES = [0.0, -0.0, 1e-30, -1e-30, 0.3, -0.7, 1.0, -1.0, 2.5, -3.0, 88.0, -90.0, 1e20, float("inf"), -float("inf")]


def every(part: int) -> Program:
    """A program in which each primitive of a part gives a state of its own."""
    arguments = ["g", "other", "w * g", "w"]
    states = [f"s{i}" for i in range(len(PARTS[part]))]
    lines = [f"    s{i} = {p.name}({', '.join(arguments[: p.arity])})" for i, p in enumerate(PARTS[part])]
    return parse(f"""def part_{part}(w, g, {", ".join(states)}, other=0.5, *, lr=0.1):
{chr(10).join(lines)}
    return w - lr * g, {", ".join(states)}, other * -1.5
""")


def steps(program: Program, weights: list[torch.Tensor], gradients: list[list[torch.Tensor]], **options: Any) -> Any:
    """Weights and states after steps with these gradients."""
    params = [torch.nn.Parameter(w.clone()) for w in weights]
    kind: Any = to_torch(program)
    optimizer = kind(params, **options)
    for given in gradients:
        for p, g in zip(params, given, strict=True):
            p.grad = g.clone()
        optimizer.step()
    return [p.detach() for p in params], [optimizer.state[p] for p in params]


def compiled(program: Program) -> int:
    """How many kernels in C were made for a program."""
    module: Any = sys.modules[to_torch(program).__module__]
    return int(module.c_kernel.cache_info().currsize)


def both(program: Program, weights: list[torch.Tensor], gradients: list[list[torch.Tensor]]) -> tuple[Any, Any]:
    """What the plain and the fused step come to; the latter without a warning."""
    plain = steps(program, weights, gradients, fused=False, foreach=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick = steps(program, weights, gradients, fused=True)
    assert compiled(program)
    return plain, quick


def random(shapes: list[tuple[int, ...]], seed: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("part", range(len(PARTS)))
def test_every_primitive_is_what_it_is_in_torch(part: int, dtype: torch.dtype) -> None:
    values = torch.tensor([*VALUES, float("nan")], dtype=dtype)
    grid = torch.cartesian_prod(values, values)
    plain, quick = both(every(part), [grid[:, 0]], [[grid[:, 1]], [grid[:, 0]]])
    rtol, atol = (2e-6, 1e-37) if dtype == torch.float32 else (1e-13, 1e-300)
    for i, p in enumerate(PARTS[part]):
        new, expected = (states[0][f"s{i}"] for _, states in (quick, plain))
        assert torch.allclose(new, expected, rtol=rtol, atol=atol, equal_nan=True), p.name


@pytest.mark.parametrize("name", ALL)
def test_every_program_steps_alike(name: str) -> None:
    program = ALL[name]
    kind: Any = to_torch(program)
    if kind.fused_from or kind.needs_closure:
        pytest.skip("its rule needs whole tensors, or the loss")
    shapes = [(30, 20), (7,), (), (0,), (3, 4, 5)]
    gradients = [random(shapes, seed, torch.float64) for seed in range(1, 5)]
    options = {"total_steps": 10} if "total_steps" in str(kind.__init__.__annotations__) else {}
    weights = random(shapes, 0, torch.float64)
    plain = steps(program, weights, gradients, fused=False, **options)
    quick = steps(program, weights, gradients, **options)
    assert compiled(program)
    torch.testing.assert_close(quick, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_other_types_of_weights(dtype: torch.dtype) -> None:
    shapes = [(33, 17), (5,)]
    gradients = [random(shapes, seed, dtype) for seed in range(1, 6)]
    plain, quick = both(reference("lion"), random(shapes, 0, dtype), gradients)
    assert all(torch.equal(a, b) for a, b in zip(plain[0], quick[0], strict=True))
    assert all(torch.equal(a["m"], b["m"]) for a, b in zip(plain[1], quick[1], strict=True))


def test_bfloat16_is_rounded_as_torch_rounds_it() -> None:
    wide = torch.arange(0, 2**32, 65_521, dtype=torch.int64).to(torch.int32).view(torch.float32)  # ties among them
    ties = (torch.arange(2**15, dtype=torch.int32) << 16 | 0x8000).view(torch.float32)
    values = torch.cat([wide, ties, torch.tensor([float("nan"), float("inf"), -float("inf")])])
    program = parse("def rounded(w, g, s, *, lr=1):\n    return w * 0 + s - lr * g, s + g")
    zero = torch.zeros(len(values), dtype=torch.bfloat16)
    params = [torch.nn.Parameter(zero.clone()) for _ in range(2)]
    kind: Any = to_torch(program)
    for p, fused in zip(params, (True, False), strict=True):
        optimizer = kind([p], fused=fused)
        p.grad = zero.clone()
        optimizer.step()
        optimizer.state[p]["s"].copy_(values)
        optimizer.step()
    torch.testing.assert_close(params[0], params[1], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("sizes", [[1], [15], [16, 17], [40_000], [1, 33_333, 5, 100_003, 64]])
def test_every_element_is_updated_once_whatever_the_threads(sizes: list[int]) -> None:
    program = parse("def counted(w, g, n, *, lr=1):\n    return w - lr * g, n + 1")
    weights, gradients = [torch.zeros(n) for n in sizes], [[torch.ones(n) for n in sizes]] * 2
    new, states = steps(program, weights, gradients, fused=True)
    assert all(torch.equal(w, torch.full_like(w, -2)) for w in new)
    assert all(torch.equal(state["n"], torch.full_like(state["n"], 2)) for state in states)


def test_a_backward_pass_notices_that_weights_have_changed() -> None:
    w = torch.nn.Parameter(torch.ones(3))
    kind: Any = to_torch(reference("sgd"))
    loss = (w * w).sum()
    torch.autograd.backward(loss, retain_graph=True)
    kind([w], fused=True).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.backward(loss)


def test_names_that_c_has_taken_are_left_to_torch() -> None:
    program = parse("def taken(w, g, double, *, lr=0.1, count=0.5):\n    return w - lr * double, ema(double, g, count)")
    assert "IN_C" not in vars(sys.modules[to_torch(program).__module__])
    assert c_text(["return w - g,"], ["w", "g"], ["long"]) is None
    assert c_text(["return w - g,"], ["w", "g"], ["longer"]) == "w = w - g;"


def test_states_of_several_types_in_one_bucket_are_updated_apart() -> None:
    kind: Any = to_torch(reference("momentum"))
    params = [torch.nn.Parameter(w) for w in random([(5,), (5,)], 0)]
    optimizer = kind(params, fused=True)
    for _ in range(2):
        for p in params:
            p.grad = torch.ones(5)
        optimizer.step()
        optimizer.state[params[0]]["p"] = optimizer.state[params[0]]["p"].double()
    assert [optimizer.state[p]["p"].tolist() for p in params] == [pytest.approx([1.9] * 5)] * 2


def test_what_the_function_itself_declares_is_taken() -> None:
    declared = re.findall(r"\b(?:int64_t|int|double) \*?(\w+)", C_STEP.partition("void step")[2])
    assert {"threads", "from", "to"} <= set(declared)
    assert {*declared, "ahead"} <= TAKEN
    program = parse("def shy(w, g, k, *, lr=0.1, to=0.5):\n    return w - lr * k * to, ema(k, g, to)")
    assert "IN_C" not in vars(sys.modules[to_torch(program).__module__])
    assert c_text(["return (w - k, k)"], ["w", "g", "k"], [])


def test_new_values_are_made_of_old_ones() -> None:
    assert c_text(["m_ = m", "return (m, w)"], ["w", "g", "m"], []) == (
        "real m_ = m;\nreal new_w = m;\nreal new_m = w;\nw = new_w;\nm = new_m;"
    )


def test_what_needs_whole_tensors_has_no_text() -> None:
    assert c_text(["return w - g / torch.linalg.vector_norm(g),"], ["w", "g"], []) is None
    assert c_text(["return (w @ g,)"], ["w", "g"], []) is None


def test_a_minus_after_a_minus_counts_nothing_down() -> None:
    program = parse("def f(w, g, *, lr=0.1):\n    x = --w\n    return w - lr * (x - -g + ---w)\n")
    plain, fused = both(program, [torch.randn(40)], [[torch.randn(40)]])
    torch.testing.assert_close(fused, plain)
