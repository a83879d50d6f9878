"""What the tests of exported optax files share: the module of a program, and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]

from primitives.export_optax import optax_source
from primitives.program import Program
from primitives.text import parse
from tests.primitives import test_export_matrices, test_export_variants
from tests.primitives.exporting import PROGRAMS as PLAIN
from tests.primitives.exporting import random_arrays

MATRICES = {f"matrices_{name}": program for name, program in test_export_matrices.PROGRAMS.items()}
VARIANTS = {f"variants_{name}": program for name, program in test_export_variants.PROGRAMS.items()}
CLASHES = {
    "clashes": parse("""def clash(w, g, z, _m, count=2, *, lr=0.1, new_z=0.5, zip=2, clash_step=3, callable=1, tree=1):
    fitted = z + new_z * g * callable
    wide = _m * tree + fitted
    return w - lr * wide / zip / count, fitted, wide, clash_step
""")
}
PROGRAMS = PLAIN | MATRICES | VARIANTS | CLASHES


def module_of(program: Program) -> Any:
    """The exported file, imported."""
    module = ModuleType(f"optax_{program.name}")
    exec(compile(optax_source(program, "made"), module.__name__, "exec"), module.__dict__)
    return module


def made(program: Program, *args: Any, **options: Any) -> Any:
    """The transformation of a program."""
    function = module_of(program).made
    if "total_steps" in optax_source(program) and "total_steps" not in program.defaults:
        options.setdefault("total_steps", 20)
    return function(*args, **options)


def by_optax(
    program: Program, steps: int, roles: Sequence[str | None] | None = None, **options: Any
) -> list[list[np.ndarray[Any, Any]]]:
    """The weights after each step, on the arrays of `exporting.by_torch`, each step compiled."""
    options |= {"roles": list(roles)} if roles and "roles: Any" in optax_source(program) else {}
    transformation = optax.with_extra_args_support(made(program, **options))

    @jax.jit
    def step(params: Any, state: Any, grads: Any, value: Any) -> Any:
        updates, state = transformation.update(grads, state, params, value=value)
        return optax.apply_updates(params, updates), state

    params = [jnp.asarray(w) for w in random_arrays(0)]
    state = transformation.init(params)
    path = []
    for t in range(1, steps + 1):
        params, state = step(params, state, [jnp.asarray(g) for g in random_arrays(t)], 0.25 * t)
        path.append([np.asarray(w) for w in params])
    return path
