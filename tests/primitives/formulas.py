"""Every documented method in NumPy, written from its formula and not from its program.

A formula gets the flat weights w, their gradient g, what it remembers s, the step t, its rate lr, its
hyperparameters h and the problem; it returns the new weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.primitives.problems import LR, Array, Problem, flat, hessian_at, tensors

H = dict[str, float]
S = dict[str, Any]
Formula = Callable[[Array, Array, S, int, float, H, Problem], Array]


def sgd(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return w - lr * g


def robbins_monro(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return w - lr * (t + h["t0"]) ** -h["c"] * g


def momentum(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["p"] = h["beta"] * s.get("p", 0) + h["eta"] * (g + h["weight_decay"] * w)
    return w - lr * s["p"]


def heavy_ball(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    before = s.get("w", w)
    s["w"] = w
    return w - lr * g + h["beta"] * (w - before)


def nesterov(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    p = s.get("p", np.zeros_like(w))
    ahead = w - lr * h["beta"] * p
    s["p"] = h["beta"] * p + h["eta"] * problem.gradient(ahead, t)
    return w - lr * s["p"]


def nesterov_shifted(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    g = h["eta"] * (g + h["weight_decay"] * w)
    s["b"] = h["beta"] * s.get("b", 0) + g
    return w - lr * (g + h["beta"] * s["b"])


def _gain(product: Array, s: S, h: H) -> Array:
    gain = s.get("gain", np.ones_like(product))
    gain = np.where(product > 0, gain + 0.05, gain)
    gain = np.where(product < 0, gain * 0.95, gain)
    s["gain"] = np.clip(gain, h["gain_min"], h["gain_max"])
    return s["gain"]


def adaptive_gains(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    gain = _gain(g * s.get("g", np.zeros_like(w)), s, h)
    s["g"] = g
    return w - lr * gain * g


def adaptive_gains_momentum(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    p = s.get("p", np.zeros_like(w))
    s["p"] = h["beta"] * p + _gain(g * p, s, h) * g
    return w - lr * s["p"]


def _size(product: Array, s: S, h: H) -> Array:
    size = s.get("size", np.full_like(product, LR))
    factor = np.select([product > 0, product < 0], [h["eta_plus"], h["eta_minus"]], 1.0)
    s["size"] = np.clip(size * factor, h["step_min"], h["step_max"])
    return s["size"]


def rprop(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    size = _size(g * s.get("g", np.zeros_like(w)), s, h)
    s["g"] = g
    return w - size * np.sign(g)


def irprop_minus(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    product = g * s.get("g", np.zeros_like(w))
    size = _size(product, s, h)
    s["g"] = np.where(product < 0, 0, g)
    return w - size * np.sign(s["g"])


def lion(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    m = s.get("m", np.zeros_like(w))
    c = h["beta1"] * m + (1 - h["beta1"]) * g
    s["m"] = h["beta2"] * m + (1 - h["beta2"]) * g
    return w - lr * (np.sign(c) + h["weight_decay"] * w)


def adagrad(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["G"] = s.get("G", h["initial"]) + g**2
    return w - lr * g / np.sqrt(s["G"] + h["eps"])


def adagrad_torch(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["G"] = s.get("G", h["initial"]) + g**2
    return w - lr / (1 + (t - 1) * h["lr_decay"]) * g / (np.sqrt(s["G"]) + h["eps"])


def adagrad_full(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    steps = []
    for i, part in enumerate(tensors(g)):
        s[str(i)] = s.get(str(i), 0) + np.outer(part, part)
        values, vectors = np.linalg.eigh(s[str(i)] + h["eps"] * np.eye(part.size))
        steps.append(vectors @ np.diag(values**-0.5) @ vectors.T @ part.ravel())
    return w - lr * flat(steps)


def _mean_square(g: Array, s: S, decay: float) -> Array:
    s["v"] = decay * s.get("v", 0) + (1 - decay) * g**2
    return s["v"]


def rmsprop(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return w - lr * g / np.sqrt(_mean_square(g, s, h["rho"]) + h["eps"])


def rmsprop_torch(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return w - lr * g / (np.sqrt(_mean_square(g, s, h["rho"])) + h["eps"])


def rmsprop_momentum(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["p"] = h["beta"] * s.get("p", 0) + g / np.sqrt(_mean_square(g, s, h["rho"]) + h["eps"])
    return w - lr * s["p"]


def rmsprop_momentum_torch(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["p"] = h["beta"] * s.get("p", 0) + g / (np.sqrt(_mean_square(g, s, h["rho"])) + h["eps"])
    return w - lr * s["p"]


def rmsprop_nesterov(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    jump = h["beta"] * s.get("p", np.zeros_like(w))
    correction = problem.gradient(w - lr * jump, t)
    s["p"] = jump + correction / np.sqrt(_mean_square(correction, s, h["rho"]) + h["eps"])
    return w - lr * s["p"]


def adadelta(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    v, S_before = _mean_square(g, s, h["rho"]), s.get("S", np.zeros_like(w))
    change = -np.sqrt(S_before + h["eps"]) / np.sqrt(v + h["eps"]) * g
    s["S"] = h["rho"] * S_before + (1 - h["rho"]) * change**2
    return w + lr * change


def _moments(g: Array, s: S, h: H, t: int) -> tuple[Array, Array, Array, Array]:
    """The running means of g and of its square, and both without their bias."""
    s["m"] = h["beta1"] * s.get("m", 0) + (1 - h["beta1"]) * g
    v = _mean_square(g, s, h["beta2"])
    return s["m"], v, s["m"] / (1 - h["beta1"] ** t), v / (1 - h["beta2"] ** t)


def adam(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    _, _, m_hat, v_hat = _moments(g, s, h, t)
    return w - lr * m_hat / (np.sqrt(v_hat) + h["eps"])


def adam_l2(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return adam(w, g + h["weight_decay"] * w, s, t, lr, h, problem)


def adam_coupled(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    _, _, m_hat, v_hat = _moments(g, s, h, t)
    return w - lr * (m_hat + h["weight_decay"] * w) / (np.sqrt(v_hat) + h["eps"])


def adamw(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return adam(w, g, s, t, lr, h, problem) - lr * h["weight_decay"] * w


def nadam(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    mu = [h["beta1"] * (1 - 0.96 ** (i * h["momentum_decay"]) / 2) for i in range(1, t + 2)]
    m, _, _, v_hat = _moments(g, s, h, t)
    m_hat = mu[-1] * m / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
    return w - lr * m_hat / (np.sqrt(v_hat) + h["eps"])


def nadam_constant(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    m, _, _, v_hat = _moments(g, s, h, t)
    mu = h["beta1"]
    m_hat = mu * m / (1 - mu ** (t + 1)) + (1 - mu) * g / (1 - mu**t)
    return w - lr * m_hat / (np.sqrt(v_hat) + h["eps"])


def nadamw(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return nadam_constant(w, g, s, t, lr, h, problem) - lr * h["weight_decay"] * w


def amsgrad(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    m, v, _, _ = _moments(g, s, h, t)
    s["top"] = np.maximum(s.get("top", 0), v)
    return w - lr * m / (np.sqrt(s["top"]) + h["eps"])


def amsgrad_torch(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    _, v, m_hat, _ = _moments(g, s, h, t)
    s["top"] = np.maximum(s.get("top", 0), v)
    return w - lr * m_hat / (np.sqrt(s["top"] / (1 - h["beta2"] ** t)) + h["eps"])


def adabound(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    m, v, _, _ = _moments(g, s, h, t)
    rate = lr * np.sqrt(1 - h["beta2"] ** t) / (1 - h["beta1"] ** t) / (np.sqrt(v) + h["eps"])
    final = h["final_lr"] * lr / LR
    return w - np.clip(rate, final * (1 - 1 / (h["gamma"] * t + 1)), final * (1 + 1 / (h["gamma"] * t))) * m


def radam(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    _, v, m_hat, _ = _moments(g, s, h, t)
    bias = 1 - h["beta2"] ** t
    rho_inf = 2 / (1 - h["beta2"]) - 1
    rho = rho_inf - 2 * t * h["beta2"] ** t / bias
    if rho <= h["threshold"]:
        return w - lr * m_hat
    r = np.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    return w - lr * r * m_hat * np.sqrt(bias) / (np.sqrt(v) + h["eps"])


def ranger(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    slow = s.setdefault("slow", w)
    fast = radam(w, g, s, t, lr, h, problem)
    if t % int(h["k"]):
        return fast
    s["slow"] = slow + h["alpha"] * (fast - slow)
    return s["slow"]


def newton_schulz(x: Array, steps: int) -> Array:
    """Steps of the quintic iteration towards the orthogonal factor, on the wide side of the matrix."""
    if x.shape[0] > x.shape[1]:
        return newton_schulz(x.T, steps).T
    x = x / np.linalg.norm(x)
    for _ in range(steps):
        x = 3.4445 * x - 4.7750 * (x @ x.T) @ x + 2.0315 * (x @ x.T) @ (x @ x.T) @ x
    return x


def muon_everywhere(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    s["b"] = h["beta"] * s.get("b", 0) + (1 - h["beta"]) * g
    steps = []
    for part in tensors(h["beta"] * s["b"] + (1 - h["beta"]) * g):
        x = part.reshape(part.shape[0], -1) if part.ndim > 1 else part.reshape(1, -1)
        steps.append(np.sqrt(max(1, x.shape[0] / x.shape[1])) * newton_schulz(x, int(h["ns_steps"])))
    return w - lr * flat(steps) - lr * h["weight_decay"] * w


def muon(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    matrices = muon_everywhere(w, g, s.setdefault("muon", {}), t, lr, h, problem)
    others = adamw(w, g, s.setdefault("adamw", {}), t, h["lr_ratio"] * lr, h, problem)
    hidden = flat([np.full(part.shape, part.ndim > 1) for part in tensors(w)])
    return np.where(hidden, matrices, others)


def grafted_muon(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    beta = h["beta1"]
    s["m"] = beta * s.get("m", 0) + (1 - beta) * g
    s["v"] = 0.95 * s.get("v", 0) + 0.05 * g * g
    ahead = (beta * s["m"] + (1 - beta) * g) / (1 - beta**t)
    adam = ahead / (np.sqrt(s["v"] / (1 - 0.95**t)) + 1e-8)
    steps = []
    for x, part, step in zip(tensors(w), tensors(ahead), tensors(adam), strict=True):
        if part.ndim > 1:
            turned = newton_schulz(part.reshape(part.shape[0], -1), 5).reshape(part.shape)
            length = np.sqrt(np.mean(step**2)) / (np.sqrt(np.mean(turned**2)) + 1e-8)
            step = length * turned + h["weight_decay"] * x
        steps.append(step)
    return w - lr * flat(steps)


def newton(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return w - lr * np.linalg.inv(hessian_at(problem, w, t) + h["damping"] * np.eye(w.size)) @ g


def hessian_free(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    x, r, p = np.zeros_like(w), g, g
    for _ in range(int(h["cg_steps"])):
        Ap = problem.product(w, p, t) + h["damping"] * p
        if p @ Ap <= 0:
            return w - lr * (x if x.any() else g)
        alpha = (r @ r) / (p @ Ap)
        x, r_new = x + alpha * p, r - alpha * Ap
        r, p = r_new, r_new + (r_new @ r_new) / (r @ r) * p
    return w - lr * x


def conjugate_gradient(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    r = -g
    s["p"] = r + (r @ r) / s["rr"] * s["p"] if s.get("rr") else r
    s["rr"] = r @ r
    curvature = s["p"] @ problem.product(w, s["p"], t)
    return w + lr * s["rr"] / curvature * s["p"] if curvature > 0 else w


def _along(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem, ratio: float) -> Array:
    """A step along the direction that the ratio gives, or along -g where it is due or there is no descent."""
    d = -g if t % int(h["restart"]) == 1 else -g + ratio * s["d"]
    d = d if d @ g < 0 else -g
    s["d"], s["g"] = d, g
    return w - lr * (g @ d) / (abs(d @ problem.product(w, d, t)) + h["damping"] * (d @ d)) * d


def nonlinear_cg(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    ratio = max(0.0, g @ (g - s["g"]) / (s["g"] @ s["g"])) if s else 0.0
    return _along(w, g, s, t, lr, h, problem, ratio)


def nonlinear_cg_fr(w: Array, g: Array, s: S, t: int, lr: float, h: H, problem: Problem) -> Array:
    return _along(w, g, s, t, lr, h, problem, (g @ g) / (s["g"] @ s["g"]) if s else 0.0)
