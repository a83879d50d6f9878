"""An exported optax transformation is a good citizen of JAX and optax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
import pytest

from primitives.export_optax import optax_source
from primitives.reference import reference
from primitives.text import parse
from tests.primitives.exporting import random_arrays
from tests.primitives.optax_files import PROGRAMS, made, module_of


def tree_of(arrays: list[Any], dtype: Any = jnp.float32) -> Any:
    """The arrays as parameters of two layers."""
    matrix, vector, kernel = (jnp.asarray(x, dtype) for x in arrays)
    return {"dense": {"kernel": matrix, "bias": vector}, "conv": (kernel,)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_shapes_and_dtypes_stay_as_they_are_and_states_are_float32(name: str) -> None:
    transformation = optax.with_extra_args_support(made(PROGRAMS[name]))
    params = tree_of(random_arrays(0), jnp.bfloat16)
    state = jax.eval_shape(transformation.init, params)
    updates, new = jax.eval_shape(lambda p, s: transformation.update(p, s, p, value=0.5), params, state)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), updates) == jax.tree.map(lambda x: (x.shape, x.dtype), params)
    assert {x.dtype.name for x in jax.tree.leaves(state)} <= {"int32", "float32"}


def run(transformation: Any, steps: int = 5, params: Any = None) -> Any:
    """The parameters after a scan over steps."""
    params = tree_of(random_arrays(0)) if params is None else params
    grads = [tree_of(random_arrays(t)) for t in range(1, steps + 1)]

    def one(carry: Any, grad: Any) -> Any:
        updates, state = transformation.update(grad, carry[1], carry[0])
        return (optax.apply_updates(carry[0], updates), state), None

    begin = (params, transformation.init(params))
    (params, _), _ = jax.jit(lambda: jax.lax.scan(one, begin, jax.tree.map(lambda *x: jnp.stack(x), *grads)))()
    return params


def assert_same_tree(ours: Any, theirs: Any, rtol: float = 1e-6) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7), ours, theirs)


def test_is_optaxs_adamw_also_in_a_chain_and_with_a_schedule() -> None:
    ours, schedule = module_of(reference("adamw")).made, optax.cosine_decay_schedule(0.05, 8)
    theirs = optax.adamw(schedule, weight_decay=0.3)
    assert_same_tree(run(ours(schedule, weight_decay=0.3)), run(theirs))
    clip = optax.clip_by_global_norm(0.7)
    assert_same_tree(run(optax.chain(clip, ours(0.05))), run(optax.chain(clip, optax.adamw(0.05, weight_decay=0.01))))


def test_hyperparameters_can_be_injected_and_changed() -> None:
    ours = module_of(reference("adamw")).made
    schedule = optax.cosine_decay_schedule(0.05, 8)
    injected = optax.inject_hyperparams(ours)(schedule, beta1=0.8)
    assert_same_tree(run(injected), run(ours(schedule, beta1=0.8)), 1e-4)
    params = tree_of(random_arrays(0))
    state = injected.init(params)
    state.hyperparams["beta1"] = jnp.asarray(0.5)
    updates, _ = injected.update(params, state, params)
    expected, _ = ours(schedule, beta1=0.5).update(params, ours(0.05).init(params), params)
    assert_same_tree(updates, expected, 1e-4)


def test_counts_are_static_and_roles_are_trees_or_functions() -> None:
    ours = module_of(reference("muon")).made
    tree = {"dense": {"kernel": None, "bias": "vector"}, "conv": ("head",)}
    expected = run(ours(roles=tree))
    assert_same_tree(run(ours(roles=lambda path: "head" if path == "conv/0" else None)), expected)
    injected = optax.inject_hyperparams(ours, static_args=("ns_steps", "roles"))(roles=tree)
    assert_same_tree(run(injected), expected, 1e-4)
    with pytest.raises(ValueError, match=r"^'body' is no role of a tensor; the roles are hidden, embedding, head, v"):
        run(ours(roles=lambda path: "body"))


def test_the_last_axis_can_be_that_of_the_outputs() -> None:
    """Kernels of Flax, [..., inputs, outputs], are then stepped as those of torch, [outputs, inputs, ...]."""
    ours = module_of(reference("muon_everywhere")).made
    weights, grads = ([x[i] for i in (0, 2)] for x in (random_arrays(0), random_arrays(1)))

    def change(weights: Any, grads: Any, **options: Any) -> Any:
        return ours(**options).update(grads, ours(**options).init(weights), weights)[0]

    turned = [[np.moveaxis(x, 0, -1) for x in arrays] for arrays in (weights, grads)]
    for x, y in zip(change(*turned, output_last=True), change(weights, grads), strict=True):
        np.testing.assert_allclose(np.moveaxis(x, -1, 0), y, rtol=1e-5, atol=1e-7)


def test_the_loss_is_the_extra_argument_value() -> None:
    polyak = parse("def polyak(w, g, *, lr=1):\n    return w - lr * loss / dot(g, g) * g\n")
    transformation = optax.chain(optax.identity(), made(polyak))
    assert isinstance(made(polyak), optax.GradientTransformationExtraArgs)
    w = jnp.asarray([3.0, 4.0])
    updates, _ = transformation.update(w, transformation.init(w), w, value=jnp.asarray(50.0), grad=w)
    np.testing.assert_allclose(updates, [-6.0, -8.0])
    with pytest.raises(TypeError, match="value"):
        made(polyak).update(w, made(polyak).init(w), w)


def test_a_schedule_needs_base_lr_where_the_program_reads_it() -> None:
    program = parse("def f(w, g, s=lr, *, lr=1):\n    return w - lr * base_lr * s * g, s\n")
    schedule = optax.constant_schedule(0.5)
    with pytest.raises(TypeError, match=r"^made reads base_lr: give the constant that the schedule .* comes from\.$"):
        made(program, schedule)
    w = jnp.ones(2)
    for transformation, moved in ((made(program, schedule, base_lr=2.0), 2.0), (made(program, 0.5), 0.125)):
        updates, _ = transformation.update(w, transformation.init(w), w)
        np.testing.assert_allclose(updates, -moved * w)


def test_works_inside_wrappers_of_optax() -> None:
    clipped = made(reference("lion"), 0.1)
    mask = {"dense": {"kernel": True, "bias": False}, "conv": (True,)}
    ours = run(optax.masked(optax.apply_if_finite(clipped, 3), mask))
    theirs = run(optax.masked(optax.apply_if_finite(optax.lion(0.1, b2=0.99, weight_decay=0.0), 3), mask))
    assert_same_tree(ours, theirs)
    half = tree_of(random_arrays(0), jnp.bfloat16)
    several = optax.MultiSteps(made(reference("adamw")), 2)
    updates, _ = several.update(half, several.init(half), half)
    assert all(x.dtype == jnp.bfloat16 for x in jax.tree.leaves(updates))


def test_an_empty_tree_and_a_scalar_are_parameters_too() -> None:
    for name in ("clipped", "matrices_turned", "variants_muon"):
        transformation = made(PROGRAMS[name])
        for params in ({}, {"x": jnp.asarray(0.5)}):
            updates, _ = transformation.update(params, transformation.init(params), params)
            assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, params)


def test_wrong_input_is_one_sentence() -> None:
    ours, w = made(reference("adam")), jnp.ones(2)
    with pytest.raises(ValueError, match=r"^made needs the parameters: call update\(updates, state, params\)\.$"):
        ours.update(w, ours.init(w))
    with pytest.raises(TypeError, match=r"^Parameters and gradients must be real numbers\.$"):
        ours.init(jnp.ones(2, jnp.complex64))
    for name in ("class", "two words", "optax", "1", "print"):
        with pytest.raises(ValueError, match=f"^'{name}' cannot be the name of the function"):
            optax_source(reference("adam"), name)
