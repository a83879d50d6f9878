"""How each primitive is written, on one line of a terminal and in LaTeX, with the brackets that it needs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from primitives.primitive import EPS
from primitives.show import show_number

CHOICE, NEGATIVE, SUM, QUOTIENT, PRODUCT, POWER, ATOM = range(7)  # how tightly a text holds together
RELATIONS = {"less": "<", "less_equal": "≤", "greater": ">", "greater_equal": "≥", "equal": "="}
ROLES = ("is_matrix", "is_hidden", "is_embedding", "is_head")
RAISED = "0123456789+−tkn"  # what has a superscript
SUPERSCRIPTS = str.maketrans(RAISED, "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵗᵏⁿ")


@dataclass(frozen=True, slots=True)
class Written:
    """A text and how tightly it holds together; what decides (of 0 or 1) without brackets; the rows of a choice."""

    text: str
    level: int = ATOM
    condition: str = ""
    rows: tuple[tuple[str, str], ...] = ()  # value and condition; the last has none


class Notation(ABC):
    """Writes a primitive applied to written arguments; the two notations differ in their marks."""

    minus = "-"
    signs: ClassVar[Mapping[str, str]] = {}
    choice_level = ATOM

    def write(self, op: str, args: Sequence[Written]) -> Written:
        """The primitive applied; one without a sign of its own is a function."""
        if op in RELATIONS:
            return self._relation(RELATIONS[op], *args)
        if op in ROLES:
            return Written(f"[{self.word(op)}]", condition=self.word(op))
        return RULES[op](self, *args) if op in RULES else self.function(op, args)

    def number(self, value: float) -> Written:
        """A number, the shortest text that reads back as the same float."""
        text = show_number(abs(value))
        negative = show_number(value).startswith("-")
        level = NEGATIVE if negative else POWER if "e" in text else ATOM
        return Written(self.minus * negative + self.power_of_ten(text), level)

    def held(self, x: Written, level: int) -> str:
        """The text, in brackets unless it holds together at least that tightly."""
        return x.text if x.level >= level else self.bracketed(x.text)

    def add(self, x: Written, y: Written, sign: str = "+") -> Written:
        loose = y.text.startswith(self.minus) or sign != "+"
        return Written(f"{self.held(x, NEGATIVE)} {sign} {self.held(y, SUM + loose)}", SUM)

    def subtract(self, x: Written, y: Written) -> Written:
        return self.add(x, y, self.minus)

    def negative(self, x: Written) -> Written:
        return Written(self.minus + self.held(x, QUOTIENT), NEGATIVE)

    def multiply(self, x: Written, y: Written) -> Written:
        left, right = self.held(x, PRODUCT), self.held(y, QUOTIENT)
        return Written(f"{left}{self.between(left, right)}{right}", QUOTIENT if y.level == QUOTIENT else PRODUCT)

    def matmul(self, x: Written, y: Written) -> Written:
        return Written(f"{self.held(x, POWER)} {self.signs['·']} {self.held(y, POWER)}", QUOTIENT)

    def mod(self, x: Written, y: Written) -> Written:
        return Written(f"{self.held(x, POWER)} {self.signs['mod']} {self.held(y, POWER)}", SUM)

    def hessian_solve(self, x: Written, damping: Written) -> Written:
        shifted = self.add(Written("H"), self.multiply(damping, Written("I")))
        inverse = self.power(shifted, self.number(-1.0))
        return self.multiply(inverse, x)

    def inv_root(self, x: Written, p: Written, eps: Written) -> Written:
        shifted = self.add(x, self.multiply(eps, Written("I")))
        return self.power(shifted, Written(f"{self.minus}1/{self.held(p, ATOM)}", NEGATIVE))

    def function(self, name: str, args: Sequence[Written]) -> Written:
        return Written(self.word(name) + self.bracketed(", ".join(x.text for x in args)))

    def where(self, c: Written, x: Written, y: Written) -> Written:
        condition = c.condition or f"{c.text} {self.signs['≠']} 0"
        rows = ((x.text, condition), *(y.rows or ((y.text, ""),)))
        return Written(self.choice(rows), self.choice_level, rows=rows)

    def _relation(self, sign: str, x: Written, y: Written) -> Written:
        text = f"{self.held(x, NEGATIVE)} {self.signs.get(sign, sign)} {self.held(y, NEGATIVE)}"
        return Written(f"[{text}]", condition=text)

    @abstractmethod
    def power_of_ten(self, text: str) -> str: ...
    @abstractmethod
    def bracketed(self, text: str) -> str: ...
    @abstractmethod
    def between(self, left: str, right: str) -> str: ...
    @abstractmethod
    def divide(self, x: Written, y: Written) -> Written: ...
    @abstractmethod
    def power(self, x: Written, y: Written) -> Written: ...
    @abstractmethod
    def root(self, x: Written, degree: int = 2) -> Written: ...
    @abstractmethod
    def fenced(self, x: Written, left: str, right: str, sub: str = "") -> Written: ...
    @abstractmethod
    def word(self, name: str) -> str: ...
    @abstractmethod
    def choice(self, rows: Sequence[tuple[str, str]]) -> str: ...


class Terminal(Notation):
    """One line of unicode."""

    minus = "−"
    signs: ClassVar[Mapping[str, str]] = {"·": "·", "mod": "mod", "≠": "≠", "ᵀ": "ᵀ", "∇": "∇L", "π": "π"}

    def power_of_ten(self, text: str) -> str:
        return text

    def bracketed(self, text: str) -> str:
        return f"({text})"

    def between(self, left: str, right: str) -> str:
        """A dot where a space alone would mislead: before a digit, and after a root without brackets."""
        return " · " if right[0].isdigit() or re.search(r"[√∛][^\s()]+$", left) else " "

    def divide(self, x: Written, y: Written) -> Written:
        return Written(f"{self.held(x, QUOTIENT)} / {self.held(y, POWER)}", QUOTIENT)

    def power(self, x: Written, y: Written) -> Written:
        flat = y.text.replace(" ", "")
        raised = flat.translate(SUPERSCRIPTS) if set(flat) <= set(RAISED) else f"^{self.held(y, ATOM)}"
        return Written(self.held(x, ATOM) + raised, POWER)

    def root(self, x: Written, degree: int = 2) -> Written:
        return Written({2: "√", 3: "∛"}[degree] + self.held(x, ATOM), POWER)

    def fenced(self, x: Written, left: str, right: str, sub: str = "") -> Written:
        inner = self.bracketed(x.text) if left == right and left in x.text else x.text
        return Written(left + inner + right + {"": "", "all": "ₐₗₗ"}[sub])

    def word(self, name: str) -> str:
        return {"log2": "log₂", "log10": "log₁₀"}.get(name, name)

    def choice(self, rows: Sequence[tuple[str, str]]) -> str:
        return "{" + "; ".join(f"{value} if {c}" if c else f"else {value}" for value, c in rows) + "}"


class Latex(Notation):
    """LaTeX's mathematics, with amsmath."""

    minus = "-"
    signs: ClassVar[Mapping[str, str]] = {"·": r"\cdot", "mod": r"\bmod", "≠": r"\neq", "≤": r"\leq", "≥": r"\geq",
             "ᵀ": r"^{\top}", "∇": r"\nabla L", "π": r"\pi"}  # fmt: skip
    choice_level = CHOICE  # its brace does not close
    fences: ClassVar[Mapping[str, str]] = {
        "|": r"|", "‖": r"\|", "⟨": r"\langle", "⟩": r"\rangle", "⌊": r"\lfloor", "⌋": r"\rfloor"
    }  # fmt: skip
    known = ("exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min")

    def power_of_ten(self, text: str) -> str:
        mantissa, _, exponent = text.partition("e")
        if not exponent:
            return text
        return f"10^{{{exponent}}}" if mantissa == "1" else rf"{mantissa} \cdot 10^{{{exponent}}}"

    def bracketed(self, text: str) -> str:
        return rf"\left({text}\right)"

    def between(self, left: str, right: str) -> str:
        if right[0].isdigit():
            return r" \cdot "
        return r" \, " if r"\mathrm" in left or right.startswith((r"\mathrm", r"\operatorname")) else " "

    def divide(self, x: Written, y: Written) -> Written:
        return Written(rf"\frac{{{x.text}}}{{{y.text}}}", PRODUCT)

    def power(self, x: Written, y: Written) -> Written:
        return Written(f"{self.held(x, ATOM)}^{{{y.text}}}", POWER)

    def root(self, x: Written, degree: int = 2) -> Written:
        return Written(r"\sqrt" + f"[{degree}]" * (degree > 2) + f"{{{x.text}}}", POWER)

    def fenced(self, x: Written, left: str, right: str, sub: str = "") -> Written:
        text = rf"\left{self.fences[left]} {x.text} \right{self.fences[right]}"
        return Written(text + rf"_{{\mathrm{{{sub}}}}}" * bool(sub))

    def word(self, name: str) -> str:
        if name in ("log2", "log10"):
            return rf"\log_{{{name[3:]}}}"
        return rf"\{name}" if name in self.known else rf"\operatorname{{{name}}}".replace("_", r"\_")

    def choice(self, rows: Sequence[tuple[str, str]]) -> str:
        lines = r" \\ ".join(rf"{value} & \text{{if }} {c}" if c else rf"{value} & \text{{else}}" for value, c in rows)
        return rf"\begin{{cases}} {lines} \end{{cases}}"


def _pair(n: Notation, x: Written, y: Written, sub: str = "") -> Written:
    return n.fenced(Written(f"{x.text}, {y.text}"), "⟨", "⟩", sub)


RULES: dict[str, Callable[..., Written]] = {
    "pi": lambda n: Written(n.signs["π"]),
    "e": lambda n: Written("e"),
    "eps": lambda n: n.number(EPS),
    "add": lambda n, x, y: n.add(x, y),
    "subtract": lambda n, x, y: n.subtract(x, y),
    "multiply": lambda n, x, y: n.multiply(x, y),
    "divide": lambda n, x, y: n.divide(x, y),
    "power": lambda n, x, y: n.power(x, y),
    "mod": lambda n, x, y: n.mod(x, y),
    "negative": lambda n, x: n.negative(x),
    "abs": lambda n, x: n.fenced(x, "|", "|"),
    "sqrt": lambda n, x: n.root(x),
    "cbrt": lambda n, x: n.root(x, 3),
    "floor": lambda n, x: n.fenced(x, "⌊", "⌋"),
    "where": lambda n, c, x, y: n.where(c, x, y),
    "norm": lambda n, x: n.fenced(x, "‖", "‖"),
    "global_norm": lambda n, x: n.fenced(x, "‖", "‖", "all"),
    "dot": _pair,
    "global_dot": lambda n, x, y: _pair(n, x, y, "all"),
    "matmul": lambda n, x, y: n.matmul(x, y),
    "transpose": lambda n, x: Written(n.held(x, ATOM) + n.signs["ᵀ"], POWER),
    "inv_root": lambda n, x, p, eps: n.inv_root(x, p, eps),
    "grad_at": lambda n, x: Written(n.signs["∇"] + n.bracketed(x.text)),
    "loss_at": lambda n, x: Written("L" + n.bracketed(x.text)),
    "hvp": lambda n, x: n.multiply(Written("H"), x),
    "hessian_solve": lambda n, x, damping: n.hessian_solve(x, damping),
}
TERMINAL, LATEX = Terminal(), Latex()
