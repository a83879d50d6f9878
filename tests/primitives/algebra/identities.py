"""A textbook of algebra and analysis: expressions that are equal, with the conditions under which they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from primitives.kinds import NUMBER, Kind, KindError
from primitives.program import Call, calls, substitute
from primitives.text import parse_expr
from tests.primitives.algebra.draft import Atom, Draft, Expr, Site, kind_of
from tests.primitives.algebra.facts import Facts, facts, of_atom

LETTERS = tuple("abcknuxyz")  # stand for anything; k for a positive number, n for a number in [0, 1]
FACTORS = (0.25, 0.5, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Identity:
    """Two equal expressions; the letters in `nonneg` must be known to be at least 0, those in `positive` above
    it, those in `finite` never infinite nor NaN (as what is divided may be, where the quotient matters no more)."""

    left: str
    right: str
    nonneg: str = ""
    positive: str = ""
    finite: str = ""

    @cached_property
    def sides(self) -> tuple[Expr, Expr]:
        """Both expressions."""
        return parse_expr(self.left, LETTERS), parse_expr(self.right, LETTERS)


def _table(text: str, **conditions: str) -> list[Identity]:
    return [
        Identity(*(side.strip() for side in line.split(" = ")), **conditions)
        for line in text.split("\n")
        if line.strip()
    ]


IDENTITIES = [
    *_table("""
    x = x * 1
    x = x / 1
    x = x + 0
    x = x - 0
    x = x**1
    x = negative(negative(x))
    x = (k * x) / k
    x = k * (x / k)
    x = 1 / (1 / x)
    x = reciprocal(reciprocal(x))
    x = sign(x) * abs(x)
    x = max(x, x)
    x = min(x, x)
    x = max(x, 0) + min(x, 0)
    x = where(c, x, x)
    x = where(square(y) >= 0, x, z)
    x = interp(x, y, 0)
    x = ema(x, y, 1)
    x = ema(y, x, 0)
    x = x * (square(sin(y)) + square(cos(y)))
    x = x * (square(cosh(n)) - square(sinh(n)))
    x = x * exp(0 * y)
    x = x + 0 * y
    x = cbrt(cube(x))
    x = cube(cbrt(x))
    x = transpose(transpose(x))
    x = unflatten(flatten(x), x)
    n = log(exp(n))
    n = log1p(expm1(n))
    n = arcsinh(sinh(n))
    n = arctanh(tanh(n))
    n = arctan(tan(n))
    n = log2(exp2(n))
    x + x = 2 * x
    x + y = y + x
    x * y = y * x
    x + y = x - negative(y)
    x - y = x + negative(y)
    x - y = negative(y - x)
    x - y = negative(y) + x
    (x + y) + z = x + (y + z)
    (x + y) - z = x + (y - z)
    (x * y) * z = x * (y * z)
    z * (x + y) = z * x + z * y
    z * (x - y) = z * x - z * y
    (x + y) / z = x / z + y / z
    (x - y) / z = x / z - y / z
    x / y = x * (1 / y)
    x / y = x * reciprocal(y)
    x / y = negative(x) / negative(y)
    x / y / z = x / (y * z)
    (x * y) / z = x * (y / z)
    x / (y / z) = (x / y) * z
    negative(x) = -1 * x
    negative(x) = 0 - x
    negative(x * y) = negative(x) * y
    square(x) = x * x
    square(x) = x**2
    square(x) = square(abs(x))
    square(x) = square(negative(x))
    square(x * y) = square(x) * square(y)
    cube(x) = x * x * x
    cube(x) = x**3
    cube(x) = x * square(x)
    sqrt(x) = x**0.5
    sqrt_abs(x) = sqrt(abs(x))
    abs(x) = sqrt(x * x)
    abs(x) = sqrt(square(x))
    abs(x) = max(x, negative(x))
    abs(x) = abs(abs(x))
    abs(x) = abs(negative(x))
    abs(x) = where(x < 0, negative(x), x)
    abs(x) = x * sign(x)
    abs(x * y) = abs(x) * abs(y)
    sign(x) = sign(sign(x))
    sign(x) = sign(k * x)
    sign(x) = negative(sign(negative(x)))
    sign(x) = (x > 0) - (x < 0)
    sign(x) = sign(cbrt(x))
    sign(x) * sign(y) = sign(x * y)
    max(x, y) = max(y, x)
    max(x, y) = where(x > y, x, y)
    max(x, y) = where(x < y, y, x)
    max(x, y) = negative(min(negative(x), negative(y)))
    max(max(x, y), z) = max(x, max(y, z))
    min(x, y) = min(y, x)
    min(x, y) = where(x < y, x, y)
    min(x, y) = negative(max(negative(x), negative(y)))
    clip(x, y, z) = min(max(x, y), z)
    clip(x, y, z) = min(z, max(y, x))
    x > y = y < x
    where(x < y, u, z) = where(y > x, u, z)
    where(c, x, y) = where(c == 0, y, x)
    where(c, x, y) = where(abs(c), x, y)
    ema(x, y, n) = interp(y, x, n)
    ema(x, y, n) = interp(x, y, 1 - n)
    ema(x, y, n) = n * x + (1 - n) * y
    ema(x, y, n) = mix(n, x, 1 - n, y)
    interp(x, y, n) = (1 - n) * x + n * y
    mix(a, x, b, y) = a * x + b * y
    bias_correct(x, n, k) = x / (1 - n**k)
    bias_correct(x, n, k) = x * (1 / (1 - n**k))
    every(x, y) = x % y == 0
    clip_by_global_norm(x, y) = x * min(1, y / global_norm(x))
    norm(x) = sqrt(dot(x, x))
    norm(x) = sqrt(sum(square(x)))
    rms(x) = sqrt(mean(x * x))
    mean(x) = sum(x) / size(x)
    dot(x, y) = sum(x * y)
    global_norm(x) = sqrt(global_dot(x, x))
    sinh(x) = (exp(x) - exp(negative(x))) / 2
    cosh(x) = (exp(x) + exp(negative(x))) / 2
    tan(x) = sin(x) / cos(x)
    exp(negative(x)) = 1 / exp(x)
    expm1(x) = exp(x) - 1
    log1p(x) = log(1 + x)
    1 = square(sin(n)) + square(cos(n))
    1 = square(cosh(n)) - square(sinh(n))
    1 = exp(0)
    1 = k / k
    0 = n - n
    0 = 0 * k
    2 = 1 + 1
    """),
    *_table("""
    x = abs(x)
    x = max(x, 0)
    x = exp(log(x))
    x = square(sqrt(x))
    x = sqrt(square(x))
    x = where(x > 0, x, 0)
    sqrt(x) = exp(0.5 * log(x))
    sqrt(x) = cbrt(x**1.5)
    """, nonneg="x"),
    *_table("""
    x * y = (square(x + y) - square(x - y)) / 4
    square(x) - square(y) = (x - y) * (x + y)
    square(x + y) = square(x) + 2 * x * y + square(y)
    max(x, y) = x + max(y - x, 0)
    max(x, y) = 0.5 * (x + y + abs(x - y))
    min(x, y) = 0.5 * (x + y - abs(x - y))
    x == y = abs(x - y) <= 0
    x > y = x - y > 0
    ema(x, y, n) = y + n * (x - y)
    ema(x, y, n) = x + (1 - n) * (y - x)
    interp(x, y, n) = x + n * (y - x)
    x = interp(x, x, n)
    x = mix(n, x, 1 - n, x)
    tanh(x) = sinh(x) / cosh(x)
    exp(x + y) = exp(x) * exp(y)
    x = n * x + (1 - n) * x
    x = y - (y - x)
    x = 0.5 * (x + y) + 0.5 * (x - y)
    x = (x - y) + y
    x = (x + y) - y
    x > y = 1 - (x <= y)
    x < y = 1 - (x >= y)
    where(x > y, u, z) = where(x <= y, z, u)
    """, finite="xy"),
    *_table("""
    sqrt(x * y) = sqrt(x) * sqrt(y)
    sqrt(x / y) = sqrt(x) / sqrt(y)
    """, nonneg="xy"),
    *_table("""
    log(x * y) = log(x) + log(y)
    log(x / y) = log(x) - log(y)
    x * y = exp(log(x) + log(y))
    x / y = exp(log(x) - log(y))
    x**y = exp(y * log(x))
    x**y = exp2(y * log2(x))
    x = x * sign(y)
    x = x * y / y
    """, positive="xy"),
]  # fmt: skip


class Place:
    """One site of a draft, with all that is known there."""

    def __init__(self, draft: Draft, site: Site, rng: np.random.Generator) -> None:
        self.draft, self.site, self.rng = draft, site, rng
        self.defs, self.kinds, self.facts = draft.definitions(), draft.kinds(), facts(draft)
        self.atom = draft.at(site)
        later = {assign.name for assign in draft.body[site[0] :]}
        self.known = [name for name, found in self.facts.items() if "finite" in found and name not in later]

    def of(self, atom: Atom) -> Facts:
        """What holds of a value."""
        return of_atom(atom, self.facts)

    def candidates(self) -> list[tuple[Identity, Expr, dict[str, Atom]]]:
        """The identities that apply to what stands here, with what to write and what the letters are."""
        found = []
        for identity in IDENTITIES:
            for here, there in (identity.sides, identity.sides[::-1]):
                letters: dict[str, Atom] = {}
                if (
                    self._match(here, self.atom, letters)
                    and self._bind(there, letters)
                    and self._holds(identity, letters)
                ):
                    found.append((identity, there, letters))
        return found

    def replace(self, there: Expr, letters: dict[str, Atom]) -> bool:
        """Writes an equal expression here; False where its kind would be another."""
        expr = substitute(there, lambda name: letters[name])
        if any(call.args[-1] != "t" for call in calls(expr) if call.op == "bias_correct"):
            return False
        if any(call.args[0] != "t" for call in calls(expr) if call.op == "every"):
            return False
        try:
            if kind_of(expr, self.kinds) != kind_of(self.atom, self.kinds):
                return False
        except KindError:
            return False
        before = len(self.draft.body)
        new = self.draft.emit(expr, self.site[0])
        self.draft.put((self.site[0] + len(self.draft.body) - before, self.site[1]), new)
        return True

    def _match(self, pattern: Expr, atom: Atom, letters: dict[str, Atom]) -> bool:
        if isinstance(pattern, str):
            return letters.setdefault(pattern, atom) == atom
        if not isinstance(pattern, Call):
            return pattern == atom
        call = self.defs.get(atom) if isinstance(atom, str) else None
        if call is None or call.op != pattern.op:
            return False
        return all(self._match(part, arg, letters) for part, arg in zip(pattern.args, call.args, strict=True))

    def _bind(self, there: Expr, letters: dict[str, Atom]) -> bool:
        """Chooses what the letters stand for that are new there."""
        names = sorted(_letters(there) - set(letters))
        kind = kind_of(self.atom, self.kinds)
        known = [name for name in self.known if self.kinds[name] in (kind, NUMBER)]
        for name in names:
            options: list[Atom] = list(FACTORS) if name == "k" else [x for x in known if name != "n" or self._unit(x)]
            if not options:
                return False
            letters[name] = options[self.rng.integers(len(options))]
        return True

    def _holds(self, identity: Identity, letters: dict[str, Atom]) -> bool:
        wanted = {"nonneg": identity.nonneg, "positive": identity.positive, "finite": identity.finite}
        return (
            all(fact in self.of(letters[x]) for fact, names in wanted.items() for x in names if x in letters)
            and ("n" not in letters or self._unit(letters["n"]))
            and ("k" not in letters or "positive" in self.of(letters["k"]))
        )

    def _unit(self, atom: Atom) -> bool:
        kind: Kind = kind_of(atom, self.kinds)
        return kind == NUMBER and "unit" in self.of(atom)


def _letters(expr: Expr) -> set[str]:
    leaves = [expr, *(arg for call in calls(expr) for arg in call.args)]
    return {leaf for leaf in leaves if isinstance(leaf, str)}
