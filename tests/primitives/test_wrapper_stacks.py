"""Random stacks of wrappers over reference programs are programs in every way: text, steps, bytecode, optimizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from primitives.bytecode import compile_program
from primitives.expressions import program_of
from primitives.graph import canonical
from primitives.optimizer import to_torch
from primitives.program import Program, ProgramError, calls, expressions
from primitives.reference import names, reference
from primitives.schedules import SCHEDULES
from primitives.table import PRIMITIVES
from primitives.text import parse, problems, show
from primitives.wrappers import WRAPPERS
from tests.primitives.descents import PROBLEMS, Problem, agree, descend

STEPS = 5
SECOND_ORDER = {name for name, p in PRIMITIVES.items() if p.form == "oracle"} - {"grad_at"}


def used(program: Program) -> set[str]:
    return {call.op for expr in expressions(program) for call in calls(expr)}


NO_RATE = ("rprop", "irprop_minus")  # whose steps never read lr
FIRST_ORDER = [name for name in names() if not used(reference(name)) & SECOND_ORDER]


@st.composite
def stacks(draw, depth=3):
    """The text of wrappers around a program of first order, with options now and then."""
    if depth == 0 or (depth < 3 and draw(st.booleans())):
        return draw(st.sampled_from(FIRST_ORDER))
    wrapper = WRAPPERS[draw(st.sampled_from(sorted(WRAPPERS)))]
    operands = [
        draw(st.sampled_from(sorted(SCHEDULES))) if kind == "schedule" else draw(stacks(depth - 1))
        for kind in wrapper.takes
    ]
    options = [f"{o.name}={draw(_numbers(o))!r}" for o in wrapper.options if draw(st.booleans())]
    return f"{wrapper.name}({', '.join(operands + options)})"


def _numbers(option):
    low, high = max(option.low, 0.01), min(option.high, 3)
    return st.integers(1, 3) if option.whole else st.floats(low, high, exclude_max=option.open_high)


def trained(program: Program, problem: Problem) -> list[list[np.ndarray]]:
    """The weights after each step of the exported optimizer, whose closure asks the problem."""
    weights = [torch.nn.Parameter(torch.tensor(x)) for x in problem.begin]

    def closure():
        now = [w.detach().numpy() for w in weights]
        for w, g in zip(weights, problem.gradient(now), strict=True):
            w.grad = torch.tensor(g)
        return torch.tensor(problem.loss(now))

    planned = {"total_steps": STEPS} if "T" in leaves(canonical(program)) else {}
    optimizer = to_torch(program)(weights, **planned)
    found = []
    for _ in range(STEPS):
        optimizer.step(closure)
        found.append([w.detach().numpy().copy() for w in weights])
    return found


def leaves(program: Program) -> set[object]:
    return {leaf for expr in expressions(program) for call in calls(expr) for leaf in call.args}


def check(text: str) -> bool:
    """Looks at the program of an expression in every way; False if it has no place for a wrapper."""
    try:
        program = program_of(text)
    except ProgramError as error:  # a schedule around what has no lr in its steps
        if "has no place in" in str(error) or "no lr_ratio but" in str(error):
            return False
        raise
    assert problems(program) == ()
    assert parse(show(program)) == program
    given_names = [*program.state_names, *program.defaults]
    assert len(set(given_names)) == len(given_names)
    assert not set(given_names) & {assign.name for assign in program.body} - set(program.state_names)
    problem = PROBLEMS[0]
    path = descend(program, problem, STEPS)
    assert all(np.isfinite(x).all() for w in path for x in w)
    agree(descend(canonical(program), problem, STEPS, program.defaults["lr"]), path, 1e-9)
    assert compile_program(program).cost > 0
    agree(trained(program, problem), path, 1e-6)
    return True


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(stacks())
def test_a_stack_of_wrappers_is_a_program(text):
    assume(check(text))


@pytest.mark.parametrize("method", FIRST_ORDER)
def test_every_wrapper_takes_every_method_of_first_order(method):
    texts = []
    for name, wrapper in WRAPPERS.items():
        if wrapper.takes == ("program", "program"):
            texts += [f"{name}({method}, adamw)", f"{name}(adamw, {method})"]
        else:
            texts.append(f"{name}({', '.join([method, *['cosine'] * (len(wrapper.takes) - 1)])})")
    refused = [text for text in texts if not check(text)]
    assert refused == ([f"scheduled({method}, cosine)"] if method in NO_RATE else [])


def test_the_stack_of_the_documents():
    assert check("lookahead(sam(clip_norm(adamw)))")
