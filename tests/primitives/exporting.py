"""What the tests of exported programs share: specimens, and runs by the interpreter and by torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from primitives.export import source
from primitives.interpreter import start, step
from primitives.optimizer import to_torch
from primitives.program import Program, calls, expressions
from primitives.reference import names, reference
from primitives.table import PRIMITIVES
from primitives.text import parse

Optimizer = torch.optim.Optimizer

SPECIMENS = {
    "clipped": """def clipped(w, g, m, *, lr=0.1, max_norm=0.5):
    h = clip_by_global_norm(g, max_norm)
    m = ema(m, h, 0.9)
    return w - lr * m / (1e-3 + global_norm(m)), m
""",
    "normed": """def normed(w, g, scale=1, *, lr=0.1):
    scale = max(scale * 0.9, norm(g))
    trust = where(norm(w) > 0.1, norm(w) / scale, 1)
    return w - lr * trust * g, scale
""",
    "factored": """def factored(w, g, r, c, *, lr=0.1, rho=0.9, eps=1e-6):
    r = ema(r, row_mean(square(g)), rho)
    c = ema(c, column_mean(square(g)), rho)
    v = r * c / (mean(c) + eps)
    return w - lr * sqrt(columns(w) / rows(w)) * g / (sqrt(v) + eps), r, c
""",
    "started": """def started(w, g, slow=w, s=lr, k=beta, fixed=0.25, *, lr=0.1, beta=0.5):
    s = where(g * (w - slow) > 0, s * 1.2, s * 0.5)
    fixed = fixed + g
    return w - s * fixed, ema(slow, w, k), s, k * 0.99, fixed
""",
    "planned": """def planned(w, g, prev, *, lr=0.1):
    rate = lr * max(0, 1 - t / T) * base_lr / 0.1
    return w - rate * (g + cos(pi() * t / 2) * prev), g
""",
    "adapted": """def adapted(w, g, m, v, *, lr=0.1, beta1=0.9, beta2=0.99):
    m = ema(m, g, beta1)
    v = ema(v, square(g), beta2)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    step_size = where(rho > 4, r * sqrt(1 - beta2**t), 0)
    update = where(rho > 4, step_size * bias_correct(m, beta1, t) / (sqrt(v) + 1e-8), bias_correct(m, beta1, t))
    return w - lr * update, m, v
""",
    "swapped": """def swapped(w, g, a=w, b=1, *, lr=0.1):
    old = a
    return w - lr * (a - b) - lr * g, b + 0 * g, old
""",
    "taken": '''def sum_(w, g, params, l, step, torch, *, lr=1, maximize=0.5, float=2, group=1, super=1, total_steps=1):
    """Names that mean something in Python: "quoted", a back\\\\slash, \\"\\"\\"."""
    new_w = g * maximize * float
    math = l + new_w * total_steps * group * super
    return w - lr * math, params + g, math, step + 1, torch * 0.5 + g
''',
    "chosen": """def chosen(w, g, s, k, *, lr=0.1):
    s = where(s, 1.9, lr) + 0.1 * matmul(g, transpose(g))
    k = where(t > 1, 0.5, where(k > 0, t, row_mean(g)))
    return w - lr * matmul(where(s > 2, 0.5, s), g) * where(k, 1.5, 2), ema(s, where(t > 1, s, lr), 0.5), k
""",
    "counted": """def counted(w, g, m, *, lr=0.1):
    agree = g * m > 0
    votes = ((g > 0) - (g < 0)) / ((w < 5) + (g < w))
    return w - lr * where(agree, votes, g), ema(m, g, 0.9)
""",
    "widened": """def widened(w, g, r, s, *, lr=0.1):
    x = where(t > 1, row_mean(g), g)
    y = where(1, norm(g), g)
    s = ema(s, where(t > 1, norm(g), matmul(g, transpose(g))), 0.5)
    return w - lr * (sum(x) + norm(y)) * where(t > 1, norm(g), g), ema(r, where(t > 1, row_mean(g), g), 0.5), s
""",
    "unread": """def unread(w, g, n, *, lr=0.1):
    return w - lr, n + global_norm(w)
""",
    "wide": "def wide(w, g, "
    + ", ".join(f"a_state_with_a_long_name_{i}" for i in range(7))
    + ", *, lr=0.1, a_hyperparameter_with_a_long_name=0.5):\n"
    + "    update = "
    + " + ".join(f"sqrt(abs(a_state_with_a_long_name_{i}) + a_hyperparameter_with_a_long_name)" for i in range(7))
    + "\n    return w - lr * update, "
    + ", ".join(f"a_state_with_a_long_name_{(i + 1) % 7} * 0.5 + {i} * g" for i in range(7))
    + "\n",
}


def oracles_of(program: Program) -> set[str]:
    """What a program asks of the loss."""
    return {c.op for expr in expressions(program) for c in calls(expr) if PRIMITIVES[c.op].form == "oracle"}


ALL = {name: parse(text) for name, text in SPECIMENS.items()} | {name: reference(name) for name in names()}
PROGRAMS = {name: program for name, program in ALL.items() if not oracles_of(program)}  # these need only gradients
SHAPES = ((3, 4), (4,), (2, 3, 2, 2))


def exported(program: Program) -> Any:
    """The class of a program, whose constructor takes its hyperparameters."""
    return to_torch(program)


def random_arrays(seed: int, scale: float = 1.0) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) * scale for shape in SHAPES]


def make(program: Program, params: Any, **options: Any) -> Optimizer:
    if "total_steps" in source(program) and "total_steps" not in program.defaults:
        options["total_steps"] = 20
    optimizer: Optimizer = exported(program)(params, **options)
    return optimizer


def by_interpreter(
    program: Program, steps: int, nudge: float = 0.0, roles: Sequence[str] | None = None
) -> list[list[np.ndarray[Any, Any]]]:
    """The weights after each step, from weights and gradients that are a little off where `nudge` is."""
    weights = [w * (1 + nudge) for w in random_arrays(0)]
    lr = program.defaults["lr"]
    states = start(program, weights, lr)
    path = []
    for t in range(1, steps + 1):
        grads = [g * (1 - nudge) for g in random_arrays(t)]
        weights, states = step(program, weights, grads, states, t=t, lr=lr, total_steps=20, loss=0.25 * t, roles=roles)
        path.append(weights)
    return path


def by_torch(
    program: Program, steps: int, dtype: torch.dtype = torch.float64, roles: Sequence[str] | None = None
) -> list[list[np.ndarray[Any, Any]]]:
    params = [nn.Parameter(torch.tensor(w, dtype=dtype)) for w in random_arrays(0)]
    groups = [{"params": [p], "role": role} for p, role in zip(params, roles or [None] * len(params), strict=True)]
    optimizer = make(program, groups)
    path = []
    for t in range(1, steps + 1):
        for p, g in zip(params, random_arrays(t), strict=True):
            p.grad = torch.tensor(g, dtype=dtype)
        optimizer.step(lambda t=t: 0.25 * t)  # type: ignore[misc]
        path.append([p.detach().numpy().copy() for p in params])
    return path


def assert_same(ours: Sequence[Any], theirs: Sequence[Any], rtol: float = 1e-10) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=1e-12)


def saved_and_loaded(optimizer: Optimizer, fresh: Optimizer) -> Optimizer:
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    buffer.seek(0)
    fresh.load_state_dict(torch.load(buffer))
    return fresh


def two_steps(optimizer: Optimizer, params: Sequence[Tensor], seed: int = 1) -> None:
    for t in (seed, seed + 1):
        for p, g in zip(params, random_arrays(t), strict=True):
            p.grad = torch.tensor(g, dtype=p.dtype)
        optimizer.step(lambda: 0.5)
