"""What the primitives compute that ask the loss once more: gradients elsewhere, Hessian products and solves.

A point is a list with one array [..., rows, columns] for each tensor of the model; numbers are [..., 1, 1] or plain.
"""

from __future__ import annotations

from typing import Any, Protocol

LARGEST = 10_000  # parameters of which a Hessian is formed


class OracleError(RuntimeError):
    """Nobody answers what a program asks of the loss; the message says who could."""


class Oracle(Protocol):
    """The loss of this step, on the data of this step."""

    def gradient(self, point: list[Any]) -> list[Any]:
        """The gradient at a point."""

    def loss(self, point: list[Any]) -> Any:
        """The loss at a point."""

    def product(self, vector: list[Any]) -> list[Any]:
        """The Hessian at the present weights times a vector."""


def grad_at(f: Any, oracle: Oracle, x: list[Any]) -> list[Any]:
    """The gradient at x."""
    return oracle.gradient(x)


def loss_at(f: Any, oracle: Oracle, x: list[Any]) -> Any:
    """The loss at x."""
    return oracle.loss(x)


def hvp(f: Any, oracle: Oracle, x: list[Any]) -> list[Any]:
    """The Hessian at w times x."""
    return oracle.product(x)


def hessian_solve(f: Any, oracle: Oracle, x: list[Any], damping: Any) -> list[Any]:
    """(H + damping I)^-1 x with the Hessian H at w formed column by column: for small models."""
    sizes = [part.shape[-2] * part.shape[-1] for part in x]
    if sum(sizes) > LARGEST:
        raise OracleError(f"hessian_solve forms the Hessian of {sum(sizes):,} parameters; it takes {LARGEST:,}.")
    columns = [_flat(f, oracle.product(unit)) for unit in _units(f, x, sizes)]
    hessian = f.side_by_side(columns)
    hessian = (hessian + f.swap(hessian)) / 2 + f.cast(damping, hessian) * f.identity_like(hessian)
    return _parts(f, f.solve(hessian, _flat(f, x)), x)


def cg_solve(f: Any, oracle: Oracle, x: list[Any], damping: Any, steps: Any) -> list[Any]:
    """An approximate (H + damping I)^-1 x: conjugate gradients from zero, on products with the Hessian H at w.

    They end early where the residual vanishes or a direction has no positive curvature; met in the first step, that
    gives x itself. Martens 2010; Nocedal and Wright 2006, algorithm 7.1.
    """
    solution = [part * 0 for part in x]
    residual, direction = x, x
    rr = _dot(f, x, x)
    going = f.truth(rr > 0)
    for step in range(int(f.first(steps))):
        curved = _add(f, oracle.product(direction), damping, direction)
        curvature = _dot(f, direction, curved)
        up = going * f.truth(curvature > 0)
        if step == 0:
            solution = _add(f, solution, going - up, x)
        alpha = f.where(up > 0, rr / f.where(up > 0, curvature, curvature * 0 + 1), rr * 0)
        solution = _add(f, solution, alpha, direction)
        residual = _add(f, residual, -alpha, curved)
        last, rr = rr, f.where(up > 0, _dot(f, residual, residual), rr)
        going = up * f.truth(rr > 0)
        direction = _add(f, residual, rr / f.where(last > 0, last, last * 0 + 1), direction)
    return solution


def _dot(f: Any, x: list[Any], y: list[Any]) -> Any:
    return sum(f.total(f.wide(a) * f.wide(b)) for a, b in zip(x, y, strict=True))


def _add(f: Any, x: list[Any], scale: Any, y: list[Any]) -> list[Any]:
    return [a + f.cast(scale, a) * b for a, b in zip(x, y, strict=True)]


def _units(f: Any, like: list[Any], sizes: list[int]) -> Any:
    """The unit vectors of the space of all parameters, one point each."""
    for k, size in enumerate(sizes):
        for i in range(size):
            unit = [part * 0 for part in like]
            unit[k] = f.unit(unit[k], i)
            yield unit


def _flat(f: Any, parts: list[Any]) -> Any:
    return f.stacked([f.as_column(part) for part in parts])


def _parts(f: Any, column: Any, like: list[Any]) -> list[Any]:
    parts, at = [], 0
    for part in like:
        size = part.shape[-2] * part.shape[-1]
        parts.append(f.shaped(column[..., at : at + size, :], part))
        at += size
    return parts
