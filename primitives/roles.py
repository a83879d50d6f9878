"""What a tensor is for: a few constants of each tensor, which a program may read.

A role is "hidden" (a matrix between hidden units), "embedding", "head" (the matrix that gives the output) or "vector".
"""

from __future__ import annotations

ROLES = ("hidden", "embedding", "head", "vector")
CONSTANTS = ("is_matrix", "is_hidden", "is_embedding", "is_head")


def role_of(dimensions: int) -> str:
    """The role of a tensor of which nobody says what it is for."""
    return "hidden" if dimensions > 1 else "vector"


def facts(dimensions: int, role: str) -> dict[str, float]:
    """The constants of a tensor; `is_matrix` is 1 for two dimensions and more."""
    if role not in ROLES:
        raise ValueError(f"'{role}' is no role of a tensor; the roles are {', '.join(ROLES)}.")
    return {"is_matrix": float(dimensions > 1)} | {f"is_{name}": float(role == name) for name in ROLES[:-1]}
