"""Two tasks on data that every machine has: handwritten digits, and the documentation that ships with Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pydoc_data.topics import topics

import torch
from torch import Generator, Tensor, nn

CHARACTERS = 128  # ASCII
WINDOW = 64  # characters that the transformer sees
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """A model to train, a function that draws a batch of inputs and targets, and a batch to validate on."""

    model: Callable[[], nn.Module]
    batch: Callable[[Generator], Batch]
    validation: Batch


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """The mean cross-entropy of the model's logits [batch, ..., classes] against the targets [batch, ...]."""
    inputs, targets = batch
    return nn.functional.cross_entropy(model(inputs).flatten(0, -2), targets.flatten())


class ConvolutionalNetwork(nn.Module):
    """Two convolutions with batch normalisation and a linear head, for images [batch, 1, 8, 8]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.head = nn.Linear(2 * width * 16, 10)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(images))
        return logits


class Block(nn.Module):
    """Causal attention and a perceptron, each with normalisation before and a way around."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.to_queries_keys_values = nn.Linear(width, 3 * width)
        self.from_values = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def attention(self, x: Tensor) -> Tensor:
        """Written out, because torch's fused attention cannot be differentiated twice on every device."""
        split = self.to_queries_keys_values(x).unflatten(-1, (3, self.heads, -1))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each [batch, heads, length, width / heads]
        scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1])
        future = torch.ones_like(scores, dtype=torch.bool).triu(1)
        seen = scores.masked_fill(future, -math.inf).softmax(-1) @ values
        mixed: Tensor = self.dropout(self.from_values(seen.transpose(1, 2).flatten(-2)))
        return mixed

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm(x))
        added: Tensor = self.perceptron(x)
        return x + added


class Transformer(nn.Module):
    """Two blocks over embedded characters [batch, length], with logits of the next character at each place."""

    def __init__(self, width: int = 64, depth: int = 2, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.characters = nn.Embedding(CHARACTERS, width)
        self.places = nn.Embedding(WINDOW, width)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(depth)), nn.LayerNorm(width))
        self.head = nn.Linear(width, CHARACTERS)
        for embedding in (self.characters, self.places):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, characters: Tensor) -> Tensor:
        places = torch.arange(characters.shape[1], device=characters.device)
        logits: Tensor = self.head(self.blocks(self.characters(characters) + self.places(places)))
        return logits


def digits_rows() -> tuple[Batch, Batch]:
    """Images [n, 1, 8, 8] from 0 to 1 and their classes [n]: 1,437 to train on, 360 to validate on."""
    from sklearn.datasets import load_digits  # here, as the other task does without

    images, classes = load_digits(return_X_y=True)
    order = torch.randperm(len(images), generator=Generator().manual_seed(0))
    x = torch.tensor(images, dtype=torch.float32)[order].reshape(-1, 1, 8, 8) / 16
    y = torch.tensor(classes, dtype=torch.int64)[order]
    return (x[:1437], y[:1437]), (x[1437:], y[1437:])


def text_characters() -> tuple[Tensor, Tensor]:
    """What Python's `help()` says of the language, as ASCII codes: nine topics of ten [about 400,000], and the rest.

    It differs a little between versions of Python.
    """
    names = sorted(topics)
    return _codes([name for place, name in enumerate(names) if place % 10]), _codes(names[::10])


def _codes(names: list[str]) -> Tensor:
    text = "\n".join(topics[name] for name in names).encode("ascii", errors="replace")
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long()


def windows(characters: Tensor, starts: Tensor) -> Batch:
    """Stretches of text [len(starts), WINDOW], and the character that follows each character."""
    places = starts[:, None] + torch.arange(WINDOW)
    return characters[places], characters[places + 1]


def digits(size: int = 64) -> Task:
    """A convolutional network of 10,000 weights on 8 by 8 images of digits."""
    (x, y), validation = digits_rows()

    def batch(generator: Generator) -> Batch:
        rows = torch.randint(len(x), (size,), generator=generator)
        return x[rows], y[rows]

    return Task(ConvolutionalNetwork, batch, validation)


def text(size: int = 16) -> Task:
    """A transformer of 120,000 weights that says the next character; every tenth topic validates."""
    train, rest = text_characters()

    def batch(generator: Generator) -> Batch:
        return windows(train, torch.randint(len(train) - WINDOW, (size,), generator=generator))

    return Task(Transformer, batch, windows(rest, torch.arange(0, len(rest) - WINDOW, 4 * WINDOW)))


TASKS = {"digits": digits, "text": text}
