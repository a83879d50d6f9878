"""Instructions of the CPU machine that take a matrix as a whole: products, means of rows, Newton-Schulz, spreading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from primitives.kinds import Kind
from primitives.matrices import MOST_STEPS, SMALLEST

SIDES = ("1", "m", "n", "mn")  # dimensions of kinds; a pair of them has the code first * 4 + second
OPCODES = {
    "copy": 0, "transpose": 1, "row_mean": 2, "column_mean": 3, "flatten": 4, "unflatten": 4, "matmul": 5,
    "orthogonalize": 6,
}  # fmt: skip
COMPILED: Any = {"error_model": "numpy", "nogil": True}


def sides(kind: Kind) -> int:
    """The code of a kind."""
    return SIDES.index(kind.rows) * len(SIDES) + SIDES.index(kind.columns)


@njit(**COMPILED)
def side(code: int, m: int, n: int) -> int:
    """The length of a dimension for a tensor of m rows and n columns."""
    return (m if code & 1 else 1) * (n if code & 2 else 1)


@njit(fastmath={"contract"}, **COMPILED)
def multiply(D: Any, A: Any, B: Any) -> None:
    """D = A B: two rows by four columns of A at a time, so that what is read of B and D serves several products."""
    rows, inner = A.shape
    columns, fours = B.shape[1], inner - inner % 4
    D[:] = 0
    for i in range(0, rows - 1, 2):
        p, q = D[i], D[i + 1]
        for k in range(0, fours, 4):
            a0, a1, a2, a3 = A[i, k], A[i, k + 1], A[i, k + 2], A[i, k + 3]
            c0, c1, c2, c3 = A[i + 1, k], A[i + 1, k + 1], A[i + 1, k + 2], A[i + 1, k + 3]
            b0, b1, b2, b3 = B[k], B[k + 1], B[k + 2], B[k + 3]
            for j in range(columns):
                p[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])
                q[j] += (c0 * b0[j] + c1 * b1[j]) + (c2 * b2[j] + c3 * b3[j])
        for k in range(fours, inner):
            for j in range(columns):
                p[j] += A[i, k] * B[k, j]
                q[j] += A[i + 1, k] * B[k, j]
    if rows % 2:
        for k in range(inner):
            for j in range(columns):
                D[rows - 1, j] += A[rows - 1, k] * B[k, j]


@njit(**COMPILED)
def exchange(D: Any, A: Any) -> None:
    """D = A', the transpose."""
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            D[j, i] = A[i, j]


@njit(**COMPILED)
def orthogonalize(D: Any, A: Any, steps: float, a: float, b: float, c: float) -> None:
    """What primitives.matrices.orthogonalize says, for one matrix."""
    total = 0.0
    for x in A.flat:
        total += np.float64(x) * np.float64(x)
    norm = D.dtype.type(math.sqrt(total))
    norm = D.dtype.type(SMALLEST) if norm < SMALLEST else norm
    tall = A.shape[0] > A.shape[1]
    short, long = (A.shape[1], A.shape[0]) if tall else A.shape
    X, Y, T = np.empty((short, long), D.dtype), np.empty((short, long), D.dtype), np.empty((long, short), D.dtype)
    S, P = np.empty((short, short), D.dtype), np.empty((short, short), D.dtype)
    if tall:
        exchange(X, A)
    else:
        X[:] = A
    for i in range(short):
        for j in range(long):
            X[i, j] /= norm
    a_, b_, c_ = D.dtype.type(a), D.dtype.type(b), D.dtype.type(c)
    for _ in range(int(max(0.0, min(float(MOST_STEPS), steps)))):
        exchange(T, X)
        multiply(S, X, T)
        multiply(P, S, S)
        for i in range(short):
            for j in range(short):
                P[i, j] = b_ * S[i, j] + c_ * P[i, j]
        multiply(Y, P, X)
        for i in range(short):
            for j in range(long):
                X[i, j] = a_ * X[i, j] + Y[i, j]
    if tall:
        exchange(D, X)
    else:
        D[:] = X


@njit(**COMPILED)
def run_whole(op: int, D: Any, A: Any, B: Any, s: Any, numbers: Any) -> None:
    """One instruction: D from the matrices A and B, and from the slots `numbers` of s."""
    if op == 0:
        for i in range(D.shape[0]):
            for j in range(D.shape[1]):
                D[i, j] = A[i if A.shape[0] > 1 else 0, j if A.shape[1] > 1 else 0]
    elif op == 1:
        exchange(D, A)
    elif op == 2:
        for j in range(A.shape[1]):
            total = 0.0
            for i in range(A.shape[0]):
                total += A[i, j]
            D[0, j] = total / A.shape[0]
    elif op == 3:
        for i in range(A.shape[0]):
            total = 0.0
            for j in range(A.shape[1]):
                total += A[i, j]
            D[i, 0] = total / A.shape[1]
    elif op == 4:
        D.ravel()[:] = A.ravel()
    elif op == 5:
        multiply(D, A, B)
    else:
        orthogonalize(D, A, s[numbers[0]], s[numbers[1]], s[numbers[2]], s[numbers[3]])
