"""What exported files have in common: `export` copies those functions and classes of this file that a program needs.

It is read as text, so that nothing here imports the project. What matrices.py and oracles.py mean is said once more,
for single torch tensors; the tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from primitives.torch_base import Bucket


def as_matrix(x: Tensor) -> Tensor:
    """The first dimension by the rest; a vector is one row."""
    return x.flatten(1) if x.dim() > 1 else x.reshape(1, -1)


def role_of(group: dict[str, Any], w: Tensor) -> str:
    """What a parameter is for: the option `role` of its group, else a matrix is hidden and all else a vector."""
    role: str = group["role"] or ("hidden" if w.dim() > 1 else "vector")
    if role not in ("hidden", "embedding", "head", "vector"):
        raise ValueError(f"'{role}' is no role of a tensor; the roles are hidden, embedding, head, vector.")
    return role


def orthogonalize(x: Tensor, steps: float, a: Any, b: Any, c: Any) -> Tensor:
    """Newton-Schulz steps X <- a X + (b A + c A A) X with A = X X', after X = x / norm(x). Jordan 2024."""
    norm = torch.linalg.vector_norm(x.double()).to(x.dtype)
    x = x / torch.maximum(norm, norm * 0 + 1e-30)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(max(0, min(20, int(steps)))):
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


def inv_root(x: Tensor, p: Any, eps: Any) -> Tensor:
    """(x + eps I)^(-1/p) of a symmetric matrix by its eigenvalues, negative ones as zero; nan if x is not finite."""
    finite = torch.isfinite(x).all()
    values, vectors = torch.linalg.eigh(torch.where(finite, x if x.dtype == torch.float64 else x.float(), 0))
    exponent = -1 / p if isinstance(p, Tensor) or p != 0 else -math.inf
    root: Tensor = vectors * (values.clamp(min=0) + eps) ** exponent @ vectors.T
    return torch.where(finite, root, math.nan).to(x.dtype)


def run_with_loss(updates: Sequence[Generator[Any, Any, Any]], loss: Any) -> list[Any]:
    """What the updates return. What they yield together is a sum over all of them, or a question to the loss."""
    requests = [next(update) for update in updates]
    results: list[Any] = []
    while requests:
        answers = answer(requests, loss)
        requests = []
        for update, reply in zip(updates, answers, strict=True):
            try:
                requests.append(update.send(reply))
            except StopIteration as end:
                results.append(end.value)
    return results


def take_over(bucket: Bucket, new: Sequence[Any], names: Sequence[str]) -> None:
    """Write the new w and states of the one parameter of a bucket."""
    state = bucket.states[0]
    for x, y in zip([bucket.w[0], *(state[name] for name in names)], new, strict=True):
        x.copy_(y) if isinstance(y, Tensor) else x.fill_(y)


def answer(requests: Sequence[Any], loss: Any) -> list[Any]:
    """A reply to each update: the total of the terms, or what a function of the loss says about its part."""
    if not isinstance(requests[0], tuple):
        return [sum(float(term) for term in requests)] * len(requests)
    (ask, *_), parts, *numbers = zip(*requests, strict=True)
    point = [x.reshape(w.shape).type_as(w) for x, w in zip(parts, loss.params, strict=True)]
    replies = ask(loss, point, *numbers)
    return [y.reshape(x.shape) if isinstance(y, Tensor) else y for x, y in zip(parts, replies, strict=True)]


class Loss:
    """The loss anywhere, by a closure that computes it at the present parameters and calls backward."""

    def __init__(self, closure: Callable[[], Any], params: Sequence[tuple[Tensor, bool]]) -> None:
        self.closure = closure
        self.params = [w for w, _ in params]
        self.signs = [-1 if maximize else 1 for _, maximize in params]
        self.first: Any = None  # what the closure returned first

    def gradient(self, point: list[Tensor]) -> list[Tensor]:
        """The gradient at a point; zeros for what the loss does not use."""
        return self._at(point)[1]

    def value(self, point: list[Tensor]) -> list[float]:
        """The loss at a point."""
        loss = float(self._at(point)[0])
        return [sign * loss for sign in self.signs]

    def _at(self, point: list[Tensor]) -> tuple[Any, list[Tensor]]:
        """Loss and gradients at a point; parameters and their gradients are afterwards as before."""
        kept = [(w, w.clone(), w.grad) for w in self.params]
        try:
            for w, x in zip(self.params, point, strict=True):
                w.copy_(x)
                w.grad = None
            with torch.enable_grad():
                loss = self.closure()
            found = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.params]
        finally:
            for w, x, g in kept:
                w.copy_(x)
                w.grad = g
        loss = loss.detach() if isinstance(loss, Tensor) else loss
        self.first = loss if self.first is None else self.first
        return loss, [sign * g for sign, g in zip(self.signs, found, strict=True)]


class SmoothLoss:
    """The loss anywhere and its second derivatives at w, by a closure that returns the loss with its graph."""

    def __init__(self, closure: Callable[[], Any], params: Sequence[tuple[Tensor, bool]]) -> None:
        self.closure = closure
        self.params = [w for w, _ in params]
        self.signs = [-1 if maximize else 1 for _, maximize in params]
        self.first: Any = None  # what the closure returned first
        self.graph: list[Tensor] = []  # the gradient at w, which can be differentiated once more

    def gradient(self, point: list[Tensor] | None = None) -> list[Tensor]:
        """The gradient at a point, or at w; zeros for what the loss does not use."""
        gradients = self._present() if point is None else self._at(point, self._differentiate)
        return self._signed([g.detach() for g in gradients])

    def value(self, point: list[Tensor]) -> list[float]:
        """The loss at a point."""
        loss = float(self._at(point, self._call).detach())
        return [sign * loss for sign in self.signs]

    def product(self, vector: list[Tensor]) -> list[Tensor]:
        """The Hessian at w times a vector."""
        pairs = [(g, v) for g, v in zip(self._present(), vector, strict=True) if g.requires_grad]
        if not pairs:
            return [torch.zeros_like(w) for w in self.params]
        outputs, weights = zip(*pairs, strict=True)
        found = torch.autograd.grad(outputs, self.params, weights, retain_graph=True, materialize_grads=True)
        return self._signed([x.detach() for x in found])

    def _present(self) -> list[Tensor]:
        self.graph = self.graph or self._differentiate(create_graph=True)
        return self.graph

    def _at(self, point: list[Tensor], ask: Callable[[], Any]) -> Any:
        """What `ask` says at a point; the parameters are afterwards as before."""
        self.graph = []  # which knows the parameters at w, and that they move
        kept = [(w, w.clone()) for w in self.params]
        try:
            for w, x in zip(self.params, point, strict=True):
                w.copy_(x)
            return ask()
        finally:
            for w, x in kept:
                w.copy_(x)

    def _call(self) -> Tensor:
        with torch.enable_grad():
            loss = self.closure()
        if not (isinstance(loss, Tensor) and loss.requires_grad):
            raise RuntimeError("The closure must return the loss as a tensor with its graph, and not call backward.")
        self.first = loss.detach() if self.first is None else self.first
        return loss

    def _differentiate(self, create_graph: bool = False) -> list[Tensor]:
        loss = self._call()
        try:
            with torch.enable_grad():
                found = torch.autograd.grad(loss, self.params, create_graph=create_graph, materialize_grads=True)
        except RuntimeError as error:
            if "second time" not in str(error):
                raise
            raise RuntimeError("The closure must return the loss with its graph and not call backward.") from error
        return list(found)

    def _signed(self, parts: list[Tensor]) -> list[Tensor]:
        return [sign * x for sign, x in zip(self.signs, parts, strict=True)]


def inner(x: list[Tensor], y: list[Tensor]) -> float:
    """The inner product of two points."""
    return float(sum(float(torch.sum(a.double() * b.double())) for a, b in zip(x, y, strict=True)))


def moved(x: list[Tensor], scale: float, y: list[Tensor]) -> list[Tensor]:
    """x + scale * y of points."""
    return [a + scale * b for a, b in zip(x, y, strict=True)]


def cg_solve(loss: SmoothLoss, x: list[Tensor], damping: Sequence[float], steps: Sequence[float]) -> list[Tensor]:
    """An approximate (H + damping I)^-1 x by conjugate gradients from zero. Martens 2010.

    They end early where the residual vanishes or a direction has no positive curvature; met in the first step, that
    gives x itself.
    """
    solution, residual, direction = [part * 0 for part in x], x, x
    rr = inner(x, x)
    going = rr > 0
    for step in range(int(max(steps))):
        curved = [a + d * b for a, d, b in zip(loss.product(direction), damping, direction, strict=True)]
        curvature = inner(direction, curved)
        up = going and curvature > 0
        if step == 0 and going and not up:
            solution = x
        if not up and math.isfinite(curvature):  # nothing moves any more; what is not finite still spreads
            break
        alpha = rr / curvature if up else rr * 0
        solution = moved(solution, alpha, direction)
        residual = moved(residual, -alpha, curved)
        last, rr = rr, inner(residual, residual) if up else rr
        going = up and rr > 0
        direction = moved(residual, rr / last if last > 0 else rr, direction)
        if up and rr == 0:
            break
    return solution


def hessian_solve(loss: SmoothLoss, x: list[Tensor], damping: Sequence[float]) -> list[Tensor]:
    """(H + damping I)^-1 x with the Hessian H at w formed column by column, for small models; nan if there is none."""
    sizes = [part.numel() for part in x]
    if sum(sizes) > 10_000:
        raise RuntimeError(f"hessian_solve forms the Hessian of {sum(sizes):,} parameters; it takes 10,000.")
    columns = []
    for i in range(sum(sizes)):
        unit = torch.zeros(sum(sizes), dtype=torch.float64, device=x[0].device)
        unit[i] = 1
        columns.append(flat(loss.product(parts_of(unit, x))))
    hessian = torch.stack(columns, dim=1)
    diagonal = torch.cat([torch.full((size,), d, dtype=torch.float64) for size, d in zip(sizes, damping, strict=True)])
    hessian = (hessian + hessian.T) / 2 + torch.diag(diagonal).to(hessian.device)
    solution, info = torch.linalg.solve_ex(hessian, flat(x))
    return parts_of(solution if int(info) == 0 else torch.full_like(solution, math.nan), x)


def flat(parts: list[Tensor]) -> Tensor:
    """All numbers of a point as one vector."""
    return torch.cat([part.reshape(-1).to(parts[0].device, torch.float64) for part in parts])


def parts_of(vector: Tensor, like: list[Tensor]) -> list[Tensor]:
    """The point that a vector lists."""
    pieces = torch.split(vector, [part.numel() for part in like])
    return [piece.reshape(part.shape).to(part) for piece, part in zip(pieces, like, strict=True)]
