"""The letter by which a formula calls a name of a program: beta1 is β₁, weight_decay is λ, v_max stays v_max."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

LONGEST = 14  # characters of a name that a formula still spells out
HAT = "\u0302"
SUBSCRIPTS = str.maketrans("0123456789+-t", "₀₁₂₃₄₅₆₇₈₉₊₋ₜ")
GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda_": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
}  # fmt: skip
CUSTOMARY = {"lr": ("eta", "alpha"), "weight_decay": ("lambda_",), "eps": ("epsilon",)}  # the first that is free
SPOKEN = {"plus": "+", "minus": "-", "inf": "∞"}  # as a subscript
RESERVED = ("e", "π", "H", "I", "L", "t", "T")  # what the notation itself writes


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter or word, in a terminal and in LaTeX, with its subscript and perhaps a hat."""

    base: str
    tex: str
    sub: str = ""
    hat: bool = False

    def text(self, time: str = "") -> str:
        """As a terminal shows it; `time` is the index, "", "t" or "t-1"."""
        base = self.base[0] + HAT * self.hat + self.base[1:]
        small = self.sub.isdigit() or self.sub in ("+", "-")
        sub = self.sub.translate(SUBSCRIPTS) if small else f"_{self.sub}" * bool(self.sub)
        comma = "," * (self.sub.isdigit() and time.isdigit())  # s₁,₀ is not the tenth s
        return base + sub + comma + time.translate(SUBSCRIPTS)

    def latex(self, time: str = "") -> str:
        """As LaTeX writes it."""
        tex = rf"\hat{{{self.tex}}}" if self.hat else self.tex
        subs = ",".join(part for part in (_tex_subscript(self.sub), time) if part)
        return f"{tex}_{{{subs}}}" if subs else tex


class Symbols:
    """Gives each name its symbol, no two the same."""

    def __init__(self) -> None:
        self.taken = set(RESERVED)
        self.given: dict[str, Symbol] = {}

    def of(self, name: str) -> Symbol:
        """The symbol of a variable, the same whenever it is asked for."""
        if name not in self.given:
            self.given[name] = next(s for s in _candidates(name) if self._take(s))
        return self.given[name]

    def declare(self, states: Sequence[str], numbers: Sequence[str]) -> None:
        """Symbols for the names of a signature: those that are letters get theirs before custom gives any away."""
        for name in states:
            symbol = self.of(name)
            self.taken |= {symbol.text(time) for time in ("0", "t", "t-1")}
        for name in sorted(numbers, key=lambda name: name in CUSTOMARY):
            self.of(name)

    def hatted(self, symbol: Symbol) -> Symbol:
        """The symbol with a hat, or a numbered x where that is taken."""
        hatted = replace(symbol, hat=True)
        return hatted if self._take(hatted) else self.numbered()

    def temporary(self, name: str) -> Symbol:
        """A symbol for an intermediate value that the program calls `name`, or not at all: then a numbered x."""
        own = next(_candidates(name)) if name and name not in self.given else None
        spelled = own is not None and (own.base != "y" or not own.sub)
        return own if own is not None and spelled and self._take(own) else self.numbered()

    def numbered(self) -> Symbol:
        """The first free of x₁, x₂..."""
        return next(s for s in _numbered("x") if self._take(s))

    def _take(self, symbol: Symbol) -> bool:
        free = symbol.text() not in self.taken
        self.taken.add(symbol.text())
        return free


def _candidates(name: str) -> Iterator[Symbol]:
    """Symbols for a name, the best first."""
    yield from (_greek(letter) for letter in CUSTOMARY.get(name, ()))
    parts = re.fullmatch(r"([A-Za-z]+?)(\d*)(?:_([A-Za-z0-9]+))?", name)
    if parts and len(name) <= LONGEST:
        head, digits, rest = (part or "" for part in parts.groups())
        sub = digits or SPOKEN.get(rest, rest)
        if not (digits and rest):
            if f"{head}_" in GREEK or head in GREEK:
                yield replace(_greek(head if head in GREEK else f"{head}_"), sub=sub)
            elif len(head) == 1:
                yield Symbol(head, head, sub)
    if name.isascii() and len(name) <= LONGEST:
        yield Symbol(name, rf"\mathrm{{{_escaped(name)}}}")
    yield from _numbered("y")


def _greek(name: str) -> Symbol:
    tex = "varepsilon" if name == "epsilon" else name.rstrip("_")
    return Symbol(GREEK[name], rf"\{tex}")


def _numbered(letter: str) -> Iterator[Symbol]:
    return (Symbol(letter, letter, str(i)) for i in range(1, 100_000))


def _tex_subscript(sub: str) -> str:
    if sub == "∞":
        return r"\infty"
    return rf"\mathrm{{{_escaped(sub)}}}" if sub.isalnum() and not sub.isdigit() else sub


def _escaped(word: str) -> str:
    return word.replace("_", r"\_")
