"""The contract on torch.compile: one graph for all steps and rates, and the fused step, which compiles itself."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
import torch._dynamo
from torch._dynamo.testing import CompileCounter

from tests.primitives.contract.driving import assert_near, parameters, run, states, tensors
from tests.primitives.contract.specimens import Optimizer, Specimen

SMALL = ((2, 3), (4,))


def compiled_steps(s: Specimen, optimizer: Optimizer, params: list[Any], seeds: list[int], lr: Any) -> int:
    """Steps of a compiled step, whose lr is another at each; returns the number of graphs that were made."""
    torch._dynamo.reset()
    counter = CompileCounter()  # counts, and runs the graphs as they are
    step = torch.compile(optimizer.step, backend=counter, fullgraph=True)
    for seed in seeds:
        for p, g in zip(params, tensors(seed, SMALL), strict=True):
            p.grad = g
        if isinstance(lr, torch.Tensor):
            lr.fill_(s.lr / seed)
        step()
    return int(counter.frame_count)


def a_step_is_one_graph(s: Specimen) -> None:
    """Whatever the step and the rate in a tensor, and for a fixed rate that is a number; it moves as without."""
    tensor = torch.tensor(s.lr, dtype=torch.float64)
    for capturable, lr in ((False, s.lr), (False, tensor), (True, tensor)):
        params, twins = parameters(SMALL), parameters(SMALL)
        optimizer, twin = s.make(params, lr=lr, capturable=capturable), s.make(twins)
        run(s, optimizer, params, [1])
        run(s, twin, twins, [1])
        assert compiled_steps(s, optimizer, params, [2, 3, 4, 5, 6], lr) == 1
        for seed in (2, 3, 4, 5, 6):
            twin.param_groups[0]["lr"] = s.lr / seed if lr is tensor else s.lr
            run(s, twin, twins, [seed])
        assert_near(params, twins, rtol=1e-5)
        assert [float(state["step"]) for state in states(optimizer)] == [6, 6]
        tensor.fill_(s.lr)


def states_may_be_made_in_the_graph(s: Specimen) -> None:
    """Compiled from the first step on: one graph that makes the states, at most, and one for all later steps."""
    params, twins = parameters(SMALL), parameters(SMALL)
    lr = torch.tensor(s.lr, dtype=torch.float64)
    optimizer, twin = s.make(params, lr=lr), s.make(twins)
    assert compiled_steps(s, optimizer, params, [1, 2, 3, 4], lr) <= 2
    for seed in (1, 2, 3, 4):
        twin.param_groups[0]["lr"] = s.lr / seed
        run(s, twin, twins, [seed])
    assert_near(params, twins, rtol=1e-5)


def fused_does_as_the_plain_step(s: Specimen) -> None:
    """Over two groups of different options, to rounding."""
    torch._dynamo.reset()
    paths = []
    for fused in (False, True):
        params = parameters(SMALL * 2, torch.float32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*(deprecated|compile)")  # what this is not about
            optimizer = s.make([{"params": params[:2]}, {"params": params[2:], **s.others}], fused=fused)
            run(s, optimizer, params, [1, 2, 3, 4])
        paths.append((params, states(optimizer)))
    assert_near(paths[1], paths[0], rtol=1e-5)


def without_a_compiler_fused_is_plain(s: Specimen) -> None:
    """A warning once, and the plain step."""
    torch._dynamo.reset()
    params, twins = parameters(((7, 3), (5,)), torch.float32), parameters(((7, 3), (5,)), torch.float32)
    missing = torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler"), "fx_graph_cache": False})
    with warnings.catch_warnings(record=True) as seen, missing, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", "no-such-compiler")
        warnings.simplefilter("always")
        optimizer = s.make(params, fused=True)
        run(s, optimizer, params, [1, 2])
    assert len([warning for warning in seen if "plain" in str(warning.message)]) == 1  # torch warns of itself, too
    run(s, s.make(twins), twins, [1, 2])
    assert_near(params, twins, rtol=1e-6)


COMPILE = (a_step_is_one_graph, states_may_be_made_in_the_graph)
FUSED = (fused_does_as_the_plain_step, without_a_compiler_fused_is_plain)
