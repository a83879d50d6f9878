"""The laws of simplification: what each says, where it holds, and where it does not. Each is tested by substitution."""

from __future__ import annotations

from dataclasses import dataclass

EXACT, PROTECTED, EMPIRICAL = "exact", "protected", "empirical"
TIERS = (EXACT, PROTECTED, EMPIRICAL)


@dataclass(frozen=True)
class Law:
    """`left` equals `right`, two texts in the language over tensors x, y, z and numbers a, b.

    `given` is a condition (a text that is true or false) under which alone the law is used; the algebra shows that
    it holds. `except_` is one that is not shown: there the two sides differ, by `why`. An exact law has none; it is
    true wherever the values that it lets go are real numbers themselves.
    """

    name: str
    left: str
    right: str
    given: str = ""
    except_: str = ""
    why: str = ""

    @property
    def tier(self) -> str:
        """The first tier that may use it."""
        return PROTECTED if self.except_ else EXACT


_EXACT = (
    Law("collect terms", "a * x + b * x - x", "(a + b - 1) * x"),
    Law("distribute", "(x + a) * (y + b)", "x * y + b * x + a * y + a * b"),
    Law("cancel terms", "x - x + y", "y"),
    Law("collect factors", "x * square(x)", "cube(x)"),
    Law("power of a product", "square(a * x)", "a**2 * square(x)"),
    Law("power of a power", "cube(square(x))", "power(x, 6)"),
    Law("root of a square", "sqrt(square(x))", "abs(x)"),
    Law("root of a product", "sqrt(x * y)", "sqrt(x) * sqrt(y)", given="min(x, y) >= 0"),
    Law("square of a root", "square(sqrt(x))", "x", given="x >= 0"),
    Law("abs of a product", "abs(a * x)", "abs(a) * abs(x)"),
    Law("abs of what is not negative", "abs(x)", "x", given="x >= 0"),
    Law("abs of an abs", "abs(abs(x))", "abs(x)"),
    Law("even power of an abs", "square(abs(x))", "square(x)"),
    Law("abs as a maximum", "max(x, -x)", "abs(x)"),
    Law("sign of a positive multiple", "sign(a * x)", "sign(x)", given="a > 0"),
    Law("sign is odd", "sign(-x)", "-sign(x)"),
    Law("sign of a sign", "sign(sign(x))", "sign(x)"),
    Law("sign of what is positive", "sign(x)", "1", given="x > 0"),
    Law("odd power of a sign", "cube(sign(x))", "sign(x)"),
    Law("sign of an odd power", "sign(cube(x))", "sign(x)"),
    Law("sign of an odd function", "sign(tanh(x))", "sign(x)"),
    Law("sign times abs", "sign(x) * abs(x)", "x"),
    Law("minimum as a maximum", "min(x, y)", "-max(-x, -y)"),
    Law("maximum of maxima", "max(max(x, y), x)", "max(x, y)"),
    Law("maximum of multiples", "max(a * x, a * y)", "a * max(x, y)", given="a > 0"),
    Law("clip by maximum and minimum", "max(a, min(x, b))", "min(max(x, a), b)", given="a <= b"),
    Law("maximum by its mean", "x + y + abs(x - y)", "2 * max(x, y)"),
    Law("maximum where the larger is known", "max(x, y)", "x", given="x >= y"),
    Law("sum with a maximum", "x + max(0, y - x)", "max(x, y)"),
    Law("maximum and minimum", "max(x, y) + min(x, y)", "x + y"),
    Law("choice by the opposite", "where(1 - (x > y), z, x)", "where(x > y, x, z)"),
    Law("sign by comparisons", "(x > 0) - (x < 0)", "sign(x)"),
    Law("sign times itself", "sign(x) * x", "abs(x)"),
    Law("division with remainder", "x * a / (b + a)", "x - x * b / (b + a)", given="abs(a + b) > 0.1"),
    Law("known comparison", "(x == x) * y", "y"),
    Law("comparison by a difference", "x > y", "x - y > 0"),
    Law("choice between equals", "where(x > y, z, z)", "z"),
    Law("choice of the larger", "where(x > y, x, y)", "max(x, y)"),
    Law("choice of the smaller", "where(x > y, y, x)", "min(x, y)"),
    Law("known choice", "where(a > 0, x, y)", "x", given="a > 0"),
    Law("logarithm of an exponential", "log(exp(x))", "x"),
    Law("exponential of a logarithm", "exp(log(x))", "x", given="x > 0"),
    Law("logarithm of a product", "log(x * y)", "log(x) + log(y)", given="min(x, y) > 0"),
    Law("logarithm of a power", "log(square(x))", "2 * log(x)", given="x > 0"),
    Law("product of exponentials", "exp(x) * exp(y)", "exp(x + y)"),
    Law("power of an exponential", "exp(x)**2", "exp(2 * x)"),
    Law("product of powers", "a**x * a**y", "a**(x + y)", given="a > 0"),
    Law("odd function", "tanh(-x)", "-tanh(x)"),
    Law("even function", "cosh(-x)", "cosh(x)"),
    Law("definition of sinh", "exp(x) - exp(-x)", "2 * sinh(x)"),
    Law("definition of cosh", "exp(x) + exp(-x)", "2 * cosh(x)"),
    Law("definition of tanh", "sinh(x) / cosh(x)", "tanh(x)"),
    Law("hyperbolic Pythagoras", "square(cosh(x)) - square(sinh(x))", "1"),
    Law("Pythagoras", "square(sin(x)) + square(cos(x))", "1"),
    Law("another name", "exp2(x) + log1p(x) + expm1(x)", "exp(x * log(2)) + log(1 + x) + exp(x) - 1"),
    Law("function of its inverse", "sin(arcsin(x))", "x", given="abs(x) <= 1"),
    Law("inverse of its function", "arcsinh(sinh(x))", "x"),
    Law("definition of tan", "sin(x) / cos(x)", "tan(x)"),
    Law("inverse of its function near 0", "arctan(tan(x))", "x", given="abs(x) <= 1"),
    Law("cube of a root", "cube(cbrt(x))", "x"),
    Law("flat and back", "unflatten(flatten(x), y)", "x"),
    Law("inner product with itself over the model", "global_dot(x, x)", "square(global_norm(x))"),
    Law("root of a cube", "cbrt(cube(x))", "x"),
    Law("norm of a multiple", "norm(a * x)", "abs(a) * norm(x)"),
    Law("sum of multiples", "sum(a * x + b * y)", "a * sum(x) + b * sum(y)"),
    Law("inner product with itself", "dot(x, x)", "square(norm(x))"),
    Law("product of multiples", "dot(a * x, y)", "a * dot(x, y)"),
    Law("transpose of a transpose", "transpose(transpose(x))", "x"),
    Law("transpose of a sum", "transpose(a * x + y)", "a * transpose(x) + transpose(y)"),
    Law("fold numbers", "sqrt(2) * x", "1.4142135623730951 * x"),
)

_PROTECTED = (
    Law("zero times", "0 * log(x)", "0", except_="x <= 0", why="the factor is not defined there"),
    Law("cancel what may be undefined", "y + log(x) - log(x)", "y", except_="x <= 0", why="the term is not defined"),
    Law("cancel a factor", "x * y / x", "y", except_="x == 0", why="0 / 0 is not a number"),
    Law("x over abs(x) is its sign", "x / abs(x)", "sign(x)", except_="x == 0", why="0 / 0 is not a number"),
    Law("square of a sign", "square(sign(x))", "1", except_="x == 0", why="the sign of 0 is 0"),
    Law("collect roots", "sqrt(x) * sqrt(x)", "x", except_="x < 0", why="the root of what is negative is not a number"),
    Law("sign of an inverse", "sign(1 / x)", "sign(x)", except_="x == 0", why="1 / 0 is infinite"),
    Law("sign of an even power", "sign(square(x))", "1", except_="x == 0", why="the sign of 0 is 0"),
    Law("cancel a sum", "(a * x + b * x * y) / (a + b * y)", "x", except_="a + b * y == 0", why="0 / 0 is no number"),
    Law("exponential of any logarithm", "exp(log(x))", "x", except_="x <= 0", why="the logarithm is not a number"),
    Law("power of a quotient", "1 / (1 / x)", "x", except_="x == 0", why="1 / 0 is no real number"),
    Law("function of its inverse anywhere", "sin(arcsin(x))", "x", except_="abs(x) > 1", why="arcsin is not a number"),
)

LAWS: dict[str, Law] = {law.name: law for law in (*_EXACT, *_PROTECTED)}

STRUCTURE = {
    "dead code": "a value that nothing reads is not computed, and none is computed twice",
    "dead state": "a state that has no influence on the weights is not kept",
    "constant state": "a state that never changes is the number it starts at",
    "equal states": "two states with the same start and the same update are one",
    "dependent state": "a state that is a linear combination of others is computed from them",
    "scaled state": "a state times a constant serves as well, with the constant where it is read",
}
"""Laws of whole programs: each follows from what a state is, by induction over the steps."""
