"""Inputs for readers: what is right, spoilt at random; and what tends to break readers."""

from __future__ import annotations

import random
from collections.abc import Sequence

CANARY = "canary"  # a function that no reader may call, and a file that none may make
CALLS = (
    f"{CANARY}()",
    f"__import__('os').system('touch {CANARY}')",
    f"open('{CANARY}', 'w')",
    f"[{CANARY}() for w in (1,)]",
    f"(lambda: {CANARY}())()",
    f'f"{{{CANARY}()}}"',
    f"w.__class__.__base__.__subclasses__({CANARY}())",
    f"exec('{CANARY}()')",
)
"""Texts that leave a trace where they are run."""

NUMBERS = (
    "9**9**9", "1e999", "-1e-999", "9" * 5000, "0x" + "f" * 3000, "1_0", "1j", "nan", "inf", "-0.0", "0b2", "1e", "٣",
    "1" * 4300, "-" * 500 + "1", "10**5000", "True", "None", "...", "07",
)  # fmt: skip
PAIRS = (("(", ")"), ("[", "]"), ("{", "}"), ("sign(", ")"), ("-", ""), ("not ", ""), ("w+", ""), ("w**", ""))
NESTED = tuple(left * n + "w" + right * n for left, right in PAIRS for n in (50, 120, 1000, 10_000))
ODD = (
    "\0", "\ud800", "\udcff", "\ufeff", "\r", "\r\n", "\x0c", "\x1b[31m", "\u2028", "\u202e", "\u200b", "\x7f", "\t",
    "е", "ｗ", "ﬁ", "𝐰", "ı", "ǅ", "é", "e\u0301", "名", "🦊", "a" * 5000, "\\", "'''", '"', "'", "#", ";", ":=", "@",
    "lambda", "yield", "await", "async", "import os", "global w", "del w", "# coding: rot13\n", "type X = w\n", "%",
    "*", "**", "/",
)  # fmt: skip
PLAIN = tuple("w g t T lr sign ema ( ) [ ] { } , : . =".split()) + ("\n", " ")
TOKENS = (*CALLS, *NUMBERS, *NESTED, *ODD, *PLAIN)
JSON = (
    "null", "[]", "{}", '""', "1e999", "NaN", "-Infinity", "9" * 5000, "true", '"\\ud800"', "[" * 1000, "[" * 100_000,
    '{"a":' * 1000, "0.1", "-1", '"digits"', "\0",
)  # fmt: skip


def spoilt(rng: random.Random, right: Sequence[str], tokens: Sequence[str] = TOKENS) -> str:
    """One of the right texts with a few edits; now and then a few tokens and nothing else."""
    if rng.random() < 0.05:
        return "".join(rng.choices(tokens, k=rng.randint(0, 8)))
    text = rng.choice(right)
    for _ in range(min(8, 1 + int(rng.expovariate(0.7)))):
        text = rng.choice(EDITS)(rng, text, right, tokens)
    return text[:1_000_000]


def spoilt_bytes(rng: random.Random, right: bytes) -> bytes:
    """The bytes, cut off, with some overwritten, with a piece gone or twice there, or others in their place."""
    data, kind = bytearray(right), rng.randrange(6)
    if kind == 0:
        return bytes(data[: int(len(data) * rng.random())])
    if kind == 1:
        return rng.randbytes(rng.choice((0, 1, 16, 100, 4096)))
    if kind == 2:
        start = rng.randrange(max(1, len(data)))
        data[start : start + rng.choice((1, 10, 1000, 4096))] = b""
        return bytes(data)
    if kind == 3:
        start, size = rng.randrange(max(1, len(data))), rng.choice((1, 10, 1000, 4096))
        data[start:start] = data[start : start + size]
        return bytes(data)
    for _ in range(rng.choice((1, 1, 3, 30, 300))):  # the first page of a database is where most can go wrong
        if data:
            data[rng.randrange(min(len(data), rng.choice((100, 4096, len(data)))))] = rng.randrange(256)
    return bytes(data)


def _cut(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    start = rng.randint(0, len(text))
    return text[:start] + text[start + rng.choice((1, 1, 3, 10, 100)) :]


def _insert(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    start = rng.randint(0, len(text))
    return text[:start] + rng.choice(tokens) + text[start:]


def _replace(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    """A word by a token."""
    start = rng.randint(0, len(text))
    end = start
    while end < len(text) and text[end].isalnum():
        end += 1
    return text[:start] + rng.choice(tokens) + text[end:]


def _repeat(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    start, size = rng.randint(0, len(text)), rng.choice((1, 5, 50))
    return text[:start] + text[start : start + size] * rng.choice((2, 3, 100)) + text[start + size :]


def _swap(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    """Two lines."""
    lines = text.split("\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def _splice(rng: random.Random, text: str, right: Sequence[str], tokens: Sequence[str]) -> str:
    """The beginning of one and the end of another."""
    other = rng.choice(right)
    return text[: rng.randint(0, len(text))] + other[rng.randint(0, len(other)) :]


EDITS = (_cut, _cut, _insert, _insert, _replace, _replace, _repeat, _swap, _splice)
