"""In which interval a hyperparameter makes sense: by its use, by its name, and never without its default."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, given, settings

from primitives.domains import Domain, domains
from primitives.expressions import program_of
from primitives.program import Program
from primitives.recommended import RECOMMENDED
from primitives.reference import names, reference
from primitives.schedules import SCHEDULES
from primitives.text import parse
from primitives.wrappers import WRAPPERS
from tests.primitives.strategies import programs

WRAPPED = [
    *(f"{name}(adamw)" for name in WRAPPERS if WRAPPERS[name].takes == ("program",)),
    *(f"{name}(muon, adam)" for name in WRAPPERS if WRAPPERS[name].takes == ("program", "program")),
    *(f"scheduled(adam, {name})" for name in SCHEDULES),
    "clip_norm(sgd, margin=1)",
    "lookahead(lookahead(adam))",
    *(item.expression for item in RECOMMENDED.values()),
]
PROGRAMS = {name: reference(name) for name in names()} | {text: program_of(text) for text in WRAPPED}


@pytest.mark.parametrize("name", PROGRAMS)
def test_defaults_lie_in_a_domain_that_says_something(name):
    program = PROGRAMS[name]
    found = domains(program)
    assert list(found) == list(program.defaults)
    for key, domain in found.items():
        assert domain.contains(program.defaults[key]), key
        assert eval(domain.condition(key), {"math": math, key: program.defaults[key]}), key
    assert found["lr"] == Domain(0)
    assert all(not found[key].contains(-1) for key in found if key.startswith(("beta", "rho", "eps", "weight_decay")))


@pytest.mark.parametrize("wrapper", [w for w in (*WRAPPERS.values(), *SCHEDULES.values()) if w.options])
def test_what_an_option_allows_lies_in_its_domain(wrapper):
    takes = getattr(wrapper, "takes", None)
    inner = {None: f"scheduled(sgd, {wrapper.name}(%s))", ("program",): f"{wrapper.name}(sgd, %s)"}
    form = inner.get(takes, f"{wrapper.name}(sgd, adam, %s)")
    for option in wrapper.options:
        for value in {option.default, option.low, option.high} - {math.inf}:
            if not option.fault(value):
                program = program_of(form % f"{option.name}={value}")
                if option.name in program.defaults:
                    assert domains(program)[option.name].contains(value), (option.name, value)


def test_domains_of_adamw_and_of_what_is_used_in_other_ways():
    assert domains(reference("adamw")) == {
        "lr": Domain(0),
        "beta1": Domain(0, 1, high_open=True),
        "beta2": Domain(0, 1, high_open=True),
        "eps": Domain(0),
        "weight_decay": Domain(0),
    }
    assert domains(reference("lion"))["beta1"] == Domain(0, 1)  # nothing is divided
    assert domains(reference("ranger"))["k"] == Domain(0, low_open=True)
    assert domains(reference("muon"))["beta1"] == Domain(0, 1, high_open=True)  # through a choice
    assert domains(program_of("clip_norm(sgd)"))["max_norm"] == Domain(0, low_open=True)
    assert domains(reference("radam"))["threshold"] == Domain()


def one(text: str) -> Domain:
    """The domain of x in a program of one state m."""
    return domains(parse(f"def f(w, g, m, *, lr=1, x=0.5):\n{text}"))["x"]


@pytest.mark.parametrize(
    ("body", "domain"),
    [
        ("    m = x * m + (1 - x) * g\n    return w - lr * m, m\n", Domain(0, 1)),
        ("    m = ema(m, g, x)\n    c = 1 - x**t\n    return w - lr * m / c, m\n", Domain(0, 1, high_open=True)),
        ("    c = sqrt(1 - x**t)\n    m = ema(m, g, x)\n    return w - lr * (c * m), m\n", Domain(0, 1)),
        ("    b = x\n    return w - lr * ema(m, g, b), m\n", Domain(0, 1)),
        ("    b = ema(m, g, x)\n    return w - lr * g / (b + x), m\n", Domain(0, 1)),
        ("    return w - lr * interp(g, m, x) / (2 * x), m\n", Domain(0, 1, low_open=True)),
        ("    return w - lr * x * g, m\n", Domain()),
    ],
    ids=["by hand", "corrected by hand", "root above", "another name", "added below", "factor below", "factor"],
)
def test_use_decides(body, domain):
    assert one(body) == domain


def test_a_default_outside_of_what_its_use_suggests_stands():
    program = parse("def f(w, g, m, *, lr=1, beta=1.5, eps=-1):\n    m = ema(m, g, beta)\n    return w - lr * m, m\n")
    assert domains(program)["beta"] == Domain()
    assert domains(program)["eps"] == Domain()


@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(programs())
def test_defaults_of_any_program_lie_in_their_domains(program: Program) -> None:
    for name, domain in domains(program).items():
        assert domain.contains(program.defaults[name])


@pytest.mark.parametrize(
    ("domain", "condition", "must"),
    [
        (Domain(0, 1, high_open=True), "0 <= x < 1", "must lie in [0, 1)"),
        (Domain(0.5, 1, low_open=True), "0.5 < x <= 1", "must lie in (0.5, 1]"),
        (Domain(0), "x >= 0", "must be at least 0"),
        (Domain(0, low_open=True), "x > 0", "must be above 0"),
        (Domain(high=1), "x <= 1", "must be at most 1"),
        (Domain(high=1, high_open=True), "x < 1", "must be below 1"),
        (Domain(), "math.isfinite(x)", "must be a finite number"),
    ],
)
def test_the_condition_is_the_domain(domain, condition, must):
    assert domain.condition("x") == condition
    assert domain.must == must
    for value in (-math.inf, -1.0, 0.0, 0.5, 0.75, 1.0, 2.0, math.inf, math.nan):
        assert eval(condition, {"math": math, "x": value}) == domain.contains(value), value
