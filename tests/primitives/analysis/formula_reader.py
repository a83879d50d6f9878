"""Reads a formula as a person would, in a terminal or in LaTeX, and computes it for tensors of one element."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

SMALL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵗᵏⁿ", "0123456789+−tkn")
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in "sign exp log sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh".split()
} | {
    "log₂": np.log2, "log₁₀": np.log10, "max": np.maximum, "min": np.minimum,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "sum": lambda x: x, "mean": lambda x: x, "rms": np.abs, "rows": lambda x: 1.0, "columns": lambda x: 1.0,
    "size": lambda x: 1.0, "row_mean": lambda x: x, "column_mean": lambda x: x,
}  # fmt: skip
PAIRS = {"|": "|", "‖": "‖", "⟨": "⟩", "⌊": "⌋", "(": ")", "[": "]"}
RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal, "=": np.equal, "≠": np.not_equal,
}  # fmt: skip
TEX = {
    r"\left": "", r"\right": "", r"\,": " ", r"\cdot": "·", r"\bmod": "mod", r"\leq": "≤", r"\geq": "≥", r"\neq": "≠",
    r"\langle": "⟨", r"\rangle": "⟩", r"\lfloor": "⌊", r"\rfloor": "⌋", r"\|": "‖", r"_{\mathrm{all}}": "ₐₗₗ",
    r"\log_{10}": "log₁₀", r"\log_{2}": "log₂", r"\text{if }": "if ", r"\text{else}": "else", r"\pi": "π", "-": "−",
}  # fmt: skip


def plain(latex: str, symbols: Mapping[str, str]) -> str:
    """LaTeX as the terminal's notation, fractions and roots in brackets; `symbols` from LaTeX to terminal."""
    latex = _swapped(latex, {tex: f"«{text}»" for tex, text in symbols.items()})
    latex = re.sub(r"\\operatorname\{([^}]*)\}", r"\1", _swapped(latex, TEX).replace(r"\_", "_"))
    rules = (
        (r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"((\1) / (\2))"), (r"\\sqrt\[3\]\{([^{}]*)\}", r"∛(\1)"),
        (r"\\sqrt\{([^{}]*)\}", r"√(\1)"), (r"\^\{([^{}]*)\}", r"^(\1)"),
        (r"\\begin\{cases\}([^{}]*?)\\end\{cases\}", lambda m: _rows(m[1])),
    )  # fmt: skip
    before = ""
    while before != latex:
        before = latex
        for pattern, by in rules:
            latex = re.sub(pattern, by, latex)  # type: ignore[arg-type]
    return re.sub(r"\\([a-z]+)", r"\1", latex.replace("⦃", "{").replace("⦄", "}"))


def _swapped(text: str, words: Mapping[str, str]) -> str:
    """The text with whole words replaced, the longest first."""
    longest = sorted(words, key=len, reverse=True)
    parts = [
        r"(?<![a-zA-Z\\])" * tex[0].isalpha() + re.escape(tex) + r"(?![a-zA-Z])" * tex[-1].isalpha() for tex in longest
    ]
    return re.sub("|".join(parts), lambda match: words[match[0]], text)


def _rows(text: str) -> str:
    """The rows of cases as a choice in the terminal's notation."""
    rows = [row.split("&") for row in text.split(r"\\")]
    shown = [f"else {v.strip()}" if "else" in c else f"{v.strip()} {c.strip()}" for v, c in rows]
    return f"⦃{'; '.join(shown)}⦄"


class Reader:
    """One text, computed from left to right with the usual precedence; a product never follows a fraction bar."""

    def __init__(self, text: str, known: Mapping[str, Any]) -> None:
        names = "|".join(map(re.escape, sorted({*known, *FUNCTIONS}, key=len, reverse=True)))
        self.tokens = re.findall(
            rf"\d+(?:\.\d+)?(?:e-?\d+)?|mod\b|if\b|else\b|ₐₗₗ|[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵗᵏⁿ]+|{names}|[^\s«»]", text
        )
        self.known = known

    def value(self) -> float:
        found = self._sum()
        assert not self.tokens, self.tokens
        return float(found)

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _take(self, wanted: str = "") -> str:
        token = self.tokens.pop(0)
        assert not wanted or token == wanted, (wanted, token, self.tokens)
        return token

    def _sum(self) -> Any:
        negative = self._next() == "−" and bool(self._take())
        found = -self._product() if negative else self._product()
        while self._next() in ("+", "−"):
            sign = self._take()
            found = found + self._product() if sign == "+" else found - self._product()
        return found

    def _product(self) -> Any:
        found, divided = self._factor(), False
        while self._next() and self._next() not in ("+", "−", ",", ";", "if", ")", "]", "}", "⟩", "⌋", *RELATIONS):
            if self._next() in ("|", "‖") and self._next() in self.open:
                break
            if self._next() in ("/", "mod"):
                divided = self._take() == "/" or divided
                found = found / self._factor() if divided else np.mod(found, self._factor())
            else:
                assert not divided, self.tokens
                if self._next() == "·":
                    self._take()
                found = found * self._factor()
        return found

    open: tuple[str, ...] = ()  # bars that are to be closed

    def _factor(self) -> Any:
        if self._next() in ("√", "∛"):
            root = {"√": np.sqrt, "∛": np.cbrt}[self._take()]
            return root(self._atom())
        base = self._atom()
        if self._next() == "^":
            self._take()
            return np.power(base, self._atom())
        if self._next() and not set(self._next()) - set("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵗᵏⁿ"):
            return np.power(base, Reader(self._take().translate(SMALL), self.known).value())
        return base

    def _atom(self) -> Any:
        token = self._take()
        if token in self.known:
            return self.known[token]
        if token[0].isdigit():
            return np.float64(token)
        if token == "{":
            return self._choice()
        if token in FUNCTIONS:
            self._take("(")
            return FUNCTIONS[token](*self._inside(")"))
        inner = self._inside(PAIRS[token])
        if self._next() == "ₐₗₗ":
            self._take()
        meaning = {"|": np.abs, "‖": np.abs, "⟨": np.multiply, "⌊": np.floor, "(": np.float64, "[": np.float64}
        return meaning[token](*inner)

    def _inside(self, end: str) -> list[Any]:
        before, self.open = self.open, ((end,) if end in ("|", "‖") else ())
        found = [self._relation() if end == "]" else self._sum()]
        while self._next() == ",":
            self._take()
            found.append(self._sum())
        self._take(end)
        self.open = before
        return found

    def _relation(self) -> Any:
        left = self._sum()
        return RELATIONS[self._take()](left, self._sum())

    def _choice(self) -> Any:
        before, self.open = self.open, ()
        rows = []
        while self._next() != "else":
            value = self._sum()
            self._take("if")
            rows.append((self._relation(), value))
            self._take(";")
        self._take("else")
        other = self._sum()
        self._take("}")
        self.open = before
        return next((value for holds, value in rows if holds), other)
