"""What only few machines run, against the interpreter: matrices, roles, oracles; and one class, one machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from primitives import interpreter
from primitives.bytecode import TAKEN_ON_CPUS, compile_program
from primitives.machines.batch import Machines, company
from primitives.machines.numba_machine import NumbaMachine
from primitives.machines.torch_machine import TorchMachine
from primitives.oracles import OracleError
from primitives.program import Program
from primitives.table import PRIMITIVES
from primitives.text import parse, show
from tests.primitives.strategies import programs

SHAPES = ((3, 5), (5,), (4, 3), (2, 2, 2), (1,))
ROLES = ("hidden", "vector", "head", "embedding", "vector")
SIZES = [int(np.prod(shape)) for shape in SHAPES]
ENDS = np.cumsum([0, *SIZES])
STEPS, TOTAL = 4, 100.0

TEXTS = {
    "adafactor": """(w, g, r, c, *, lr=0.1, beta=0.9, eps=1e-6):
    r = ema(r, row_mean(square(g) + eps), beta)
    c = ema(c, column_mean(square(g) + eps), beta)
    return w - lr * g / sqrt(r * c / row_mean(r)), r, c""",
    "shampoo": """(w, g, L, R, *, lr=0.1, eps=0.01):
    L = L + matmul(g, transpose(g))
    R = R + matmul(transpose(g), g)
    return w - lr * matmul(matmul(inv_root(L, 4, eps), g), inv_root(R, 4, eps)), L, R""",
    "full": """(w, g, A, *, lr=0.1, eps=0.1):
    x = flatten(g)
    A = ema(A, matmul(x, transpose(x)), 0.9)
    return w - lr * unflatten(matmul(inv_sqrt(A, eps), x), g), A""",
    "muon": """(w, g, m, v, count=1, *, lr=0.1, steps=3):
    m = ema(m, g, 0.9)
    v = ema(v, square(g), where(is_hidden(), 0, 0.99))
    count = where(is_matrix(), count, count + 1)
    plain = m / sqrt(v + 1) / count
    return w - lr * where(is_hidden(), orthogonalize(m, steps, 3.4445, -4.775, 2.0315), plain), m, v, count""",
    "roles": """(w, g, m, s, *, lr=0.1):
    m = where(is_head(), ema(m, g, 0.5), m)
    s = s + where(is_embedding() + is_matrix(), 1, 2)
    return w - lr * (m + g * s / norm(g)), m, s""",
    "shapes": """(w, g, s=1, r=lr, *, lr=0.1):
    r = r * transpose(column_mean(transpose(g)))
    inner = matmul(row_mean(g), transpose(row_mean(w)))
    s = s + rows(transpose(g)) * columns(column_mean(g)) + size(matmul(g, transpose(g))) + size(r) + inner
    return w - lr * (s * r + dot(g, row_mean(w)) + mean(r) + global_norm(column_mean(g))), s, r""",
    "narrow": """(w, g, r, c=w, *, lr=0.1):
    r = row_mean(g) + r
    return r * column_mean(w), r, r""",
    "sam": """(w, g, *, lr=0.1, rho=0.05):
    return w - lr * grad_at(w + rho * g / global_norm(g))""",
    "nesterov": """(w, g, v, *, lr=0.1, mu=0.9):
    v = mu * v - lr * grad_at(w + mu * v)
    return w + v, v""",
    "losses": """(w, g, *, lr=0.1):
    gain = loss_at(w - row_mean(g)) - loss
    return w - lr * where(gain < 0, 1, gain) * g""",
    "hessian": """(w, g, *, lr=0.1):
    h = hvp(row_mean(g) * transpose(column_mean(transpose(g))))
    return w - lr * (hessian_solve(g, 0.5) + cg_solve(g, 0.5, 3) + h / (1 + global_norm(h)))""",
}  # fmt: skip
LIST = {name: parse(f"def {name}{text}\n") for name, text in TEXTS.items()}


class Loss:
    """A smooth loss of all tensors of a model, for the interpreter and for a batch of replicas."""

    def __init__(self, weights: Any) -> None:
        half = np.random.default_rng(5).standard_normal((ENDS[-1], ENDS[-1]))
        self.matrix = half @ half.T / ENDS[-1] + np.eye(ENDS[-1])
        self.weights = weights  # a function to the present weights [R, ...], one matrix for each tensor

    def gradient(self, point: Sequence[Any]) -> list[Any]:
        x = self._flat(point)
        return self._parts(point, self._times(x) + np.cos(x))

    def loss(self, point: Sequence[Any]) -> Any:
        x = self._flat(point)
        found = np.sum(x * self._times(x), -1) / 2 + np.sum(np.sin(x), -1)
        return torch.from_numpy(found).view(-1, 1, 1) if torch.is_tensor(point[0]) else float(found)

    def product(self, vector: Sequence[Any]) -> list[Any]:
        x, v = self._flat(self.weights()), self._flat(vector)
        return self._parts(vector, self._times(v) - np.sin(x) * v)

    def _times(self, x: Any) -> Any:
        return (x[..., None, :] * self.matrix).sum(-1)  # not by a library, which rounds by the number of replicas

    def _flat(self, point: Sequence[Any]) -> Any:
        parts = [np.asarray(part, np.float64) for part in point]
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)

    def _parts(self, like: Sequence[Any], x: Any) -> list[Any]:
        parts = [x[..., a:b].reshape(y.shape) for a, b, y in zip(ENDS[:-1], ENDS[1:], like, strict=True)]
        return [torch.from_numpy(p).to(y.dtype) if torch.is_tensor(y) else p for p, y in zip(parts, like, strict=True)]


def drawn(replicas: int, dtype: Any = np.float64) -> tuple[list[Any], list[list[Any]]]:
    """Weights of each replica, and gradients of each step."""
    rng = np.random.default_rng(1)
    draw = [[rng.standard_normal(s).astype(dtype) for s in SHAPES] for _ in range(replicas * (STEPS + 1))]
    return draw[:replicas], [draw[replicas * t : replicas * (t + 1)] for t in range(1, STEPS + 1)]


class Batch:
    """Replicas of programs in one machine (or several by class), on buffers of their own."""

    def __init__(self, make: Any, some: Sequence[Program], rows: Sequence[int], dtype: Any = np.float64) -> None:
        """Replica rows[i] runs some[i]; all draws are those of ten replicas."""
        self.rows, self.dtype, distinct = list(rows), dtype, list(dict.fromkeys(some))
        self.start, self.grads = drawn(10, dtype)
        self.numba = make is NumbaMachine
        self.lr = np.linspace(0.1, 0.3, 10)[self.rows]
        memory = self._bind([self.start[row] for row in rows])
        codes = distinct if make is Machines else [compile_program(program) for program in distinct]
        self.machine = make(
            codes, np.array([distinct.index(p) for p in some]), SHAPES, *memory, self.lr, TOTAL, roles=ROLES
        )
        self.attach()

    def _bind(self, models: Sequence[Any]) -> tuple[Any, Any, Any]:
        self.offsets = len(models) * ENDS[:-1]
        self.flat = [torch.zeros(len(models) * int(ENDS[-1]), dtype=torch.from_numpy(models[0][0]).dtype) for _ in "wg"]
        self._fill(0, models)
        return *[flat.numpy() if self.numba else flat for flat in self.flat], self.offsets

    def attach(self) -> None:
        if hasattr(self.machine, "attach"):
            self.machine.attach(Loss(lambda: [v.reshape(len(v), 1, -1) for v in self._views(0)]))

    def _views(self, which: int) -> list[Any]:
        return [
            self.flat[which][o : o + len(self.rows) * n].view(len(self.rows), *s)
            for o, n, s in zip(self.offsets, SIZES, SHAPES, strict=True)
        ]

    def _fill(self, which: int, models: Sequence[Any]) -> None:
        for k, view in enumerate(self._views(which)):
            view.copy_(torch.from_numpy(np.stack([model[k] for model in models])))

    def step(self, t: int) -> list[list[Any]]:
        self._fill(1, [self.grads[t - 1][row] for row in self.rows])
        with np.errstate(all="ignore"):
            self.machine.step(t, self.lr / t, np.full(len(self.rows), 2.5))
        return [[view[i].numpy().copy() for view in self._views(0)] for i in range(len(self.rows))]

    def keep(self, alive: Sequence[bool]) -> None:
        models = [[view[i].numpy().copy() for view in self._views(0)] for i, stays in enumerate(alive) if stays]
        self.rows = [row for row, stays in zip(self.rows, alive, strict=True) if stays]
        self.lr = self.lr[np.array(alive)]
        self.machine.keep(np.array(alive), *self._bind(models))
        self.attach()


def interpreted(program: Program, row: int) -> list[list[Any]]:
    start, grads = drawn(10)
    weights, lr = start[row], float(np.linspace(0.1, 0.3, 10)[row])
    states, steps = interpreter.start(program, weights, lr), []
    for t in range(1, STEPS + 1):
        loss = Loss(lambda now=weights: [interpreter.as_matrix(w) for w in now])
        weights, states = interpreter.step(
            program, weights, grads[t - 1][row], states, t=t, lr=lr / t, base_lr=lr, total_steps=TOTAL, loss=2.5,
            roles=ROLES, oracle=loss,
        )  # fmt: skip
        steps.append(weights)
    return steps


def machines(program: Program) -> list[Any]:
    return [TorchMachine, NumbaMachine] if compile_program(program).needs in TAKEN_ON_CPUS else [TorchMachine]


def check(program: Program, make: Any = TorchMachine) -> None:
    batch = Batch(make, [program] * 3, [0, 4, 7])
    steps = [batch.step(t) for t in range(1, STEPS + 1)]
    for i, row in enumerate(batch.rows):
        for t, wanted in enumerate(interpreted(program, row)):
            for found, w in zip(steps[t][i], wanted, strict=True):
                np.testing.assert_allclose(found, w, rtol=1e-7, atol=1e-9, err_msg=show(program))


def test_the_list_uses_all_that_is_new():
    used = "".join(TEXTS.values())
    for p in PRIMITIVES.values():
        if p.form in ("matrix", "oracle", "role", "shape"):
            assert f"{p.name}(" in used
    kinds = {str(kind) for program in LIST.values() for kind in compile_program(program).kinds}
    assert kinds >= {"row", "column", "left square", "right square", "full square", "tensor"}


@pytest.mark.parametrize("name", LIST)
def test_it_agrees_with_the_interpreter(name):
    for make in (*machines(LIST[name]), Machines):
        check(LIST[name], make)


@pytest.mark.parametrize("name", LIST)
def test_a_replica_does_not_depend_on_its_company(name):
    """Bit for bit in float32: alone, in a batch of several programs, and after others were dropped."""
    program = LIST[name]
    for make in machines(program):
        other = LIST["sam" if make is TorchMachine else "narrow"]
        alone = Batch(make, [program], [5], np.float32)
        several = Batch(make, [program, other, program, LIST["muon"], program], [3, 1, 5, 8, 0], np.float32)
        for t in range(1, STEPS + 1):
            [wanted], found = alone.step(t), several.step(t)[several.rows.index(5)]
            assert all(a.tobytes() == b.tobytes() for a, b in zip(wanted, found, strict=True))
            if t == 2:
                several.keep([False, True, True, False, False])


def test_one_class_one_machine():
    muon = Batch(Machines, [LIST["muon"]] * 2, [0, 1]).machine
    parts = {tuple(some): machine for machine, some in muon.parts}
    assert {some: type(machine) for some, machine in parts.items()} == {
        (0,): NumbaMachine,
        (1, 4): NumbaMachine,
        (2, 3): NumbaMachine,
    }
    assert [len(machine.programs[0].states) for machine in parts.values()] == [1, 3, 3]
    vectors = parts[1, 4]
    assert vectors.states.nbytes == 2 * (128 + 64)  # of two replicas, each tensor on a line: nothing for others
    assert len(Batch(Machines, [LIST["sam"]], [0]).machine.parts) == 1
    assert len(Batch(Machines, [LIST["adafactor"]], [0]).machine.parts) == 1


def test_a_program_that_looks_beyond_its_tensor_is_not_split():
    text = "def f(w, g, *, lr=0.1):\n    return w - lr * where(is_head(), g, g / global_norm(g))\n"
    program = parse(text)
    [(machine, some)] = Batch(Machines, [program], [0]).machine.parts
    assert (type(machine), some) == (NumbaMachine, [0, 1, 2, 3, 4])
    check(program, Machines)


@pytest.mark.parametrize("name", ["muon", "roles"])
def test_split_equals_unsplit(name):
    split, whole = (Batch(make, [LIST[name]] * 3, [0, 1, 2]) for make in (Machines, TorchMachine))
    for t in range(1, STEPS + 1):
        for ours, theirs in zip(split.step(t), whole.step(t), strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
        if t == 2:
            for batch in (split, whole):
                batch.keep([True, False, True])


def test_roles_run_on_the_machine_for_cpus():
    assert not compile_program(LIST["roles"]).needs
    assert company(LIST["roles"]) not in ((), None)
    check(LIST["roles"], NumbaMachine)


def test_without_an_oracle_one_sentence():
    batch = Batch(TorchMachine, [LIST["sam"]], [0])
    batch.machine.oracle = None
    with pytest.raises(OracleError, match="grad_at asks for more than the gradient at w"):
        batch.step(1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(programs())
def test_random_programs_have_the_interpreters_shapes_and_values(program):
    """Where numbers stay modest, in float64."""
    wanted = interpreted(program, 2)[0]
    for make in machines(program):
        [found] = Batch(make, [program], [2]).step(1)
        assert [x.shape for x in found] == [x.shape for x in wanted]
        if all(np.isfinite(w).all() and np.abs(w).max() < 1e6 for w in wanted):
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=show(program))
