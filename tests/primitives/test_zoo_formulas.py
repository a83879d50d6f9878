"""Every program that has a name against its formula in NumPy, with hyperparameters that are not the defaults."""

from __future__ import annotations

from typing import Any

import pytest

from primitives.reference import known, reference
from tests.primitives import formulas
from tests.primitives.problems import PROBLEMS, START, STEPS, check_close, falling, interpreted

ADAM = {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4}
DECAYED = {**ADAM, "weight_decay": 0.2}
NORMALISED = {"rho": 0.8, "eps": 0.05}  # less, and a quadratic makes rounding grow from step to step
GAINS = {"gain_min": 0.6, "gain_max": 1.7}
SIZES = {"eta_minus": 0.4, "eta_plus": 1.3, "step_min": 0.005, "step_max": 0.1}
RECTIFIED = {**ADAM, "threshold": 6.0}
ORTHOGONAL = {"beta": 0.8, "ns_steps": 4.0, "weight_decay": 0.2}
DIRECTIONS = {"damping": 0.7, "restart": 8.0}

TABLE: dict[str, tuple[formulas.Formula, dict[str, float]]] = {
    "sgd": (formulas.sgd, {}),
    "robbins_monro": (formulas.robbins_monro, {"t0": 3.0, "c": 0.6}),
    "momentum": (formulas.momentum, {"beta": 0.8, "eta": 0.7, "weight_decay": 0.03}),
    "heavy_ball": (formulas.heavy_ball, {"beta": 0.8}),
    "nesterov": (formulas.nesterov, {"beta": 0.8, "eta": 0.7}),
    "nesterov_shifted": (formulas.nesterov_shifted, {"beta": 0.8, "eta": 0.7, "weight_decay": 0.03}),
    "adaptive_gains": (formulas.adaptive_gains, GAINS),
    "adaptive_gains_momentum": (formulas.adaptive_gains_momentum, {**GAINS, "beta": 0.8}),
    "rprop": (formulas.rprop, SIZES),
    "irprop_minus": (formulas.irprop_minus, SIZES),
    "lion": (formulas.lion, {"beta1": 0.7, "beta2": 0.95, "weight_decay": 0.2}),
    "adagrad": (formulas.adagrad, {"initial": 0.3, "eps": 1e-3}),
    "adagrad_torch": (formulas.adagrad_torch, {"initial": 0.3, "eps": 1e-3, "lr_decay": 0.1}),
    "adagrad_full": (formulas.adagrad_full, {"eps": 0.01}),
    "rmsprop": (formulas.rmsprop, NORMALISED),
    "rmsprop_torch": (formulas.rmsprop_torch, NORMALISED),
    "rmsprop_momentum": (formulas.rmsprop_momentum, {**NORMALISED, "beta": 0.7}),
    "rmsprop_momentum_torch": (formulas.rmsprop_momentum_torch, {**NORMALISED, "beta": 0.7}),
    "rmsprop_nesterov": (formulas.rmsprop_nesterov, {**NORMALISED, "beta": 0.7}),
    "adadelta_window": (formulas.rmsprop, NORMALISED),
    "adadelta": (formulas.adadelta, NORMALISED),
    "adam": (formulas.adam, ADAM),
    "adam_l2": (formulas.adam_l2, DECAYED),
    "adam_coupled": (formulas.adam_coupled, DECAYED),
    "adamw": (formulas.adamw, DECAYED),
    "nadam": (formulas.nadam, {**ADAM, "momentum_decay": 0.1}),
    "nadam_constant": (formulas.nadam_constant, ADAM),
    "nadamw": (formulas.nadamw, DECAYED),
    "amsgrad": (formulas.amsgrad, ADAM),
    "amsgrad_torch": (formulas.amsgrad_torch, ADAM),
    "adabound": (formulas.adabound, {**ADAM, "final_lr": 0.05, "gamma": 0.2}),
    "radam": (formulas.radam, RECTIFIED),
    "ranger": (formulas.ranger, {**RECTIFIED, "k": 6.0, "alpha": 0.7}),
    "muon": (formulas.muon, {**ADAM, **ORTHOGONAL, "beta2": 0.9, "lr_ratio": 0.3}),
    "muon_everywhere": (formulas.muon_everywhere, ORTHOGONAL),
    "grafted_muon": (formulas.grafted_muon, {"beta1": 0.8, "weight_decay": 0.2}),
    "newton": (formulas.newton, {"damping": 5.0}),
    "hessian_free": (formulas.hessian_free, {"damping": 5.0, "cg_steps": 7.0}),
    "conjugate_gradient": (formulas.conjugate_gradient, {}),
    "nonlinear_cg": (formulas.nonlinear_cg, DIRECTIONS),
    "nonlinear_cg_fr": (formulas.nonlinear_cg_fr, DIRECTIONS),
}


def test_every_program_has_its_formula_here():
    assert set(known()) == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_every_hyperparameter_is_set_to_something_else_than_its_default(name):
    defaults = {k: v for k, v in reference(name).defaults.items() if k != "lr"}
    assert set(TABLE[name][1]) == set(defaults)
    assert all(value != defaults[k] for k, value in TABLE[name][1].items())


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("name", TABLE)
def test_program_is_its_formula(name, problem):
    formula, hyper = TABLE[name]
    remembered: dict[str, Any] = {}
    wanted = [START]
    for t in range(1, STEPS + 1):
        w = wanted[-1]
        wanted.append(formula(w, problem.gradient(w, t), remembered, t, falling(t), hyper, problem))
    check_close(interpreted(reference(name), hyper, problem), wanted)


@pytest.mark.parametrize("name", TABLE)
def test_with_its_defaults_a_program_lowers_the_loss(name):
    program, problem = reference(name), PROBLEMS[0]
    rate = program.defaults["lr"]
    path = interpreted(program, {}, problem, rate=lambda t: rate, base_lr=rate)
    assert problem.loss(path[-1], STEPS) < problem.loss(START, 1)
