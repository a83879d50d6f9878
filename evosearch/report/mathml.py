r"""MathML from the LaTeX that our own formulas are written in, so that a page shows mathematics without any library.

A parser of just that much LaTeX: letters and numbers, \frac, \sqrt, \hat, indices, brackets, cases, words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evosearch.report.markup import Html, joined, tag

TOKEN = re.compile(r"\\\\|\\[a-zA-Z]+|\\.|\d[\d.]*(?:e[-+]?\d+)?|\s+|.")
LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "varepsilon": "ε", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "infty": "∞", "top": "⊤",
}  # fmt: skip
SIGNS = {"cdot": "⋅", "bmod": "mod", "neq": "≠", "leq": "≤", "geq": "≥", "nabla": "∇"}
FENCES = {"langle": "⟨", "rangle": "⟩", "lfloor": "⌊", "rfloor": "⌋", "|": "‖"}
WORDS = ("exp", "log", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "max", "min")


class NotOurLatexError(ValueError):
    """LaTeX that no formula of ours has."""


def mathml(equations: Sequence[tuple[str, str]]) -> Html:
    """Equations, each (LaTeX with & before the sign, the same as plain text), one under the other, signs aligned.

    NotOurLatexError for LaTeX that the formulas do not write.
    """
    rows = []
    for latex, _ in equations:
        left, _, right = latex.partition("&")
        sign, rest = right[:1], right[1:]
        cells = _all(left), tag("mo", sign), _all(rest)
        rows.append(tag("mtr", [tag("mtd", cell) for cell in cells]))
    inner = tag("mtable", rows, class_="equations", displaystyle="true")
    spoken = "; ".join(text for _, text in equations)
    return tag("math", inner, display="block", alttext=spoken)


def _all(latex: str) -> Html:
    return _Reader([token for token in TOKEN.findall(latex) if not token.isspace()]).row(())


@dataclass
class _Reader:
    tokens: list[str]
    place: int = 0

    @property
    def left(self) -> bool:
        return self.place < len(self.tokens)

    def peek(self) -> str:
        return self.tokens[self.place] if self.left else ""

    def next(self) -> str:
        if not self.left:
            raise NotOurLatexError("it ends too early.")
        self.place += 1
        return self.tokens[self.place - 1]

    def expect(self, token: str) -> None:
        if (found := self.next()) != token:
            raise NotOurLatexError(f"'{found}' stands where '{token}' should.")

    def row(self, ends: Sequence[str]) -> Html:
        """Everything up to one of the ends, which is left there."""
        parts = []
        while self.left and self.peek() not in ends:
            parts.append(self.indexed())
        return parts[0] if len(parts) == 1 else tag("mrow", parts)

    def group(self) -> Html:
        """What stands in braces."""
        self.expect("{")
        found = self.row(("}",))
        self.expect("}")
        return found

    def word(self) -> str:
        """A word in braces, letter by letter."""
        self.expect("{")
        letters = []
        while self.peek() != "}":
            letters.append(self.next().removeprefix("\\"))
        self.expect("}")
        return "".join(letters)

    def indexed(self) -> Html:
        """An atom with its subscript and superscript."""
        base, below, above = self.atom(), None, None
        while self.peek() in ("_", "^"):
            if self.next() == "_":
                below = self.group()
            else:
                above = self.group()
        if below is not None and above is not None:
            return tag("msubsup", base, below, above)
        if below is not None:
            return tag("msub", base, below)
        return base if above is None else tag("msup", base, above)

    def atom(self) -> Html:
        token = self.next()
        if token in ("{", "}", "&"):
            raise NotOurLatexError(f"'{token}' stands where nothing opens or closes.")
        if token[0] == "\\":
            return self.command(token[1:])
        if token == "^":  # of a transposed or raised bracket
            self.place -= 1
            return tag("mrow")
        if token[0].isdigit():
            return tag("mn", token)
        if token.isalpha() or token in LETTERS.values():
            return tag("mi", token)
        return tag("mo", {"-": "−"}.get(token, token))

    def command(self, name: str) -> Html:
        if name in LETTERS:
            return tag("mi", LETTERS[name])
        if name in SIGNS:
            return tag("mo", SIGNS[name])
        if name in WORDS:
            return tag("mi", name)
        if name in ("mathrm", "operatorname"):
            return tag("mi", self.word(), mathvariant="normal")
        if name == "text":
            return joined(tag("mspace", width="0.6em"), tag("mtext", self.word()), tag("mspace", width="0.3em"))
        if name == "frac":
            return tag("mfrac", self.group(), self.group())
        if name == "hat":
            return tag("mover", self.group(), tag("mo", "^"), accent="true")
        if name == "sqrt":
            return self.root()
        if name == "left":
            return self.fenced()
        if name == "begin":
            return self.cases()
        if name in (",", " "):
            return tag("mspace", width="0.17em")
        raise NotOurLatexError(f"'\\{name}' is no command that a formula has.")

    def root(self) -> Html:
        if self.peek() != "[":
            return tag("msqrt", self.group())
        self.next()
        degree = self.row(("]",))
        self.expect("]")
        return tag("mroot", self.group(), degree)

    def fence(self) -> str:
        token = self.next()
        return FENCES[token[1:]] if token[0] == "\\" and token[1:] in FENCES else token

    def fenced(self) -> Html:
        """From \\left to \\right, with the two brackets."""
        left = self.fence()
        inner = self.row(("\\right",))
        self.expect("\\right")
        return tag("mrow", tag("mo", left, fence="true"), inner, tag("mo", self.fence(), fence="true"))

    def cases(self) -> Html:
        if self.word() != "cases":
            raise NotOurLatexError("only cases begin.")
        rows = []
        while True:
            value = self.row(("&",))
            self.expect("&")
            rows.append(tag("mtr", tag("mtd", value), tag("mtd", self.row(("\\\\", "\\end")))))
            if self.next() == "\\end":
                break
        self.word()
        return tag("mrow", tag("mo", "{", fence="true"), tag("mtable", rows, class_="cases"))
