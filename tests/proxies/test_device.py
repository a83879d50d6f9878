"""What a GPU runs of a proxy, here on a CPU: the same losses and gradients, whichever step is prepared when."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import proxies
from proxies.captured import Captured
from proxies.generic import DeviceModel, GenericModel
from proxies.perceptron import perceptron
from proxies.perceptron_device import DevicePerceptron
from proxies.proxy import Buffers, Proxy
from proxies.train import Training, fill, train
from tests.proxies.steppers import AdamW

SEEDS = (1, 1, 2)


def buffers_of(proxy: Proxy) -> Buffers:
    """Weights away from the start."""
    buffers = Buffers(proxy.layout, len(SEEDS), torch.float64)
    fill(buffers, proxy, SEEDS)
    buffers.weights.add_(0.1 * torch.sin(torch.arange(len(buffers.weights), dtype=torch.float64)))
    return buffers


@pytest.mark.parametrize("batching", ["mini", "full"])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("data", ["digits", "teacher_student"])
def test_a_perceptron_is_the_same(data: str, activation: Any, batching: str) -> None:
    proxy = perceptron("p", (9, 6), activation, data=data, batch=11, steps=4, batching=batching)
    ours, theirs = buffers_of(proxy), buffers_of(proxy)
    model = proxy.model(theirs, SEEDS)
    task: Any = model.task  # type: ignore[attr-defined]
    device = DevicePerceptron(task.data, task.relu, task.feed, task.classes, ours, SEEDS)
    for t in (1, 3, 3, 6):  # the last in the second block
        torch.testing.assert_close(device.loss_and_grad(t), model.loss_and_grad(t), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(ours.grads, theirs.grads, rtol=1e-8, atol=1e-12)
        params = [w[1:].clone() for w in ours.views(ours.weights)]
        torch.testing.assert_close(device.loss_of(t, params, slice(1, 3)), device.loss_and_grad(t)[1:])
    torch.testing.assert_close(device.loss_on("test"), model.loss_on("test"))


def test_validation_in_parts_is_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = perceptron("p", (9, 6))
    buffers = buffers_of(proxy)
    task: Any = proxy.model(buffers, SEEDS).task  # type: ignore[attr-defined]
    device = DevicePerceptron(task.data, task.relu, task.feed, task.classes, buffers, SEEDS)
    whole = device.loss_on("validation")
    monkeypatch.setattr("proxies.perceptron_device.HELD_BYTES", 1)
    torch.testing.assert_close(device.loss_on("validation"), whole)


@pytest.mark.parametrize("name", ["least_squares", "rare_features", "transformer"])
def test_any_other_proxy_is_the_same(name: str) -> None:
    proxy = proxies.get(name)
    ours, theirs = buffers_of(proxy), buffers_of(proxy)
    model = proxy.model(theirs, SEEDS)
    assert isinstance(model, GenericModel)
    device = DeviceModel(model.loss, proxy.data, model.feed, ours, SEEDS)
    for t in (1, 3, proxy.steps + 1):
        device.prepare(t)
        torch.testing.assert_close(device.loss_and_grad(t), model.loss_and_grad(t))
        torch.testing.assert_close(ours.grads, theirs.grads)


class Prepared(AdamW):
    """A stepper in two halves."""

    in_graph = True

    def prepare(self, t: int, lr: np.ndarray) -> None:
        self.next = t, lr

    def run(self, loss: torch.Tensor) -> None:
        self.step(*self.next, loss)


def test_a_training_in_two_halves_ends_like_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rates of some replicas are hopeless, so that there is a drop on the way."""
    proxy, lrs = proxies.get("least_squares"), np.array([1e-3, 1e3, 1e-2, 1e-1])
    plain = train(proxy, [1, 1, 1, 2], lrs, AdamW)
    monkeypatch.setattr("proxies.generic.GenericModel", DeviceModel)
    captured: list[Captured | None] = []
    monkeypatch.setattr(Training, "keep", _noting(Training.keep, captured))
    halves = train(proxy, [1, 1, 1, 2], lrs, Prepared)
    assert halves.status == plain.status
    assert "ok" in plain.status
    np.testing.assert_allclose(halves.validation, plain.validation, rtol=1e-6)
    assert captured
    assert all(isinstance(c, Captured) for c in captured)


def _noting(keep: Any, found: list[Any]) -> Any:
    def noting(self: Training, alive: np.ndarray) -> None:
        keep(self, alive)
        found.append(self.captured)

    return noting


class Graphs:
    """torch's part in a capture: records nothing, or refuses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuse: bool) -> None:
        self.refuse, self.log = refuse, list[str]()
        for name, part in (
            ("CUDAGraph", lambda: self), ("current_stream", lambda device: "stream"), ("set_stream", self.log.append),
            ("device", lambda device: self), ("graph", lambda graph: self),
        ):  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, part)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Sequence[Any]) -> None:
        if self.refuse:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")

    def replay(self) -> None:
        self.log.append("replay")


def test_a_step_is_captured_at_its_second_call(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, done = Graphs(monkeypatch, refuse=False), list[int]()
    step = Captured(lambda: torch.tensor(done.append(1) or len(done)), torch.device("cuda"))
    assert [int(step()) for _ in range(4)] == [1, 2, 2, 2]  # the second only records
    assert graphs.log == ["replay"] * 3


def test_where_capture_is_refused_every_step_runs_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    graphs, done = Graphs(monkeypatch, refuse=True), list[int]()
    step = Captured(lambda: torch.tensor(done.append(1) or len(done)), torch.device("cuda"))
    step()
    with pytest.warns(UserWarning, match="runs it plainly: operation not permitted when stream is capturing$"):
        step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step()
    assert graphs.log == ["stream"]


def test_on_a_cpu_nothing_is_captured() -> None:
    done: list[int] = []
    step = Captured(lambda: torch.tensor(done.append(1) or len(done)), torch.device("cpu"))
    assert [int(step()) for _ in range(3)] == [1, 2, 3]
