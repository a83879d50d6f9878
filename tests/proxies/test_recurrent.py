"""Recurrent networks beside torch's, their initial weights, and the data of the two problems about memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from proxies.recurrent import Cell, adding, copying, reader
from proxies.sequences import adding as adding_data
from proxies.sequences import copying as copying_data
from tests.proxies.twins import assert_twins

RECURRENT = ["recurrent.weight_ih_l0", "recurrent.weight_hh_l0", "recurrent.bias_ih_l0", "head.weight", "head.bias"]
CELLS: list[Cell] = ["gru", "tanh", "relu"]


def module_of(cell: Cell, inputs: int, width: int, outputs: int) -> nn.ModuleDict:
    kind = {"gru": nn.GRU, "tanh": nn.RNN, "relu": nn.RNN}[cell]
    more = {} if cell == "gru" else {"nonlinearity": cell}
    recurrent = kind(inputs, width, batch_first=True, **more)
    return nn.ModuleDict({"recurrent": recurrent, "head": nn.Linear(width, outputs)})


@pytest.mark.parametrize("cell", CELLS)
def test_the_reader_is_torchs(cell: Cell) -> None:
    module = module_of(cell, 8, 8, 64)
    module["embedding"] = nn.Embedding(64, 8)

    def loss(twin: nn.ModuleDict, windows: Tensor) -> Tensor:
        states, _ = twin["recurrent"](twin["embedding"](windows[:, :-1]))
        return nn.functional.cross_entropy(twin["head"](states).flatten(0, 1), windows[:, 1:].flatten())

    proxy = reader("twin", 8, 9, cell=cell, batch=3, tier="selection")
    assert_twins(proxy, module, ["embedding.weight", *RECURRENT], loss)


@pytest.mark.parametrize("cell", CELLS)
def test_the_memory_that_copies_is_torchs(cell: Cell) -> None:
    def loss(twin: nn.ModuleDict, x: Tensor, y: Tensor) -> Tensor:
        states, _ = twin["recurrent"](x)
        return nn.functional.cross_entropy(twin["head"](states[:, -3:]).flatten(0, 1), y.flatten())

    proxy = copying("twin", 7, symbols=5, length=3, delay=4, cell=cell)
    assert_twins(proxy, module_of(cell, 7, 7, 5), RECURRENT, loss)


@pytest.mark.parametrize("cell", CELLS)
def test_the_memory_that_adds_is_torchs(cell: Cell) -> None:
    def loss(twin: nn.ModuleDict, x: Tensor, y: Tensor) -> Tensor:
        states, _ = twin["recurrent"](x)
        return nn.functional.mse_loss(twin["head"](states[:, -1]), y)

    assert_twins(adding("twin", 7, 6, cell=cell), module_of(cell, 2, 7, 1), RECURRENT, loss)


@pytest.mark.parametrize("cell", CELLS)
def test_hidden_matrices_begin_orthogonal_gate_by_gate_or_as_the_identity(cell: Cell) -> None:
    hidden = reader("start", 12, cell=cell).init(0)[2]
    for gate in hidden.split(12):
        torch.testing.assert_close(gate @ gate.T, torch.eye(12, dtype=torch.float64))
        assert torch.equal(gate, torch.eye(12, dtype=torch.float64)) == (cell == "relu")


def test_copying_shows_every_string_once_then_blanks_then_signs() -> None:
    symbols, length, delay = 4, 3, 5
    split = copying_data(symbols, length, delay, 0)
    strings = []
    for x, y in (split.train, split.validation, split.test):
        assert x.shape == (len(y), 2 * length + delay, symbols + 2)
        assert (x.sum(axis=2) == 1).all()
        tokens = x.argmax(axis=2)
        np.testing.assert_array_equal(tokens[:, :length], y)
        assert (tokens[:, length : length + delay] == symbols).all()
        assert (tokens[:, length + delay :] == symbols + 1).all()
        strings += [tuple(row) for row in y.tolist()]
    assert len(strings) == len(set(strings)) == symbols**length
    assert len(split.validation[1]) == len(split.test[1]) == 9


def test_adding_marks_one_number_in_each_half_and_asks_for_their_sum() -> None:
    split = adding_data(9, 0)
    for x, y in (split.train, split.validation, split.test):
        numbers, markers = x[..., 0], x[..., 1]
        assert (markers[:, :4].sum(axis=1) == 1).all()
        assert (markers[:, 4:].sum(axis=1) == 1).all()
        assert set(np.unique(markers)) == {0, 1}
        assert 0 <= numbers.min() < numbers.max() <= 1
        np.testing.assert_array_equal(y[:, 0], [n[m == 1].sum() for n, m in zip(numbers, markers, strict=True)])
    assert np.mean((split.train[1] - 1) ** 2) == pytest.approx(1 / 6, rel=0.05)


def test_another_problem_is_other_data_with_another_source() -> None:
    for make in (lambda seed: copying_data(4, 3, 5, seed), lambda seed: adding_data(9, seed)):
        first, second = make(0), make(1)
        assert not np.array_equal(first.train[1], second.train[1])
        assert set(first.sources).isdisjoint(second.sources)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="no cell called 'lstm'; there are gru, tanh, relu"):
        reader("p", cell="lstm")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2, not 1"):
        adding_data(1, 0)
