"""What the primitives of the matrix family compute, over arrays [..., rows, columns] of NumPy or torch."""

from __future__ import annotations

from typing import Any

MOST_STEPS = 20  # of Newton-Schulz: by then nothing changes any more
SMALLEST = 1e-30  # a norm below this counts as this, so that zero stays zero


def held(count: Any) -> int:
    """A number of steps from a number: rounded down and held to 0..20."""
    return max(0, min(MOST_STEPS, int(count)))


def orthogonalize(f: Any, x: Any, steps: Any, a: Any, b: Any, c: Any) -> Any:
    """Newton-Schulz steps X <- a X + (b A + c A A) X with A = X X', after X = x / norm(x).

    Taller than wide, it works on the transpose. With Muon's coefficients (3.4445, -4.7750, 2.0315) and 5 steps the
    singular values come to between 0.7 and 1.2; a vector, one row, comes to 0.70 of unit length. Jordan 2024.
    """
    norm = f.cast(f.sqrt(f.total(f.wide(x) * f.wide(x))), x)
    x = x / f.maximum(norm, f.cast(f.wide(norm) * 0 + SMALLEST, x))
    tall = x.shape[-2] > x.shape[-1]
    x = f.swap(x) if tall else x
    for _ in range(held(f.first(steps))):
        square = f.matmul(x, f.swap(x))
        x = a * x + f.matmul(b * square + c * f.matmul(square, square), x)
    return f.swap(x) if tall else x


def inv_root(f: Any, x: Any, p: Any, eps: Any) -> Any:
    """(x + eps I)^(-1/p) of a symmetric matrix x, by its eigenvalues; negative ones (rounding) count as zero."""
    values, vectors = f.eigh(x)
    scaled = f.power(f.maximum(values, values * 0) + eps, -1 / p)
    return f.matmul(vectors * f.swap(scaled), f.swap(vectors))
