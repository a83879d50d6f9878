"""What exported optax files have in common: `export_optax` copies those functions that a program needs.

It is read as text, so that the export needs no JAX. What matrices.py means is said once more, for single JAX arrays;
the tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

Number = float | Array  # an array without dimensions, where it is traced


def wide(x: ArrayLike) -> Array:
    """A tensor in the precision in which it is computed with: float32 at least."""
    x = jnp.asarray(x)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        raise TypeError("Parameters and gradients must be real numbers.")
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def fitted(x: ArrayLike, old: ArrayLike) -> Array:
    """A value broadcast to the shape of what it replaces, and rounded to its dtype."""
    return jnp.broadcast_to(x, jnp.shape(old)).astype(jnp.asarray(old).dtype)


def trees(tree: Any, rows: Sequence[tuple[Any, ...]], columns: int) -> list[Any]:
    """The columns of a table that has a row for each leaf, each as a tree."""
    return [tree.unflatten([row[i] for row in rows]) for i in range(columns)]


def as_matrix(x: Array, output_last: bool) -> Array:
    """The axis of the outputs, the first or the last, by the rest; a vector is one row."""
    if x.ndim < 2:
        return x.reshape(1, -1)
    return x.reshape(-1, x.shape[-1]).T if output_last else x.reshape(x.shape[0], -1)


def as_tensor(x: ArrayLike, old: Array, output_last: bool) -> Array:
    """A matrix, or what broadcasts to it, in the shape of the tensor of which `as_matrix` made a matrix."""
    x = jnp.broadcast_to(x, as_matrix(old, output_last).shape)
    return (x.T if output_last and old.ndim > 1 else x).reshape(old.shape)


def roles_of(params: Any, roles: Any) -> list[str]:
    """What each tensor is for: as `roles` says, else a matrix is hidden and all else a vector."""
    leaves = jax.tree.leaves_with_path(params)
    tree: Any = jax.tree.structure(params)
    if callable(roles):
        given = [roles(jax.tree_util.keystr(path, simple=True, separator="/")) for path, _ in leaves]
    else:
        given = [None] * len(leaves) if roles is None else tree.flatten_up_to(roles)
    for role in given:
        if role not in (None, "hidden", "embedding", "head", "vector"):
            raise ValueError(f"'{role}' is no role of a tensor; the roles are hidden, embedding, head, vector.")
    return [role or ("hidden" if jnp.ndim(w) > 1 else "vector") for role, (_, w) in zip(given, leaves, strict=True)]


def run_together(steps: Sequence[Generator[Array, Array, Any]]) -> list[Any]:
    """What the steps return; each value that they yield is summed over all of them and sent back to all."""
    terms = [next(step) for step in steps]
    results: list[Any] = []
    while terms:
        total = sum(terms[1:], terms[0])
        terms = []
        for step in steps:
            try:
                terms.append(step.send(total))
            except StopIteration as end:
                results.append(end.value)
    return results


def orthogonalize(x: Array, steps: Number, a: Number, b: Number, c: Number) -> Array:
    """Newton-Schulz steps X <- a X + (b A + c A A) X with A = X X', after X = x / norm(x). Jordan 2024."""
    x = x / jnp.maximum(jnp.linalg.vector_norm(x), 1e-30)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(max(0, min(20, int(steps)))):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


def inv_root(x: Array, p: Number, eps: Number) -> Array:
    """(x + eps I)^(-1/p) of a symmetric matrix by its eigenvalues, negative ones as zero; nan if x is not finite."""
    finite = jnp.isfinite(x).all()
    values, vectors = jnp.linalg.eigh(jnp.where(finite, x, 0))
    scaled = (jnp.maximum(values, 0) + eps) ** jnp.divide(-1, p)
    return jnp.where(finite, vectors * scaled @ vectors.T, math.nan)
