"""Hazards: known ones are found, guarded ones are not, and the interpreter confirms them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from primitives.analysis.hazards import LIMITS, hazards
from primitives.analysis.magnitudes import Rounded
from primitives.interpreter import start, step
from primitives.program import Program
from primitives.reference import names, reference
from primitives.text import parse


def with_defaults(name: str, **hyper: float) -> Program:
    program = reference(name)
    return replace(program, hyper=tuple((key, hyper.get(key, value)) for key, value in program.hyper))


def exact(program: Program) -> list[tuple[str, str]]:
    return [(h.what, h.when) for h in hazards(program).found if h.dtypes == ("any",)]


def of(text: str) -> list[tuple[str, str]]:
    return exact(parse(f"def f(w, g, s, *, lr=0.1, eps=1e-8):\n    return {text}, s + g"))


@pytest.mark.parametrize("name", names())
def test_of_the_references_only_adabound_divides_by_what_may_be_zero(name):
    wanted = [("divides by zero", "where base_lr = 0")] if name == "adabound" else []
    assert exact(reference(name)) == wanted


def test_without_eps_adagrad_divides_by_zero_before_the_first_gradient():
    program = with_defaults("adagrad", eps=0.0)
    assert exact(program) == [("divides by zero", "where sqrt(G + eps) = 0")]
    w, g = np.ones((1, 2)), np.array([[0.0, 1.0]])
    [new], _ = step(program, [w], [g], start(program, [w], 0.1), t=1, lr=0.1)
    assert np.isnan(new[0, 0])
    assert np.isfinite(new[0, 1])


def test_the_eps_of_adam_is_nothing_in_float16():
    found = [h for h in hazards(reference("adam")).found if "eps" in h.when]
    assert [h.dtypes for h in found] == [("float16",)]
    assert "eps = 1e-08 is rounded to 0" in found[0].when
    assert found[0].where.startswith("update = ")
    w = np.zeros((1, 1))
    for dtype, fine in ((np.float16, False), (np.float32, True)):
        weights = [w.astype(dtype)]
        [new], _ = step(reference("adam"), weights, weights, start(reference("adam"), weights, 0.1), t=1, lr=0.1)
        assert np.isfinite(new).all() == fine
    assert not [h for h in hazards(with_defaults("adam", eps=1e-6)).found if "eps" in h.when]


@pytest.mark.parametrize(
    ("text", "what", "when"),
    [
        ("w - lr * g / norm(g)", "divides by zero", "where norm(g) = 0"),
        ("w - lr * reciprocal(s)", "divides by zero", "where s = 0"),
        ("w - lr * sqrt(g)", "sqrt is not defined", "where g < 0"),
        ("w - lr * log(abs(g))", "log is infinite", "where abs(g) = 0"),
        ("w - lr * log_abs(g)", "log_abs is infinite", "where g = 0"),
        ("w - lr * arcsin(g)", "arcsin is not defined", "where g < -1 or g > 1"),
        ("w - lr * g**0.5", "a power is not defined", "where g < 0"),
        ("w - lr * square(g)**-0.5", "divides by zero", "where square(g) = 0"),
        ("w - lr * (g % s)", "divides by zero", "where s = 0"),
        ("w - lr * g / (s + eps)", "divides by zero", "where s + eps = 0"),
    ],
)
def test_what_may_go_wrong(text, what, when):
    assert (what, when) in of(text)


@pytest.mark.parametrize(
    "text",
    [
        "w - lr * g / (norm(g) + eps)",
        "w - lr * where(norm(g) > 0, g / norm(g), 0)",
        "w - lr * where(0 < norm(g), max(g / norm(g), 1), 0)",
        "w - lr * sqrt(g * g)",
        "w - lr * arcsin(sin(g))",
        "w - lr * log(1 + abs(g))",
        "w - lr * (1 - 0.9**t)**-0.5",
        "w - lr * g / max(abs(s), eps)",
    ],
)
def test_what_cannot_go_wrong(text):
    assert of(text) == []


def test_a_guard_on_something_else_is_none():
    assert of("w - lr * where(norm(s) > 0, g / norm(g), 0)")
    assert of("w - lr * where(norm(g) > 0, 0, g / norm(g))")
    assert of("w - lr * (where(norm(g) > 0, g / norm(g), 0) + g / norm(g))")


def test_powers_of_gradients():
    [found] = [h for h in hazards(reference("adam")).found if "underflows" in h.what]
    assert "0.00024 to 256 in float16" in found.when
    assert "to 1.84e+19 in float32" in found.when
    with np.errstate(all="ignore"):
        for g, finite in ((255.0, True), (257.0, False)):
            assert np.isfinite(np.float16(g) * np.float16(g)) == finite
        assert np.float16(1e-4) * np.float16(1e-4) == 0 < np.float16(3e-4) * np.float16(3e-4)


def test_exponentials():
    [found] = hazards(parse("def f(w, g, *, lr=0.1):\n    return w - lr * g * exp(g)")).found
    assert found.when == "where g > 88.7 in float32, 88.7 in bfloat16, 11.1 in float16"
    [found] = hazards(parse("def f(w, g, *, lr=0.1):\n    return w - lr * g * exp(20 * sin(g))")).found
    assert found.dtypes == ("float16",)
    assert hazards(parse("def f(w, g, *, lr=0.1):\n    return w - lr * g * exp(-abs(g))")).found == ()


def test_a_decay_that_is_rounded_to_one():
    found = [h for h in hazards(reference("adam")).found if "forgets" in h.what]
    assert [(h.what, h.dtypes) for h in found] == [("v forgets nothing", ("bfloat16",))]
    assert not [h for h in hazards(with_defaults("adam", beta2=0.99)).found if "forgets" in h.what]


def sizes(name: str, dtype: str, step: int):
    [found] = [x for x in hazards(reference(name)).sizes if (x.dtype, x.step) == (dtype, step)]
    return found


def test_gradients_that_work():
    assert sizes("sgd", "float32", 10).close == (1e-30, 1e30)
    assert sizes("lion", "float16", 1).close == (1e-6, 1e4)
    low, high = sizes("adam", "float16", 1).close
    assert 2.4e-4 < low <= 1e-2
    assert high == 1e2
    assert sizes("adam", "float32", 10).close == (1e-30, 1e19)
    assert sizes("momentum", "float16", 1).finite[1] == 1e4


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "lion"])
def test_sizes_are_those_of_the_interpreter(name):
    """Its float16 is rounded value by value in the same way."""
    program = reference(name)
    found = sizes(name, "float16", 1)
    for size in (1e-6, 1e-4, 1e-2, 1.0, 1e2, 1e4):
        news = []
        for dtype in (np.float16, np.float64):
            w, g = [np.zeros((1, 1), dtype)], [np.full((1, 1), size, dtype)]
            lr = program.defaults["lr"]
            news.append(float(step(program, w, g, start(program, w, lr), t=1, lr=lr)[0][0][0, 0]))
        close = news[0] != 0 and abs(news[0] - news[1]) <= 0.1 * abs(news[1])
        assert close == (found.close is not None and found.close[0] <= size <= found.close[1])


def test_bfloat16_is_float32_with_eight_bits():
    rounded = Rounded("bfloat16")
    for x, y in ((1.0, 1.0), (1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (0.999, 1.0), (-3.14159, -3.140625)):
        assert float(rounded(np.float64(x))) == y
    assert np.isnan(rounded(np.array([np.nan]))).all()
    assert float(rounded(np.float64(LIMITS["bfloat16"][1]))) == LIMITS["bfloat16"][1]
    assert float(rounded(np.float64(LIMITS["bfloat16"][0]))) == LIMITS["bfloat16"][0]


def test_a_program_that_asks_the_loss_is_not_tried():
    assert hazards(reference("newton")).sizes == ()


def test_lines_fit_a_terminal():
    for name in ("adam", "muon", "adabound", "newton", "nonlinear_cg"):
        assert all(0 < len(line) <= 100 for line in hazards(reference(name)).lines())
