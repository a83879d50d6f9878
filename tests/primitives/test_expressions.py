"""Expressions of wrappers: what they mean, and one sentence for each that means nothing."""

from __future__ import annotations

import pytest

from primitives.expressions import program_of
from primitives.program import ProgramError
from primitives.recommended import RECOMMENDED
from primitives.reference import names, reference
from primitives.schedules import SCHEDULES
from primitives.text import parse, show
from primitives.wrappers import WRAPPERS, clip_norm, lookahead, sam, scheduled


def body(program):
    return program.states, program.hyper, program.body, program.returns


def test_expressions_are_applications():
    adam, adamw = reference("adam"), reference("adamw")
    assert body(program_of("lookahead(adam)")) == body(lookahead(adam))
    assert body(program_of(" lookahead( adam ,\n k = 7 ) ")) == body(lookahead(adam, k=7))
    assert body(program_of("lookahead(sam(clip_norm(adamw)))")) == body(lookahead(sam(clip_norm(adamw))))
    half = SCHEDULES["cosine"](end=0.5)
    assert body(program_of("scheduled(adam, cosine(end=0.5))")) == body(scheduled(adam, half))
    assert program_of("adam") == adam
    assert program_of("adam()").hyper == adam.hyper
    assert program_of("adam(beta1=0.8, lr=1)").defaults == {**adam.defaults, "beta1": 0.8, "lr": 1.0}


def test_names_and_docstrings():
    program = program_of("sam(clip_norm( adamw,max_norm=2))")
    assert program.name == "sam_clip_norm_adamw"
    assert program.doc.split("\n")[0] == "sam(clip_norm(adamw, max_norm=2))"
    assert "arXiv:1711.05101" in reference("adamw").doc
    assert reference("adamw").doc.split("\n")[0] in program.doc
    assert program_of("scheduled(adam, cosine)").name == "scheduled_adam_cosine"
    assert program_of("by_role(muon, adamw)").name == "by_role_muon_adamw"


def test_a_leaf_is_given_what_is_quoted():
    asked = []

    def leaf(name):
        asked.append(name)
        return reference("sgd")

    program_of("by_shape(lookahead('runs/x:best'), \"my own.opt\"(lr=0.5))", leaf)
    assert asked == ["runs/x:best", "my own.opt"]
    assert program_of("'a.opt'(lr=0.5)", leaf).defaults == {"lr": 0.5}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("lookahead(", "cannot be read"),
        ("lookahead(adam", "cannot be read"),
        ("lookahead(adam))", "cannot be read"),
        ("import os", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("(" * 900 + "adam" + ")" * 900, "cannot be read"),
        ("lookahead(" * 400 + "adam" + ")" * 400, "at most 2,000 characters"),
        ("sam(" * 9 + "sgd" + ")" * 9, "8 deep"),
        ("lookahead", "is a wrapper and needs a program; write lookahead(adam, k=5, alpha=0.5)"),
        ("sam(clip_norm)", "clip_norm is a wrapper and needs a program"),
        ("lookahed(adam)", "no wrapper 'lookahed'; did you mean 'lookahead'"),
        ("wrapped(adam)", "the wrappers are by_role, by_shape, clip_norm, lookahead, sam, scheduled"),
        ("lookahead(adm)", "no reference program 'adm'; did you mean 'adam'"),
        ("lookahead(adam, step=5)", "lookahead has no option 'step'; the options are alpha, k"),
        ("lookahead(adam, alhpa=0.5)", "did you mean 'alpha'"),
        ("lookahead(adam, lr=0.1)", "as adam(lr=...)"),
        ("scheduled(adam, cosine, end=0.1)", "write it in the brackets of what has it"),
        ("lookahead(adam, 5)", "options by name, as k=5"),
        ("lookahead()", "takes 1 argument and was given 0; write lookahead(adam, k=5, alpha=0.5)"),
        ("lookahead(adam, sgd)", "takes 1 argument and was given 2"),
        ("by_shape(adam)", "takes 2 arguments and was given 1; write by_shape(adam, sgd, lr_ratio=1)"),
        ("scheduled(adam)", "write scheduled(adam, cosine)"),
        ("lookahead(adam, k='5')", "k is '5' and must be a finite number"),
        ("lookahead(adam, k=True)", "must be a finite number"),
        ("lookahead(adam, k=2+3)", "must be a finite number"),
        ("clip_norm(adam, max_norm=1e999)", "must be a finite number"),
        ("lookahead(adam, **{'k': 5})", "name=number"),
        ("lookahead(*adam)", "is no program"),
        ("lookahead(adam, k=0)", "k is 0 and must be a whole number, at least 1"),
        ("lookahead(adam, k=2.5)", "k is 2.5 and must be a whole number"),
        ("lookahead(adam, alpha=0)", "alpha is 0 and must be a number, above 0 and at most 1"),
        ("lookahead(adam, alpha=1.5)", "at most 1"),
        ("clip_norm(adam, max_norm=0)", "max_norm is 0 and must be a number, above 0"),
        ("clip_norm(adam, max_norm=-1)", "max_norm is -1"),
        ("clip_norm(adam, margin=-1)", "margin is -1"),
        ("sam(adam, rho_sam=-1)", "rho_sam is -1"),
        ("cosine", "cosine is a schedule where a program is expected; write scheduled(adam, cosine)"),
        ("lookahead(cosine)", "cosine is a schedule where a program is expected"),
        ("lookahead(cosine(end=0.1))", "cosine is a schedule where a program is expected"),
        ("scheduled(cosine, adam)", "cosine is a schedule where a program is expected"),
        ("scheduled(adam, adam)", "adam is a program where a schedule is expected"),
        ("scheduled(adam, adam(lr=1))", "is a program where a schedule is expected"),
        ("scheduled(adam, 'my.opt')", "is a program where a schedule is expected"),
        ("scheduled(adam, cosin)", "no schedule 'cosin'; did you mean 'cosine'"),
        ("scheduled(adam, 5)", "no schedule '5'"),
        ("scheduled(adam, cosine(0.1))", "takes numbers by name only: end"),
        ("scheduled(adam, cosine(start=1))", "cosine has no option 'start'"),
        ("scheduled(adam, constant(end=1))", "it takes none"),
        ("scheduled(adam, cosine(end=2))", "end is 2 and must be"),
        ("adam(sgd)", "adam is a program and wraps nothing"),
        ("adam(beta3=1)", "adam has no hyperparameter 'beta3'; did you mean 'beta2'"),
        ("adam(beta1=x)", "beta1 is x and must be a finite number"),
        ("1", "'1' is no program"),
        ("adam + sgd", "is no program"),
        ("(lambda: adam)()", "is no program"),
        ("adam()()", "is no program"),
        ("__import__('os').system('touch owned')", "is no program"),
        ("scheduled(rprop, cosine)", "no place in rprop, which does not read lr in a step"),
        ("by_shape(newton, sgd)", "no place in a branch"),
        ("by_shape(sgd, rprop, lr_ratio=2)", "can have no lr_ratio but 1"),
    ],
)  # fmt: skip
def test_wrong_expressions(text, says):
    with pytest.raises(ProgramError) as error:
        program_of(text)
    assert says in str(error.value)
    assert all(fault.endswith((".", "?")) and "\n" not in fault for fault in error.value.faults)
    assert len(error.value.faults) == 1


@pytest.mark.parametrize("name", RECOMMENDED)
def test_recommended_settings(name):
    item = RECOMMENDED[name]
    program = program_of(name)
    assert program.name == name
    assert parse(show(program)) == program
    assert body(program) == body(program_of(item.expression))
    assert item.quote in program.doc
    assert program_of(f"{name}(lr=0.5)").defaults["lr"] == 0.5
    assert program_of(f"lookahead({name})").name == f"lookahead_{name}"


def test_recommended_numbers():
    image = program_of("recommended_image_classification").defaults
    assert {key: image[key] for key in ("lr", "beta", "weight_decay", "end")} == {
        "lr": 0.1, "beta": 0.9, "weight_decay": 1e-4, "end": 0,
    }  # fmt: skip
    pretraining = program_of("recommended_transformer_pretraining").defaults
    assert (pretraining["beta2"], pretraining["weight_decay"], pretraining["max_norm"]) == (0.95, 0.1, 1)
    assert 1e-5 <= program_of("recommended_fine_tuning").defaults["lr"] <= 1e-4


def test_no_two_things_have_one_name():
    """But a schedule may share its name with a program: the place says which is meant."""
    for table in (WRAPPERS, RECOMMENDED):
        assert not set(table) & {*names(), *SCHEDULES}
    assert not set(WRAPPERS) & set(RECOMMENDED)
    both = program_of("scheduled(robbins_monro, robbins_monro)")
    assert both.name == "scheduled_robbins_monro_robbins_monro"
