"""The reference interpreter: readable, slow, any dtype. It is the truth that every other machine is tested against.

A number is a float64; any other value is a list with one array [rows, columns] for each tensor of the model. Numbers,
those of one tensor too, are float64 throughout and are rounded to the tensors' dtype where they meet them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from primitives.inference import state_kinds
from primitives.kinds import NUMBER, TENSOR, Kind
from primitives.namespaces import NUMPY
from primitives.oracles import Oracle, OracleError
from primitives.primitive import Primitive
from primitives.program import Call, Program
from primitives.roles import facts, role_of
from primitives.table import PRIMITIVES
from primitives.text import parse_expr

Array = np.ndarray[Any, Any]
Value = Any  # np.float64, or list[Array]


def as_matrix(x: Array) -> Array:
    """The matrix view [m, n] of a parameter: first x rest; a vector is 1 x n."""
    return x.reshape(x.shape[0], -1) if x.ndim > 1 else x.reshape(1, -1)


def start(
    program: Program, weights: Sequence[Array], lr: float, hyper: Mapping[str, float] | None = None
) -> list[Value]:
    """The states before the first step; `lr` is the constant learning rate, `hyper` replaces defaults."""
    known = {**program.defaults, **(hyper or {}), "lr": lr}
    kinds = state_kinds(program)
    states = []
    for state in program.states:
        if state.start == "w":
            states.append([as_matrix(w).copy() for w in weights])
        else:
            value = known[state.start] if isinstance(state.start, str) else state.start
            states.append(_spread(np.float64(value), kinds[state.name], weights))
    return states


def step(
    program: Program,
    weights: Sequence[Array],
    grads: Sequence[Array],
    states: Sequence[Value],
    *,
    t: int,
    lr: float,
    hyper: Mapping[str, float] | None = None,
    base_lr: float | None = None,
    total_steps: float = np.nan,
    loss: float = np.nan,
    roles: Sequence[str] | None = None,
    oracle: Oracle | None = None,
) -> tuple[list[Array], list[Value]]:
    """One update: the new weights, in the shapes given, and the new states. Nothing is changed in place.

    `roles` says what each tensor is for (roles.py; by its shape unless given). The oracle gets and gives matrices.
    """
    numbers = {**program.defaults, **(hyper or {}), "lr": lr, "t": t, "T": total_steps, "loss": loss}
    numbers["base_lr"] = lr if base_lr is None else base_lr
    env: dict[str, Value] = {name: np.float64(value) for name, value in numbers.items()}
    env["w"], env["g"] = [as_matrix(w) for w in weights], [as_matrix(g) for g in grads]
    env.update(zip(program.state_names, states, strict=True))
    env |= _about(weights, roles, oracle)
    with np.errstate(all="ignore"):
        for assign in program.body:
            env[assign.name] = evaluate(assign.value, env)
        new_w, *new_states = (evaluate(value, env) for value in program.returns)
    kinds = [state_kinds(program)[name] for name in program.state_names]
    spread = [_spread(value, kind, weights) for value, kind in zip(new_states, kinds, strict=True)]
    whole = _spread(new_w, TENSOR, weights)
    return [x.reshape(w.shape) for x, w in zip(whole, weights, strict=True)], spread


def evaluate(expr: str | float | Call, env: Mapping[str, Value]) -> Value:
    """The value of an expression, statement by statement over the whole list of tensors."""
    if isinstance(expr, str):
        return env[expr]
    if not isinstance(expr, Call):
        return np.float64(expr)
    p = PRIMITIVES[expr.op]
    if p.form == "role":
        return env[f"{p.name}()"]
    args = [evaluate(arg, env) for arg in expr.args]
    if p.form == "oracle":
        return _ask(p, args, env)
    return FORMS[p.form](p, args)


def _about(weights: Sequence[Array], roles: Sequence[str] | None, oracle: Oracle | None) -> dict[str, Value]:
    """What is known of the tensors and of the loss, under names that no variable can have."""
    named = [role_of(w.ndim) for w in weights] if roles is None else roles
    known = [facts(w.ndim, role) for w, role in zip(weights, named, strict=True)]
    constants = {f"{name}()": [np.full((1, 1), fact[name]) for fact in known] for name in facts(0, "vector")}
    return constants | {"oracle()": oracle}


def _ask(p: Primitive, args: list[Value], env: Mapping[str, Value]) -> Value:
    """What the oracle says; a point has a value for each element."""
    assert p.meaning is not None
    if env["oracle()"] is None:
        raise OracleError(f"{p.name} asks for more than the gradient at w; give an oracle, or a closure.")
    values = [_spread(arg, TENSOR, env["w"]) if isinstance(arg, list) else arg for arg in args]
    answer = p.meaning(NUMPY, env["oracle()"], *values)
    return answer if isinstance(answer, list) else np.float64(answer)


@cache
def expansion(name: str) -> str | float | Call:
    """The definition of a composite primitive over its argument names."""
    p = PRIMITIVES[name]
    return parse_expr(p.expansion, p.args)


def _composite(p: Primitive, args: list[Value]) -> Value:
    return evaluate(expansion(p.name), dict(zip(p.args, args, strict=True)))


def _pointwise(p: Primitive, args: list[Value]) -> Value:
    assert p.meaning is not None
    if not any(isinstance(arg, list) for arg in args):
        return np.float64(p.meaning(NUMPY, *args))
    return _each(args, lambda *values: _in_one_dtype(p.meaning, values))  # type: ignore[arg-type]


def _in_one_dtype(meaning: Callable[..., Any], values: tuple[Any, ...]) -> Array:
    """Numbers rounded to the dtype of the tensors they meet, then the meaning, in that dtype."""
    dtype = next((v.dtype for v in values if v.dtype != np.float64), np.dtype(np.float64))
    return np.asarray(meaning(NUMPY, *(np.asarray(v, dtype=dtype) for v in values)), dtype=dtype)


def _totals(p: Primitive, args: list[Value]) -> tuple[list[Array], list[float]]:
    """Sum of the meaning over each tensor, in float64, and how many elements that were."""
    assert p.meaning is not None
    terms = _each(args, lambda *values: p.meaning(NUMPY, *(NUMPY.wide(v) for v in values)))  # type: ignore[misc]
    return [NUMPY.total(x) for x in terms], [float(x.size) for x in terms]


def _reduction(p: Primitive, args: list[Value]) -> Value:
    return [finish(p, NUMPY, total, n) for total, n in zip(*_totals(p, args), strict=True)]


def _model(p: Primitive, args: list[Value]) -> Value:
    totals, counts = _totals(p, args)
    return np.float64(finish(p, NUMPY, sum(float(total[0, 0]) for total in totals), sum(counts)))


def _shape(p: Primitive, args: list[Value]) -> Value:
    assert p.meaning is not None
    return [np.full((1, 1), float(p.meaning(*x.shape))) for x in args[0]]


def _matrix(p: Primitive, args: list[Value]) -> Value:
    return _each(args, lambda *values: _in_one_dtype(p.meaning, values))  # type: ignore[arg-type]


def finish(p: Primitive, f: Any, total: Any, n: float) -> Any:
    """What a reduction makes of the total over its n elements."""
    return {
        "total": lambda: total,
        "total / n": lambda: total / n,
        "sqrt(total)": lambda: f.sqrt(total),
        "sqrt(total / n)": lambda: f.sqrt(total / n),
    }[p.finish]()


def _each(args: list[Value], function: Callable[..., Array]) -> list[Array]:
    """The function applied tensor by tensor; numbers serve every tensor."""
    count = next(len(arg) for arg in args if isinstance(arg, list))
    columns = [arg if isinstance(arg, list) else [arg] * count for arg in args]
    return [function(*values) for values in zip(*columns, strict=True)]


def _spread(value: Value, kind: Kind, weights: Sequence[Array]) -> Value:
    """A value broadcast to all that its kind covers; single numbers stay float64."""
    if kind == NUMBER:
        return value
    spread = []
    for i, w in enumerate(weights):
        x = value[i] if isinstance(value, list) else value
        dtype = np.float64 if kind.single else w.dtype
        spread.append(np.array(np.broadcast_to(np.asarray(x, dtype=dtype), kind.shape(*as_matrix(w).shape))))
    return spread


FORMS: dict[str, Callable[[Primitive, list[Value]], Value]] = {
    "pointwise": _pointwise,
    "composite": _composite,
    "reduction": _reduction,
    "model": _model,
    "shape": _shape,
    "matrix": _matrix,
}
